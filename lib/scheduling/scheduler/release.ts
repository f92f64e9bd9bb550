/** Drops results that no function will read again. */
import { Flag } from '../../dag/compile/compiled-dag.ts';
import { elementsOf, expansionOfOwner, spanOf, spanOfOwner } from './growth/growth.ts';
import { count, endHolding, forEachInput, mayHold, Need, needOf, noteHolding, partsOf } from './failure/readers.ts';
import type { Expansion } from './growth/span.ts';
import { type Run, Status } from './state.ts';

/** Counts one reader less for each result that the function took. Drops its own result if no function needs it. */
export function release(run: Run, i: number, released: number[]): void {
  if (mayHold(run, i)) {
    noteHolding(run, i);
    forEachInput(run, i, (dep) => lessen(run, dep, 0, 1, released, i));
  } else {
    forEachInput(run, i, (dep) => lessen(run, dep, -1, 0, released));
    const source = run.plan.maps === null ? -1 : (run.plan.maps.get(i)?.source ?? -1);
    if (source >= 0 && run.status[i] === Status.skipped) leaveElements(run, source, released);
  }
  if (run.status[i] === Status.done && needOf(run, i) === Need.nothing) letGoOf(run, i, released);
}

/** A result will not be made again: it cannot be lost with another host any more, or its function cannot run again. */
export function endRisk(run: Run, i: number, released: number[]): void {
  if (run.remote.delete(i)) giveUpInputs(run, i, released);
}

/** A result is needed less than before. */
function lessen(run: Run, i: number, unread: -1 | 0, lent: -1 | 0 | 1, released: number[], holder = -1): void {
  const before = needOf(run, i);
  count(run, i, unread, lent);
  const after = needOf(run, i);
  if (after === before) return;
  // As long as the list is read, each element is.
  for (const part of partsOf(run, i)) {
    if (after === Need.holding) lessen(run, part, 0, 1, released, holder);
    else lessen(run, part, -1, before === Need.holding ? -1 : 0, released);
  }
  if (after === Need.holding && isLostWith(run, i, holder)) endThirdGeneration(run, i, released);
  else giveUpInputs(run, i, released);
  // A result that another worker handed over may not be reported yet. It is dropped on its report.
  if (after === Need.nothing && run.status[i] === Status.done) letGoOf(run, i, released);
}

/** Whether a result that a function only holds would be lost together with that of the function. */
function isLostWith({ remote, node }: Run, i: number, holder: number): boolean {
  return holder >= 0 && remote.has(i) && node[i] === node[holder];
}

/** The inputs of this function are the second generation that is held. So they need not hold theirs. */
function endThirdGeneration(run: Run, i: number, released: number[]): void {
  forEachInput(run, i, (dep) => {
    if (needOf(run, dep) === Need.holding) giveUpInputs(run, dep, released);
  });
}

/** Ends the hold of a function on its inputs, if it has one. */
function giveUpInputs(run: Run, i: number, released: number[]): void {
  if (!endHolding(run, i)) return;
  forEachInput(run, i, (dep) => lessen(run, dep, -1, -1, released));
  const span = spanOf(run, i);
  if (span?.holding === 0) giveUpInputs(run, span.owner, released);
}

/** The results of a graph are not read any more, because an error is the result. */
export function leaveGraph(run: Run, expansion: Expansion, released: number[]): void {
  const need = needOf(run, expansion.owner);
  const parts = need === Need.nothing ? [] : partsOf(run, expansion.owner);
  for (const part of parts) lessen(run, part, -1, need === Need.holding ? -1 : 0, released);
  expansion.isRead = false;
}

/** A map that would have taken the elements of another one was skipped. */
function leaveElements(run: Run, owner: number, released: number[]): void {
  const span = spanOfOwner(run, owner);
  if (span !== undefined) for (const i of elementsOf(span)) lessen(run, i, -1, 0, released);
}

/** Whether the result of an element is an error. */
export function isError(run: Run, i: number): boolean {
  return spanOf(run, i)?.errors.has(i) === true;
}

/** Whether the result of a function that is not idempotent is here. An earlier process may have made it. */
function isKeptOnce({ plan, settings: { restored } }: Run, i: number): boolean {
  return (plan.flags[i]! & Flag.once) !== 0 && restored?.get(i)?.isAbsent !== true;
}

/** Drops a result that no function will read, unless a result made from it is lost. */
function letGoOf(run: Run, i: number, released: number[]): void {
  // A list consists of the results of its elements, and the result of a graph of those of its functions.
  if (spanOfOwner(run, i) !== undefined || expansionOfOwner(run, i) !== undefined) return;
  if (run.gone.delete(i)) return;
  const isHeld = (run.holdsOnce && isKeptOnce(run, i)) || isError(run, i);
  if (isHeld || run.cached.has(i)) run.held.add(i);
  if (!isHeld) released.push(i);
}
