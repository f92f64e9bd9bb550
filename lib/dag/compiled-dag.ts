/**
 * A compiled DAG: what the scheduler runs on. Functions are dense integers from here on; inline functions are gone, absorbed into
 * the calls of their dependents.
 */
import type { Entry } from './entry.ts';
import type { Links } from './links.ts';
import type { FunctionReference } from './code.ts';
import type { Cost } from './types.ts';

/** One position of a call that does more than pass results and then `extraArgs`. */
export type CallPart =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'result'; readonly of: number }
  | { readonly kind: 'list'; readonly parts: readonly CallPart[] }
  /** An inline function, run on the spot. */
  | { readonly kind: 'call'; readonly code: number; readonly parts: readonly CallPart[] }
  /** The name of the node of a function; `-1`: of the function that is called. */
  | { readonly kind: 'node'; readonly of: number };

/** Functions that must share a node. */
export interface Group {
  readonly root: number;
  readonly members: readonly number[];
  /** The members' costs added up, into `CompiledDag.costs`: what a node must be able to offer to be theirs. */
  readonly need: number;
  /** A node name, when the root is pinned. */
  readonly pin: string | undefined;
}

/** Bits of `CompiledDag.flags`. */
export const Flag = {
  /** Runs alone on its thread, with nothing queued behind it: it has a timeout. */
  exclusive: 1,
  /** `calls` says how it is called. */
  special: 2,
  /** The node of another function must be settled before this one starts. */
  needsNodes: 4,
  /** It must not run twice at once: it, or an inline function that it runs, is not idempotent. */
  once: 8,
  /** It waits for a function whose result it does not take: no worker can tell by its arguments that this has failed. */
  ordered: 16,
} as const;

export interface CompiledDag extends Links {
  readonly dagId: string;
  /** By function. */
  readonly entries: readonly Entry[];
  /** The function of an id; `-1` when there is none, or it is inline. */
  indexOf(id: string): number;
  /** How many results a function waits for: its arguments, counted with repeats. */
  readonly inDegree: Int32Array;
  /** The length of the longest path from the function's start to the end of the DAG, in units of `weight`. */
  readonly bLevel: Float64Array;
  /** Place in the order of dispatch: by priority, then b-level, then as added. */
  readonly rank: Int32Array;
  /** The reverse of `rank`. */
  readonly byRank: Int32Array;
  /** Some function has a priority of its own. */
  readonly prioritized: boolean;
  readonly flags: Uint8Array;
  /** Distinct code; `code` points into it. */
  readonly codes: readonly FunctionReference[];
  readonly code: Int32Array;
  /** The distinct `retryIf`s. */
  readonly predicates: readonly FunctionReference[];
  /** Distinct costs; `cost` points into it, and the first is that of functions without one. */
  readonly costs: readonly (Cost | undefined)[];
  readonly cost: Int32Array;
  /** How functions with `Flag.special` are called. */
  readonly calls: ReadonlyMap<number, readonly CallPart[]>;
  /** By function: into `groups`, or `-1`. Null when there are none. */
  readonly group: Int32Array | null;
  readonly groups: readonly Group[];
  /** Functions pinned to a node by name, that are in no group. */
  readonly pins: ReadonlyMap<number, string>;
  /** For functions with `Flag.needsNodes`: the functions whose node they must know. */
  readonly nodesNeeded: ReadonlyMap<number, readonly number[]>;
}
