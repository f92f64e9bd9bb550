/**
 * Work that waits behind other work while a lane has nothing to do is taken back and run there. A batch that takes longer than was
 * thought never keeps its mates waiting.
 */
import { shortage } from '../resources/amounts.ts';
import { accepts } from './eligibility.ts';
import { isAvailable } from './claims.ts';
import type { Command } from './commands.ts';
import { isIdle } from './lanes.ts';
import { demandOf } from './ready.ts';
import type { Batch, State } from './state.ts';
import { wakeAfter } from './wake.ts';

// A batch that will end within this many ms by itself is left alone.
const soonMs = 0.5;

/** Called when a lane is idle and nothing more could be started. Whether something is taken back, that is to be started there. */
export function rebalance(state: State, now: number, out: Command[]): boolean {
  let fullest: Batch | undefined;
  let wait = Infinity;
  for (const batch of state.batches.values()) {
    if (batch.takingBack || batch.cancelled) continue;
    const stuckIn = mayBeStuck(state, batch) ? batch.sentAt + state.tuning.stuckMs - now : Infinity;
    if (stuckIn > 0 && !isDivisible(batch)) {
      wait = Math.min(wait, stuckIn);
      continue;
    }
    if (!couldMove(state, batch)) continue;
    const left = timeLeft(batch, now);
    if (stuckIn > 0 && left >= 0 && (left <= soonMs || isTight(batch))) wait = Math.min(wait, left);
    else if (fullest === undefined || batch.size - batch.done > fullest.size - fullest.done) fullest = batch;
  }
  if (fullest !== undefined) takeBack(state, fullest, now, out);
  else if (wait < Infinity) wakeAfter(state, now, wait + soonMs, out);
  return fullest !== undefined;
}

/** No lane is idle, and a run has none: a gang of another makes room, which would else keep its lanes much longer than other batches do. */
export function breakUpGangs(state: State, out: Command[]): void {
  if (state.ganged === 0 || !isAnyWithoutLanes(state)) return;
  for (const batch of state.batches.values()) {
    if (batch.gang === null || batch.takingBack || batch.cancelled || batch.size - batch.done < 2 || batch.lane.batches[0] !== batch) continue;
    batch.takingBack = true;
    out.push({ type: 'TakeBack', batch, count: batch.size - batch.done - 1 });
    return;
  }
}

function isAnyWithoutLanes({ hungry }: State): boolean {
  for (const { lanes, queue, outcome } of hungry) if (lanes === 0 && queue.size > 0 && outcome === undefined) return true;
  return false;
}

/** Whether it may stand behind another scheduler's work: nothing of ours is before it, and nothing has been heard of it. */
function mayBeStuck(state: State, batch: Batch): boolean {
  return state.tuning.stuckMs < Infinity && batch.done === 0 && !waits(batch) && batch.timer < 0;
}

/** Whether another lane could run part of it. A batch that waits can go as a whole. */
function isDivisible(batch: Batch): boolean {
  return waits(batch) || batch.size - batch.done > 1;
}

/**
 * Whether it grew from a single function, and is most likely a chain, or is one of a gang: left together as long as it goes as expected.
 * When it is overdue its first may be done, and one of those that hung on it keep the others waiting.
 */
function isTight(batch: Batch): boolean {
  return batch.gang !== null || (batch.heads <= 1 && !waits(batch));
}

/** Whether its lane works on another. */
function waits(batch: Batch): boolean {
  return batch.lane.batches[0] !== batch;
}

/** How much of its expected time is left, in ms; below 0 when it is overdue, or when nothing is known of it. */
function timeLeft({ sentAt, expectedMs }: Batch, now: number): number {
  return expectedMs === 0 ? -1 : sentAt + expectedMs - now;
}

/**
 * Half of what is left of a batch that goes as expected; all of one that is overdue. A lane that works keeps one function, which it
 * has most likely begun.
 */
function takeBack(state: State, batch: Batch, now: number, out: Command[]): void {
  const isStuck = mayBeStuck(state, batch) && now - batch.sentAt >= state.tuning.stuckMs;
  const spare = batch.size - batch.done - (waits(batch) || isStuck ? 0 : 1);
  batch.takingBack = true;
  out.push({ type: 'TakeBack', batch, count: timeLeft(batch, now) < 0 ? spare : Math.ceil(spare / 2) });
}

/**
 * Whether an idle lane could start some of what would be taken back: that has all its results, and by the same tests as dispatch has.
 * Else it would come back to where it was.
 */
function couldMove(state: State, batch: Batch): boolean {
  const { run, functions, claim } = batch;
  const { plan } = run;
  if (run.lanes >= run.settings.maxConcurrency) return false;
  const able = state.nodes.filter((node) => node.up && node.lanes.some((lane) => isIdle(lane) && !lane.occupied)
    && (claim === undefined || (shortage(claim, node.capabilities) === undefined && isAvailable(state, node, claim))));
  if (able.length === 0) return false;
  const free = run.assigned === null && plan.pins.size === 0 && plan.group === null;
  for (let at = batch.size - 1; at >= batch.done; at--) {
    const i = functions[at]!;
    if (run.missing[i] !== 0) continue;
    const demand = demandOf(state, run, i);
    if (able.some((node) => accepts(run, demand, node))) return true;
    if (free) return false; // the others ask for the same
  }
  return false;
}
