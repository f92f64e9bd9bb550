/** Lets a run grow by the elements of its maps. */
import type { Command } from './commands.ts';
import type { EventOf } from './events.ts';
import { failForGood } from './failure.ts';
import { append, elementsOf, spanOfOwner } from './growth.ts';
import type { Span } from './span.ts';
import { makeReady } from './ready.ts';
import { closeMap, noteExtensible } from './settle.ts';
import { noteIfOver, type Run, type State, Status } from './state.ts';

/** The default limit of functions of a run. */
export const defaultMaxFunctions = 1_000_000;

/** Handles the answer to `Grow`. */
export function growthAnswered(state: State, event: EventOf<'RunGrown' | 'GrowthFailed'>, out: Command[]): void {
  const { run: id, index, asked } = event;
  const run = answered(state, id, index, asked);
  if (run === undefined) return;
  if (event.type === 'RunGrown') grow(state, run, index, event.count, null, out);
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
  const limit = run.settings.maxFunctions ?? defaultMaxFunctions;
  if (run.plan.size + count > limit)
    return failForGood(state, run, owner, { kind: 'too-many', count: run.plan.size + count, limit }, out);
  const span = append(run, owner, count, source);
  run.status[owner] = Status.open;
  run.unfinished += count;
  if (run.unread !== null) countReaders(run, span);
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
