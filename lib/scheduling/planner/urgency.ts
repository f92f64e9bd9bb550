/** The urgency of each function for one pass. Higher urgency goes first. */
import { tails } from './levels.ts';
import type { Problem } from './problem.ts';

/** In larger graphs, summing the work of all descendants takes longer than a pass. */
const few = { functions: 500, edges: 2000 };

/** Upward rank: the mean time over the eligible nodes, plus the transfers on the path (HEFT). */
export function upwardRank(problem: Problem, moves = 1): Float64Array {
  const { eligible, placesOf, speed, duration } = problem;
  const slowness = eligible.map((nodes) => nodes.reduce((sum, node) => sum + 1 / speed[node]!, 0) / nodes.length);
  return tails(
    problem,
    duration.map((ms, i) => ms * slowness[placesOf[i]!]!),
    moves,
  );
}

/**
 * The longest path to the end, plus a quarter of the time that all descendants need of the scarcest resource. Among
 * functions with equally long paths, the one with more dependent work goes first. (A mixture of latest finish and
 * greatest rank positional weight, the parts of which are in Kolisch 1996.)
 */
export function urgencies(problem: Problem): Float64Array {
  const rank = upwardRank(problem);
  return problem.size <= few.functions && problem.after.ends.length <= few.edges
    ? rank.map((way, i) => way + load(problem, i) / 4)
    : rank;
}

/** The minimum time in ms of all descendants, by the resource that they use most of. */
function load({ size, after, duration, demand, demandOf, resources, capacity, speed }: Problem, i: number): number {
  const seen = new Uint8Array(size);
  const stack = [i];
  const used = new Float64Array(resources);
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    for (let k = after.offset[at]!; k < after.offset[at + 1]!; k++) {
      const next = after.ends[k]!;
      if (seen[next] === 1) continue;
      seen[next] = 1;
      stack.push(next);
      for (let r = 0; r < resources; r++) used[r]! += duration[next]! * demand[demandOf[next]! * resources + r]!;
    }
  }
  let most = 0;
  for (let r = 0; r < resources; r++) {
    let offered = 0;
    for (let node = 0; node < speed.length; node++) offered += capacity[node * resources + r]! * speed[node]!;
    if (used[r]! > most * offered) most = used[r]! / offered;
  }
  return most;
}
