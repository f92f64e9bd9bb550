/** Failed attempts: another attempt, or the end of the run. */
import type { Command } from '../commands.ts';
import { elementsOf, expansionOf, expansionOfOwner, spanOf, spanOfOwner } from '../growth/growth.ts';
import type { Expansion, Span } from '../growth/span.ts';
import { letIn } from '../growth/map-places.ts';
import type { Failure, FunctionFailure, Outcome } from '../outcome.ts';
import { settlePromise } from '../dispatch/groups.ts';
import { nodesFor, putBack } from '../ready.ts';
import { leaveGraph, release } from '../release.ts';
import { retryDelay } from './retry.ts';
import { settleInput } from '../settle.ts';
import { type Batch, nextId, noteIfOver, type Run, type State, Status } from '../state.ts';

/**
 * Handles a failed attempt. Starts another while retries are left. Otherwise the function has failed for good: the run
 * fails or, with `keepGoing`, everything that depends on the function.
 */
export function fail(
  state: State,
  run: Run,
  i: number,
  failure: Failure,
  retryable: boolean,
  random: number,
  out: Command[],
): void {
  if (run.outcome !== undefined) return; // the run is ending for an earlier reason
  const attempts = ++run.attempts[i]!;
  const { traits } = run.plan.entries[i]!;
  if (retryable && attempts <= (traits.maxRetries ?? run.settings.maxRetries)) {
    const delay = retryDelay(traits.retryDelay, attempts, random);
    run.retries++;
    run.avoid.set(i, run.node[i]!);
    // The plan did not foresee the failure.
    if (run.settings.movable === true && run.settings.allocator === undefined) run.assigned![i] = -1;
    out.push({ type: 'Retry', run, failed: { index: i, attempts, node: run.node[i]!, failure }, delay });
    if (delay > 0) setDelay(state, run, i, delay, out);
    else putBack(state, run, i, out);
    return;
  }
  failForGood(state, run, i, failure, out);
}

/** Fails a function without another attempt. */
export function failForGood(state: State, run: Run, i: number, failure: Failure, out: Command[]): void {
  run.status[i] = Status.failed;
  settlePromise(run, i);
  run.unfinished--;
  const failed = { index: i, attempts: run.attempts[i]!, node: run.node[i]!, failure };
  const span = spanOf(run, i);
  if (span?.map.settle === true) return settleFailed(state, run, failed, out);
  const settling = settlingAround(run, i);
  if (settling >= 0) {
    out.push({ type: 'Failed', run, failed });
    return settleAround(state, run, failed, settling, out);
  }
  run.failures.push(failed);
  out.push({ type: 'Failed', run, failed });
  if (span !== undefined) letIn(state, run, span, i, out);
  if (run.settings.keepGoing) giveUpDependents(state, run, i, out);
  else endRun(state, run, { kind: 'failed', failures: run.failures }, out);
  noteIfOver(state, run);
}

/** The element of a map that settles whose graph, or the graph of whose functions, a function is part of; -1: none. */
function settlingAround(run: Run, i: number): number {
  for (const { owner } of graphsAround(run, i)) if (spanOf(run, owner)?.map.settle === true) return owner;
  return -1;
}

/** The graphs that a function is part of, the innermost first. */
function* graphsAround(run: Run, i: number): Iterable<Expansion> {
  for (let at = i; ;) {
    const graph = expansionOf(run, ownerAround(run, at));
    if (graph === undefined) return;
    yield graph;
    at = graph.owner;
  }
}

/** The map of an element, and any other function itself. */
function ownerAround(run: Run, i: number): number {
  return spanOf(run, i)?.owner ?? i;
}

/** The element whose result is the error of a function that failed for good: itself, or one around it; -1: none. */
export function settlingElement(run: Run, i: number): number {
  return spanOf(run, i)?.map.settle === true ? i : settlingAround(run, i);
}

/** Whether a function is part of the graph of an element whose result is an error by now. No function is left there. */
export function isInSettled(run: Run, i: number): boolean {
  for (const { isSettled, left } of graphsAround(run, i)) if (isSettled && left === 0) return true;
  return false;
}

/**
 * The result of an element that was done is lost for good, or a result that it is made of. Its error takes the place of
 * the result.
 *
 * @param absent functions whose results are not there
 */
export function settleDone(
  run: Run,
  element: number,
  failure: Failure,
  absent: ReadonlySet<number>,
  out: Command[],
): void {
  const graph = expansionOfOwner(run, element);
  if (graph !== undefined) {
    graph.holders = [];
    const released: number[] = [];
    if (run.unread !== null) leaveGraph(run, graph, released);
    for (const i of absent) run.held.delete(i);
    const there = released.filter((i) => !absent.has(i));
    if (there.length > 0) out.push({ type: 'Release', run, indexes: there });
  }
  spanOf(run, element)!.errors.add(element);
  const failed = { index: element, attempts: run.attempts[element]!, node: run.node[element]!, failure };
  out.push({ type: 'Settled', run, failed });
}

/** A function failed inside an element of a map that settles: its error is the result of the element. */
function settleAround(state: State, run: Run, failed: FunctionFailure, element: number, out: Command[]): void {
  giveUpDependents(state, run, failed.index, out, element);
  expansionOfOwner(run, element)!.isSettled = true;
  if (ended.has(run.status[element]!)) return noteIfOver(state, run); // another function had failed before
  run.unfinished--;
  settleFailed(state, run, { ...failed, index: element }, out);
}

/** The error of an element is its result: its map settles. */
function settleFailed(state: State, run: Run, failed: FunctionFailure, out: Command[]): void {
  const released: number[] = [];
  spanOf(run, failed.index)!.errors.add(failed.index);
  out.push({ type: 'Settled', run, failed });
  run.status[failed.index] = Status.done;
  // A function that answered with a graph has given up its inputs before.
  if (run.unread !== null && expansionOfOwner(run, failed.index) === undefined) release(run, failed.index, released);
  settleInput(state, run, failed.index, released, out);
  if (released.length > 0) out.push({ type: 'Release', run, indexes: released });
  noteIfOver(state, run);
}

/** Fails a function for good if no node that is up or coming back could run it. Returns whether it did. */
export function failIfImpossible(state: State, run: Run, i: number, out: Command[]): boolean {
  const { node, candidates, need, able } = nodesFor(state, run, i);
  if (able) return false;
  const up = candidates.filter(
    (each) => each.up && !each.draining && (each.host === 0 || run.settings.hereOnly !== true),
  );
  if (up.length === 0) failForGood(state, run, i, { kind: 'node-down', node }, out);
  else
    failForGood(
      state,
      run,
      i,
      { kind: 'too-large', need, offers: Object.fromEntries(up.map((each) => [each.name, each.capabilities])) },
      out,
    );
  return true;
}

function setDelay(state: State, run: Run, i: number, ms: number, out: Command[]): void {
  const timer = nextId(state);
  state.timers.set(timer, { kind: 'delay', run, index: i });
  run.delays.set(i, timer);
  run.status[i] = Status.delayed;
  out.push({ type: 'SetTimer', timer, ms });
}

export function clearDelay(state: State, run: Run, i: number, out: Command[]): void {
  const timer = run.delays.get(i)!;
  run.delays.delete(i);
  state.timers.delete(timer);
  out.push({ type: 'ClearTimer', timer });
}

const ended: ReadonlySet<number> = new Set([Status.done, Status.failed, Status.unreachable, Status.skipped]);

/**
 * Marks everything that depends on a function that failed for good as unreachable.
 *
 * @param except what is not given up, and so nothing that depends on it
 */
function giveUpDependents(state: State, run: Run, failed: number, out: Command[], except = -1): void {
  const { outOffset, outs } = run.plan;
  const stack = [failed];
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    for (let k = outOffset[i]!; k < outOffset[i + 1]!; k++) {
      const next = outs[k]!;
      const span = spanOfOwner(run, next);
      // Each element needs the input that is missing, unless it takes one element of it.
      const needsAll = span !== undefined && span.source?.owner !== i;
      const elements = needsAll ? giveUpElements(state, run, span, out) : [];
      stack.push(...elements);
      // It may have ended before, if its dependency was lost and made again. It is already counted.
      if (ended.has(run.status[next]!)) continue;
      // It has read its inputs, and waits for a graph or for elements that have.
      const hasRead = span === undefined || (needsAll && elements.length === 0);
      if (run.status[next] === Status.open && hasRead) continue;
      if (run.status[next] === Status.delayed) clearDelay(state, run, next, out);
      // Other dependents of the failed result are waiting, or are in the same batch and will be reported as skipped.
      run.status[next] = Status.unreachable;
      settlePromise(run, next);
      run.unfinished--;
      stack.push(next);
    }
    const own = spanOf(run, i);
    if (own !== undefined) stack.push(...giveUpTakers(state, run, i, own, out));
    const owner = expansionOf(run, i)?.owner ?? except;
    if (owner !== except && giveUp(state, run, owner, out)) stack.push(owner);
  }
}

/** Gives up the elements of a map that have not read their inputs. Returns them. */
function giveUpElements(state: State, run: Run, span: Span, out: Command[]): number[] {
  return [...elementsOf(span)].filter((i) => run.status[i] !== Status.open && giveUp(state, run, i, out));
}

/** Gives up the elements that take an element, and its map. Returns those. */
function giveUpTakers(state: State, run: Run, i: number, { takers, base, owner }: Span, out: Command[]): number[] {
  return [...takers.map((taker) => taker.base + i - base), owner].filter((next) => giveUp(state, run, next, out));
}

function giveUp(state: State, run: Run, i: number, out: Command[]): boolean {
  if (ended.has(run.status[i]!)) return false;
  if (run.status[i] === Status.delayed) clearDelay(state, run, i, out);
  run.status[i] = Status.unreachable;
  run.unfinished--;
  const span = spanOf(run, i);
  if (span !== undefined) letIn(state, run, span, i, out); // it may hold a place of its map
  return true;
}

/**
 * Sets the outcome of a run that does not finish. Nothing more of it starts, and it fails with `outcome` when its last
 * batch is gone. Only the first outcome counts. The caller handles batches at workers with `cancelAll` or
 * `takeBackAll`.
 */
export function settleOutcome(state: State, run: Run, outcome: Outcome, out: Command[]): void {
  if (run.outcome !== undefined) return;
  run.outcome = outcome;
  run.queue.clear();
  for (const timer of run.delays.values()) {
    state.timers.delete(timer);
    out.push({ type: 'ClearTimer', timer });
  }
  run.delays.clear();
  noteIfOver(state, run);
}

/**
 * Ends a run: takes back what has not started, aborts what runs, and ends threads that still run after the grace
 * period.
 */
export function endRun(state: State, run: Run, outcome: Outcome, out: Command[]): void {
  settleOutcome(state, run, outcome, out);
  cancelAll(state, run, out);
}

/** Lets running functions finish, and takes back those that have not started. */
export function takeBackAll(run: Run, out: Command[]): void {
  for (const batch of run.batches) out.push({ type: 'TakeBack', batch, count: batch.size });
}

function cancelAll(state: State, run: Run, out: Command[]): void {
  for (const batch of run.batches) cancel(state, batch, out);
}

/**
 * Cancels a batch, unless it is cancelled already: takes back what has not started, and aborts what runs with a grace
 * period.
 */
export function cancel(state: State, batch: Batch, out: Command[]): void {
  if (batch.cancelled) return;
  batch.cancelled = true;
  state.shallow.delete(batch.thread);
  if (batch.timer >= 0) {
    state.timers.delete(batch.timer);
    out.push({ type: 'ClearTimer', timer: batch.timer });
  }
  batch.timer = nextId(state);
  state.timers.set(batch.timer, { kind: 'grace', batch });
  out.push({ type: 'Cancel', batch, why: 'aborted' }, { type: 'SetTimer', timer: batch.timer, ms: state.tuning.grace });
}
