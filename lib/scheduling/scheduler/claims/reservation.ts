/**
 * EASY backfilling (Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995). Small claims would pass a large one forever,
 * because a node under load never has much free at once. So the first function whose claim does not fit gets a
 * **reservation** on the node that should be free for it first. Others may claim there only what delays it little:
 *
 * ```
 *   amount ▲
 *          │ ┌─────── running ───────┐
 *          │ ├── running ──┐ passes  │┌──────────────┐   `passes` should end before the shadow time,
 *          │ │             ├────────┐││   reserved   │   `beside` leaves enough for the reserved function
 *          │ │             └────────┘│└──────────────┘
 *          │ │ beside ────────────────────────────
 *          └─┴───────────────────────┴──────────────────► time
 *                                    shadow time
 * ```
 *
 * There is one reservation at a time. Among functions of a run it belongs to the first in rank, among runs to the one
 * that has waited longest. While durations are unknown, a few functions may pass. So may a few of the same run, if its
 * functions have no priorities. What has passed and takes longer than expected lets no others pass: otherwise functions
 * whose durations are underestimated would pass forever.
 */
import { add, remaining, shortage } from '../../resources/amounts.ts';
import type { Cost } from '../../../dag/types.ts';
import { accepts, fits } from '../dispatch/eligibility.ts';
import type { Command } from '../commands.ts';
import type { ReadyClass } from '../ready-queue.ts';
import { batchesOn, hasRoomOn, withSeats } from '../dispatch/seats.ts';
import type { Batch, Node, Reservation, Run, State } from '../state.ts';
import { wakeAfter } from '../dispatch/wake.ts';

// The maximum number of batches that pass a reservation although they may delay it.
const maxPassing = 4;
// After this many ms at the earliest, another node is considered.
const settleMs = 5;
// Messages take time too, so only what is late by more than these ms may be expected to go on.
const lateMs = 5;
// A node that was free for the function, but whose tracker refused, is not kept free for it again at once.
const minPauseMs = 50;
const maxPauseMs = 1000;
// The resolution of clocks, in ms.
const moment = 1e-6;

/** The time when the node should be free for the reserved function, and the amounts that it leaves then. */
interface Shadow {
  readonly at: number;
  readonly extra: Cost;
  /** Whether it rests on a batch of unknown duration, or one that is long overdue. */
  readonly isGuess: boolean;
}

/** Drops a reservation whose function does not wait any more. */
export function reviewReservation(state: State): void {
  const { reservation } = state;
  if (reservation === null) return;
  const { run, from } = reservation;
  const isOver = run.outcome !== undefined || state.runs.get(run.id) !== run;
  if (from.heap.size === 0 || isOver || run.threads >= run.settings.maxConcurrency) state.reservation = null;
}

/** Notes that a batch of a class starts, so the class waits no longer. */
export function noteServed(state: State, run: Run, from: ReadyClass): void {
  if (run.short?.from === from) run.short = null;
  if (state.reservation?.from === from) state.reservation = null;
}

/** A class that waits for a limit of the program needs no node yet: what it waits for may need that node. */
export function leaveReservation(state: State, from: ReadyClass): void {
  if (state.reservation?.from === from) state.reservation = null;
}

/** Handles a class whose first function found no room: if only claims of batches are in its way, it may get the reservation. */
export function reserve(state: State, run: Run, from: ReadyClass, now: number, out: Command[]): void {
  const cost = run.plan.costs[from.cost];
  if (cost === undefined || run.outcome !== undefined || run.threads >= run.settings.maxConcurrency) return;
  const { reservation } = state;
  if (reservation !== null && isSettled(reservation, run, from, now)) {
    // Keeps the cost apart from the number of nodes.
    if (reservation.from === from && fits(reservation.node, cost)) refused(state, run, from, reservation.node, now);
    return;
  }
  let isShort = false;
  for (const node of state.nodes) {
    if (!couldRun(run, from, cost, node)) continue;
    if (fits(node, cost)) return refused(state, run, from, node, now);
    isShort = true;
  }
  if (!isShort) return;
  const { short } = run;
  if (short === null || short.from.heap.size === 0) run.short = { from, since: now, pause: 0, pausedUntil: -Infinity };
  else if (short.from !== from && from.heap.top < short.from.heap.top) short.from = from;
  if (mayReserve(state, run, from, now)) choose(state, run, from, cost, now, out);
}

/** Whether a node that is up could run functions of a class if it were free. */
function couldRun(run: Run, from: ReadyClass, cost: Cost, node: Node): boolean {
  return node.threadsUp > 0 && accepts(run, from, node) && shortage(cost, node.capabilities) === undefined;
}

/** Whether the reservation should now go to a node for this class, instead of where it is. */
function mayReserve({ reservation }: State, run: Run, from: ReadyClass, now: number): boolean {
  const short = run.short!;
  if (short.from !== from || now < short.pausedUntil) return false;
  if (reservation === null) return true;
  if (reservation.run !== run) return reservation.run.short!.since > short.since;
  return reservation.from !== from || now >= reservation.due || !accepts(run, from, reservation.node);
}

/**
 * Whether a batch of a class may claim its cost on a node: `'free'` if that delays no reserved function, `'bounded'` if it
 * may, and counts towards the few that are allowed to; undefined if it has to wait.
 *
 * @param i the first function of the class
 */
export function passage(
  state: State,
  run: Run,
  from: ReadyClass,
  i: number,
  node: Node,
  cost: Cost,
  now: number,
  out: Command[],
): 'free' | 'bounded' | undefined {
  const { reservation } = state;
  if (reservation === null || reservation.node !== node) return 'free';
  if (run === reservation.run && from.heap.top <= reservation.from.heap.top) return 'free';
  const { at, extra, isGuess } = shadowOf(state, node, reservation.cost, now, reservation.since);
  if (shortage(cost, extra) === undefined) return 'free';
  const ms = knownMs(state, run, i);
  const end = ms === undefined ? undefined : now + ms / node.speed;
  if (end !== undefined && end <= at + moment) return 'free';
  // A run without priorities ends sooner if its own small functions first fill the gaps.
  const isOwn = run === reservation.run && !run.plan.prioritized;
  if (reservation.passed < maxPassing && (isOwn || end === undefined || isGuess)) return 'bounded';
  // It will be known to end in time when what is in the way has run longer, and so is expected to run longer.
  if (end !== undefined && isGuess) wakeAfter(state, now, Math.max(1, end - at), out);
  return undefined;
}

/** Whether claims on this node are limited to those that `mayPass`. */
export function isReserved({ reservation }: State, node: Node): boolean {
  return reservation !== null && reservation.node === node;
}

/** Whether a class would change nothing: it has the reservation, or its run has waited less long than that of another. */
function isSettled(reservation: Reservation, run: Run, from: ReadyClass, now: number): boolean {
  if (reservation.from === from) return now < reservation.due && accepts(run, from, reservation.node);
  const { short } = run;
  if (reservation.run === run || short === null || short.from !== from || from.heap.size === 0) return false;
  return reservation.run.short!.since <= short.since;
}

/** A node has enough free by the scheduler's own count. If its tracker refuses, keeping it free would not help. */
function refused(state: State, run: Run, from: ReadyClass, node: Node, now: number): void {
  if (state.reservation?.from !== from || state.reservation.node !== node) return;
  if (node.idle === 0 && !(from.concurrent && hasRoomOn(node))) return;
  const short = run.short!;
  short.pause = Math.min(maxPauseMs, Math.max(minPauseMs, short.pause * 2));
  short.pausedUntil = now + short.pause;
  state.reservation = null;
}

/** Reserves the node that should be free for the first function of a class first. */
function choose(state: State, run: Run, from: ReadyClass, cost: Cost, now: number, out: Command[]): void {
  const { reservation: before } = state;
  let best: Node | undefined;
  let soonest = Infinity;
  for (const node of state.nodes) {
    if (!couldRun(run, from, cost, node)) continue;
    const { at } = shadowOf(state, node, cost, now, before?.from === from ? before.since : now);
    if (at < soonest || (at === soonest && node === before?.node && before.from === from)) {
      best = node;
      soonest = at;
    }
  }
  if (best === undefined) return;
  const { passed, since } = before?.from === from ? before : { passed: 0, since: now };
  const due = Math.max(soonest, now + settleMs);
  state.reservation = { run, from, node: best, cost, since, due, passed };
  if (before?.from !== from || before.node !== best) takeBackQueued(run, best, out);
}

/** Takes back what waits behind running functions on a reserved node, because it would pass the reserved function. */
function takeBackQueued(run: Run, node: Node, out: Command[]): void {
  for (const thread of node.threads) {
    for (const batch of batchesOn(thread)) {
      const count = batch.size - batch.done - (batch.thread.batches[0] === batch ? 1 : 0);
      if (batch.claim === undefined || batch.takingBack || batch.cancelled || count <= 0) continue;
      // Within a run without priorities, the order is a matter of milliseconds, and messages would cost more.
      if (batch.run === run && !run.plan.prioritized) continue;
      batch.takingBack = true;
      out.push({ type: 'TakeBack', batch, count });
    }
  }
}

/**
 * When a node should have `cost` free, as batches end in the expected order.
 *
 * @param since the time in ms of the reservation: what began later has passed it
 */
function shadowOf(state: State, node: Node, cost: Cost, now: number, since: number): Shadow {
  const holders: { readonly at: number; readonly isGuess: boolean; readonly claim: Cost }[] = [];
  for (const { batches } of node.threads.flatMap(withSeats)) {
    const [first] = batches;
    if (first?.claim === undefined) continue;
    let { left, isGuess } = timeLeft(state, first, now, since);
    // The batch behind it takes over the claim.
    for (const { holds, expectedMs } of batches) if (!holds) left += expectedMs;
    holders.push({ at: now + left, isGuess, claim: first.claim });
  }
  holders.sort((a, b) => a.at - b.at);
  const free = remaining(node.capabilities, node.claimed);
  let at = now;
  let isGuess = false;
  for (const holder of holders) {
    if (shortage(cost, free) === undefined) break;
    add(free, holder.claim);
    at = holder.at;
    isGuess ||= holder.isGuess;
  }
  return { at, extra: remaining(free, cost), isGuess };
}

/**
 * The expected ms until a batch ends. What is unknown, or takes twice as long as expected, is expected to take as long
 * again as it has, unless it began after `since`.
 */
function timeLeft(
  state: State,
  batch: Batch,
  now: number,
  since: number,
): { readonly left: number; readonly isGuess: boolean } {
  const { run, functions, done, size, begunAt } = batch;
  const isSingle = size - done === 1;
  const elapsed = now - (isSingle ? batch.since : begunAt);
  const known = isSingle ? knownMs(state, run, functions[done]!) : undefined;
  const expected = known === undefined ? batch.expectedMs : known / batch.thread.node.speed;
  if (elapsed < expected) return { left: expected - elapsed, isGuess: false };
  if (elapsed < 2 * expected + lateMs) return { left: 0, isGuess: expected === 0 };
  return begunAt > since ? { left: 0, isGuess: false } : { left: elapsed, isGuess: true };
}

/** The duration of a function in ms on a node of speed 1: of its own, or learned from its code. */
function knownMs({ estimates }: State, { settings, plan }: Run, i: number): number | undefined {
  const own = settings.known?.get(i) ?? plan.entries[i]!.traits.duration;
  if (own !== undefined) return own;
  const { mean, count } = estimates[settings.codes[plan.code[i]!]!]!;
  return count > 0 ? mean : undefined;
}
