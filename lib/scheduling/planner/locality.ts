/**
 * Prefers schedules that move fewer results between hosts. A move costs both hosts more than its time, so of two
 * schedules of about equal length, the one with fewer moves is better.
 */
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { createDraft } from './decoder.ts';
import { homesOf } from './home-hosts.ts';
import { fillKeys } from './keys.ts';
import { listBy } from './order.ts';
import { MultiNodeDecoder } from './multi-node-decoder.ts';
import type { Problem, ProblemOptions } from './problem.ts';
import { keep, type Schedule } from './schedule.ts';
import { urgencies } from './urgency.ts';

/** A schedule that considers where results are best made, if it is better than one that considers time only. */
export function withFewerMoves(
  plan: CompiledDag,
  problem: Problem,
  quick: Schedule,
  options: ProblemOptions,
): Schedule {
  const { bytesOf = (i: number) => plan.entries[i]!.traits.outputBytes ?? 0 } = options;
  if (problem.before.move === null || options.nodes.some(({ site }) => site === undefined)) return quick;
  const home = homesOf(plan, { nodes: options.nodes, durationOf: (i) => problem.duration[i]!, bytesOf });
  if (home === undefined) return quick;
  const near = schedule(confined(problem, home, options));
  const [cost, other] = [quick, near].map((each) => each.makespan + movedMs(problem, each.node)) as [number, number];
  return other < cost ? { ...quick, ...near, candidates: quick.candidates + 1 } : quick;
}

function schedule(problem: Problem): Pick<Schedule, 'start' | 'finish' | 'node' | 'makespan'> {
  const key = new Float64Array(problem.size);
  fillKeys(problem, urgencies(problem), key, 0);
  const draft = createDraft(problem);
  const makespan = new MultiNodeDecoder(problem).decode(
    listBy(problem, problem.before, problem.after, key),
    false,
    draft,
  );
  return keep(draft, makespan);
}

/** The problem with each function restricted to the nodes of its home, if it may run there. */
function confined(problem: Problem, home: Int32Array, { nodes }: ProblemOptions): Problem {
  const siteOf = problem.nodes.map((name) => nodes.find((node) => node.name === name)!.site!);
  const eligible = [...problem.eligible];
  const known = new Map<string, number>();
  const placesOf = problem.placesOf.map((places, i) => {
    const key = `${places} ${home[i]}`;
    let index = known.get(key);
    if (index === undefined) {
      const there = problem.eligible[places]!.filter((node) => siteOf[node] === home[i]);
      index = there.length === 0 ? places : eligible.push(there) - 1;
      known.set(key, index);
    }
    return index;
  });
  return { ...problem, eligible, placesOf };
}

/** ms of all moves between sites, each result once per site, divided by the number of sites. */
function movedMs({ after, site, size }: Problem, node: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const to = new Set<number>();
    for (let k = after.offset[i]!; k < after.offset[i + 1]!; k++) {
      const reader = site[node[after.ends[k]!]!]!;
      if (reader === site[node[i]!] || to.has(reader)) continue;
      to.add(reader);
      sum += after.move![k]!;
    }
  }
  return sum / new Set(site).size;
}
