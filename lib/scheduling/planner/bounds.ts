/** Lower bounds on the duration of any schedule. */
import { heads, shortest, tails } from './levels.ts';
import type { Problem } from './problem.ts';

/** Reduces a thorough bound, so that rounding never lifts it above a schedule that meets it. */
const reduced = 1 - 1e-9;
const thresholds = 48;

/**
 * The largest of several bounds: the longest path on the fastest nodes; for each resource, the work divided by the
 * capacity of all nodes; and the same for functions that start late or end early, plus the time before and after them
 * (a coarse form of the energetic reasoning of Carlier and Latapie 1991).
 *
 * @param thorough includes functions that start late or end early: O(functions) for each of about fifty bounds on their
 *   start
 */
export function lowerBoundOf(problem: Problem, thorough: boolean): number {
  const { size, resources, capacity, speed, demand, demandOf, duration } = problem;
  const slack = thorough ? reduced : 1;
  const least = shortest(problem);
  const tail = tails(problem, least);
  let bound = tail.reduce((most, each) => Math.max(most, each), 0);
  const head = heads(problem, least);
  const byTail = Int32Array.from({ length: size }, (_, i) => i);
  if (thorough) byTail.sort((a, b) => tail[b]! - least[b]! - (tail[a]! - least[a]!));
  const starts = thorough ? quantiles(head) : [0];
  for (let r = 0; r < resources; r++) {
    let offered = 0;
    for (let node = 0; node < speed.length; node++) offered += capacity[node * resources + r]! * speed[node]!;
    if (offered === 0) continue;
    for (const from of starts) {
      let work = 0;
      for (const i of byTail) {
        if (head[i]! < from) continue;
        work += duration[i]! * demand[demandOf[i]! * resources + r]!;
        if (thorough) bound = Math.max(bound, (from + work / offered + tail[i]! - least[i]!) * slack);
      }
      bound = Math.max(bound, (from + work / offered) * slack);
    }
  }
  return Math.max(bound, size > 0 ? longestTogether(problem) * slack : 0);
}

/**
 * The k longest functions together take at least as long as the k fastest threads need for them (Horvath, Lam and Sethi
 * 1977, for preemptive scheduling on uniform processors).
 */
function longestTogether({ resources, demand, demandOf, duration, capacity, speed }: Problem): number {
  // Threads, if they can be scarce, are the first resource.
  if (resources === 0 || demandOf.some((kind) => demand[kind * resources] !== 1)) return 0;
  const threads: number[] = [];
  for (let node = 0; node < speed.length; node++) {
    for (let k = 0; k < Math.min(capacity[node * resources]!, duration.length); k++) threads.push(speed[node]!);
  }
  threads.sort((a, b) => b - a);
  const longest = duration.toSorted().toReversed();
  let bound = 0;
  let work = 0;
  let pace = 0;
  for (let k = 0; k < Math.min(threads.length, longest.length); k++) {
    work += longest[k]!;
    pace += threads[k]!;
    bound = Math.max(bound, work / pace);
  }
  return bound;
}

function quantiles(head: Float64Array): number[] {
  const sorted = [...new Set(head)].sort((a, b) => a - b);
  if (sorted.length <= thresholds) return sorted;
  return Array.from({ length: thresholds }, (_, k) => sorted[Math.floor((k * sorted.length) / thresholds)]!);
}
