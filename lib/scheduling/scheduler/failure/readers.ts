/**
 * The functions that need a result. A function reads its inputs once, and then they are dropped, unless its own result is only on
 * another host. That host may be lost. So the function **holds** its inputs until its own result has been read or is
 * here. Then the loss of the result costs one function, and not all that led to it.
 *
 * ```
 *   a ────► b ────► c ────► d        c is on another host, so c holds b; b needs a no more
 *   dropped  held    unread  runs     when d has read c, both are dropped
 * ```
 *
 * If an input that is held would be lost together with the result, its own inputs are held, too: for a second generation
 * and no third, so that long rows of large results do not pile up.
 */
import { elementsOf, expansionOfOwner, spanOf, spanOfOwner } from '../growth/growth.ts';
import { type Run, Status } from '../state.ts';

/** What a result is needed for. */
export const Need = {
  nothing: 0,
  /** All functions that take it are done. Some hold it, to be made again from it. */
  holding: 1,
  /** A function has yet to read it, or the run keeps it to its end. */
  reading: 2,
} as const;

export type Need = (typeof Need)[keyof typeof Need];

/** Only for runs that drop results. */
export function needOf({ unread, lent, settings }: Run, i: number): Need {
  if (settings.kept![i] === 1) return Need.reading;
  const all = unread![i]!;
  if (all === 0) return Need.nothing;
  return lent.size > 0 && lent.get(i) === all ? Need.holding : Need.reading;
}

/** Whether a function has yet to read the result, or the run keeps it to its end. */
export function isRead(run: Run, i: number): boolean {
  return run.unread === null || needOf(run, i) === Need.reading;
}

/** Changes how many functions have yet to read or to give up a result, and how many of them only hold it. */
export function count(run: Run, i: number, unread: -1 | 0 | 1, lent: -1 | 0 | 1): void {
  run.unread![i]! += unread;
  if (lent === 0) return;
  const left = (run.lent.get(i) ?? 0) + lent;
  if (left === 0) run.lent.delete(i);
  else run.lent.set(i, left);
}

/** The functions whose results are read as one: the elements of a list, or what gives the result of a graph. */
export function partsOf(run: Run, i: number): Iterable<number> {
  if (run.growth === null) return [];
  const span = spanOfOwner(run, i);
  if (span !== undefined) return span.isListRead ? elementsOf(span) : [];
  const expansion = expansionOfOwner(run, i);
  return expansion?.isRead === true ? expansion.outputs : [];
}

/** Calls `visit` for each result that a function itself reads, repeats included. */
export function forEachInput(run: Run, i: number, visit: (dep: number) => void): void {
  const { plan } = run;
  const span = spanOf(run, i);
  if (span !== undefined) {
    if (span.source !== null) visit(span.source.base + i - span.base);
    return; // its map reads the others
  }
  // The elements of a map read the elements of another one.
  const source = plan.maps === null ? -1 : (plan.maps.get(i)?.source ?? -1);
  for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) if (plan.deps[k] !== source) visit(plan.deps[k]!);
}

/** Whether a function that is done holds its inputs, because its result may be lost before it is read. */
export function mayHold(run: Run, i: number): boolean {
  if (run.status[i] !== Status.done) return false;
  const span = spanOfOwner(run, i);
  if (span !== undefined) return span.holding > 0; // its elements would be made again from them
  return run.remote.size > 0 && run.remote.has(i) && isRead(run, i);
}

/** Notes that a function holds its inputs. */
export function noteHolding(run: Run, i: number): void {
  run.holding.add(i);
  const span = spanOf(run, i);
  if (span !== undefined) span.holding++;
}

/** Notes that a function no longer holds its inputs. Returns whether it did. */
export function endHolding(run: Run, i: number): boolean {
  if (run.holding.size === 0 || !run.holding.delete(i)) return false;
  const span = spanOf(run, i);
  if (span !== undefined) span.holding--;
  return true;
}
