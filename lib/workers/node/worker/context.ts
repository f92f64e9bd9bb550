/**
 * What a running function may know of itself. One function runs at a time in a thread, so its context is a variable.
 */
import type { Askable } from '../../actor/ref.ts';
import { HandoffError } from '../../../core/errors.ts';

/** What `context()` gives inside a function. */
export interface TaskContext {
  /** Aborted when the run is aborted or fails, or the function's time is over; `signal.reason` says why. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** The run it is part of. */
  readonly runId: string;
  /** The DAG that is run. */
  readonly dagId: string;
  readonly functionId: string;
  /** The name of the node it runs on. */
  readonly node: string;
  /**
   * This attempt's span, as the header that W3C Trace Context calls `traceparent`: give it to what the function calls,
   * so that it shows in the same trace. Undefined unless whoever runs the DAG traces: see `traceRuns` of
   * `handoffjs/otel`.
   */
  readonly traceparent: string | undefined;
  /**
   * The actor that was spawned under a name, to be asked and told.
   *
   * ```ts
   * const label = await context().actor<Classifier>('model').ask.predict(pixels);
   * ```
   */
  actor<Instance = any>(name: string): Askable<Instance>;
  /** Sends values to whoever listens to `function:log`. */
  log(...values: readonly unknown[]): void;
}

interface Slot {
  /** Whether a module of this thread asks for contexts, so that they are worth sending. */
  used: boolean;
  current: (() => TaskContext) | undefined;
}

// Under a registered symbol: a task module may import another copy of this package than the worker was started from.
const key = Symbol.for('handoffjs.context');
const holder = globalThis as unknown as Record<symbol, Slot>;
export const contextSlot: Slot = (holder[key] ??= { used: false, current: undefined });

/**
 * The context of the function that runs.
 *
 * ```ts
 * import { context } from 'handoffjs/task';
 *
 * export async function download(url: string): Promise<string> {
 *   const { signal } = context();
 *   return (await fetch(url, { signal })).text();
 * }
 * ```
 *
 * @throws `NOT_FOUND` when no function of a DAG is running, as when a test calls it directly: see `withContext`
 */
export function context(): TaskContext {
  const current = contextSlot.current;
  if (current === undefined) {
    throw new HandoffError(
      'NOT_FOUND',
      'context() was called outside a function of a DAG. To call such a function directly, as in a test, wrap the call in withContext({}, () => …).',
    );
  }
  return current();
}

/**
 * Calls a function as if it ran in a DAG, so that functions that use `context()` can be tested as they are.
 *
 * @param given what the context has; the rest is made up: a signal that is never aborted, attempt 1, empty names
 */
export async function withContext<Result>(given: Partial<TaskContext>, fn: () => Result): Promise<Awaited<Result>> {
  const before = contextSlot.current;
  const made: TaskContext = {
    signal: new AbortController().signal,
    attempt: 1,
    runId: '',
    dagId: '',
    functionId: '',
    node: '',
    traceparent: undefined,
    log: () => {},
    actor: noActor,
    ...given,
  };
  contextSlot.current = () => made;
  try {
    return await fn();
  } finally {
    contextSlot.current = before;
  }
}

function noActor(name: string): never {
  throw new HandoffError(
    'ACTOR_NOT_FOUND',
    `There is no actor ${JSON.stringify(name)} here. To test a function that asks one, give withContext an actor: withContext({ actor: () => … }, …).`,
  );
}
