/** All events as one union: the single source of logs, progress, traces, metrics and dashboards. */
import type { Capabilities } from '../dag/types.ts';

interface Common {
  /** ms since the epoch, with fractions. */
  readonly at: number;
}

interface OfRun extends Common {
  /** Of the run, on the host it was started on. */
  readonly runId: string;
  /** The label that its DAG has. */
  readonly dagId: string;
}

interface OfFunction extends OfRun {
  readonly functionId: string;
}

interface OfAttempt extends OfFunction {
  readonly node: string;
  /** From 1. */
  readonly attempt: number;
}

/**
 * The content of `function:started`, `function:finished` and `result:stored` in columns, for readers of every function.
 * It costs a fraction of one object per event. Each column has one entry per attempt that ended, successful or not.
 */
export interface SpanColumns {
  readonly node: string;
  readonly thread: number;
  readonly functionIds: readonly string[];
  /** Indexes of the functions in the graph of the run, so that readers need not look up ids. */
  readonly indexes?: readonly number[];
  /** From 1. */
  readonly attempts: readonly number[];
  /** `start, end, start, end, …` in ms since the epoch. */
  readonly spans: readonly number[];
  /** Bytes of results in shared memory; 0 for results held as plain values. */
  readonly bytes: readonly number[];
  /** Positions of the attempts that threw. */
  readonly failed: readonly number[];
}

/** A graph that a function answered with. */
export interface GrownGraph {
  readonly ids: readonly string[];
  readonly names: readonly string[];
  /** By their place in `ids`. */
  readonly deps: readonly (readonly number[])[];
}

export type HandoffEvent =
  /** The run was accepted, and its first functions may start. `functions`: how many its DAG has. */
  | (OfRun & { readonly type: 'run:started'; readonly functions: number })
  /** A run of the journal goes on, without the functions that were recorded as done. Follows `run:started`. */
  | (OfRun & { readonly type: 'run:resumed'; readonly functions: number; readonly restored: number })
  /** The run has its results. `retries`: attempts beyond the first of each function. */
  | (OfRun & {
      readonly type: 'run:finished';
      readonly functions: number;
      readonly retries: number;
      readonly durationMs: number;
    })
  /** The run was rejected with `error`. */
  | (OfRun & { readonly type: 'run:failed'; readonly error: unknown; readonly durationMs: number })
  /** The function is done by an earlier process of its run, on this node. */
  | (OfFunction & { readonly type: 'function:restored'; readonly node: string })
  /** The function does not run: its result comes from the cache. */
  | (OfFunction & { readonly type: 'function:cached' })
  /** All inputs of the function are available. */
  | (OfFunction & { readonly type: 'function:ready' })
  /** An attempt began on this thread of the node. */
  | (OfAttempt & { readonly type: 'function:started'; readonly thread: number })
  /** The function has its result. `durationMs`: how long the successful attempt took. */
  | (OfAttempt & { readonly type: 'function:finished'; readonly thread: number; readonly durationMs: number })
  /**
   * A slow function also runs on this thread, as the same attempt (`speculate` of `execute`). Only the copy that
   * finishes first is reported, by `function:finished` and in `attempts`.
   */
  | (OfAttempt & { readonly type: 'function:speculated'; readonly thread: number })
  /** Attempts that ended on a thread, many in one event; see `SpanColumns`. `'event'` listeners do not get it. */
  | (OfRun & SpanColumns & { readonly type: 'attempts' })
  /**
   * The run has `count` functions more: the list of a map exists, and its elements have the ids `functionId[0]`,
   * `functionId[1]`, …; or the function answered with a graph, whose functions have the ids `functionId/` and theirs.
   * `graph`: those ids, the names of the exports, and for each function of the graph those that it takes.
   */
  | (OfFunction & { readonly type: 'run:grown'; readonly count: number; readonly graph?: GrownGraph | undefined })
  /** The function does not run: its condition does not hold, or an input that it needs was skipped. */
  | (OfFunction & { readonly type: 'function:skipped' })
  /** An attempt failed. The next one starts after `delayMs`. */
  | (OfAttempt & { readonly type: 'function:retrying'; readonly error: unknown; readonly delayMs: number })
  /** The function failed, and no attempt is left. */
  | (OfAttempt & { readonly type: 'function:failed'; readonly error: unknown })
  /** The function called `context().log(…)`. With `output: 'events'`, also: it printed something. */
  | (OfFunction & {
      readonly type: 'function:log';
      readonly node: string;
      readonly attempt: number;
      readonly values: readonly unknown[];
    })
  /** The function called `context().progress(…)`: it is this far, from 0 to 1, and does what `note` says. */
  | (OfFunction & {
      readonly type: 'function:progress';
      readonly node: string;
      readonly attempt: number;
      readonly fraction: number;
      readonly note: string | undefined;
    })
  /**
   * The function uses more memory than its cost says. Reported once per attempt, and only if memory is measured
   * (`monitorInterval`).
   */
  | (OfFunction & {
      readonly type: 'function:memory-exceeded';
      readonly node: string;
      readonly claimedMb: number;
      readonly usedMb: number;
    })
  /** The result is in the store. `bytes` of shared memory; 0 for a result held as a plain value. */
  | (OfFunction & { readonly type: 'result:stored'; readonly node: string; readonly bytes: number })
  /** The result was fetched from the host of `node`. */
  | (OfFunction & { readonly type: 'result:fetched'; readonly node: string; readonly bytes: number })
  /**
   * The result is lost: it could not be read from disk, or its host is gone. It is recomputed if a function still needs
   * it.
   */
  | (OfFunction & { readonly type: 'result:lost' })
  /** A function runs again because its result was lost, or was dropped and is needed to recompute a lost one. */
  | (OfFunction & { readonly type: 'result:recomputing' })
  /**
   * A result could not be written to disk. Until the next try in `retryIn` ms, results stay in memory even above
   * `budget`. They take `bytes` now.
   */
  | (Common & {
      readonly type: 'spill:failed';
      readonly error: unknown;
      readonly budget: number;
      readonly bytes: number;
      readonly retryIn: number;
    })
  /** The node, of this host or another, can run functions. */
  | (Common & {
      readonly type: 'node:up';
      readonly node: string;
      readonly capabilities: Capabilities;
      readonly threads: number;
    })
  /** A node of another host is not used because its name is taken. `host`: the address of that host. */
  | (Common & { readonly type: 'node:name-conflict'; readonly node: string; readonly host: string })
  /**
   * A connection was refused because one side could not prove its identity. `peer`: address of the other host;
   * `dialled`: whether this host dialled; `others`: how many refusals were not reported since the last event, because
   * at most ten a second are.
   */
  | (Common & {
      readonly type: 'connection:refused';
      readonly peer: string;
      readonly dialled: boolean;
      readonly error: unknown;
      readonly others: number;
    })
  /** The node cannot run functions any more: it was removed, its actor ended, or its host left or is lost. */
  | (Common & { readonly type: 'node:down'; readonly node: string; readonly error: unknown })
  /** The node now has these capabilities, declared again or given by its `probe`. */
  | (Common & {
      readonly type: 'node:capabilities-changed';
      readonly node: string;
      readonly capabilities: Capabilities;
    })
  /** The `probe` function of a node threw or returned invalid capabilities. The node keeps its capabilities. */
  | (Common & { readonly type: 'probe:failed'; readonly node: string; readonly error: unknown })
  /** A thread of the node died. `reason` says how, and what it ran ends as a failed attempt. */
  | (Common & {
      readonly type: 'worker:crashed';
      readonly node: string;
      readonly thread: number;
      readonly reason: string;
      readonly error: unknown;
    })
  /**
   * A concurrent function held its thread for `ms`, while others waited on it. At first it may be unknown which one
   * did; when it happens again within ten seconds, `functionId` says so. Reported at most once a second for each
   * thread.
   */
  | (Common & {
      readonly type: 'worker:blocked';
      readonly node: string;
      readonly thread: number;
      readonly ms: number;
      readonly functionId: string | undefined;
    })
  /** A thread that replaces a dead one is ready. */
  | (Common & { readonly type: 'worker:restarted'; readonly node: string; readonly thread: number })
  /**
   * A method called on an actor without waiting for an answer threw, or the call was lost. Calls that wait get the
   * error themselves.
   */
  | (Common & {
      readonly type: 'actor:error';
      readonly actor: string;
      readonly method: string;
      readonly error: unknown;
    })
  /** A supervisor restarted a child that failed with `error`. */
  | (Common & {
      readonly type: 'supervisor:restarted';
      readonly supervisor: string;
      readonly child: string;
      readonly error: unknown;
    });

export type EventType = HandoffEvent['type'];

/** The event with a given type. */
export type EventOf<Type extends EventType> = Extract<HandoffEvent, { readonly type: Type }>;

/** All event types. */
export const eventTypes = [
  'run:started',
  'run:resumed',
  'run:finished',
  'run:failed',
  'function:restored',
  'function:cached',
  'function:ready',
  'function:started',
  'function:finished',
  'function:speculated',
  'attempts',
  'run:grown',
  'function:skipped',
  'function:retrying',
  'function:failed',
  'function:log',
  'function:progress',
  'function:memory-exceeded',
  'result:stored',
  'result:fetched',
  'result:lost',
  'result:recomputing',
  'spill:failed',
  'node:up',
  'node:name-conflict',
  'connection:refused',
  'node:down',
  'node:capabilities-changed',
  'probe:failed',
  'worker:crashed',
  'worker:blocked',
  'worker:restarted',
  'actor:error',
  'supervisor:restarted',
] as const satisfies readonly EventType[];

// Fails to compile if a type is missing above.
type Missing = Exclude<EventType, (typeof eventTypes)[number]>;
const complete: [Missing] extends [never] ? true : Missing = true;
void complete;

/** ms since the epoch, with fractions. */
export function timestamp(): number {
  return performance.timeOrigin + performance.now();
}
