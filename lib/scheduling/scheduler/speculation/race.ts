/**
 * Races between two batches that run the same function: an original and its copy. The first result wins. If one of them
 * fails or is lost, the other continues as if it were alone.
 *
 * ```
 *   original:   ├──────────────── … ✂       loses: it is cancelled, and its result is dropped
 *   copy:               ├────── ✓           wins: it decides the function's result
 * ```
 *
 * `Run.batch` names the batch to which the function belongs: the original, until it fails or the copy wins.
 */
import type { Command } from '../commands.ts';
import type { Exception } from '../events.ts';
import { cancel } from '../failure/failure.ts';
import { type Batch, type Run, type State, Status } from '../state.ts';

/** Starts a race between a copy and the batch that holds the function. */
export function beginContest(batch: Batch, copy: Batch): void {
  batch.contest = { rival: copy, isCopy: false, isLost: false };
  copy.contest = { rival: batch, isCopy: true, isLost: false };
}

/**
 * Handles the end, loss or return of a function in a batch that is or was in a race. Returns true if the batch decides
 * what happens to the function. Otherwise the event is ignored.
 *
 * @param gave whether there is a result
 */
export function speaks(state: State, batch: Batch, i: number, gave: boolean, out: Command[]): boolean {
  const { rival, isCopy, isLost } = batch.contest!;
  if (isLost) return false;
  const { run } = batch;
  if (rival !== null) {
    batch.contest!.rival = null;
    rival.contest!.rival = null;
    if (!gave) {
      own(run, i, rival);
      return false;
    }
    own(run, i, batch);
    lose(state, rival, out);
  }
  if (gave && isCopy && run.status[i] === Status.dispatched) run.copies.won++;
  return true;
}

/** Whether a batch's result of a function is wanted. */
export function isWanted({ id, run, contest }: Batch, i: number): boolean {
  // Its dependencies may have failed since, when they were made again.
  if (run.status[i] !== Status.dispatched) return false;
  return contest === null || (!contest.isLost && (contest.rival !== null || run.batch[i] === id));
}

/** The functions of a report that have a result, and whose result is wanted. */
export function resultsIn(
  batch: Batch,
  { first, count }: { readonly first: number; readonly count: number },
  exceptions: readonly Exception[],
): number[] {
  const functions: number[] = [];
  let next = 0;
  for (let at = first; at < first + count; at++) {
    if (exceptions[next]?.index === at) next++;
    else if (isWanted(batch, batch.functions[at]!)) functions.push(batch.functions[at]!);
  }
  return functions;
}

/** Whether the batch is in a race that is still open. */
export function isContested({ contest }: Batch): boolean {
  return contest !== null && contest.rival !== null;
}

/** Whether the batch has lost a race. */
export function hasLost({ contest }: Batch): boolean {
  return contest !== null && contest.isLost;
}

function own(run: Run, i: number, batch: Batch): void {
  run.batch[i] = batch.id;
  run.tally[i] = batch.functions.indexOf(i);
  run.node[i] = batch.thread.node.index;
}

function lose(state: State, batch: Batch, out: Command[]): void {
  batch.contest!.isLost = true;
  batch.run.copies.losing++;
  cancel(state, batch, out);
}
