/** Plans runs before they start: the node of each function, and the order in which each node takes its functions. */
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { lowerBoundOf } from './bounds.ts';
import { planCheapest } from './min-cost.ts';
import { withFewerMoves } from './locality.ts';
import { planSchedule } from './plan-schedule.ts';
import { type PlannerNode, type Problem, toProblem, type ProblemOptions } from './problem.ts';
import { priceOf, type Schedule } from './schedule.ts';

export interface PlannedRun {
  /** The same plan, in the order of the schedule. */
  readonly plan: CompiledDag;
  /** Node names, by function. */
  readonly assigned: readonly string[];
  readonly schedule: Schedule;
  /** The total price of the schedule, by the prices of the nodes. */
  readonly price: number;
}

export interface PlanOptions extends ProblemOptions {
  /** The maximum number of functions that run at once. Default: the number of threads. */
  readonly maxConcurrency?: number | undefined;
  /** `'time-optimized'`: ends as early as possible; `'cost-optimized'`: costs as little as possible. */
  readonly aim: 'time-optimized' | 'cost-optimized';
  /** The maximum duration of a cost-optimized schedule, in ms. */
  readonly deadline?: number | undefined;
  /** The maximum number of candidate schedules. Default: depends on the number of functions. */
  readonly budget?: number | undefined;
  readonly seed?: number;
}

// The approximate time of a candidate per function, in ms, and the share of a run that its planning may take.
const msEach = 0.004;
const worth = 0.005;

// One pass, and a backward and a forward pass that justify it: about half of what a large budget gains, for 2.5 µs a function.
const least = 3;

/** The default number of candidates. Few functions are planned quickly, and short runs do not justify long planning. */
function defaultBudget(problem: Problem): number {
  const { size } = problem;
  const most = size <= 200 ? 50 : size <= 2000 ? 10 : least;
  return Math.max(least, Math.min(most, Math.floor((lowerBoundOf(problem, false) * worth) / (size * msEach))));
}

/** Limits the total number of threads, but leaves each node at least one. The fastest nodes keep theirs. */
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

/** @throws `ALLOCATION_ERROR` when a function fits none of the nodes that it may run on */
export function planRun(
  plan: CompiledDag,
  { aim, deadline, seed = 1, maxConcurrency = Infinity, ...given }: PlanOptions,
): PlannedRun {
  const options = { ...given, nodes: limited(given.nodes, maxConcurrency) };
  const problem = toProblem(plan, options);
  const usual = defaultBudget(problem);
  const budget =
    options.budget ?? (aim === 'cost-optimized' ? Math.max(plan.size <= 20_000 ? 24 : 8, 2 * usual) : usual);
  const quick =
    aim === 'cost-optimized'
      ? planCheapest(problem, { budget, seed, deadline })
      : planSchedule(problem, { budget, seed });
  const schedule = aim === 'cost-optimized' ? quick : withFewerMoves(plan, problem, quick, options);
  const { start, finish, node } = schedule;
  // Functions of zero duration come before those that start at the same time.
  const place = new Int32Array(plan.size);
  problem.order.forEach((i, at) => (place[i] = at));
  const takesTime = (i: number): number => Number(finish[i]! > start[i]!);
  const byRank = problem.order
    .slice()
    .sort((a, b) => start[a]! - start[b]! || takesTime(a) - takesTime(b) || place[a]! - place[b]!);
  const rank = new Int32Array(plan.size);
  byRank.forEach((i, at) => (rank[i] = at));
  return {
    plan: { ...plan, rank, byRank },
    assigned: Array.from(node, (index) => problem.nodes[index]!),
    schedule,
    price: priceOf(problem, schedule),
  };
}
