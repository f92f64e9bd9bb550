/**
 * Functions that are not idempotent. Such a function starts again only if its last attempt is known to have ended with
 * its own failure. Then retries count as for any other function. In every other case its effects may have happened, and
 * it fails for good.
 *
 * ```
 *   started? ─┬─ no, its host confirms that ────────────────── put back
 *             ├─ yes, and it threw or killed its thread ────── retried
 *             ├─ yes, and its thread died of something else ┐
 *             ├─ yes, and its result is lost                ├─ fails for good
 *             └─ unknown: its host is gone                  ┘
 * ```
 *
 * It travels alone, so that the loss of a thread never loses its unreported result. It is sent to another host only if
 * it can start there at once, because a function queued on a lost host may have started.
 */
import { type CompiledDag, Flag } from '../../../dag/compile/compiled-dag.ts';
import type { Command } from '../commands.ts';
import { failForGood } from './failure.ts';
import { putBack } from '../ready.ts';
import type { Failure } from '../outcome.ts';
import type { Node, Run, State } from '../state.ts';

export function isOnce({ flags }: CompiledDag, i: number): boolean {
  return (flags[i]! & Flag.once) !== 0;
}

/** Whether an attempt is known to have ended by its own failure, rather than to be lost, given up or never made. */
export function isOwnFailure({ kind }: Failure): boolean {
  return kind === 'thrown' || kind === 'timeout' || kind === 'crash';
}

/** Whether nothing may be queued before or behind a function on a node. */
export function isExclusive(plan: CompiledDag, i: number, { host }: Node): boolean {
  return (plan.flags[i]! & Flag.exclusive) !== 0 || (host !== 0 && isOnce(plan, i));
}

/**
 * Puts back a function whose last attempt is gone. If the attempt may have started and must not run twice, the function
 * fails.
 *
 * @param because the id of the function that cost it its thread, if it shared one
 */
export function putBackUnlessBegun(
  state: State,
  run: Run,
  i: number,
  mayHaveBegun: boolean,
  out: Command[],
  because?: string,
): void {
  if (!mayHaveBegun || run.outcome !== undefined || !isOnce(run.plan, i)) putBack(state, run, i, out);
  else {
    run.batch[i] = -1;
    failForGood(state, run, i, { kind: 'begun', node: state.nodes[run.node[i]!]!.name, ended: false, because }, out);
  }
}
