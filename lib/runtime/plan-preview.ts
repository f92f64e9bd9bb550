/** What would happen: the schedule of a DAG, without running anything. */
import { criticalPath } from '../dag/analysis.ts';
import type { Plan } from '../dag/plan.ts';
import { amountOf } from '../allocation/amounts.ts';
import { runVirtually, type VirtualNode } from '../scheduler/virtual.ts';
import type { RunSettings } from '../scheduler/events.ts';
import type { PlannedRun } from './planned.ts';
import { setKey } from '../store/run-results.ts';

/** One function in a schedule; times in ms from the start. */
export interface ScheduledFunction {
  readonly functionId: string;
  readonly node: string;
  readonly start: number;
  readonly finish: number;
}

export interface PlanResult {
  readonly dagId: string;
  /** Function id to node name. */
  readonly allocations: Record<string, string>;
  /** In the order of starting. */
  readonly schedule: readonly ScheduledFunction[];
  /** ms from start to end. */
  readonly makespan: number;
  /** The functions of the longest path, first to last. */
  readonly criticalPath: readonly string[];
  /** ms that no schedule on these nodes can undercut: the longest path, or the work over what there is to do it. */
  readonly lowerBound: number;
}

/**
 * One pass of the scheduler in virtual time.
 *
 * @param durationOf ms on a node of speed 1, by function
 */
export function preview(plan: Plan, nodes: readonly VirtualNode[], settings: RunSettings, durationOf: (i: number) => number): PlanResult {
  const { schedule, makespan } = runVirtually(plan, nodes, settings, durationOf);
  const allocations: Record<string, string> = {};
  for (const { index, node } of schedule) setKey(allocations, plan.entries[index]!.id, node);
  const level = levels(plan, durationOf);
  return {
    dagId: plan.dagId,
    allocations,
    schedule: schedule.map(({ index, node, start, finish }) => ({ functionId: plan.entries[index]!.id, node, start, finish })),
    makespan,
    criticalPath: criticalPath(plan, level).map((i) => plan.entries[i]!.id),
    lowerBound: lowerBound(plan, nodes, level, durationOf),
  };
}

/** What a planned run is to look like. */
export function toPreview(plan: Plan, nodes: readonly VirtualNode[], { assigned, plan: { byRank }, schedule }: PlannedRun, durationOf: (i: number) => number): PlanResult {
  const allocations: Record<string, string> = {};
  assigned.forEach((node, i) => setKey(allocations, plan.entries[i]!.id, node));
  const level = levels(plan, durationOf);
  return {
    dagId: plan.dagId,
    allocations,
    schedule: Array.from(byRank, (i) => ({ functionId: plan.entries[i]!.id, node: assigned[i]!, start: schedule.start[i]!, finish: schedule.finish[i]! })),
    makespan: schedule.makespan,
    criticalPath: criticalPath(plan, level).map((i) => plan.entries[i]!.id),
    lowerBound: Math.max(schedule.lowerBound, lowerBound(plan, nodes, level, durationOf)),
  };
}

/** b-levels by the durations of this plan; functions are stored in no particular order, so by decreasing hop count. */
function levels(plan: Plan, durationOf: (i: number) => number): Float64Array {
  const level = new Float64Array(plan.size);
  const remaining = Int32Array.from({ length: plan.size }, (_, i) => plan.outOffset[i + 1]! - plan.outOffset[i]!);
  const stack: number[] = [];
  for (let i = 0; i < plan.size; i++) if (remaining[i] === 0) stack.push(i);
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    level[i]! += durationOf(i);
    for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) {
      const dep = plan.deps[k]!;
      if (level[i]! > level[dep]!) level[dep] = level[i]!;
      if (--remaining[dep]! === 0) stack.push(dep);
    }
  }
  return level;
}

function lowerBound(plan: Plan, nodes: readonly VirtualNode[], level: Float64Array, durationOf: (i: number) => number): number {
  const fastest = nodes.reduce((speed, node) => Math.max(speed, node.speed), 0);
  const threads = nodes.reduce((sum, node) => sum + node.threads * node.speed, 0);
  let bound = 0;
  let work = 0;
  const held = new Map<string, number>(); // ms times amount, by resource
  for (let i = 0; i < plan.size; i++) {
    const ms = durationOf(i);
    bound = Math.max(bound, level[i]! / fastest);
    work += ms;
    for (const [name, amount] of Object.entries(plan.costs[plan.cost[i]!] ?? {})) held.set(name, (held.get(name) ?? 0) + amount * ms);
  }
  bound = Math.max(bound, work / threads);
  for (const [name, sum] of held) {
    const capacity = nodes.reduce((total, node) => total + amountOf(node.capabilities, name) * node.speed, 0);
    if (capacity > 0) bound = Math.max(bound, sum / capacity);
  }
  return bound;
}
