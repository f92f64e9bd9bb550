/** Placement strategies: the interfaces of allocators, and the names of the built-in strategies. */
import type { Capabilities, Cost, ResolvedFunction } from '../../dag/types.ts';

/**
 * Places all functions of a run before it starts. Pass your own as the option `allocationStrategy`.
 *
 * Pins take precedence over its answer, and a collocated function follows its root, so the answer need not include
 * either. The run fails with `ALLOCATION_ERROR` when the allocator throws, omits a function, or names a node that does
 * not exist or could never run the function.
 */
export interface Allocator {
  /**
   * @param functions the regular functions of the DAG, in the order of addition
   * @param capabilities what each node declares, by name; the orchestrator's own nodes come first
   * @returns node name by function id
   */
  allocate(
    functions: readonly ResolvedFunction[],
    capabilities: Readonly<Record<string, Capabilities>>,
  ): Record<string, string>;
}

/** A function whose inputs are ready, as a dynamic allocator sees it. */
export interface ReadyFunction {
  readonly id: string;
  /**
   * The amounts it holds while it runs. Before a group of functions that share a node is placed, the amounts of the
   * whole group.
   */
  readonly cost: Cost;
  readonly priority: number;
  /** ms on a node of speed 1, declared or learned; undefined when unknown. */
  readonly duration: number | undefined;
  /** The number of failed attempts. */
  readonly attempts: number;
  /**
   * Its input results and their locations. `bytes` counts shared memory only; it is 0 for results held as plain values.
   */
  readonly inputs: readonly {
    readonly functionId: string;
    readonly node: string;
    readonly host: number;
    readonly bytes: number;
  }[];
}

/** The current state of a node. */
export interface NodeView {
  readonly name: string;
  /** The nodes of one host share memory. 0 is the orchestrator's own host. */
  readonly host: number;
  readonly capabilities: Capabilities;
  /** The amounts that are not claimed. */
  readonly free: Capabilities;
  readonly speed: number;
  readonly threads: number;
  /** The number of idle threads. */
  readonly idle: number;
  /** The number of functions, of all runs, that were sent to the node and have not ended. */
  readonly queue: number;
}

export interface ClusterView {
  readonly runId: string;
  readonly dagId: string;
  /** ms since the run started. */
  readonly elapsed: number;
  /** The nodes that accept work now. */
  readonly nodes: readonly NodeView[];
}

/**
 * Places functions as they become ready. Pass your own as the option `allocationStrategy`.
 *
 * It is called when something has changed and functions wait for placement, and it is called again for functions that
 * it leaves out. A placement holds while its node is up. Pins and collocation are applied without it. The run fails
 * with `ALLOCATION_ERROR` when the allocator throws, names a node that is not available or could never run the
 * function, or places nothing while nothing runs.
 */
export interface DynamicAllocator {
  /**
   * @param ready functions that wait for placement, in dispatch order
   * @param view the current state of the nodes
   * @returns node name by function id; a function that is left out or null waits
   */
  place(ready: readonly ReadyFunction[], view: ClusterView): Readonly<Record<string, string | null | undefined>>;
}

/** The built-in strategies. */
export const strategyNames = ['auto', 'first-available', 'load-balanced', 'cost-optimized', 'time-optimized'] as const;

export type StrategyName = (typeof strategyNames)[number];

/**
 * How functions are placed: by a built-in strategy, by an allocator before the run, or by a dynamic allocator as they
 * become ready.
 */
export type AllocationStrategy = StrategyName | Allocator | DynamicAllocator;

/** A strategy without `'auto'`, which chooses among the others for each run. */
export type ResolvedStrategy = Exclude<AllocationStrategy, 'auto'>;

/** The strategies that plan a whole run before it starts. */
export type PlannedStrategy = 'cost-optimized' | 'time-optimized';

export function isPlanned(strategy: AllocationStrategy): strategy is PlannedStrategy {
  return strategy === 'cost-optimized' || strategy === 'time-optimized';
}

/** The expected value of the option, for messages. */
export const strategyExpected = `${strategyNames.map((name) => `'${name}'`).join(', ')}, or an object with allocate() or place()`;

export function isStrategy(value: unknown): value is AllocationStrategy {
  if (typeof value === 'string') return strategyNames.includes(value as StrategyName);
  if (typeof value !== 'object' || value === null) return false;
  const { allocate, place } = value as Partial<Allocator & DynamicAllocator>;
  return typeof allocate === 'function' || typeof place === 'function';
}
