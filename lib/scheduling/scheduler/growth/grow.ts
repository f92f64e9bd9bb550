/** Lets a run grow by the elements of its maps. */
import { type CompiledDag, Flag } from '../../../dag/compile/compiled-dag.ts';
import { readersOf } from '../create-run.ts';
import type { Command } from '../commands.ts';
import type { EventOf } from '../events.ts';
import { failForGood } from '../failure/failure.ts';
import { append, appendGraph, depthOf, elementsOf, spanOfOwner } from './growth.ts';
import { release } from '../release.ts';
import type { Answer, Expansion, RecordedGrowth, Span } from './span.ts';
import { makeReady } from '../ready.ts';
import { closeMap, noteExtensible } from '../settle.ts';
import { noteIfOver, type Run, type State, Status } from '../state.ts';

/** The default limit of functions of a run. */
export const defaultMaxFunctions = 1_000_000;

/** Handles the answer to `Grow`. */
export function growthAnswered(
  state: State,
  event: EventOf<'RunGrown' | 'GraphGrown' | 'GrowthFailed'>,
  out: Command[],
): void {
  const { run: id, index, asked } = event;
  const run = answered(state, id, index, asked);
  if (run === undefined) return;
  if (event.type === 'RunGrown') grow(state, run, index, event.count, null, out);
  else if (event.type === 'GraphGrown') expand(state, run, index, event, out);
  else failForGood(state, run, index, { kind: 'list', error: event.error }, out);
}

/** The run that still waits for this answer. It does not if it ended, or if the list was lost since. */
function answered(state: State, id: string, index: number, asked: number): Run | undefined {
  const run = state.runs.get(id);
  if (run === undefined || run.outcome !== undefined || run.asked.get(index) !== asked) return undefined;
  run.asked.delete(index);
  return run.status[index] === Status.growing ? run : undefined;
}

/** Appends the elements of maps that take the elements of others. One event may let several maps in a row grow. */
export function extend(state: State, out: Command[]): void {
  for (let next = state.extensible.pop(); next !== undefined; next = state.extensible.pop()) {
    const { run, index } = next;
    if (state.runs.get(run.id) !== run || run.outcome !== undefined) continue;
    const { source } = run.plan.maps!.get(index)!;
    const isAsked = run.status[index] === Status.growing;
    const isDone = run.status[source] === Status.done;
    if (isAsked && run.missing[index]! > (isDone ? 0 : 1)) run.status[index] = Status.waiting; // an input was lost
    const isReady = isDone ? isAsked : run.status[source] === Status.open && run.missing[index] === 1;
    if ((isAsked || run.status[index] === Status.waiting) && isReady) {
      const span = spanOfOwner(run, source)!;
      grow(state, run, index, span.count, span, out);
    }
  }
}

function grow(state: State, run: Run, owner: number, count: number, source: Span | null, out: Command[]): void {
  if (exceeds(state, run, owner, count, out)) return;
  const span = openMap(run, owner, count, source);
  out.push({ type: 'Grown', run, index: owner, base: span.base, count });
  const { status, missing } = run;
  if (source !== null)
    for (let k = 0; k < count; k++) if (status[source.base + k] !== Status.done) missing[span.base + k] = 1;
  for (const i of elementsOf(span)) if (missing[i] === 0) makeReady(state, run, i, out);
  for (const [taker, map] of run.plan.maps!) {
    if (map.source === owner && status[taker] === Status.waiting) noteExtensible(state, run, taker);
  }
  if (count > 0) return;
  closeMap(state, run, owner, out);
  noteIfOver(state, run);
}

/** Appends the elements of a map. */
function openMap(run: Run, owner: number, count: number, source: Span | null): Span {
  const span = append(run, owner, count, source);
  run.status[owner] = Status.open;
  run.unfinished += count;
  if (run.unread !== null) countReaders(run, span);
  return span;
}

/** The maximum depth of graphs in graphs. */
export const maxDepth = 10_000;

/** Appends the graph that a function answered with. */
function expand(state: State, run: Run, owner: number, { answer }: EventOf<'GraphGrown'>, out: Command[]): void {
  const { size } = answer.plan;
  if (depthOf(run, owner) >= maxDepth)
    return failForGood(state, run, owner, { kind: 'too-deep', limit: maxDepth }, out);
  if (exceeds(state, run, owner, size, out)) return;
  const released: number[] = [];
  const expansion = openGraph(run, owner, answer, released);
  out.push({ type: 'Grown', run, index: owner, base: expansion.base, count: size });
  if (released.length > 0) out.push({ type: 'Release', run, indexes: released });
  for (const i of elementsOf(expansion))
    if (run.missing[i] === 0 && run.status[i] === Status.waiting) makeReady(state, run, i, out);
}

/** Appends a graph. */
function openGraph(run: Run, owner: number, answer: Answer, released: number[]): Expansion {
  const expansion = appendGraph(run, owner, answer);
  if (run.unread !== null) {
    countReadersOf(run, expansion, answer.plan);
    release(run, owner, released); // its arguments are not read again
  }
  const { plan, status } = run;
  // The result of a condition is that of its graph.
  if ((plan.flags[owner]! & Flag.decides) !== 0) for (const i of expansion.outputs) plan.flags[i]! |= Flag.decides;
  status[owner] = Status.open;
  run.unfinished += answer.plan.size;
  return expansion;
}

/** Lets a run grow as it had in an earlier process, before any of its functions is done. */
export function growAgain(run: Run, growth: RecordedGrowth): void {
  const { owner } = growth;
  if ('answer' in growth) return void openGraph(run, owner, growth.answer, []);
  const { source } = run.plan.maps!.get(owner)!;
  const span = openMap(run, owner, growth.count, source < 0 ? null : spanOfOwner(run, source)!);
  // Each misses what its map misses; with a source, an element of that in place of the list.
  run.missing.fill(run.plan.inDegree[owner]!, span.base, span.base + span.count);
}

/** Fails a function if a run would have too many with what it is to grow by. Returns whether it does. */
function exceeds(state: State, run: Run, owner: number, by: number, out: Command[]): boolean {
  const limit = run.settings.maxFunctions ?? defaultMaxFunctions;
  const count = run.plan.size + by;
  if (count > limit) failForGood(state, run, owner, { kind: 'too-many', count, limit }, out);
  return count > limit;
}

/** A function of a graph is read by others of it, and, if it gives the result, by what reads that. */
function countReadersOf(run: Run, expansion: Expansion, graph: CompiledDag): void {
  const unread = run.unread!;
  const kept = run.settings.kept!;
  const { base, owner, outputs } = expansion;
  unread.set(readersOf(graph), base);
  expansion.isRead = unread[owner]! > 0;
  kept.fill(0, base, base + expansion.count);
  for (const i of outputs) {
    if (expansion.isRead) unread[i]!++;
    kept[i] = kept[owner]!;
  }
}

/** An element is read by an element of each map that takes it, and together with the others if the list is read. */
function countReaders(run: Run, span: Span): void {
  const unread = run.unread!;
  let readers = unread[span.owner]! > 0 ? 1 : 0;
  for (const [taker, { source }] of run.plan.maps!) {
    const fate = run.status[taker];
    const isGone = fate === Status.skipped || fate === Status.unreachable || fate === Status.failed;
    if (source === span.owner && !isGone) readers++;
  }
  span.isListRead = unread[span.owner]! > 0;
  unread.fill(readers, span.base, span.base + span.count);
}
