/** Drops results that no function will read again. */
import { isOnce } from './once.ts';
import { type Run, Status } from './state.ts';

/** Counts one reader less for each result that the function took. Drops its own result if no function needs it. */
export function release(run: Run, i: number, released: number[]): void {
  const unread = run.unread!;
  const kept = run.settings.kept!;
  const { depOffset, deps } = run.plan;
  for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) {
    const dep = deps[k]!;
    // A result that another worker handed over may not be reported yet. It is dropped on its report.
    if (--unread[dep]! === 0 && kept[dep] === 0 && run.status[dep] === Status.done) letGoOf(run, dep, released);
  }
  if (unread[i] === 0 && kept[i] === 0 && run.status[i] === Status.done) letGoOf(run, i, released);
}

/** Drops a result that no function will read, unless a result made from it is lost. */
function letGoOf(run: Run, i: number, released: number[]): void {
  if (run.holdsOnce && isOnce(run.plan, i)) run.held.add(i);
  else released.push(i);
}
