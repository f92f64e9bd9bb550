/**
 * A compiled DAG, which the scheduler runs. Functions are dense integers. Inline functions no longer exist: they are
 * part of the calls of their dependents.
 */
import type { Entry } from './entry.ts';
import type { Links } from './links.ts';
import type { FunctionReference } from '../code.ts';
import type { Cost, Uses } from '../types.ts';

/** One parameter of a call that does more than pass results and then `extraArgs`. */
export type CallPart =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'result'; readonly of: number }
  /** `undefined` if the function was skipped. */
  | { readonly kind: 'optional'; readonly of: number }
  /** The result of the first function that was not skipped. */
  | { readonly kind: 'anyOf'; readonly of: readonly number[] }
  | OtherResult
  | { readonly kind: 'list'; readonly parts: readonly CallPart[] }
  /** An inline function, which runs in place. */
  | { readonly kind: 'call'; readonly code: number; readonly parts: readonly CallPart[] }
  /** The name of the node of function `of`; `-1` means the called function itself. */
  | { readonly kind: 'node'; readonly of: number };

/** The result of a function of another run. */
export interface OtherResult {
  readonly kind: 'resultOf';
  readonly runId: string;
  readonly id: string;
}

/** Functions that must share a node. */
export interface Group {
  readonly root: number;
  readonly members: readonly number[];
  /**
   * Index into `CompiledDag.costs` of the sum of the members' costs. A node must have these capabilities to host the
   * group.
   */
  readonly need: number;
  /** A node name, when the root is pinned. */
  readonly pin: string | undefined;
}

/** What decides which functions are skipped. */
export interface Branches {
  /** By function: its condition. */
  readonly when: ReadonlyMap<number, { readonly of: number; readonly not: boolean }>;
  /** By function: the dependencies that it can do without. It is not skipped with one of them. */
  readonly tolerated: ReadonlyMap<number, ReadonlySet<number>>;
  /** By function: sets of dependencies of which it needs at least one. */
  readonly choices: ReadonlyMap<number, readonly (readonly number[])[]>;
}

/** A function that is called once per element of a list. */
export interface MapPlan {
  /** The parameter that gives the list: the first of its call. */
  readonly list: CallPart;
  /** The map whose result is the list, if its elements can be taken one by one; -1 otherwise. */
  readonly source: number;
  readonly concurrency: number;
  readonly settle: boolean;
  /** The first of the maps that take elements of each other, this one included. */
  readonly root: number;
  /** Its place among those maps, and how many they are. */
  readonly place: number;
  readonly places: number;
}

/** Bits of `CompiledDag.flags`. */
export const Flag = {
  /** It has a timeout, so it runs alone on its thread with nothing queued behind it. */
  exclusive: 1,
  /** `calls` defines its call. */
  special: 2,
  /** The node of another function must be settled before this one starts. */
  needsNodes: 4,
  /** It must not run twice at once, because it or an inline function that it runs is not idempotent. */
  once: 8,
  /**
   * Its worker cannot see from the arguments whether it may run: it waits for a function whose result it does not take,
   * or has a condition.
   */
  ordered: 16,
  /** Its result decides whether other functions are skipped. */
  decides: 32,
  /** It uses limits of the program, so it runs in a batch of its own. */
  limited: 64,
  /** It is a map: it is not sent to a worker, but its elements are. */
  map: 128,
} as const;

export interface CompiledDag extends Links {
  readonly dagId: string;
  /** By function. */
  readonly entries: readonly Entry[];
  /** The function with this id; `-1` when there is none, or it is inline. */
  indexOf(id: string): number;
  /** The number of results a function waits for: its arguments, repeats included. */
  readonly inDegree: Int32Array;
  /** The length of the longest path from the function's start to the end of the DAG, in units of `weight`. */
  readonly bLevel: Float64Array;
  /** Place in the dispatch order: by priority, then b-level, then as added. */
  readonly rank: Int32Array;
  /** The reverse of `rank`. */
  readonly byRank: Int32Array;
  /** Whether any function has a priority other than the default. */
  readonly prioritized: boolean;
  /** Whether functions are concurrent: none, some or all of them. */
  readonly concurrent: 'none' | 'some' | 'all';
  readonly flags: Uint8Array;
  /** The distinct codes; `code` holds indexes into it. */
  readonly codes: readonly FunctionReference[];
  readonly code: Int32Array;
  /** The distinct `retryIf`s. */
  readonly predicates: readonly FunctionReference[];
  /**
   * The distinct costs; `cost` holds indexes into it. The first is that of functions without a cost. A cost is repeated for
   * functions that use other limits.
   */
  readonly costs: readonly (Cost | undefined)[];
  /** By index into `costs`: the limits that functions with this cost use. */
  readonly uses: readonly (Uses | undefined)[];
  readonly cost: Int32Array;
  /** The calls of functions with `Flag.special`. */
  readonly calls: ReadonlyMap<number, readonly CallPart[]>;
  /** The results of other runs that calls take, each once: equal ones are one object. */
  readonly others: readonly OtherResult[];
  /** Null when there is no map. */
  readonly maps: ReadonlyMap<number, MapPlan> | null;
  /** Null when no function can be skipped. */
  readonly branches: Branches | null;
  /** By function: index into `groups`, or `-1`. Null when there are no groups. */
  readonly group: Int32Array | null;
  readonly groups: readonly Group[];
  /** The node names of pinned functions that are in no group. */
  readonly pins: ReadonlyMap<number, string>;
  /** For functions with `Flag.needsNodes`: the functions whose nodes they must know. */
  readonly nodesNeeded: ReadonlyMap<number, readonly number[]>;
}

/** Whether a function may share its thread with others. */
export function isConcurrent(plan: CompiledDag, i: number): boolean {
  return plan.concurrent !== 'none' && plan.entries[i]!.traits.concurrent;
}
