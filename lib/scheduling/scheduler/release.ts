/** Drops results that no function will read again. */
import { Flag } from '../../dag/compiled-dag.ts';
import { elementsOf, expansionOfOwner, spanOf, spanOfOwner } from './growth.ts';
import { type Run, Status } from './state.ts';

/** Counts one reader less for each result that the function took. Drops its own result if no function needs it. */
export function release(run: Run, i: number, released: number[]): void {
  const { plan } = run;
  const { depOffset, deps } = plan;
  const span = spanOf(run, i);
  if (span !== undefined) {
    if (span.source !== null) hasRead(run, span.source.base + i - span.base, released);
  } else {
    const source = plan.maps === null ? -1 : (plan.maps.get(i)?.source ?? -1);
    for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) {
      if (deps[k] !== source) hasRead(run, deps[k]!, released);
    }
    if (source >= 0 && run.status[i] === Status.skipped) leaveElements(run, source, released);
  }
  if (run.unread![i] === 0 && run.settings.kept![i] === 0 && run.status[i] === Status.done) letGoOf(run, i, released);
}

function hasRead(run: Run, dep: number, released: number[]): void {
  if (--run.unread![dep]! > 0 || run.settings.kept![dep] === 1) return;
  const span = spanOfOwner(run, dep);
  // As long as the list is read, each element is.
  if (span?.isListRead === true) for (const i of elementsOf(span)) hasRead(run, i, released);
  const expansion = expansionOfOwner(run, dep);
  if (expansion?.isRead === true) for (const i of expansion.outputs) hasRead(run, i, released);
  // A result that another worker handed over may not be reported yet. It is dropped on its report.
  if (run.status[dep] === Status.done) letGoOf(run, dep, released);
}

/** A map that would have taken the elements of another one was skipped. */
function leaveElements(run: Run, owner: number, released: number[]): void {
  const span = spanOfOwner(run, owner);
  if (span !== undefined) for (const i of elementsOf(span)) hasRead(run, i, released);
}

/** Drops a result that no function will read, unless a result made from it is lost. */
function letGoOf(run: Run, i: number, released: number[]): void {
  // A list consists of the results of its elements, and the result of a graph of those of its functions.
  if (spanOfOwner(run, i) !== undefined || expansionOfOwner(run, i) !== undefined) return;
  const isHeld = run.holdsOnce && (run.plan.flags[i]! & Flag.once) !== 0;
  if (isHeld || run.cached.has(i)) run.held.add(i);
  if (!isHeld) released.push(i);
}
