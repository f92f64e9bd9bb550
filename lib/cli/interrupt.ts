/** Ctrl-C, SIGTERM and a closed terminal (SIGHUP): the first signal lets what runs finish, and says so; the second ends at once. */
import { ExitCode } from './exit.ts';

export interface Interrupt {
  /** The exit code that a signal asks for; undefined when there was none. */
  readonly exitCode: number | undefined;
  /** Resolves to it when a signal has come, and everything has ended gently. */
  readonly ended: Promise<number>;
  dispose(): void;
}

/**
 * @param message what is said at the first signal
 * @param stop ends gently; a second call gives the same promise
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
      stop().then(over, over); // the command stops once more, and says what failed
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
