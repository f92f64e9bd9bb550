/** What the source of the page knows of one function, kept up to date. */
import { useEffect, useState } from 'preact/hooks';
import type { FunctionView } from '../../protocol.ts';
import type { Source } from '../connection.ts';
import { type RunData, stateNames } from '../run-data.ts';

/** ms between requests: the reason why a function waits changes without an event. */
const askAgain = 1000;

/** An answer of the source. */
export interface FunctionAnswer {
  readonly fn: number;
  /** Undefined when the source does not have the function whole. */
  readonly view?: FunctionView | undefined;
  /** Why the source did not answer. */
  readonly problem?: string;
}

/** @returns the last answer for `fn`; undefined until there is one */
export function useFunctionView(
  source: Source,
  data: RunData,
  fn: number,
  isRunning: boolean,
): FunctionAnswer | undefined {
  const [answer, setAnswer] = useState<FunctionAnswer>();
  const [turn, setTurn] = useState(0);
  const state = stateNames[data.states[fn]!];
  const isOpen = isRunning && (state === 'waiting' || state === 'running');

  useEffect(() => {
    let isWanted = true;
    source.functionView(data.key, fn).then(
      (view) => isWanted && setAnswer({ fn, view }),
      (error: unknown) =>
        isWanted && setAnswer({ fn, problem: error instanceof Error ? error.message : String(error) }),
    );
    return () => {
      isWanted = false;
    };
  }, [data, fn, state, data.attempts[fn], isRunning, turn]);
  useEffect(() => {
    if (!isOpen) return;
    const timer = setInterval(() => setTurn((now) => now + 1), askAgain);
    return () => clearInterval(timer);
  }, [isOpen]);

  return answer?.fn === fn ? answer : undefined;
}
