/** The command in processes of its own, in a folder with files of its own, over which a cluster may spread. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Finished } from '../support/cli.ts';
import { commandIn } from '../support/command-server.ts';

export const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));
export const library = new URL('../../lib/index.ts', import.meta.url).href;

export interface Process {
  readonly finished: Promise<Finished>;
  /** Resolves when stderr has said this; rejects when the process ended without. */
  said(text: string): Promise<void>;
  /** The same of stdout. */
  printed(text: string): Promise<void>;
  /** As somebody types. */
  write(text: string): void;
  /** The line of JSON that a node prints when it is ready. */
  ready(): Promise<{
    readonly address: string;
    readonly nodes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  }>;
  kill(signal: NodeJS.Signals): void;
}

export class Processes {
  /** Where all of them work. */
  folder = '';
  readonly #files: Readonly<Record<string, string>>;
  readonly #children = new Set<ChildProcess>();

  /** @param files their text by name; `LIBRARY` stands for the library */
  constructor(files: Readonly<Record<string, string>> = {}) {
    this.#files = files;
    beforeAll(() => {
      this.folder = mkdtempSync(join(tmpdir(), 'handoff-hosts-'));
      this.write('package.json', '{ "type": "module" }');
      for (const [name, text] of Object.entries(this.#files)) this.write(name, text);
    });
    afterEach(async () => {
      await Promise.all(
        [...this.#children].map(
          (child) =>
            new Promise((resolve) => {
              child.once('close', resolve);
              child.kill('SIGKILL');
            }),
        ),
      );
    });
    afterAll(() => rmSync(this.folder, { recursive: true }));
  }

  /** Gives its path. */
  write(name: string, text: string): string {
    const file = join(this.folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text.replaceAll('LIBRARY', JSON.stringify(library)));
    return file;
  }

  start(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = this.folder): Process {
    return this.startCommand(process.execPath, [main, ...args], env, cwd);
  }

  startCommand(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = this.folder): Process {
    const others = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HANDOFF_')));
    const child = spawn(command, args, {
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...others, NO_COLOR: '1', ...env },
    });
    this.#children.add(child);
    const said = { stdout: '', stderr: '' };
    const listeners = new Set<() => void>();
    let over = false;
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        said[name] += chunk;
        for (const listener of [...listeners]) listener();
      });
    }
    const wait = <Found>(look: () => Found | undefined, what: string): Promise<Found> =>
      new Promise((resolve, reject) => {
        const listener = (): void => {
          const found = look();
          if (found === undefined && !over) return;
          listeners.delete(listener);
          if (found === undefined)
            reject(
              new Error(
                `${command} ${args.join(' ')} ended and never said ${what}; it said: ${said.stdout}${said.stderr}`,
              ),
            );
          else resolve(found);
        };
        listeners.add(listener);
        listener();
      });
    return {
      finished: new Promise((resolve) =>
        child.on('close', (code, signal) => {
          over = true;
          this.#children.delete(child);
          for (const listener of [...listeners]) listener();
          resolve({ code, signal, ...said });
        }),
      ),
      printed: (text) => wait(() => (said.stdout.includes(text) ? null : undefined), text).then(() => {}),
      write: (text) => void child.stdin.write(text),
      said: (text) => wait(() => (said.stderr.includes(text) ? null : undefined), text).then(() => {}),
      ready: () =>
        wait(() => /^\{.*\}$/m.exec(said.stdout)?.[0], 'that it is ready').then((line) => JSON.parse(line) as never),
      kill: (signal) => void child.kill(signal),
    };
  }

  run(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = this.folder): Promise<Finished> {
    return this.start(args, env, cwd).finished;
  }

  /** The same for what it prints alone: in a process that carries out the commands of all specs, one by one. */
  command(args: readonly string[], cwd = this.folder): Promise<Finished> {
    return commandIn(cwd, args);
  }

  /** A node on any port of this machine, which is ready. */
  async node(
    name: string,
    {
      args = [],
      env = {},
      capabilities = 'cpu=2',
    }: { readonly args?: readonly string[]; readonly env?: NodeJS.ProcessEnv; readonly capabilities?: string } = {},
  ): Promise<Process & { readonly address: string }> {
    const started = this.start(
      ['node', '--listen', '127.0.0.1:0', '--name', name, '--capabilities', capabilities, '--json', ...args],
      env,
    );
    return { ...started, address: (await started.ready()).address };
  }
}

/** Functions that a spec can hold back: they go on once a file is there. */
export const clusterFiles = {
  'tasks.ts': `
    import { existsSync } from 'node:fs';
    export function numbers(n: number): number[] { return Array.from({ length: n }, (_, i) => i + 1); }
    export function long(n: number): Float64Array { return new Float64Array(n).fill(1); }
    export function lengthOf(values: Float64Array): number { return values.length; }
    export function sum(...lists: number[][]): number { return lists.flat().reduce((total, n) => total + n, 0); }
    export function double(n: number): number { return n * 2; }
    export async function held(file: string, value: number): Promise<number> {
      process.stderr.write('held runs\\n');
      while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5));
      return value;
    }
    export function after(value: number): number { process.stderr.write('after runs\\n'); return value; }
  `,
  'sums.ts': `
    import { dag, tasks } from LIBRARY;
    const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
    const parts = [10, 20, 30].map((n) => t.sum(t.numbers(n)));
    export default dag('sums', { total: t.double(t.sum(parts[0] as never, parts[1] as never, parts[2] as never)) });
  `,
  'far.ts': `
    import { Dag, tasks } from LIBRARY;
    const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
    export default new Dag('far').add({ id: 'made', code: t.long, extraArgs: [10_000], node: 'a' }).add({ id: 'taken', code: t.lengthOf, args: ['made'], node: 'b' });
  `,
  'held.ts': `
    import { Dag, tasks } from LIBRARY;
    const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
    // Two on the first node, and what needs them wherever there is a place.
    export default (gate: string) => new Dag('held')
      .add({ id: 'held', code: t.held, extraArgs: [gate, 20], node: 'a' })
      .add({ id: 'other', code: t.double, extraArgs: [1] })
      .add({ id: 'after', code: t.after, args: ['held'] });
  `,
} as const;
