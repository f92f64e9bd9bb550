/** Runs that are planned before they start: where each function goes, and in what order each node takes its own. */
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import { lowerBoundOf } from './bounds.ts';
import { planCheapest } from './min-cost.ts';
import { withFewerMoves } from './locality.ts';
import { planSchedule } from './plan-schedule.ts';
import { type PlannerNode, type Problem, toProblem, type ProblemOptions } from './problem.ts';
import { priceOf, type Schedule } from './schedule.ts';

export interface PlannedRun {
  /** The same, in the order of the schedule. */
  readonly plan: CompiledDag;
  /** Node names, by function. */
  readonly assigned: readonly string[];
  readonly schedule: Schedule;
  /** What it costs by the prices of the nodes. */
  readonly price: number;
}

export interface PlanOptions extends ProblemOptions {
  /** Functions that may run at once. Default: as many as there are threads. */
  readonly maxConcurrency?: number | undefined;
  /** `'time-optimized'`: ends as early as possible; `'cost-optimized'`: costs as little as possible. */
  readonly aim: 'time-optimized' | 'cost-optimized';
  /** ms that a cheap schedule may take. */
  readonly deadline?: number | undefined;
  /** Candidate schedules that may be looked at. Default: by the number of functions. */
  readonly budget?: number | undefined;
  readonly seed?: number;
}

// What a candidate takes for each function, in ms, about; and which part of a run its planning may take.
const msEach = 0.004;
const worth = 0.005;

/** How many candidate schedules a run is worth that did not say: few functions are planned in no time, and short runs are soon over. */
function defaultBudget(problem: Problem): number {
  const { size } = problem;
  const most = size <= 200 ? 50 : size <= 2000 ? 10 : 1;
  return Math.max(1, Math.min(most, Math.floor((lowerBoundOf(problem, false) * worth) / (size * msEach))));
}

/** Nodes with no more threads in all than may be used at once, but one each; the fastest keep theirs. */
function limited(nodes: readonly PlannerNode[], most: number): readonly PlannerNode[] {
  let left = Math.max(0, most - nodes.length);
  if (nodes.reduce((sum, { threads }) => sum + threads, 0) <= most) return nodes;
  const threads = new Map<PlannerNode, number>();
  for (const node of nodes.toSorted((a, b) => b.speed - a.speed)) {
    threads.set(node, 1 + Math.min(left, node.threads - 1));
    left -= Math.min(left, node.threads - 1);
  }
  return nodes.map((node) => ({ ...node, threads: threads.get(node)! }));
}

/** @throws `ALLOCATION_ERROR` when a function fits no node that it may run on */
export function planRun(plan: CompiledDag, { aim, deadline, seed = 1, maxConcurrency = Infinity, ...given }: PlanOptions): PlannedRun {
  const options = { ...given, nodes: limited(given.nodes, maxConcurrency) };
  const problem = toProblem(plan, options);
  const budget = options.budget ?? (aim === 'cost-optimized' ? Math.max(plan.size <= 20_000 ? 24 : 8, 2 * defaultBudget(problem)) : defaultBudget(problem));
  const quick = aim === 'cost-optimized' ? planCheapest(problem, { budget, seed, deadline }) : planSchedule(problem, { budget, seed });
  const schedule = aim === 'cost-optimized' ? quick : withFewerMoves(plan, problem, quick, options);
  const { start, finish, node } = schedule;
  // What takes no time comes before what begins with it.
  const place = new Int32Array(plan.size);
  problem.order.forEach((i, at) => (place[i] = at));
  const byRank = problem.order.slice().sort((a, b) => start[a]! - start[b]! || Number(finish[a]! > start[a]!) - Number(finish[b]! > start[b]!) || place[a]! - place[b]!);
  const rank = new Int32Array(plan.size);
  byRank.forEach((i, at) => (rank[i] = at));
  return { plan: { ...plan, rank, byRank }, assigned: Array.from(node, (index) => problem.nodes[index]!), schedule, price: priceOf(problem, schedule) };
}
