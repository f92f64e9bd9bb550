/** The planner: a problem in, a good schedule out. */
import { lowerBoundOf } from './bounds.ts';
import type { Decoder } from './decoder.ts';
import { dispatch } from './dispatch.ts';
import { evolve, founderNoise } from './genetic.ts';
import { fillKeys } from './keys.ts';
import { OneNode } from './single-node-decoder.ts';
import { listBy } from './order.ts';
import { Placing } from './multi-node-decoder.ts';
import { dealt, pooled } from './node-pooling.ts';
import type { Problem } from './problem.ts';
import { Random } from '../../core/random.ts';
import type { Schedule } from './schedule.ts';
import { Search } from './search.ts';
import { urgencies } from './urgency.ts';

export interface SearchOptions {
  /** Candidate schedules to look at. Default 1: one pass. */
  readonly budget?: number;
  /** The same seed, the same schedule. Default 1. */
  readonly seed?: number;
}

/** Beyond so many functions, a chain of all moments is too long to walk along. */
const walkable = 2000;

/** A schedule of the problem, the best of `budget` candidates, and what it is to be measured by. */
export function planSchedule(problem: Problem, options: SearchOptions = {}): Schedule {
  const pool = pooled(problem);
  return pool === undefined ? solve(problem, options) : dealt(problem, solve(pool, options));
}

function solve(problem: Problem, { budget = 1, seed = 1 }: SearchOptions): Schedule {
  const lowerBound = lowerBoundOf(problem, budget > 1);
  const single = problem.nodes.length === 1;
  const decoder: Decoder = single && problem.size <= walkable ? new OneNode(problem) : new Placing(problem);
  const search = new Search(problem, decoder, budget, lowerBound);
  const urgency = urgencies(problem);
  onePass(search, urgency);
  const dice = new Random(seed);
  // A list that has been through evolution knows nothing of priorities, so where the user gave some, chance alone has to do.
  if (problem.priority === null) evolve(search, urgency, dice);
  else while (search.left > 0) onePass(search, urgency, dice);
  const { start, finish, node, makespan } = search.best!;
  return { start, finish, node, makespan, lowerBound, candidates: search.candidates };
}

/** Takes functions by urgency; with dice, by a mixture of urgency and chance. */
function onePass(search: Search, urgency: Float64Array, dice?: Random): void {
  const { problem, draft } = search;
  const key = new Float64Array(problem.size);
  fillKeys(problem, urgency, key, dice === undefined ? 0 : founderNoise(problem), dice);
  if (problem.nodes.length === 1) search.note(dispatch(problem, key, false, draft));
  else search.forward(listBy(problem, problem.before, problem.after, key));
}
