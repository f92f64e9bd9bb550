/**
 * Planned runs: each node takes its functions in the order of the plan, so that a function that is ready early does not
 * take the place of another one.
 *
 * ```
 *   node a   f0  f3  f1  f7  f2
 *                    ▲
 *                    next: all before it have been sent or will never run
 * ```
 *
 * At its planned start, a function stops waiting for those before it. So if a run deviates from its plan, the plan
 * delays it no longer than that.
 */
import type { Command } from '../commands.ts';
import { functionAt } from '../growth/growth.ts';
import { enqueue } from '../ready.ts';
import type { ReadyClass } from '../ready-queue.ts';
import { type Run, type Sequence, type State, Status } from '../state.ts';
import { wakeAfter } from '../dispatch/wake.ts';

/** Whether a function waits for functions before it on its node. Amortized O(1). */
export function isHeld(state: State, run: Run, i: number, now: number, out: Command[]): boolean {
  const { sequence } = run;
  const node = sequence === null ? -1 : run.assigned![i]!;
  if (sequence === null || node < 0 || sequence.at[i]! <= nextOf(run, sequence, node)) return false;
  const early = run.submittedAt + sequence.start[i]! - now;
  if (early <= 1e-9) return false;
  wakeAfter(state, now, early, out);
  return true;
}

/** The functions before this one on its node that have not been sent. */
export function waitingBefore(run: Run, i: number): number[] {
  const { sequence, status } = run;
  const node = sequence === null ? -1 : run.assigned![i]!;
  if (sequence === null || node < 0) return [];
  return [...sequence.byNode.get(node)!.subarray(nextOf(run, sequence, node), sequence.at[i]!)].filter(
    (each) => !hasBeenSent(status[each]!),
  );
}

/**
 * Lets the first of a class run anywhere if the tracker refuses its planned node although nothing runs. Returns whether
 * it does.
 */
export function leavesPlan(state: State, run: Run, from: ReadyClass, now: number): boolean {
  const i = functionAt(run, from.heap.top);
  const isRefused = run.refusedSince >= 0 && now - run.refusedSince >= state.tuning.refusalPoll;
  if (!isRefused || run.settings.movable !== true || run.settings.allocator !== undefined || run.assigned![i]! < 0)
    return false;
  run.queue.pop(from);
  run.assigned![i] = -1;
  enqueue(state, run, i);
  return true;
}

function nextOf({ status }: Run, { byNode, next }: Sequence, node: number): number {
  const order = byNode.get(node)!;
  let at = next.get(node)!;
  while (at < order.length && hasBeenSent(status[order[at]!]!)) at++;
  next.set(node, at);
  return at;
}

function hasBeenSent(status: number): boolean {
  return status >= Status.dispatched;
}
