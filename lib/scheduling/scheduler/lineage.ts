/**
 * Lost results are made again from existing ones. If their inputs were dropped because no function was to read them
 * again, those are made again too, as far up as necessary and nothing else (Zaharia et al., "Resilient Distributed
 * Datasets", NSDI 2012).
 *
 * ```
 *   a ──► b ──► c ──► d          b and c were read by all, and dropped; d is to run; c is lost
 *   ✓     ·     ✗     …    ⇒     b is made again from a, then c from b
 * ```
 *
 * A loss is not a failure of the function and has its own limit. It counts only for functions whose own result was
 * lost, not for those that run again for them. A function that is not idempotent never runs again: the loss of its
 * result ends the run.
 */
import type { Command } from './commands.ts';
import type { EventOf } from './events.ts';
import { failForGood } from './failure.ts';
import { failAsBegun, isOnce } from './once.ts';
import { elementsOf, expansionOf, expansionOfOwner, functionAt, inputsOf, spanOf, spanOfOwner } from './growth.ts';
import type { Span } from './span.ts';
import { enqueue, makeReady } from './ready.ts';
import { type Run, type State, Status } from './state.ts';

/** The default limit of losses of one function's result. */
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
    if (run.status[i] !== Status.waiting) continue; // already given up together with another
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

/** Whether a function has yet to read the result, or the run keeps it to the end. */
function isNeeded({ unread, settings }: Run, i: number): boolean {
  return unread === null || unread[i]! > 0 || settings.kept![i] === 1;
}

function lossesOf({ losses }: Run, i: number): number {
  return losses.get(i) ?? 0;
}

function makeAgain(run: Run, i: number, again: number[], stack: number[]): void {
  const { plan, status, unread } = run;
  status[i] = Status.waiting;
  run.batch[i] = -1;
  run.unfinished++;
  run.losses.set(i, lossesOf(run, i));
  run.cached.delete(i);
  again.push(i);
  const span = spanOf(run, i);
  reopenGraph(run, i, again, stack);
  if (span !== undefined) return makeElementAgain(run, i, span, again, stack);
  missInputs(run, i);
  if (unread === null) return; // all its inputs are kept to the end
  for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) readAgain(run, plan.deps[k]!, stack);
}

/** The dependents of a function miss an input again. */
function missInputs(run: Run, i: number): void {
  const { plan, missing } = run;
  for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) {
    const next = plan.outs[k]!;
    missing[next]!++;
    const span = spanOfOwner(run, next);
    if (span !== undefined && span.source?.owner !== i) for (const element of elementsOf(span)) missing[element]!++;
  }
}

/** A function will read this result again. If it was dropped, it is made again. */
function readAgain(run: Run, dep: number, stack: number[]): void {
  const unread = run.unread!;
  const span = spanOfOwner(run, dep);
  const isDropped = run.status[dep] === Status.done && !isNeeded(run, dep);
  const isFirst = unread[dep]!++ === 0;
  const expansion = expansionOfOwner(run, dep);
  if (expansion !== undefined) {
    if (isFirst && expansion.isRead && run.settings.kept![dep] === 0)
      for (const i of expansion.outputs) readAgain(run, i, stack);
  } else if (span === undefined) {
    if (isDropped && !run.held.delete(dep)) stack.push(dep);
  } else if (isFirst && span.isListRead && run.settings.kept![dep] === 0) {
    for (const i of elementsOf(span)) readAgain(run, i, stack);
  }
}

/** What takes an element misses it again. */
function missElement(run: Run, i: number, span: Span, again: number[], stack: number[]): void {
  for (const taker of span.takers) run.missing[taker.base + i - span.base]!++;
  span.left++;
  if (run.status[span.owner] === Status.done) reopen(run, span.owner, again, stack);
}

function makeElementAgain(run: Run, i: number, span: Span, again: number[], stack: number[]): void {
  missElement(run, i, span, again, stack);
  if (run.unread !== null && span.source !== null) readAgain(run, span.source.base + i - span.base, stack);
}

/** A function of a graph is made again, so the graph is not done any more. */
function reopenGraph(run: Run, i: number, again: number[], stack: number[]): void {
  const expansion = expansionOf(run, i);
  if (expansion === undefined) return;
  expansion.left++;
  if (run.status[expansion.owner] === Status.done && !expansion.isSettled) reopen(run, expansion.owner, again, stack);
}

/** A map of which an element is made again, or a function with a graph that is not done, is not done any more. */
function reopen(run: Run, owner: number, again: number[], stack: number[]): void {
  const { plan, status } = run;
  status[owner] = Status.open;
  run.unfinished++;
  run.losses.set(owner, lossesOf(run, owner));
  again.push(owner);
  const span = spanOf(run, owner);
  if (span === undefined) missInputs(run, owner);
  else missElement(run, owner, span, again, stack);
  reopenGraph(run, owner, again, stack);
  if (run.unread === null || expansionOfOwner(run, owner) !== undefined) return; // its arguments are not read again
  const { source } = plan.maps!.get(owner)!;
  for (let k = plan.depOffset[owner]!; k < plan.depOffset[owner + 1]!; k++)
    if (plan.deps[k] !== source) readAgain(run, plan.deps[k]!, stack);
}

/** Whether a dependency has failed for good since the result was made. */
function cannotBeMade(run: Run, i: number): boolean {
  return inputsOf(run, i).some((dep) => run.status[dep] === Status.failed || run.status[dep] === Status.unreachable);
}

/** Removes functions from the queue that have to wait again. */
function sortOut(state: State, run: Run): void {
  for (const rank of run.queue.drain()) {
    const i = functionAt(run, rank);
    if (run.missing[i] === 0) enqueue(state, run, i);
    else run.status[i] = Status.waiting;
  }
  for (const i of run.asked.keys()) {
    if (run.missing[i] === 0) continue;
    run.asked.delete(i); // it asks again when its list is back
    run.status[i] = Status.waiting;
  }
}
