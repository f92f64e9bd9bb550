/** How attempts, functions and runs end that do not succeed. */
import type { Capabilities, Cost } from '../../dag/types.ts';
import type { Crash } from './events.ts';

/** Why an attempt did not succeed. */
export type Failure =
  | { readonly kind: 'thrown'; readonly error: unknown }
  | { readonly kind: 'timeout'; readonly ms: number }
  | { readonly kind: 'crash'; readonly crash: Crash }
  | { readonly kind: 'node-down'; readonly node: string }
  /** It is not idempotent, and its attempt or its result was lost on `node`. `ended`: it had given a result. */
  | { readonly kind: 'begun'; readonly node: string; readonly ended: boolean }
  /** Its result was lost more often than `limit`, or what it is made from cannot be made any more. */
  | { readonly kind: 'lost'; readonly times: number; readonly limit: number }
  /** What nodes offer has been lowered, and none has as much any more. */
  | { readonly kind: 'too-large'; readonly need: Cost; readonly offers: Readonly<Record<string, Capabilities>> };

/** A function that failed: its `attempts`th attempt, on `node`. */
export interface FunctionFailure {
  readonly index: number;
  readonly attempts: number;
  /** Index of the node; -1 when it never ran. */
  readonly node: number;
  readonly failure: Failure;
}

/** How a run ended that did not finish. */
export type Outcome =
  | { readonly kind: 'failed'; readonly failures: readonly FunctionFailure[] }
  /** `gently`: what ran was let finish, and when that was all that was left the run has finished. */
  | { readonly kind: 'aborted'; readonly reason: unknown; readonly gently: boolean }
  /** An allocator that is asked as functions become ready threw, or gave an answer that cannot be carried out. */
  | { readonly kind: 'misplaced'; readonly error: unknown }
  /** A resource tracker kept refusing while nothing of ours ran. */
  | { readonly kind: 'refused'; readonly index: number; readonly error?: unknown };
