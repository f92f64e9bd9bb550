/** Ctrl-C: the first lets the functions finish that run, and says so; the second ends at once. */
import type { Handoff } from '../runtime/handoff.ts';
import { ExitCode } from './exit.ts';

export interface Interrupt {
  /** The exit code that a signal asks for; undefined when there was none. */
  readonly exitCode: number | undefined;
  dispose(): void;
}

export function onInterrupt(handoff: Handoff, say: (line: string) => void): Interrupt {
  let exitCode: number | undefined;
  const handlers = { SIGINT: ExitCode.interrupted, SIGTERM: ExitCode.terminated } as const;
  const listeners = Object.entries(handlers).map(([signal, code]) => {
    const listener = (): void => {
      if (exitCode !== undefined) process.exit(code);
      exitCode = code;
      say('Finishing the functions that run; no other is started. Once more to end now.');
      void handoff.stop({ drain: 'functions' });
    };
    process.on(signal, listener);
    return [signal, listener] as const;
  });
  return {
    get exitCode() {
      return exitCode;
    },
    dispose() {
      for (const [signal, listener] of listeners) process.off(signal, listener);
    },
  };
}
