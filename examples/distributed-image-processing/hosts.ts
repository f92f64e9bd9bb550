/**
 * Hosts for an example that starts everything itself: `handoff node` in separate processes, as users would start them
 * in other terminals.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

// In a project of your own: npx handoff.
const command = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));

// They end with this process, in whatever way it ends.
const children = new Set<ChildProcess>();
process.on('exit', () => children.forEach((child) => child.kill('SIGTERM')));
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));

export interface ChildHost {
  readonly name: string;
  readonly pid: number;
  readonly address: string;
  stop(): Promise<void>;
}

/**
 * Starts a host with one node, on a free port of this machine.
 *
 * @param capabilities as `--capabilities` takes them
 */
export async function startHost(
  name: string,
  capabilities: string,
  secret: string,
  join: readonly string[] = [],
): Promise<ChildHost> {
  const args = [
    command,
    'node',
    '--listen',
    '127.0.0.1:0',
    '--name',
    name,
    '--capabilities',
    capabilities,
    '--json',
    ...join.flatMap((address) => ['--join', address]),
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HANDOFF_SECRET: secret },
  });
  const ended = once(child, 'exit').finally(() => children.delete(child));
  children.add(child);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)));
  const [first] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as [unknown];
  if (typeof first !== 'string') throw new Error(`Host ${name} did not start: ${said}`);
  const { address } = JSON.parse(first) as { address: string };
  return { name, pid: child.pid!, address, stop: () => stop(child, ended) };
}

/** Stops it after its running functions. */
async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  await ended;
}
