/** Placement decided beforehand: a node for every function of a DAG, before it runs. */
import type { Capabilities, ResolvedFunction } from '../dag/types.ts';

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

/** Strategies by name. */
export const strategyNames = ['first-available', 'load-balanced', 'time-optimized'] as const;

export type StrategyName = (typeof strategyNames)[number];

/** How functions are placed: as they become ready, by a named strategy, or beforehand by an allocator. */
export type AllocationStrategy = StrategyName | Allocator;
