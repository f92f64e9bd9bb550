/**
 * What a running function can find out about itself. While a thread runs one function at a time, its context is a
 * variable; for concurrent functions, the variable finds the context of the function whose code runs.
 */
import type { Askable } from '../../actor/ref.ts';
import { HandoffError } from '../../../core/errors.ts';
import { show } from '../../../core/show.ts';

/** What `context()` returns inside a function. */
export interface TaskContext {
  /** Aborts when the run is aborted or fails, or when the function's timeout is over; `signal.reason` says why. */
  readonly signal: AbortSignal;
  /** The attempt of this function, from 1. */
  readonly attempt: number;
  /** The id of the run. */
  readonly runId: string;
  /** The id of the DAG. */
  readonly dagId: string;
  readonly functionId: string;
  /** The name of the node that runs the function. */
  readonly node: string;
  /**
   * This attempt's span as a W3C `traceparent` header. Pass it to services the function calls, so that they join the
   * trace. Undefined unless the run is traced: see `traceRuns` of `handoffjs/otel`.
   */
  readonly traceparent: string | undefined;
  /**
   * The actor of this name.
   *
   * ```ts
   * const label = await context().actor<Classifier>('model').ask.predict(pixels);
   * ```
   *
   * @param name the name given to `spawn`
   * @returns the actor. Calls fail with `ACTOR_NOT_FOUND` when there is none of this name
   */
  actor<Instance = any>(name: string): Askable<Instance>;
  /**
   * Sends values to the listeners of `function:log`.
   *
   * @param values anything; what cannot be copied arrives as text
   */
  log(...values: readonly unknown[]): void;
  /**
   * Tells how far the function is, to the listeners of `function:progress`, the command and the dashboard.
   *
   * @param fraction from 0 to 1
   * @param note what it does now; default: none
   * @throws `INVALID_OPTION` when `fraction` is not a number from 0 to 1, or `note` is not a text
   */
  progress(fraction: number, note?: string): void;
}

/** @throws `INVALID_OPTION` when these are not arguments of `progress` */
export function checkProgress(fraction: unknown, note: unknown): void {
  const isFraction = typeof fraction === 'number' && fraction >= 0 && fraction <= 1;
  if (isFraction && (note === undefined || typeof note === 'string')) return;
  const [option, expected, given] = isFraction
    ? ['note', 'a text', note]
    : ['fraction', 'a number from 0 to 1, such as 0.4', fraction];
  throw new HandoffError('INVALID_OPTION', `progress(): ${option} must be ${expected}, got ${show(given)}.`, {
    option,
  });
}

interface Slot {
  /** Whether a module of this thread imports `context`, so that contexts are worth sending. */
  used: boolean;
  current: (() => TaskContext | undefined) | undefined;
}

// Under a registered symbol: a task module may import another copy of this package than the thread did.
const key = Symbol.for('handoffjs.context');
const holder = globalThis as unknown as Record<symbol, Slot>;
export const contextSlot: Slot = (holder[key] ??= { used: false, current: undefined });

/**
 * The context of the running function.
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
 * @returns the context; keep it only while the function runs
 * @throws `NOT_FOUND` when no function of a DAG is running, as in a test that calls the function directly: see
 *   `withContext`
 */
export function context(): TaskContext {
  const current = contextSlot.current?.();
  if (current === undefined) {
    throw new HandoffError(
      'NOT_FOUND',
      'context() was called outside a function of a DAG. To call such a function directly, as in a test, wrap the call in withContext({}, () => …).',
    );
  }
  return current;
}

/**
 * Calls a function with a context, so that functions that use `context()` can be tested directly.
 *
 * @param given parts of the context. Defaults: a signal that never aborts, attempt 1, empty names
 * @param fn calls the function under test
 * @returns the result of `fn`
 * @throws what `fn` throws
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
    progress: checkProgress,
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
    `There is no actor ${JSON.stringify(name)} here. To test a function that calls an actor, pass one to withContext: withContext({ actor: () => … }, …).`,
  );
}
