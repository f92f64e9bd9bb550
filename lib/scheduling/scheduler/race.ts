/**
 * Two batches that run the same function: one, and its copy. The first result wins, whichever gives it; when one of them fails or is lost,
 * the other goes on as if it had been alone.
 *
 * ```
 *   one:   ├──────────────── … ✂       lost: it is cancelled, and what it gives in the end is dropped
 *   copy:            ├────── ✓         speaks for the function
 * ```
 *
 * The function belongs to one of the two, as `Run.batch` says: to the first, until that fails or the copy wins.
 */
import type { Command } from './commands.ts';
import { cancel } from './failure.ts';
import { type Batch, type Run, type State, Status } from './state.ts';

/** Lets a copy run against the batch that has a function. */
export function beginContest(batch: Batch, copy: Batch): void {
  batch.contest = { rival: copy, isCopy: false, isLost: false };
  copy.contest = { rival: batch, isCopy: true, isLost: false };
}

/**
 * A function has ended in a batch that is or was in a contest, or was lost or given back there. Whether the batch speaks for the function:
 * then what happened to it there has happened to it. Else it is to be passed over.
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

/** Whether a result that a batch gives of a function is wanted. */
export function isWanted({ id, run, contest }: Batch, i: number): boolean {
  if (run.status[i] !== Status.dispatched) return false; // what it needed may have failed since, made anew
  return contest === null || (!contest.isLost && (contest.rival !== null || run.batch[i] === id));
}

/** Whether another batch runs the same, and either may win. */
export function isContested({ contest }: Batch): boolean {
  return contest !== null && contest.rival !== null;
}

/** Whether a batch was in a contest, and another has won. */
export function hasLost({ contest }: Batch): boolean {
  return contest !== null && contest.isLost;
}

function own(run: Run, i: number, batch: Batch): void {
  run.batch[i] = batch.id;
  run.tally[i] = batch.functions.indexOf(i);
  run.node[i] = batch.lane.node.index;
}

function lose(state: State, batch: Batch, out: Command[]): void {
  batch.contest!.isLost = true;
  batch.run.copies.losing++;
  cancel(state, batch, out);
}
