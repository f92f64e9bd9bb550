/** The planner: finds a good schedule for a problem. */
import { lowerBoundOf } from './bounds.ts';
import type { Decoder } from './decoder.ts';
import { dispatch } from './dispatch.ts';
import { evolve, founderNoise } from './genetic.ts';
import { fillKeys } from './keys.ts';
import { SingleNodeDecoder } from './single-node-decoder.ts';
import { listBy } from './order.ts';
import { MultiNodeDecoder } from './multi-node-decoder.ts';
import { dealt, pooled } from './node-pooling.ts';
import type { Problem } from './problem.ts';
import { Random } from '../../core/random.ts';
import type { Schedule } from './schedule.ts';
import { Search } from './search.ts';
import { urgencies } from './urgency.ts';

export interface SearchOptions {
  /** The number of candidate schedules. Default 1: one pass. */
  readonly budget?: number;
  /** The same seed gives the same schedule. Default 1. */
  readonly seed?: number;
}

/** With more functions than this, walking a chain of all moments takes too long. */
const walkable = 2000;

/** The best of `budget` candidate schedules of the problem, and a lower bound to compare it with. */
export function planSchedule(problem: Problem, options: SearchOptions = {}): Schedule {
  const pool = pooled(problem);
  return pool === undefined ? solve(problem, options) : dealt(problem, solve(pool, options));
}

function solve(problem: Problem, { budget = 1, seed = 1 }: SearchOptions): Schedule {
  const lowerBound = lowerBoundOf(problem, budget > 1);
  const single = problem.nodes.length === 1;
  const decoder: Decoder =
    single && problem.size <= walkable ? new SingleNodeDecoder(problem) : new MultiNodeDecoder(problem);
  const search = new Search(problem, decoder, budget, lowerBound);
  const urgency = urgencies(problem);
  onePass(search, urgency);
  const dice = new Random(seed);
  // Evolution does not keep the users' priorities. If there are any, the other candidates are random passes.
  if (problem.priority === null) evolve(search, urgency, dice);
  else while (search.left > 0) onePass(search, urgency, dice);
  const { start, finish, node, makespan } = search.best!;
  return { start, finish, node, makespan, lowerBound, candidates: search.candidates };
}

/** One pass that takes functions by urgency; with `dice`, by a mixture of urgency and chance. */
function onePass(search: Search, urgency: Float64Array, dice?: Random): void {
  const { problem, draft } = search;
  const key = new Float64Array(problem.size);
  fillKeys(problem, urgency, key, dice === undefined ? 0 : founderNoise(problem), dice);
  // Dispatch starts whatever fits, so it lets small functions pass a large one of higher priority.
  if (problem.nodes.length === 1 && problem.priority === null) search.note(dispatch(problem, key, false, draft));
  else search.forward(listBy(problem, problem.before, problem.after, key));
}
