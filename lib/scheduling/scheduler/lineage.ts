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
 * result ends the run. If a result cannot be made again, neither are its inputs.
 */
import type { Command } from './commands.ts';
import type { EventOf } from './events.ts';
import { failForGood, isInSettled, settleDone, settlingElement } from './failure.ts';
import type { Failure } from './outcome.ts';
import { isOnce } from './once.ts';
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
  const settled = new Map<number, Failure>();
  const stack = indexes.filter((i) => run.status[i] === Status.done && isNeeded(run, i) && !isInSettled(run, i));
  for (const i of new Set(stack)) run.losses.set(i, lossesOf(run, i) + 1);
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    if (run.status[i] !== Status.done) continue;
    const failure = whyNotAgain(state, run, i);
    const element = failure === undefined ? -1 : settlingElement(run, i);
    if (element < 0 || run.status[element] !== Status.done) makeAgain(run, i, again, stack, failure === undefined);
    else settled.set(element, failure!);
  }
  if (again.length > 0) out.push({ type: 'Recompute', run, indexes: again });
  for (const [element, failure] of settled) settleDone(run, element, failure, out);
  if (again.length === 0) return;
  sortOut(state, run);
  for (const i of again) {
    if (run.status[i] !== Status.waiting) continue; // already given up together with another
    const failure = whyNotAgain(state, run, i);
    if (failure !== undefined) failForGood(state, run, i, failure, out);
    else if (run.missing[i] === 0) makeReady(state, run, i, out);
    if (run.outcome !== undefined) return;
  }
}

/** Why the result of a function cannot be made again; undefined if it can. */
function whyNotAgain({ nodes }: State, run: Run, i: number): Failure | undefined {
  if (isOnce(run.plan, i)) return { kind: 'begun', node: nodes[run.node[i]!]!.name, ended: true };
  const limit = run.settings.maxResultLosses ?? defaultMaxResultLosses;
  const times = lossesOf(run, i);
  return times > limit || cannotBeMade(run, i) ? { kind: 'lost', times, limit } : undefined;
}

/** Whether a function has yet to read the result, or the run keeps it to the end. */
function isNeeded({ unread, settings }: Run, i: number): boolean {
  return unread === null || unread[i]! > 0 || settings.kept![i] === 1;
}

function lossesOf({ losses }: Run, i: number): number {
  return losses.get(i) ?? 0;
}

/** @param canRun whether it will read its inputs again */
function makeAgain(run: Run, i: number, again: number[], stack: number[], canRun: boolean): void {
  const { plan, status, unread } = run;
  status[i] = Status.waiting;
  run.batch[i] = -1;
  run.unfinished++;
  run.losses.set(i, lossesOf(run, i));
  run.cached.delete(i);
  again.push(i);
  const span = spanOf(run, i);
  reopenGraph(run, i, again, stack);
  if (span === undefined) missDependents(run, i);
  else missElement(run, i, span, again, stack);
  if (unread === null || !canRun) return; // without counts, all its inputs are kept to the end
  if (span !== undefined) return void (span.source !== null && readAgain(run, span.source.base + i - span.base, stack));
  for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) readAgain(run, plan.deps[k]!, stack);
}

/** The dependents of a function miss an input again. */
function missDependents(run: Run, i: number): void {
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
  if (span === undefined) missDependents(run, owner);
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
