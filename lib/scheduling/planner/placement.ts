/** What a strategy says of a run before it starts, as the scheduler is told. */
import type { AllocationStrategy, Allocator, DynamicAllocator } from '../allocation/allocator.ts';
import { assign } from '../allocation/assign.ts';
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import type { Capabilities } from '../../dag/types.ts';
import type { PlannedRun } from './planned.ts';

export interface Placement {
  /** Node by function, when that has been decided. */
  readonly assigned: readonly string[] | null;
  /** Whether what was assigned is for the best, and no must. */
  readonly movable?: boolean;
  /** When the plan has each function start. */
  readonly start?: Float64Array;
  /** Who decides as functions become ready. */
  readonly allocator?: DynamicAllocator;
}

/**
 * @param nodes capabilities by node name
 * @param planned of a strategy that plans
 * @throws `ALLOCATION_ERROR` when an allocator throws, or its answer cannot be carried out
 */
export function placementOf(plan: CompiledDag, strategy: AllocationStrategy, nodes: Readonly<Record<string, Capabilities>>, planned: PlannedRun | undefined): Placement {
  if (planned !== undefined) return { assigned: planned.assigned, movable: true, start: planned.schedule.start };
  if (typeof strategy === 'string') return { assigned: null };
  return typeof (strategy as Partial<DynamicAllocator>).place === 'function' ? { assigned: null, movable: true, allocator: strategy as DynamicAllocator } : { assigned: assign(plan, strategy as Allocator, nodes) };
}
