/**
 * Cancelled functions. A function that the caller cancels fails for good at once, whatever its status. If it is with a
 * worker, its batch gives back what follows, and then the running function is aborted. A result that still arrives is
 * dropped.
 */
import type { Command } from '../commands.ts';
import type { EventOf } from '../events.ts';
import { cancel, clearDelay, failForGood } from './failure.ts';
import { functionAt } from '../growth/growth.ts';
import { enqueue } from '../ready.ts';
import { type Batch, type Run, type State, Status } from '../state.ts';

/** Handles the cancellation of a function. Ignored if it has ended. */
export function functionCancelled(
  state: State,
  { run: id, index: i, reason }: EventOf<'FunctionCancelled'>,
  out: Command[],
): void {
  const run = state.runs.get(id);
  if (run === undefined || !isCancellable(run, i)) return;
  if (run.status[i] === Status.ready) removeFromQueue(state, run, i);
  else if (run.status[i] === Status.delayed) clearDelay(state, run, i, out);
  const batch = run.status[i] === Status.dispatched ? state.batches.get(run.batch[i]!) : undefined;
  failForGood(state, run, i, { kind: 'aborted', reason }, out);
  if (batch === undefined) return;
  const rival = batch.contest?.rival;
  takeBackFrom(batch, run.tally[i]!, out);
  stopCancelled(state, batch, out);
  if (rival !== undefined && rival !== null) stopCancelled(state, rival, out);
}

/** Whether a function has not ended, so that it can be cancelled. */
export function isCancellable({ status, outcome }: Run, i: number): boolean {
  return outcome === undefined && status[i]! < Status.done;
}

/** Called after each report of a batch: aborts its running function if that has been cancelled. */
export function stopCancelled(state: State, batch: Batch, out: Command[]): void {
  const { run, functions, done, size } = batch;
  if (batch.cancelled || done >= size || run.status[functions[done]!] !== Status.failed) return;
  if (size - done === 1) cancel(state, batch, out);
  else takeBackFrom(batch, done + 1, out);
}

/** Takes back the functions of a batch from a position on. */
function takeBackFrom(batch: Batch, at: number, out: Command[]): void {
  if (batch.takingBack || batch.cancelled || batch.size - batch.done <= 1) return;
  batch.takingBack = true;
  out.push({ type: 'TakeBack', batch, count: batch.size - Math.max(at, batch.done) });
}

/** Rebuilds the queue without one function. Heaps find only their first. */
function removeFromQueue(state: State, run: Run, i: number): void {
  for (const rank of run.queue.drain()) {
    const other = functionAt(run, rank);
    if (other !== i) enqueue(state, run, other);
  }
}
