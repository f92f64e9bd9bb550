/** A network between this machine and a namespace of its own, which can be cut. It takes root and iproute2. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describeWith } from './requires.ts';

const space = `handoff-${process.pid}`;
const [outer, inner] = [`ho${process.pid}a`, `ho${process.pid}b`];
// A network of four addresses of its own, by the number of the process; and one address more on this side.
const net = `10.${77 + (process.pid >> 14)}.${(process.pid >> 6) & 255}`;
const base = (process.pid & 63) << 2;

const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'ignore' });
const within = (...args: string[]): void => ip('netns', 'exec', space, 'ip', ...args);

const isPossible = ((): boolean => {
  try {
    ip('netns', 'add', space);
    return true;
  } catch {
    return false;
  }
})();

/** A `describe` for specs that need such a network. */
export const describeCuts = describeWith(
  'root and iproute2, to make a network that can be cut (Debian: apt-get install iproute2)',
  isPossible,
);

/** The addresses of this machine there. */
export const here = `${net}.${base + 1}`;
export const alsoHere = `10.${117 + (process.pid >> 14)}.${(process.pid >> 6) & 255}.${base + 1}`;
/** The address of what runs in the namespace. */
export const there = `${net}.${base + 2}`;

export function connect(): void {
  ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner);
  ip('link', 'set', inner, 'netns', space);
  ip('addr', 'add', `${here}/30`, 'dev', outer);
  ip('addr', 'add', `${alsoHere}/32`, 'dev', outer);
  ip('link', 'set', outer, 'up');
  within('addr', 'add', `${there}/30`, 'dev', inner);
  within('link', 'set', inner, 'up');
  within('link', 'set', 'lo', 'up');
  within('route', 'add', 'default', 'via', here);
}

/** Its end of the cable goes with the namespace, and so does ours. */
export function disconnect(): void {
  ip('netns', 'del', space);
}

/** Cuts or mends the cable. */
export function cut(): void {
  ip('link', 'set', outer, 'down');
}
export function heal(): void {
  ip('link', 'set', outer, 'up');
}

/** Cuts or mends what goes between the namespace and `alsoHere`. */
export function cutOther(): void {
  within('route', 'add', 'blackhole', alsoHere);
}
export function healOther(): void {
  within('route', 'del', 'blackhole', alsoHere);
}

/** Starts the command in the namespace. Resolves when it has said the first line. */
export async function startThere(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const main = new URL('../../lib/cli/main.ts', import.meta.url).pathname;
  const child = spawn('ip', ['netns', 'exec', space, process.execPath, main, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  await once(child.stdout, 'data');
  return child;
}
