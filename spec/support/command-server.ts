/**
 * The command in a process that stays for the next one. For what a command prints and its exit code; a spec of signals,
 * of what stdout is, of the environment or of how a process ends starts one of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CommandAnswer, CommandRequest } from '../fixtures/command-server.ts';
import type { Finished } from './cli.ts';

const script = fileURLToPath(new URL('../fixtures/command-server.ts', import.meta.url));

class CommandServer {
  readonly #child: ChildProcess;
  /** Of the commands that were sent, in order. */
  readonly #waiting: PromiseWithResolvers<Finished>[] = [];

  constructor() {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HANDOFF_')));
    // It ends with this process, which closes its channel.
    this.#child = spawn(process.execPath, [script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...env, NO_COLOR: '1' },
    });
    this.#child.on('message', ({ code, stdout, stderr }: CommandAnswer) =>
      this.#waiting.shift()!.resolve({ code, signal: null, stdout, stderr }),
    );
    this.#child.on('exit', (code, signal) => {
      server = undefined;
      for (const { reject } of this.#waiting)
        reject(new Error(`the process that carries out commands has ended: ${signal ?? code}`));
    });
  }

  run(args: readonly string[], cwd: string): Promise<Finished> {
    const answer = Promise.withResolvers<Finished>();
    this.#waiting.push(answer);
    this.#child.send({ args, cwd } satisfies CommandRequest);
    return answer.promise;
  }
}

let server: CommandServer | undefined;

/** Carries out a command after those before it. A module of a DAG that was imported before is not imported again. */
export function command(...args: string[]): Promise<Finished> {
  return commandIn(process.cwd(), args);
}

/** The same in another folder. */
export function commandIn(folder: string, args: readonly string[]): Promise<Finished> {
  return (server ??= new CommandServer()).run(args, folder);
}
