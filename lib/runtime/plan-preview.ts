/** Predicts the schedule of a DAG without running it. */
import { bLevels, criticalPath } from '../dag/compile/analysis.ts';
import { sortTopologically } from '../dag/compile/links.ts';
import { lowerBoundOf } from '../scheduling/planner/bounds.ts';
import { toProblem } from '../scheduling/planner/problem.ts';
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import type { PlannedRun } from '../scheduling/planner/planned.ts';
import { runVirtually, type VirtualNode } from '../scheduling/scheduler/growth/virtual-run.ts';
import type { RunSettings } from '../scheduling/scheduler/events.ts';
import { setKey } from '../workers/store/run-results.ts';

/** One function of a schedule. Times are in ms from the start. */
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
  /** Ordered by start. */
  readonly schedule: readonly ScheduledFunction[];
  /** Time from start to end, in ms. */
  readonly makespan: number;
  /** The functions of the longest path, in order. */
  readonly criticalPath: readonly string[];
  /** A lower bound in ms for any schedule on these nodes: the longest path, or the work divided by the capacity. */
  readonly lowerBound: number;
  /** The total by the `price` of the nodes. */
  readonly price: number;
  /** Functions with neither a declared nor a learned duration. 1 ms is assumed, so only their order is meaningful. */
  readonly assumed: readonly string[];
}

/** Durations by function index. */
export interface Durations {
  durationOf(i: number): number;
  isKnown(i: number): boolean;
}

/** A node as the planner sees it. */
export interface PreviewNode extends VirtualNode {
  readonly price?: number | undefined;
  readonly site?: number;
}

/**
 * Simulates one pass of the scheduler in virtual time.
 *
 * @param costs durations in ms on a node of speed 1
 */
export function preview(
  plan: CompiledDag,
  nodes: readonly PreviewNode[],
  settings: RunSettings,
  costs: Durations,
): PlanResult {
  const { durationOf } = costs;
  const { schedule, makespan, outcome } = runVirtually(plan, nodes, settings, durationOf);
  if (outcome?.kind === 'misplaced') throw outcome.error;
  const allocations: Record<string, string> = {};
  for (const { id, node } of schedule) setKey(allocations, id, node);
  // Elements run side by side, so the longest path has one of them; there may be none.
  const longestOf = (i: number): number => (plan.entries[i]!.traits.map?.expect === 0 ? 0 : durationOf(i));
  const level = levels(plan, longestOf);
  const prices = new Map(nodes.map(({ name, price = 0 }) => [name, price]));
  return {
    dagId: plan.dagId,
    allocations,
    price: schedule.reduce((sum, { node, start, finish }) => sum + prices.get(node)! * (finish - start), 0),
    schedule: schedule.map(({ id, node, start, finish }) => ({
      functionId: id,
      node,
      start,
      finish,
    })),
    makespan,
    criticalPath: criticalPath(plan, level).map((i) => plan.entries[i]!.id),
    lowerBound: lowerBoundOf(toProblem(plan, { nodes, durationOf: longestOf }), false),
    assumed: assumedOf(plan, costs),
  };
}

/** The preview of a planned run. */
export function toPreview(
  plan: CompiledDag,
  { assigned, plan: { byRank }, schedule, price }: PlannedRun,
  costs: Durations,
): PlanResult {
  const { durationOf } = costs;
  const allocations: Record<string, string> = {};
  assigned.forEach((node, i) => setKey(allocations, plan.entries[i]!.id, node));
  const level = levels(plan, durationOf);
  return {
    dagId: plan.dagId,
    allocations,
    price,
    schedule: Array.from(byRank, (i) => ({
      functionId: plan.entries[i]!.id,
      node: assigned[i]!,
      start: schedule.start[i]!,
      finish: schedule.finish[i]!,
    })),
    makespan: schedule.makespan,
    criticalPath: criticalPath(plan, level).map((i) => plan.entries[i]!.id),
    // A thorough bound is reduced a little for the sake of rounding.
    lowerBound: schedule.lowerBound > schedule.makespan * (1 - 1e-8) ? schedule.makespan : schedule.lowerBound,
    assumed: assumedOf(plan, costs),
  };
}

function assumedOf({ entries, size }: CompiledDag, { isKnown }: Durations): string[] {
  return entries
    .slice(0, size)
    .filter((_, i) => !isKnown(i))
    .map(({ id }) => id);
}

/** B-levels by the durations of this plan. */
function levels(plan: CompiledDag, durationOf: (i: number) => number): Float64Array {
  const durations = new Float64Array(plan.size);
  for (let i = 0; i < plan.size; i++) durations[i] = durationOf(i);
  return bLevels(plan, sortTopologically(plan), durations);
}
