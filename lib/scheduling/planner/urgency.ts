/** How urgent each function is, for one pass: the higher, the earlier it is taken. */
import { tails } from './levels.ts';
import type { Problem } from './problem.ts';

/** Beyond so many functions or edges, counting what hangs on each costs more than a pass. */
const few = { functions: 500, edges: 2000 };

/** Upward rank: the mean time over all nodes where it may run, and the transfers on the way (HEFT). */
export function upwardRank(problem: Problem, moves = 1): Float64Array {
  const { eligible, placesOf, speed, duration } = problem;
  const slowness = eligible.map((nodes) => nodes.reduce((sum, node) => sum + 1 / speed[node]!, 0) / nodes.length);
  return tails(problem, duration.map((ms, i) => ms * slowness[placesOf[i]!]!), moves);
}

/**
 * The way to the end, and a quarter of the time that all that hangs on the function takes of the scarcest resource: among functions
 * with as long a way to go, the one that more work waits for is first. (The mixture of latest finish and greatest rank positional
 * weight, of which Kolisch 1996 has the parts.)
 */
export function urgencies(problem: Problem): Float64Array {
  const rank = upwardRank(problem);
  return problem.size <= few.functions && problem.after.ends.length <= few.edges ? rank.map((way, i) => way + load(problem, i) / 4) : rank;
}

/** ms that what hangs on a function takes at least, by the resource that it uses most of. */
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
