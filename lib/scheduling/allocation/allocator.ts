/** Placement decided beforehand: a node for every function of a DAG, before it runs. */
import type { Capabilities, Cost, ResolvedFunction } from '../../dag/types.ts';

/**
 * Decides where functions run. Give your own as the option `allocationStrategy`.
 *
 * Pins win over what it says, and a collocated function goes where its root goes; it need not answer for either. An allocator that
 * throws, leaves a function out, or names a node that does not exist or could never run the function, is `ALLOCATION_ERROR`.
 */
export interface Allocator {
  /**
   * @param functions the regular functions of the DAG, in the order they were added
   * @param capabilities what each node declared, by name; the orchestrator's own nodes first
   * @returns function id to node name
   */
  allocate(functions: readonly ResolvedFunction[], capabilities: Readonly<Record<string, Capabilities>>): Record<string, string>;
}

/** A function that has all it needs, as a dynamic allocator sees it. */
export interface ReadyFunction {
  readonly id: string;
  /** What it holds while it runs; of one that must share a node with others, what all of them hold together, as long as they have none. */
  readonly cost: Cost;
  readonly priority: number;
  /** ms that it takes on a node of speed 1: what it says, or what was learned; undefined when nothing is known. */
  readonly duration: number | undefined;
  /** Attempts that have failed. */
  readonly attempts: number;
  /** The results that it takes, and where they lie. `bytes` are those in shared memory; 0 for results that are held as plain values. */
  readonly inputs: readonly { readonly functionId: string; readonly node: string; readonly host: number; readonly bytes: number }[];
}

/** A node as it is now. */
export interface NodeView {
  readonly name: string;
  /** Nodes of one host share memory; 0 is the orchestrator's own. */
  readonly host: number;
  readonly capabilities: Capabilities;
  /** What of it is not claimed. */
  readonly free: Capabilities;
  readonly speed: number;
  readonly threads: number;
  /** Threads with nothing to do. */
  readonly idle: number;
  /** Functions of all runs that were sent there and have not ended. */
  readonly queue: number;
}

export interface ClusterView {
  readonly runId: string;
  readonly dagId: string;
  /** ms since the run began. */
  readonly elapsed: number;
  /** Nodes that take work now. */
  readonly nodes: readonly NodeView[];
}

/**
 * Decides as work appears. Give your own as the option `allocationStrategy`.
 *
 * It is asked whenever something has changed and functions wait for a place, and what it leaves out it is asked again. What it gives a node
 * stays there, as long as that is up. Pins and collocation are kept without it. To throw, to name a node that is not there or could never
 * run the function, or to place nothing when nothing runs, is `ALLOCATION_ERROR`.
 */
export interface DynamicAllocator {
  /**
   * @param ready functions that wait for a place, in the order of dispatch
   * @param view the nodes as they are now
   * @returns function id to node name; what is left out, or is null, waits
   */
  place(ready: readonly ReadyFunction[], view: ClusterView): Readonly<Record<string, string | null | undefined>>;
}

/** Strategies by name. */
export const strategyNames = ['first-available', 'load-balanced', 'cost-optimized', 'time-optimized'] as const;

export type StrategyName = (typeof strategyNames)[number];

/** How functions are placed: by a named strategy, beforehand by an allocator, or by one that is asked as they become ready. */
export type AllocationStrategy = StrategyName | Allocator | DynamicAllocator;

/** Strategies that plan a whole run before it starts. */
export type PlannedStrategy = 'cost-optimized' | 'time-optimized';

export function isPlanned(strategy: AllocationStrategy): strategy is PlannedStrategy {
  return strategy === 'cost-optimized' || strategy === 'time-optimized';
}

/** What is wanted of something that is given as a strategy. */
export const strategyExpected = `${strategyNames.map((name) => `'${name}'`).join(', ')}, or an object with allocate() or place()`;

export function isStrategy(value: unknown): value is AllocationStrategy {
  if (typeof value === 'string') return strategyNames.includes(value as StrategyName);
  if (typeof value !== 'object' || value === null) return false;
  const { allocate, place } = value as Partial<Allocator & DynamicAllocator>;
  return typeof allocate === 'function' || typeof place === 'function';
}
