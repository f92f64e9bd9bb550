/** What a strategy decides about a run before it starts, in the form that the scheduler takes. */
import type { Allocator, DynamicAllocator, ResolvedStrategy } from '../allocation/allocator.ts';
import { assign } from '../allocation/assign.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { Capabilities } from '../../dag/types.ts';
import type { PlannedRun } from './planned.ts';

export interface Placement {
  /** Node by function, if decided before the run. */
  readonly assigned: readonly string[] | null;
  /** Whether `assigned` is a preference, not a requirement. */
  readonly movable?: boolean;
  /** The planned start of each function. */
  readonly start?: Float64Array;
  /** The allocator that places functions as they become ready. */
  readonly allocator?: DynamicAllocator;
}

/**
 * @param nodes capabilities by node name
 * @param planned the plan of a planning strategy
 * @throws `ALLOCATION_ERROR` when an allocator throws, or its answer cannot be carried out
 */
export function placementOf(
  plan: CompiledDag,
  strategy: ResolvedStrategy,
  nodes: Readonly<Record<string, Capabilities>>,
  planned: PlannedRun | undefined,
): Placement {
  if (planned !== undefined) return { assigned: planned.assigned, movable: true, start: planned.schedule.start };
  if (typeof strategy === 'string') return { assigned: null };
  const isDynamic = typeof (strategy as Partial<DynamicAllocator>).place === 'function';
  if (isDynamic) return { assigned: null, movable: true, allocator: strategy as DynamicAllocator };
  return { assigned: assign(plan, strategy as Allocator, nodes) };
}
