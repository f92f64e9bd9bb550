/** Merges equal nodes into one if threads are the only resource and moves between the nodes take no time. */
import FlatQueue from 'flatqueue';
import type { Problem } from './problem.ts';
import type { Schedule } from './schedule.ts';

/** The problem with its nodes merged; undefined if that would change the problem. */
export function pooled(problem: Problem): Problem | undefined {
  const { nodes, speed, resources, capacity, demand, demandOf, eligible, placesOf, group, before } = problem;
  const alike =
    nodes.length > 1 &&
    group === null &&
    before.move === null &&
    resources === 1 &&
    speed.every((each) => each === speed[0]) &&
    capacity.every(Number.isInteger) &&
    demandOf.every((kind) => demand[kind] === 1) &&
    placesOf.every((places) => eligible[places]!.length === nodes.length);
  if (!alike) return undefined;
  return {
    ...problem,
    nodes: ['all'],
    speed: speed.slice(0, 1),
    price: problem.price.slice(0, 1),
    site: Int32Array.of(0),
    capacity: Float64Array.of(capacity.reduce((sum, each) => sum + each, 0)),
    placesOf: new Int32Array(problem.size),
    eligible: [Int32Array.of(0)],
  };
}

/**
 * Distributes the functions of a merged schedule over the nodes. When a function starts, some node has a free thread.
 */
export function dealt({ size, capacity }: Problem, schedule: Schedule): Schedule {
  const { start, finish } = schedule;
  const node = new Int32Array(size);
  const free = capacity.slice();
  const running = new FlatQueue<number>();
  // Functions of zero duration may share a thread with others, so they are distributed first.
  const byStart = Int32Array.from({ length: size }, (_, i) => i).sort(
    (a, b) => start[a]! - start[b]! || finish[a]! - finish[b]!,
  );
  for (const i of byStart) {
    while (running.length > 0 && running.peekValue()! <= start[i]!) free[node[running.pop()!]!]!++;
    const roomiest = free.reduce((best, each, k) => (each > free[best]! ? k : best), 0);
    node[i] = roomiest;
    if (finish[i] === start[i]) continue;
    free[roomiest]!--;
    running.push(i, finish[i]!);
  }
  return { ...schedule, node };
}
