/**
 * Ctrl-C, SIGTERM and a closed terminal (SIGHUP). The first signal stops gently and prints a message; the second ends
 * the process at once.
 */
import { ExitCode } from './exit.ts';

export interface Interrupt {
  /** The exit code for the signal that arrived; undefined if none did. */
  readonly exitCode: number | undefined;
  /** Resolves to the exit code when a signal has arrived and everything has stopped. */
  readonly ended: Promise<number>;
  dispose(): void;
}

/**
 * @param message printed at the first signal
 * @param stop stops gently; a second call returns the same promise
 */
export function onInterrupt(message: string, stop: () => Promise<void>): Interrupt {
  let exitCode: number | undefined;
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  const handlers = { SIGINT: ExitCode.interrupted, SIGTERM: ExitCode.terminated, SIGHUP: ExitCode.hungUp } as const;
  const listeners = Object.entries(handlers).map(([signal, code]) => {
    const listener = (): void => {
      if (exitCode !== undefined) process.exit(code);
      exitCode = code;
      process.stderr.write(`${message}\n`);
      const over = (): void => resolve(code);
      stop().then(over, over); // the command calls stop again and reports what failed
    };
    process.on(signal, listener);
    return [signal, listener] as const;
  });
  return {
    ended,
    get exitCode() {
      return exitCode;
    },
    dispose() {
      for (const [signal, listener] of listeners) process.off(signal, listener);
    },
  };
}
