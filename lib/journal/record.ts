/** What can happen to a run, as it is recorded. Functions are numbered as in the compiled DAG. */
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

export type RunRecord = Submitted | Owned | Started | AttemptFailed | Finished | Decided | Reopened | Ended;
