/** Ctrl-C: the first lets what runs finish, and says so; the second ends at once. */
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
 * @param stop ends gently
 */
export function onInterrupt(message: string, stop: () => Promise<void>): Interrupt {
  let exitCode: number | undefined;
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  const handlers = { SIGINT: ExitCode.interrupted, SIGTERM: ExitCode.terminated } as const;
  const listeners = Object.entries(handlers).map(([signal, code]) => {
    const listener = (): void => {
      if (exitCode !== undefined) process.exit(code);
      exitCode = code;
      process.stderr.write(`${message}\n`);
      void stop().then(() => resolve(code));
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
