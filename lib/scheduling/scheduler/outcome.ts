/** The ways in which attempts, functions and runs fail. */
import type { Capabilities, Cost } from '../../dag/types.ts';
import type { Crash } from './events.ts';

/** Why an attempt failed. */
export type Failure =
  | { readonly kind: 'thrown'; readonly error: unknown }
  | { readonly kind: 'timeout'; readonly ms: number }
  /** The list of a map cannot be read or is no list, or a graph was refused. `error`: as `ErrorWire`. */
  | { readonly kind: 'list'; readonly error: unknown }
  /** With the elements of this map, or this graph, the run would have `count` functions. */
  | { readonly kind: 'too-many'; readonly count: number; readonly limit: number }
  /** It answered with a graph inside of more than `limit` others. */
  | { readonly kind: 'too-deep'; readonly limit: number }
  | { readonly kind: 'crash'; readonly crash: Crash }
  | { readonly kind: 'node-down'; readonly node: string }
  /**
   * It is not idempotent, and its attempt or its result was lost on `node`. `ended`: it had returned a result.
   * `because`: the id of the concurrent function that cost it its thread.
   */
  | { readonly kind: 'begun'; readonly node: string; readonly ended: boolean; readonly because?: string | undefined }
  /** Its result was lost more often than `limit`, or its inputs can no longer be made. */
  | { readonly kind: 'lost'; readonly times: number; readonly limit: number }
  /** The caller cancelled it. */
  | { readonly kind: 'aborted'; readonly reason: unknown }
  /** Capabilities of nodes shrank, and no node has enough for it any more. */
  | { readonly kind: 'too-large'; readonly need: Cost; readonly offers: Readonly<Record<string, Capabilities>> };

/** A failed function: its attempt number `attempts`, on `node`. */
export interface FunctionFailure {
  readonly index: number;
  readonly attempts: number;
  /** Index of the node; -1 when it never ran. */
  readonly node: number;
  readonly failure: Failure;
}

/** How a run that did not finish ended. */
export type Outcome =
  | { readonly kind: 'failed'; readonly failures: readonly FunctionFailure[] }
  /** `gently`: running functions could finish. If nothing else was left, the run has finished. */
  | { readonly kind: 'aborted'; readonly reason: unknown; readonly gently: boolean }
  /** A dynamic allocator threw, or returned an answer that cannot be carried out. */
  | { readonly kind: 'misplaced'; readonly error: unknown }
  /** A resource tracker kept refusing while no function of this scheduler ran. */
  | { readonly kind: 'refused'; readonly index: number; readonly error?: unknown };
