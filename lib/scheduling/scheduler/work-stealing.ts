/**
 * Work stealing: functions that wait behind others while another thread is idle are taken back and run there. So a batch
 * that takes longer than expected does not delay the functions behind it.
 */
import { shortage } from '../resources/amounts.ts';
import { accepts } from './eligibility.ts';
import { isAvailable } from './claims.ts';
import type { Command } from './commands.ts';
import { isIdle } from './threads.ts';
import { demandOf } from './ready.ts';
import { isReserved } from './reservation.ts';
import type { Batch, State } from './state.ts';
import { wakeAfter } from './wake.ts';

// A batch that is expected to end within this many ms is left alone.
const soonMs = 0.5;

/**
 * Called when a thread is idle and nothing more can start. Returns whether functions are taken back that can start there.
 */
export function rebalance(state: State, now: number, out: Command[]): boolean {
  let fullest: Batch | undefined;
  let wait = Infinity;
  for (const batch of state.batches.values()) {
    if (batch.takingBack || batch.cancelled) continue;
    const stuckIn = mayBeStuck(state, batch) ? batch.begunAt + state.tuning.stuckMs - now : Infinity;
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

/**
 * Takes back gang work if no thread is idle and another run has none, because gangs occupy threads much longer than other
 * batches.
 */
export function breakUpGangs(state: State, out: Command[]): void {
  if (state.ganged === 0 || !isAnyWithoutThreads(state)) return;
  for (const batch of state.batches.values()) {
    if (
      batch.gang === null ||
      batch.takingBack ||
      batch.cancelled ||
      batch.size - batch.done < 2 ||
      batch.thread.batches[0] !== batch
    )
      continue;
    batch.takingBack = true;
    out.push({ type: 'TakeBack', batch, count: batch.size - batch.done - 1 });
    return;
  }
}

/** Whether a run has ready functions but no thread. */
function isAnyWithoutThreads({ hungry }: State): boolean {
  for (const { threads, queue, outcome } of hungry)
    if (threads === 0 && queue.size > 0 && outcome === undefined) return true;
  return false;
}

/**
 * Whether the batch may wait behind another scheduler's work: it is the first on its thread, and has not reported
 * anything.
 */
function mayBeStuck(state: State, batch: Batch): boolean {
  return state.tuning.stuckMs < Infinity && batch.done === 0 && !waits(batch) && batch.timer < 0;
}

/** Whether another thread could run a part of the batch. A waiting batch can move as a whole. */
function isDivisible(batch: Batch): boolean {
  return waits(batch) || batch.size - batch.done > 1;
}

/**
 * Whether the batch stays together while it runs as expected: it grew from a single function, so it probably is a
 * chain, or it is part of a gang. If it is overdue, its first function may be done, and one of the dependents may delay
 * the others.
 */
function isTight(batch: Batch): boolean {
  return batch.gang !== null || (batch.heads <= 1 && !waits(batch));
}

/** Whether its thread runs another batch first. */
function waits(batch: Batch): boolean {
  return batch.thread.batches[0] !== batch;
}

/**
 * The ms until it is expected to end or, for a batch that waits, to begin; negative if that is overdue or unknown.
 */
function timeLeft(batch: Batch, now: number): number {
  const { begunAt, expectedMs } = batch.thread.batches[0]!; // the batch itself, or the one it waits for
  return expectedMs === 0 ? -1 : begunAt + expectedMs - now;
}

/**
 * Takes back half of the rest of a batch that runs as expected, or all of an overdue batch. A working thread keeps one
 * function, which it has probably started.
 */
function takeBack(state: State, batch: Batch, now: number, out: Command[]): void {
  const isStuck = mayBeStuck(state, batch) && now - batch.begunAt >= state.tuning.stuckMs;
  const spare = batch.size - batch.done - (waits(batch) || isStuck ? 0 : 1);
  batch.takingBack = true;
  out.push({ type: 'TakeBack', batch, count: timeLeft(batch, now) < 0 ? spare : Math.ceil(spare / 2) });
}

/**
 * Whether an idle thread could start a function that would be taken back: one with all its inputs, by the same tests as
 * dispatch. Otherwise it would return to its old thread.
 */
function couldMove(state: State, batch: Batch): boolean {
  const { run, functions, claim } = batch;
  const { plan } = run;
  if (run.threads >= run.settings.maxConcurrency) return false;
  const able = state.nodes.filter(
    (node) =>
      node.up &&
      node.threads.some((thread) => isIdle(thread) && !thread.occupied) &&
      (claim === undefined ||
        (!isReserved(state, node) &&
          shortage(claim, node.capabilities) === undefined &&
          isAvailable(state, node, claim))),
  );
  if (able.length === 0) return false;
  const free = run.assigned === null && plan.pins.size === 0 && plan.group === null;
  for (let at = batch.size - 1; at >= batch.done; at--) {
    const i = functions[at]!;
    if (run.missing[i] !== 0) continue;
    const demand = demandOf(state, run, i);
    if (able.some((node) => accepts(run, demand, node))) return true;
    if (free) return false; // all functions of the batch have the same demands
  }
  return false;
}
