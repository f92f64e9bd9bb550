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
import type { Command } from '../commands.ts';
import type { EventOf } from '../events.ts';
import { failForGood, isInSettled, settleDone, settlingElement } from './failure.ts';
import type { Failure } from '../outcome.ts';
import { isOnce } from './once.ts';
import {
  elementsOf,
  expansionOf,
  expansionOfOwner,
  functionAt,
  inputsOf,
  spanOf,
  spanOfOwner,
} from '../growth/growth.ts';
import { count, endHolding, forEachInput, isRead, Need, needOf, partsOf } from './readers.ts';
import { endRisk } from '../release.ts';
import type { Span } from '../growth/span.ts';
import { enqueue, makeReady } from '../ready.ts';
import { type Run, type State, Status } from '../state.ts';

/** The default limit of losses of one function's result. */
export const defaultMaxResultLosses = 10;

export function resultsLost(state: State, { run: id, indexes }: EventOf<'ResultsLost'>, out: Command[]): void {
  const run = state.runs.get(id);
  if (run === undefined || run.outcome !== undefined) return;
  const settled = new Map<number, Failure>();
  const released: number[] = [];
  const absent = new Set(indexes);
  const again = reopenAll(state, run, noteLost(run, indexes), { settled, released, absent });
  if (released.length > 0) out.push({ type: 'Release', run, indexes: released });
  if (again.length > 0) out.push({ type: 'Recompute', run, indexes: again });
  for (const [element, failure] of settled) settleDone(run, element, failure, absent, out);
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

/** Notes lost results. Returns those that functions have yet to read, or that the run keeps. */
function noteLost(run: Run, indexes: readonly number[]): number[] {
  const needed = new Set<number>();
  for (const i of indexes) {
    run.held.delete(i);
    if (run.status[i] !== Status.done) continue;
    if (!isRead(run, i)) {
      // It is made again only if a function that holds it is.
      if (needOf(run, i) === Need.holding) run.gone.add(i);
    } else if (!isInSettled(run, i)) needed.add(i);
  }
  for (const i of needed) run.losses.set(i, lossesOf(run, i) + 1);
  return [...needed];
}

/** What comes of lost results besides functions that run again. */
interface Losses {
  /** Elements whose result is an error from now on. */
  readonly settled: Map<number, Failure>;
  readonly released: number[];
  /** Functions whose results are not there. */
  readonly absent: Set<number>;
}

/** Lets functions wait again, with all whose results they need and that are not there. Returns them. */
function reopenAll(state: State, run: Run, stack: number[], { settled, released, absent }: Losses): number[] {
  const again: number[] = [];
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    absent.add(i);
    if (run.status[i] !== Status.done || isInSettled(run, i)) continue;
    const failure = whyNotAgain(state, run, i);
    const element = failure === undefined ? -1 : settlingElement(run, i);
    if (failure !== undefined) endRisk(run, i, released);
    const graph = element < 0 ? undefined : expansionOfOwner(run, element);
    // An element may be done by an error while functions of its graph are left. Those still end.
    const wasSettled = graph?.isSettled === true && !settled.has(element);
    if (element < 0 || run.status[element] !== Status.done || wasSettled) makeAgain(run, i, again);
    else {
      if (graph !== undefined) graph.isSettled = true; // nothing of it is made again
      settled.set(element, failure!);
    }
    if (failure === undefined) readInputsAgain(run, i, stack);
  }
  return again;
}

/** Why the result of a function cannot be made again; undefined if it can. */
function whyNotAgain({ nodes }: State, run: Run, i: number): Failure | undefined {
  if (isOnce(run.plan, i)) return { kind: 'begun', node: nodes[run.node[i]!]!.name, ended: true };
  const limit = run.settings.maxResultLosses ?? defaultMaxResultLosses;
  const times = lossesOf(run, i);
  return times > limit || cannotBeMade(run, i) ? { kind: 'lost', times, limit } : undefined;
}

function lossesOf({ losses }: Run, i: number): number {
  return losses.get(i) ?? 0;
}

function makeAgain(run: Run, i: number, again: number[]): void {
  run.status[i] = Status.waiting;
  run.batch[i] = -1;
  run.unfinished++;
  run.losses.set(i, lossesOf(run, i));
  run.cached.delete(i);
  run.remote.delete(i);
  again.push(i);
  const span = spanOf(run, i);
  span?.errors.delete(i);
  reopenGraph(run, i, again);
  if (span === undefined) missDependents(run, i);
  else missElement(run, i, span, again);
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

/** A function will read its inputs again. Those that were dropped are made again. */
function readInputsAgain(run: Run, i: number, stack: number[]): void {
  if (run.unread === null) return; // all results are kept to the end
  const isHolding = endHolding(run, i);
  forEachInput(run, i, (dep) => (isHolding ? raise(run, dep, 0, -1, stack) : raise(run, dep, 1, 0, stack)));
  const span = spanOf(run, i);
  if (span === undefined || span.isReading) return;
  span.isReading = true; // what all elements take counts once for all of them
  readInputsAgain(run, span.owner, stack);
}

/** A result is needed more than before. If it was dropped or is lost, it is made again. */
function raise(run: Run, i: number, unread: 0 | 1, lent: 0 | -1, stack: number[]): void {
  const before = needOf(run, i);
  count(run, i, unread, lent);
  if (before === Need.reading) return;
  if (spanOfOwner(run, i) !== undefined || expansionOfOwner(run, i) !== undefined) {
    for (const part of partsOf(run, i)) {
      if (before === Need.holding) raise(run, part, 0, -1, stack);
      else raise(run, part, 1, 0, stack);
    }
    return;
  }
  const isThere = before === Need.holding ? !run.gone.delete(i) : run.held.delete(i);
  if (!isThere && run.status[i] === Status.done) stack.push(i);
}

/** What takes an element misses it again. */
function missElement(run: Run, i: number, span: Span, again: number[]): void {
  for (const taker of span.takers) run.missing[taker.base + i - span.base]!++;
  span.left++;
  if (run.status[span.owner] === Status.done) reopen(run, span.owner, again);
}

/** A function of a graph is made again, so the graph is not done any more. */
function reopenGraph(run: Run, i: number, again: number[]): void {
  const expansion = expansionOf(run, i);
  if (expansion === undefined) return;
  expansion.left++;
  if (run.status[expansion.owner] === Status.done && !expansion.isSettled) reopen(run, expansion.owner, again);
}

/** A map of which an element is made again, or a function with a graph that is not done, is not done any more. */
function reopen(run: Run, owner: number, again: number[]): void {
  run.status[owner] = Status.open;
  run.unfinished++;
  run.losses.set(owner, lossesOf(run, owner));
  again.push(owner);
  const span = spanOf(run, owner);
  if (span === undefined) missDependents(run, owner);
  else missElement(run, owner, span, again);
  reopenGraph(run, owner, again);
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
