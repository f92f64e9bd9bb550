/** Parallel schedule generation on one node: as time advances, it starts the most urgent functions that fit. */
import FlatQueue from 'flatqueue';
import type { Draft } from './decoder.ts';
import type { Problem } from './problem.ts';

const tolerance = 1e-9;
/**
 * The number of kinds of demand examined at a moment. With thousands of ready kinds, the others would hardly fit where
 * these do not.
 */
const enough = 1000;

/**
 * Dispatches by rising key (the parallel scheme of Kolisch 1996, "Serial and parallel resource-constrained project
 * scheduling methods revisited"). No function waits while it fits, so this may miss the best schedule. In a single
 * pass, it is the better scheme when resources are scarce.
 *
 * @returns ms from start to end
 */
export function dispatch(problem: Problem, key: Float64Array, backward: boolean, into: Draft): number {
  const { size, resources, capacity, demand, demandOf, duration } = problem;
  const before = backward ? problem.after : problem.before;
  const after = backward ? problem.before : problem.after;
  const { start, finish } = into;
  const speed = problem.speed[0]!;
  const free = capacity.slice(0, resources);
  const missing = new Int32Array(size);
  const running = new FlatQueue<number>();
  // Functions with equal demand fit or do not fit alike, so only the most urgent of each kind is examined.
  const ready: FlatQueue<number>[] = [];
  const waiting: number[] = []; // kinds that have a ready function
  let makespan = 0;
  for (let i = 0; i < size; i++) if ((missing[i] = before.offset[i + 1]! - before.offset[i]!) === 0) admit(i);
  for (let now = 0; ;) {
    for (let kind = next(); kind >= 0; kind = next()) launch(kind, now);
    const time = running.peekValue();
    if (time === undefined) break;
    now = time;
    while (running.peekValue() === now) conclude(running.pop()!);
  }
  return makespan;

  function admit(i: number): void {
    const kind = demandOf[i]!;
    const queue = (ready[kind] ??= new FlatQueue());
    if (queue.length === 0) waiting.push(kind);
    queue.push(i, key[i]!);
  }

  /** The index in `waiting` of the kind with the most urgent function that fits now, or -1. */
  function next(): number {
    let best = -1;
    let least = Infinity;
    for (let at = 0, end = Math.min(enough, waiting.length); at < end; at++) {
      const kind = waiting[at]!;
      const urgency = ready[kind]!.values[0]!;
      if (urgency < least && fits(kind)) {
        least = urgency;
        best = at;
      }
    }
    return best;
  }

  function fits(kind: number): boolean {
    for (let r = 0, row = kind * resources; r < resources; r++)
      if (free[r]! + tolerance < demand[row + r]!) return false;
    return true;
  }

  function launch(at: number, now: number): void {
    const kind = waiting[at]!;
    const i = ready[kind]!.pop()!;
    if (ready[kind]!.length === 0) {
      waiting[at] = waiting.at(-1)!;
      waiting.pop();
    }
    start[i] = now;
    finish[i] = now + duration[i]! / speed;
    if (finish[i]! > makespan) makespan = finish[i]!;
    for (let r = 0, row = kind * resources; r < resources; r++) free[r]! -= demand[row + r]!;
    running.push(i, finish[i]!);
  }

  function conclude(i: number): void {
    for (let r = 0, row = demandOf[i]! * resources; r < resources; r++) free[r]! += demand[row + r]!;
    for (let k = after.offset[i]!; k < after.offset[i + 1]!; k++)
      if (--missing[after.ends[k]!]! === 0) admit(after.ends[k]!);
  }
}
