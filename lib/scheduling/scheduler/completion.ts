/**
 * Completed functions: stores their results, makes dependents ready, and drops results that no function will read
 * again.
 */
import { stopCancelled } from './failure/cancellation.ts';
import type { Command } from './commands.ts';
import { hasLost, speaks } from './speculation/race.ts';
import { observe } from './dispatch/estimate.ts';
import type { EventOf, Exception, Measured } from './events.ts';
import { fail } from './failure/failure.ts';
import { putOffGangs } from './dispatch/gang.ts';
import { clearBatchTimer, closeBatch, noteProgress } from './dispatch/threads.ts';
import { isOnce } from './failure/once.ts';
import { askForGraph, makeReady, putBack } from './ready.ts';
import { release } from './release.ts';
import { threadOf } from './dispatch/seats.ts';
import { settleInput } from './settle.ts';
import { recordCondition } from './growth/skipping.ts';
import { type Batch, type Run, type State, Status } from './state.ts';
import { learnTypical } from './speculation/straggler-threshold.ts';

/** Handles a worker's report of the next functions of a batch. O(their arguments and dependents). */
export function functionsEnded(state: State, event: EventOf<'FunctionsEnded'>, out: Command[]): void {
  const batch = state.batches.get(event.batch);
  // The thread was already given up, or the report is a duplicate.
  if (batch === undefined || event.first < batch.done) return;
  refuseGap(batch, event.first);
  threadOf(batch.thread).occupied = false;
  const { run, functions } = batch;
  const released: number[] = [];
  const { exceptions } = event;
  let nextException = 0;
  const end = batch.done + event.count;
  const isWanted = !hasLost(batch);
  // Before the functions that take them become ready.
  if (isWanted && event.large !== undefined) noteSizes(batch, event.large);
  for (let at = batch.done; at < end; at++) {
    const i = functions[at]!;
    const exception = exceptions[nextException]?.index === at ? exceptions[nextException++] : undefined;
    if (batch.contest !== null && !speaks(state, batch, i, isSuccess(exception) && !batch.timedOut, out)) continue;
    if (isGivenUp(run, i)) continue;
    run.status[i] = Status.waiting;
    if (exception === undefined && !batch.timedOut) {
      if (run.plan.branches !== null) recordCondition(run, i, event.falsy?.includes(at) !== true);
      complete(state, run, i, released, out);
    } else endWithoutResult(state, batch, i, exception, event.random, out);
  }
  if (batch.gang !== null && areAllSkipped(exceptions)) putOffGangs(run, event.now);
  batch.done = end;
  if (released.length > 0) out.push({ type: 'Release', run, indexes: released });
  if (isWanted) learn(state, event.durations, batch.thread.node.speed); // an aborted function gives no measurement
  endIfDone(state, batch, out);
  stopCancelled(state, batch, out);
  noteProgress(state, batch, event.now);
}

/** Whether a dependency failed for good earlier in the same batch, or the function was cancelled. */
function isGivenUp({ status }: Run, i: number): boolean {
  return status[i] === Status.unreachable || status[i] === Status.failed;
}

function isSuccess(exception: Exception | undefined): boolean {
  return exception === undefined || exception.kind === 'expanded';
}

function refuseGap({ id, done }: Batch, first: number): void {
  if (first > done)
    throw new Error(`batch ${id} reports position ${first}, but has not reported those from ${done} on`);
}

function noteSizes({ run, functions, thread }: Batch, large: NonNullable<EventOf<'FunctionsEnded'>['large']>): void {
  for (const { index, bytes } of large) {
    const i = functions[index]!;
    run.large.set(i, bytes);
    if (thread.node.host === 0) run.remote.delete(i);
    // What is not idempotent is brought here, and never made again.
    else if (!isOnce(run.plan, i)) run.remote.add(i);
  }
}

/** Whether no function of the report ran, because its inputs did not arrive in time. */
function areAllSkipped(exceptions: readonly Exception[]): boolean {
  return exceptions.length > 0 && exceptions.every(({ kind }) => kind === 'skipped');
}

/** Handles a function that ran out of time, failed or was skipped. */
function endWithoutResult(
  state: State,
  { run, timedOut }: Batch,
  i: number,
  exception: Exception | undefined,
  random: number,
  out: Command[],
): void {
  if (timedOut) {
    fail(state, run, i, { kind: 'timeout', ms: run.plan.entries[i]!.traits.timeout! }, true, random, out);
  } else if (exception?.kind === 'expanded') {
    if (run.outcome === undefined) askForGraph(state, run, i, out);
  } else if (exception?.kind === 'failed') {
    fail(state, run, i, { kind: 'thrown', error: exception.error }, exception.retryable, random, out);
  } else {
    putBack(state, run, i, out);
  }
}

/** Closes a batch when nothing more will come of it. */
export function endIfDone(state: State, batch: Batch, out: Command[]): void {
  if (batch.done < batch.size) return;
  clearBatchTimer(state, batch, out);
  closeBatch(state, batch);
}

/** Marks a function as done. Its dependents may become ready. */
export function complete(state: State, run: Run, i: number, released: number[], out: Command[]): void {
  const { plan, status, missing } = run;
  status[i] = Status.done;
  run.unfinished--;
  if (plan.branches !== null || plan.maps !== null || run.growth !== null) {
    if (run.unread !== null) release(run, i, released);
    settleInput(state, run, i, released, out);
    return;
  }
  for (let k = plan.outOffset[i]!, end = plan.outOffset[i + 1]!; k < end; k++) {
    const next = plan.outs[k]!;
    if (--missing[next]! === 0 && status[next] === Status.waiting && run.outcome === undefined)
      makeReady(state, run, next, out);
  }
  if (run.unread !== null) release(run, i, released);
}

// Old measurements fade, because code gets faster as it is compiled, and arguments change.
const memory = 256;

/** Updates the estimates with measurements from a node of some speed. The less is known, the more they count. */
export function learn(state: State, durations: readonly Measured[], speed: number): void {
  for (const { code, count, ms, bytes = 0 } of durations) {
    const estimate = state.estimates[code]!;
    observe(estimate, count, ms * speed, memory);
    learnTypical(estimate, (ms * speed) / count, Math.min(1, count / estimate.count));
    observe(estimate.bytes, count, bytes, memory);
  }
}
