/**
 * Results that are lost are made again, from those that are there. What they were made from may itself be gone, as nobody was to read it
 * any more: then that is made again, too, as far up as it takes, and nothing else is (Zaharia et al., "Resilient Distributed Datasets",
 * NSDI 2012).
 *
 * ```
 *   a ──► b ──► c ──► d          b and c were read by all, and dropped; d is to run; c is lost
 *   ✓     ·     ✗     …    ⇒     b is made again from a, then c from b
 * ```
 *
 * A loss is no failure of the function: it has a limit of its own. Only functions whose own result was lost are charged with it, and not
 * those that are run again for their sake. What is not idempotent is never made again: its loss ends the run.
 */
import type { Command } from './commands.ts';
import type { EventOf } from './events.ts';
import { failForGood } from './failure.ts';
import { failAsBegun, isOnce } from './once.ts';
import { enqueue, makeReady } from './ready.ts';
import { type Run, type State, Status } from './state.ts';

/** How often the result of one function may be lost, unless the run says otherwise. */
export const defaultMaxResultLosses = 10;

export function resultsLost(state: State, { run: id, indexes }: EventOf<'ResultsLost'>, out: Command[]): void {
  const run = state.runs.get(id);
  if (run === undefined || run.outcome !== undefined) return;
  const again: number[] = [];
  for (const i of indexes) run.held.delete(i);
  const stack = indexes.filter((i) => run.status[i] === Status.done && isNeeded(run, i));
  for (const i of new Set(stack)) run.losses.set(i, lossesOf(run, i) + 1);
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    if (run.status[i] === Status.done) makeAgain(run, i, again, stack);
  }
  if (again.length === 0) return;
  out.push({ type: 'Recompute', run, indexes: again });
  sortOut(state, run);
  const limit = run.settings.maxResultLosses ?? defaultMaxResultLosses;
  for (const i of again) {
    if (run.status[i] !== Status.waiting) continue; // given up with another of them
    if (isOnce(run.plan, i)) {
      failAsBegun(state, run, i, true, out);
      if (run.outcome !== undefined) return;
    } else if (lossesOf(run, i) > limit || cannotBeMade(run, i)) {
      failForGood(state, run, i, { kind: 'lost', times: lossesOf(run, i), limit }, out);
      if (run.outcome !== undefined) return;
    } else if (run.missing[i] === 0) {
      makeReady(state, run, i, out);
    }
  }
}

/** Whether somebody is yet to read it, or asks for it in the end. */
function isNeeded({ unread, settings }: Run, i: number): boolean {
  return unread === null || unread[i]! > 0 || settings.kept![i] === 1;
}

function lossesOf({ losses }: Run, i: number): number {
  return losses.get(i) ?? 0;
}

function makeAgain(run: Run, i: number, again: number[], stack: number[]): void {
  const { plan, status, missing, unread } = run;
  status[i] = Status.waiting;
  run.batch[i] = -1;
  run.unfinished++;
  run.losses.set(i, lossesOf(run, i));
  again.push(i);
  for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) missing[plan.outs[k]!]!++;
  if (unread === null) return; // all that it needs is held to the end
  for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) {
    const dep = plan.deps[k]!;
    const isGone = status[dep] === Status.done && !isNeeded(run, dep) && !run.held.delete(dep);
    unread[dep]!++; // it is to be read once more
    if (isGone) stack.push(dep);
  }
}

/** Whether something that it needs has failed for good since it was made. */
function cannotBeMade({ plan, status }: Run, i: number): boolean {
  for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) {
    const dep = status[plan.deps[k]!];
    if (dep === Status.failed || dep === Status.unreachable) return true;
  }
  return false;
}

/** Takes out of the queue what has to wait again. */
function sortOut(state: State, run: Run): void {
  for (const rank of run.queue.drain()) {
    const i = run.plan.byRank[rank]!;
    if (run.missing[i] === 0) enqueue(state, run, i);
    else run.status[i] = Status.waiting;
  }
}
