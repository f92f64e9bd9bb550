/**
 * Work stealing: functions that wait behind others while another thread is idle are taken back and run there. So a batch
 * that takes longer than expected does not delay the functions behind it.
 */
import { shortage } from '../../resources/amounts.ts';
import type { Cost } from '../../../dag/types.ts';
import { accepts } from './eligibility.ts';
import { isAvailable } from '../claims/claims.ts';
import { sharedBatches } from './batching.ts';
import type { Command } from '../commands.ts';
import { isIdle } from './threads.ts';
import { demandOf } from '../ready.ts';
import { isReserved } from '../claims/reservation.ts';
import type { Demand } from '../ready-queue.ts';
import type { Batch, Node, Run, State } from '../state.ts';
import { wakeAfter } from './wake.ts';

// A batch that is expected to end within this many ms is left alone.
const soonMs = 0.5;

// A pass looks at this many batches of each kind, so that its cost does not grow with the number of threads.
const maxSeen = 16;

/**
 * Called when a thread is idle and nothing more can start. Takes back functions of the fullest of the next few batches
 * that an idle thread could help.
 *
 * @returns whether functions are taken back that can start there
 */
export function rebalance(state: State, now: number, out: Command[]): boolean {
  const pass = new Pass(state, now);
  const fullest = pass.stuck() ?? pass.fullest();
  if (fullest !== undefined) takeBack(state, fullest, now, out);
  else if (pass.wait < Infinity) wakeAfter(state, now, pass.wait + soonMs, out);
  return fullest !== undefined;
}

class Pass {
  readonly #state: State;
  readonly #now: number;
  /** The claims for which no idle thread is found, by run. */
  readonly #refused = new Map<Run, Set<Cost | undefined>>();
  /** ms until another pass may find something; Infinity if only another event can bring that. */
  wait = Infinity;

  constructor(state: State, now: number) {
    this.#state = state;
    this.#now = now;
  }

  /** A batch whose thread seems to work for another scheduler. */
  stuck(): Batch | undefined {
    const { silent } = this.#state.stealing;
    let left = Math.min(maxSeen, silent.size);
    for (const batch of silent) {
      if (!mayBeStuck(this.#state, batch)) {
        silent.delete(batch); // it has reported something, or a timer watches it
        continue;
      }
      const stuckIn = batch.begunAt + this.#state.tuning.stuckMs - this.#now;
      if (stuckIn > 0) this.wait = Math.min(this.wait, stuckIn);
      if (stuckIn > 0 || left-- === 0) return undefined; // threads have come to the others later
      if (!batch.takingBack && !batch.cancelled && this.#couldMove(batch)) return batch;
      silent.delete(batch);
      silent.add(batch);
    }
    return undefined;
  }

  /** The fullest of the next batches that another thread could run a part of. */
  fullest(): Batch | undefined {
    const { divisible } = this.#state.stealing;
    const seen = Math.min(maxSeen, divisible.size);
    let fullest: Batch | undefined;
    let wait = Infinity;
    let left = seen;
    for (const batch of divisible) {
      if (left-- === 0) break;
      if (divisible.size > maxSeen || !isDivisible(batch)) divisible.delete(batch);
      if (!isDivisible(batch)) continue; // and it never will be again
      divisible.add(batch);
      if (batch.takingBack || batch.cancelled || !this.#couldMove(batch)) continue;
      const ends = timeLeft(batch, this.#now);
      if (ends >= 0 && (ends <= soonMs || isTight(batch))) wait = Math.min(wait, ends);
      else if (fullest === undefined || batch.size - batch.done > fullest.size - fullest.done) fullest = batch;
    }
    if (fullest === undefined) this.#goOn(seen, wait);
    return fullest;
  }

  /** Nothing was found: notes when to look at the same batches again, and the next ones soon. */
  #goOn(seen: number, wait: number): void {
    const { stealing } = this.#state;
    stealing.unseen = (stealing.unseen > 0 ? stealing.unseen : stealing.divisible.size) - seen;
    stealing.due = Math.min(stealing.due, this.#now + wait);
    if (stealing.unseen > 0) {
      this.wait = 0;
      return;
    }
    this.wait = Math.min(this.wait, Math.max(0, stealing.due - this.#now));
    stealing.unseen = 0;
    stealing.due = Infinity;
  }

  /**
   * Whether an idle thread could start a function that would be taken back: one with all its inputs, by the same tests as
   * dispatch. Otherwise it would return to its old thread.
   */
  #couldMove({ run, functions, claim, size, done }: Batch): boolean {
    const { plan } = run;
    if (run.threads >= run.settings.maxConcurrency) return false;
    const isUniform = run.assigned === null && plan.pins.size === 0 && plan.group === null;
    if (isUniform && this.#refused.get(run)?.has(claim) === true) return false;
    for (let at = size - 1; at >= done; at--) {
      const i = functions[at]!;
      if (run.missing[i] !== 0) continue;
      if (this.#hasRoom(run, demandOf(this.#state, run, i), claim)) return true;
      if (!isUniform) continue;
      const refused = this.#refused.get(run);
      if (refused === undefined) this.#refused.set(run, new Set([claim]));
      else refused.add(claim);
      return false; // all functions of the batch have the same demands
    }
    return false;
  }

  #hasRoom(run: Run, demand: Demand, claim: Cost | undefined): boolean {
    const isAble = (node: Node): boolean =>
      accepts(run, demand, node) &&
      node.threads.some((thread) => isIdle(thread) && !thread.occupied) &&
      (claim === undefined ||
        (!isReserved(this.#state, node) &&
          shortage(claim, node.capabilities) === undefined &&
          isAvailable(this.#state, node, claim)));
    return demand.node >= 0 ? isAble(this.#state.nodes[demand.node]!) : this.#state.idleNodes.some(isAble);
  }
}

/**
 * Takes back work of a long batch if no thread is idle and another run has none. One batch at a time, because one thread
 * may be enough.
 */
export function breakUpLong(state: State, out: Command[]): void {
  if (!isAnyWithoutThreads(state)) return;
  for (const batch of state.stealing.divisible) {
    if (batch.takingBack || batch.cancelled || !isDivisible(batch) || !isLong(state, batch)) continue;
    batch.takingBack = true;
    out.push({ type: 'TakeBack', batch, count: batch.size - batch.done - (waits(batch) ? 0 : 1) });
    return;
  }
}

/** Whether a batch occupies its thread for longer than other runs should wait. */
function isLong({ tuning }: State, { gang, size, expectedMs }: Batch): boolean {
  return gang !== null || (size > 1 && expectedMs > sharedBatches * tuning.batchMs);
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
