/** Batches on threads: opening and closing them, and handling the loss of a thread or a node. */
import type { Command } from '../commands.ts';
import { hold, letGo } from '../claims/claims.ts';
import { giveBackUses, takeUses } from '../claims/limits.ts';
import { hasLost, speaks } from '../speculation/race.ts';
import { fail } from '../failure/failure.ts';
import { addIdle, removeIdle } from './idle.ts';
import { putBackUnlessBegun } from '../failure/once.ts';
import { putBack } from '../ready.ts';
import type { Crash, StartedCount } from '../events.ts';
import { leaveSeat, newThread, noteRoom, takeSeat } from './seats.ts';
import type { Failure } from '../outcome.ts';
import { type Batch, type Thread, type Node, noteIfOver, type State, Status } from '../state.ts';

/** Puts a batch on its thread. The claim must be granted already. */
export function openBatch(state: State, batch: Batch): void {
  const { thread, run } = batch;
  if (thread.of !== null) takeSeat(state, thread);
  else if (thread.batches.length === 0) removeIdle(state, thread.node);
  if (!thread.batches.some((other) => other.run === run)) run.threads++;
  thread.batches.push(batch);
  run.batches.add(batch);
  if (batch.gang !== null) {
    run.ganged++;
    state.ganged++;
  }
  state.batches.set(batch.id, batch);
  watchForStealing(state, batch);
  if (batch.holds) hold(thread.node, batch.claim);
  if (batch.uses !== undefined) takeUses(state, batch);
  updateShallow(state, thread);
}

/** Removes a batch whose functions are all accounted for from its thread, and releases its claim. */
export function closeBatch(state: State, batch: Batch): void {
  const { thread, run } = batch;
  thread.batches.splice(thread.batches.indexOf(batch), 1);
  if (!thread.batches.some((other) => other.run === run)) run.threads--;
  run.batches.delete(batch);
  if (hasLost(batch)) run.copies.losing--;
  if (batch.gang !== null) {
    run.ganged--;
    state.ganged--;
  }
  state.batches.delete(batch.id);
  state.stealing.divisible.delete(batch);
  state.stealing.silent.delete(batch);
  const next = thread.batches[0];
  if (next !== undefined && !next.holds)
    next.holds = true; // the waiting batch takes over the claim
  else if (batch.holds) letGo(state, run, thread.node, batch.claim);
  if (batch.uses !== undefined) giveBackUses(state, batch);
  if (thread.of !== null) leaveSeat(state, thread);
  else if (isIdle(thread)) addIdle(state, thread.node);
  updateShallow(state, thread);
  noteIfOver(state, run);
}

/** Notes when the next function of a batch's thread can have started, after a report about the batch. */
export function noteProgress(state: State, batch: Batch, now: number): void {
  const [first] = batch.thread.batches;
  if (first === undefined) return;
  first.since = now;
  if (first === batch) return;
  first.begunAt = now;
  watchForSilence(state, first);
}

/** Lets idle threads find a new batch, whose functions may not be known yet. */
function watchForStealing(state: State, batch: Batch): void {
  if (batch.thread.of === null) state.stealing.divisible.add(batch);
  if (batch.thread.batches[0] === batch) watchForSilence(state, batch);
}

/** Notes that a thread has come to a batch now. */
function watchForSilence({ tuning, stealing: { silent } }: State, batch: Batch): void {
  if (tuning.stuckMs === Infinity) return;
  silent.delete(batch);
  silent.add(batch);
}

/** Whether work can be sent to the thread. False if its end was requested, because work would be lost with it. */
export function isIdle(thread: Thread): boolean {
  return thread.up && !thread.killing && thread.batches.length === 0 && thread.taken.size === 0;
}

/** The time at which a thread is expected to have done all that was sent to it; -Infinity if that is unknown. */
export function endOf({ batches }: Thread): number {
  let end = batches[0]?.begunAt ?? -Infinity;
  for (const { expectedMs } of batches) end += expectedMs === 0 ? -Infinity : expectedMs;
  return end;
}

/**
 * Updates whether a thread may get a second batch, because its first is short, so that it need not wait for the
 * scheduler.
 */
function updateShallow(state: State, thread: Thread): void {
  const only = thread.batches.length === 1 ? thread.batches[0]! : undefined;
  const open =
    only !== undefined &&
    thread.of === null &&
    thread.up &&
    !thread.killing &&
    !only.exclusive &&
    !only.cancelled &&
    only.gang === null &&
    only.expectedMs > 0 &&
    only.expectedMs <= Math.max(state.tuning.batchMs, state.tuning.aheadMs);
  if (open) state.shallow.add(thread);
  else state.shallow.delete(thread);
}

/** Reduces the number of functions that a batch will run. This may complete the batch. */
export function shorten(state: State, batch: Batch, count: number, out: Command[]): void {
  for (let at = batch.size - count; at < batch.size; at++) {
    const i = batch.functions[at]!;
    if (batch.contest !== null && !speaks(state, batch, i, false, out)) continue;
    if (batch.run.status[i] === Status.dispatched) putBack(state, batch.run, i, out);
  }
  batch.size -= count;
}

export function threadUp(state: State, node: Node, index: number, out: Command[]): void {
  // Threads get ready in any order. Threads with smaller numbers are created now and marked as down.
  for (let i = node.threads.length; i <= index; i++) node.threads.push(newThread(node, i));
  const thread = node.threads[index]!;
  if (thread.up) return spare(state, thread, out);
  thread.up = true;
  thread.killing = false;
  thread.occupied = false;
  node.threadsUp++;
  addIdle(state, node);
}

/** Keeps a thread whose end was requested: the function that was the reason has ended by itself. */
function spare(state: State, thread: Thread, out: Command[]): void {
  if (!thread.killing) return;
  thread.killing = false;
  // Among concurrent functions, another one may be a reason too.
  const doomed = [...thread.taken].find(({ batches }) => batches[0]!.isDoomed);
  if (doomed !== undefined) return endThread(thread, doomed.batches[0]!, out);
  noteRoom(state, thread);
  if (isIdle(thread)) addIdle(state, thread.node);
  updateShallow(state, thread);
}

/**
 * Handles the loss of a worker. Functions that had not started, or had finished without a report, run again without
 * counting an attempt, if they are idempotent. The running function has failed, unless the thread was ended because of
 * another function or with its node.
 *
 * A thread may also die of a message before it starts any of its functions, or be ended for an unreadable report. Then
 * the functions are sent one by one, which shows the one at fault.
 *
 * @param started how far the batches had got; undefined if unknown
 */
export function threadDown(
  state: State,
  thread: Thread,
  crash: Crash,
  started: readonly StartedCount[] | undefined,
  random: number,
  out: Command[],
): void {
  const wasIdle = isIdle(thread);
  const isToBlame = crash.reason !== 'killed' && !thread.killing;
  if (thread.up) {
    thread.up = false;
    thread.node.threadsUp--;
    if (wasIdle) removeIdle(state, thread.node);
  }
  noteRoom(state, thread);
  const first = thread.batches[0];
  if (thread.taken.size > 0) loseSeats(state, thread, { crash, started, isToBlame, random }, out);
  for (const batch of [...thread.batches]) {
    const begun = started?.find((each) => each.batch === batch.id)?.started ?? 0;
    const running = runningOf(batch, begun, crash, batch === first && isToBlame && started !== undefined);
    for (let at = batch.done; at < batch.size; at++) {
      const i = batch.functions[at]!;
      if (batch.contest !== null && !speaks(state, batch, i, false, out)) continue;
      if (batch.run.status[i] !== Status.dispatched) continue;
      if (at === running && !batch.cancelled && (isToBlame || batch.timedOut)) {
        batch.run.status[i] = Status.waiting;
        fail(state, batch.run, i, failureOf(batch, i, crash), crash.reason !== 'unreadable', random, out);
      } else {
        putBackUnlessBegun(state, batch.run, i, started === undefined || at < begun, out);
      }
    }
    batch.done = batch.size;
    clearBatchTimer(state, batch, out);
    closeBatch(state, batch);
  }
  thread.killing = false;
}

/** The loss of a thread with concurrent functions. */
interface Loss {
  readonly crash: Crash;
  /** What the thread had started; undefined if unknown. */
  readonly started: readonly StartedCount[] | undefined;
  /** Whether one of its functions may be at fault. */
  readonly isToBlame: boolean;
  readonly random: number;
}

/**
 * Handles the loss of a thread with concurrent functions. Only the one that is known to have killed it fails, and those
 * out of time.
 */
function loseSeats(state: State, thread: Thread, loss: Loss, out: Command[]): void {
  const lost = [...thread.taken].map(({ batches }) => batches[0]!);
  const culprit = loss.isToBlame ? accuse(lost, loss) : undefined;
  const cause = culprit ?? lost.find(({ isDoomed }) => isDoomed);
  const because = cause && cause.run.plan.entries[cause.functions[0]!]!.id;
  for (const batch of lost) {
    const i = batch.functions[0]!;
    const isWanted = batch.contest === null || speaks(state, batch, i, false, out);
    if (isWanted && batch.run.status[i] === Status.dispatched) loseSeat(state, batch, loss, culprit, because, out);
    batch.done = batch.size;
    clearBatchTimer(state, batch, out);
    closeBatch(state, batch);
  }
}

function loseSeat(
  state: State,
  batch: Batch,
  { crash, started, random }: Loss,
  culprit: Batch | undefined,
  because: string | undefined,
  out: Command[],
): void {
  const { run, functions, cancelled, timedOut } = batch;
  const i = functions[0]!;
  const isBegun = hasBegun(started, batch);
  if (!cancelled && (batch === culprit || (timedOut && isBegun))) {
    run.status[i] = Status.waiting;
    fail(state, run, i, failureOf(batch, i, crash), crash.reason !== 'unreadable', random, out);
  } else {
    putBackUnlessBegun(state, run, i, started === undefined || isBegun, out, because);
  }
}

/**
 * The batch of the function that killed a thread. Undefined if several may have: then each of them runs again with a
 * thread for itself, which shows the one at fault.
 */
function accuse(lost: readonly Batch[], { crash, started }: Loss): Batch | undefined {
  if (crash.batch !== undefined) return lost.find(({ id }) => id === crash.batch);
  if (started === undefined) return undefined;
  const begun = lost.filter((batch) => hasBegun(started, batch));
  const accused = begun.length > 0 ? begun : lost;
  // One that was not accused before may be innocent: a function that has ended may have damaged the thread.
  const isSure = begun.length === 1 && crash.reason !== 'unreadable';
  if (accused.length === 1 && (isSure || isSuspect(accused[0]!))) return accused[0];
  for (const { run, functions } of accused) run.suspects.add(functions[0]!);
  return undefined;
}

function hasBegun(started: readonly StartedCount[] | undefined, { id }: Batch): boolean {
  return started?.some((each) => each.batch === id && each.started > 0) === true;
}

function isSuspect({ run, functions }: Batch): boolean {
  return run.suspects.has(functions[0]!);
}

/** The position of the function that killed the thread; -1 if none is known. */
function runningOf(batch: Batch, begun: number, crash: Crash, isAccused: boolean): number {
  const { run, functions, done, size } = batch;
  const [from, to] =
    crash.reason === 'unreadable'
      ? [done, begun]
      : begun === 0 && crash.reason !== 'killed'
        ? [0, size]
        : [begun, begun];
  if (!isAccused || from === to) return begun > done && crash.reason !== 'unreadable' ? begun - 1 : -1;
  // A function accused for the first time is not blamed, because an earlier one may have damaged the thread.
  if (to - from === 1 && (crash.reason === 'unreadable' || run.suspects.has(functions[from]!))) return from;
  for (const i of functions.slice(from, to)) run.suspects.add(i);
  return -1;
}

function failureOf(batch: Batch, i: number, crash: Crash): Failure {
  if (!batch.timedOut) return { kind: 'crash', crash };
  return { kind: 'timeout', ms: batch.run.plan.entries[i]!.traits.timeout! };
}

/** Ends the thread of a batch whose function does not react to its signal. */
export function endThread(thread: Thread, { id }: Batch, out: Command[]): void {
  thread.killing = true;
  out.push({ type: 'Kill', node: thread.node, thread: thread.index, batch: id });
}

export function clearBatchTimer(state: State, batch: Batch, out: Command[]): void {
  if (batch.timer < 0) return;
  state.timers.delete(batch.timer);
  out.push({ type: 'ClearTimer', timer: batch.timer });
  batch.timer = -1;
}
