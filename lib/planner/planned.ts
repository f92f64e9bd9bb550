/** Runs that are planned before they start: where each function goes, and in what order each node takes its own. */
import type { Plan } from '../dag/plan.ts';
import { planSchedule } from '../planner/plan-schedule.ts';
import { type PlannerNode, toProblem } from '../planner/problem.ts';
import type { Schedule } from '../planner/schedule.ts';

export interface PlannedRun {
  /** The same, in the order of the schedule. */
  readonly plan: Plan;
  /** Node names, by function. */
  readonly assigned: readonly string[];
  readonly schedule: Schedule;
}

/** How many candidate schedules a run is worth that did not say: few functions are planned in no time. */
export function defaultBudget(size: number): number {
  return size <= 200 ? 50 : size <= 2000 ? 10 : 1;
}

/**
 * @param durationOf ms on a node of speed 1, by function
 * @throws `ALLOCATION_ERROR` when a function fits no node that it may run on
 */
export function planRun(plan: Plan, nodes: readonly PlannerNode[], durationOf: (i: number) => number, budget: number): PlannedRun {
  const problem = toProblem(plan, { nodes, durationOf });
  const schedule = planSchedule(problem, { budget });
  const { start, node } = schedule;
  const byRank = Int32Array.from({ length: plan.size }, (_, i) => i).sort((a, b) => start[a]! - start[b]! || plan.rank[a]! - plan.rank[b]!);
  const rank = new Int32Array(plan.size);
  byRank.forEach((i, place) => (rank[i] = place));
  return { plan: { ...plan, rank, byRank }, assigned: Array.from(node, (index) => problem.nodes[index]!), schedule };
}
