/** The command as a user runs it: a process of its own. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly finished: Promise<Finished>;
  /** Resolves when stderr has said this, so many times. */
  said(text: string, times?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** As a reader does that has seen enough. */
  closeStderr(): void;
}

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/cli/${name}`, import.meta.url));
}

export function startCli(...args: string[]): CliProcess {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
    for (const listener of listeners) listener();
  });
  return {
    finished: new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))),
    said: (text, times = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (stderr.split(text).length <= times) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      }),
    kill: (signal) => void child.kill(signal),
    closeStderr: () => void child.stderr.destroy(),
  };
}

export function cli(...args: string[]): Promise<Finished> {
  return startCli(...args).finished;
}
