/**
 * What can happen to a run, as it is recorded. Functions are numbered as in the compiled DAG. What a run grows by is
 * numbered after that, in the order in which it is recorded.
 *
 * ```
 *   0 list   1 thumbs (map)   2 sort         the DAG
 *   3…5      thumbs[0] to thumbs[2]          expanded: function 1, base 3, count 3
 *   6 7      sort/left, sort/right           expanded: function 2, base 6, count 2, with the graph
 * ```
 */
import type { ErrorWire } from '../core/error-wire.ts';
import type { DagJson } from '../dag/dag.ts';
import type { CacheOptions } from '../dag/types.ts';

/** A result that is not recorded as it is: its bytes, inline or in a blob. */
export type StoredValue =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'blob'; readonly hash: string; readonly bytes: number }
  /** Too large, or it cannot be written: it is computed again when needed. */
  | { readonly kind: 'none' };

/** A result as it is recorded. */
export type RecordedResult = { readonly kind: 'plain'; readonly value: unknown } | StoredValue;

/** What a submission says about the run, beside its DAG. Plain options only: signals and callbacks are not recorded. */
export interface RecordedOptions {
  readonly maxRetries?: number;
  readonly maxResultLosses?: number;
  readonly maxConcurrency?: number;
  readonly maxFunctions?: number;
  readonly timeout?: number;
  readonly collect?: 'all' | 'sinks' | readonly string[];
  readonly failurePolicy?: 'fail-fast' | 'continue';
  readonly allocationStrategy?: string;
  readonly deadline?: number;
  readonly inDoubt?: 'fail' | 'retry';
  readonly cache?: boolean | CacheOptions;
}

export interface Submitted {
  readonly type: 'submitted';
  readonly dag: DagJson;
  readonly options: RecordedOptions;
}

/** The code that the owner runs: the hash of each module, with everything that it imports. */
export interface Owned {
  readonly type: 'owned';
  readonly owner: string;
  readonly modules: Readonly<Record<string, string>>;
}

/** Functions that are not idempotent are about to start. */
export interface Started {
  readonly type: 'started';
  readonly functions: readonly number[];
  readonly node: string;
}

/** Attempts of functions that are not idempotent have failed, so they are no longer in doubt. */
export interface AttemptFailed {
  readonly type: 'attempt-failed';
  readonly function: number;
}

/** Functions that have ended with a result on one node. */
export interface Finished {
  readonly type: 'finished';
  readonly functions: readonly number[];
  readonly node: string;
  /** The results, one per function; undefined for those in `stored`. */
  readonly values: readonly unknown[];
  /** Whether they did not run: their results come from the cache, and `node` is empty. Default false. */
  readonly isCached?: boolean;
  /** Results that are not plain small values, by their place in `functions`. */
  readonly stored: readonly (readonly [at: number, value: StoredValue])[];
}

/** When attempts ran on one thread. Readers that do not know this record skip it, as nothing depends on it. */
export interface Timed {
  readonly type: 'timed';
  readonly node: string;
  readonly thread: number;
  readonly functions: readonly number[];
  /** When the first of them began, in ms since the epoch. */
  readonly begun: number;
  /** `start, count, duration, …`, in µs after `begun`: the next `count` functions, one after the other. */
  readonly groups: readonly number[];
  /** The places in `functions` of attempts that failed. */
  readonly failed: readonly number[];
}

/** The number of elements of a map is known, or a function has answered with a graph. */
export interface Expanded {
  readonly type: 'expanded';
  readonly function: number;
  /** The number of the first of the functions that the run has grown by, and how many they are. */
  readonly base: number;
  readonly count: number;
  /** For a function that has answered with a graph: that, as a `GraphAnswer`. Undefined for a map. */
  readonly graph?: StoredValue;
  /** The hash of each module that the graph brings in, with everything that it imports. */
  readonly modules?: Readonly<Record<string, string>>;
}

/**
 * These functions run again as if they had not grown the run. What it had grown by because of them is gone, and the
 * functions after that get new numbers, without a gap.
 */
export interface Discarded {
  readonly type: 'discarded';
  readonly functions: readonly number[];
}

/** A person or a program decided the result of a function that was in doubt. */
export interface Decided {
  readonly type: 'decided';
  readonly function: number;
  /** Undefined: it runs again. */
  readonly value?: RecordedResult;
}

export interface Ended {
  readonly type: 'ended';
  readonly outcome: 'finished' | 'failed' | 'cancelled';
  readonly error?: ErrorWire;
  readonly stats?: Readonly<Record<string, unknown>>;
}

/** A run that had ended goes on. */
export interface Reopened {
  readonly type: 'reopened';
}

export type RunRecord =
  Submitted | Owned | Started | AttemptFailed | Finished | Timed | Expanded | Discarded | Decided | Reopened | Ended;
