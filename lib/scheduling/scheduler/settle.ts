/** What follows when a function is done or skipped, in runs with branches or maps. */
import { candidatesOf, isSlot } from '../../core/output-shape.ts';
import { Flag } from '../../dag/compile/compiled-dag.ts';
import type { Command } from './commands.ts';
import { settlePromise } from './dispatch/groups.ts';
import { elementsOf, expansionOf, expansionOfOwner, holdersOf, spanOf, spanOfOwner } from './growth/growth.ts';
import type { Span } from './growth/span.ts';
import { letIn } from './growth/map-places.ts';
import { makeReady } from './ready.ts';
import { release } from './release.ts';
import { isSkippedBy, recordCondition } from './growth/skipping.ts';
import { type Run, type State, Status } from './state.ts';

/** What a cascade of settled functions works on. */
interface Cascade {
  readonly state: State;
  readonly run: Run;
  /** Functions that are done or skipped, and whose dependents do not know it yet. */
  readonly stack: number[];
  readonly released: number[];
  readonly out: Command[];
}

/**
 * Handles a function that is done or skipped: each dependent has one missing input less, and becomes ready or is
 * skipped, or is a map with its last element. O(dependents), for every function that is settled in turn.
 */
export function settleInput(state: State, run: Run, settled: number, released: number[], out: Command[]): void {
  const cascade: Cascade = { state, run, stack: [settled], released, out };
  for (let i = cascade.stack.pop(); i !== undefined; i = cascade.stack.pop()) {
    const span = spanOf(run, i);
    if (span === undefined) settleDependents(cascade, i);
    else settleElement(cascade, i, span);
    if (run.growth !== null && run.growth.expansions.size > 0) settleInGraph(cascade, i);
  }
}

/** Closes a map whose elements are all done. */
export function closeMap(state: State, run: Run, owner: number, out: Command[]): void {
  const released: number[] = [];
  const cascade: Cascade = { state, run, stack: [], released, out };
  gather(cascade, owner);
  for (const settled of cascade.stack) settleInput(state, run, settled, released, out);
  if (released.length > 0) out.push({ type: 'Release', run, indexes: released });
}

function settleDependents(cascade: Cascade, i: number): void {
  const { state, run, stack, released, out } = cascade;
  const { plan, status, missing } = run;
  for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) {
    const next = plan.outs[k]!;
    missing[next]!--;
    const span = spanOfOwner(run, next);
    if (span !== undefined && span.source?.owner !== i) inherit(cascade, span);
    if (run.outcome !== undefined) continue;
    if (status[next] !== Status.waiting) continue;
    if (plan.branches !== null && isSkippedBy(run, next, i)) {
      skip(run, next, released, out);
      stack.push(next);
    } else if (missing[next] === 0) {
      makeReady(state, run, next, out);
    } else {
      noteExtensible(state, run, next);
    }
  }
}

/** An input of a map exists again, so its elements have it too. */
function inherit({ state, run, out }: Cascade, span: Span): void {
  const { status, missing } = run;
  for (const i of elementsOf(span)) {
    if (--missing[i]! === 0 && status[i] === Status.waiting && run.outcome === undefined) makeReady(state, run, i, out);
  }
}

function settleElement(cascade: Cascade, i: number, span: Span): void {
  const { state, run, out } = cascade;
  const { status, missing } = run;
  for (const taker of span.takers) {
    const next = taker.base + i - span.base;
    if (--missing[next]! === 0 && status[next] === Status.waiting && run.outcome === undefined)
      makeReady(state, run, next, out);
  }
  span.left--;
  letIn(state, run, span, i, out);
  if (run.outcome === undefined) gather(cascade, span.owner);
}

/** One function less of a graph is not done. */
function settleInGraph(cascade: Cascade, i: number): void {
  const { run } = cascade;
  const expansion = expansionOf(run, i);
  if (expansion === undefined) return;
  expansion.left--;
  if (run.outcome !== undefined || expansion.left > 0) return;
  const [first] = expansion.outputs;
  // The holders of one output are shared, so that a long row of graphs in graphs costs no more.
  const one = expansion.outputs.length === 1 ? (expansionOfOwner(run, first!)?.holders ?? undefined) : undefined;
  expansion.holders = one ?? expansion.outputs.flatMap((output) => [...holdersOf(run, output)]);
  gather(cascade, expansion.owner);
}

/** Completes a map, or a function that answered with a graph, when nothing of it is missing. */
function gather({ run, stack, released, out }: Cascade, owner: number): void {
  const list = spanOfOwner(run, owner);
  const { left } = list ?? expansionOfOwner(run, owner)!;
  // It needs nothing that it took, even if that was lost since.
  if (run.status[owner] !== Status.open || left > 0) return;
  run.status[owner] = Status.done;
  run.unfinished--;
  if ((run.plan.flags[owner]! & Flag.decides) !== 0) decideByGraph(run, owner);
  out.push({ type: 'Gathered', run, index: owner });
  if (run.unread !== null && list?.isReading === true) {
    list.isReading = false;
    release(run, owner, released);
  }
  stack.push(owner);
}

/** A condition that answered with a graph is as its result is: a list and a record are truthy. */
function decideByGraph(run: Run, owner: number): void {
  const shape = expansionOfOwner(run, owner)?.shape;
  if (shape === undefined || !isSlot(shape)) return recordCondition(run, owner, true);
  const taken = candidatesOf(shape).find((i) => run.status[i] !== Status.skipped);
  recordCondition(run, owner, taken !== undefined && run.conditions.get(taken) !== false);
}

/** Notes a map that misses only the list of another map, whose length is known. */
export function noteExtensible(state: State, run: Run, i: number): void {
  const source = run.plan.maps === null ? -1 : (run.plan.maps.get(i)?.source ?? -1);
  if (source >= 0 && run.missing[i] === 1 && run.status[source] === Status.open)
    state.extensible.push({ run, index: i });
}

function skip(run: Run, i: number, released: number[], out: Command[]): void {
  run.status[i] = Status.skipped;
  run.batch[i] = -1;
  run.unfinished--;
  run.skipped++;
  settlePromise(run, i);
  if (run.unread !== null) release(run, i, released);
  out.push({ type: 'Skipped', run, index: i });
}
