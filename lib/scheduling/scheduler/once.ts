/**
 * Functions that are not idempotent. Such a function is begun again only when its last attempt is known to have ended in a failure of its
 * own: after that, retries count as for any other. In every other case the function may have taken effect, and it fails for good.
 *
 * ```
 *   begun? ─┬─ no, its host says so ────────────────────── put back
 *           ├─ yes, and it threw or killed its thread ──── retried
 *           ├─ yes, and its thread died of something else ┐
 *           ├─ yes, and its result is lost                ├ fails for good
 *           └─ unknown: its host is gone                  ┘
 * ```
 *
 * It travels alone, so that the loss of a thread never takes a result with it that could not be reported before. To another host it is sent
 * only when it can begin there at once: what is queued on a host that is lost may have begun.
 */
import { type CompiledDag, Flag } from '../../dag/compiled-dag.ts';
import type { Command } from './commands.ts';
import { failForGood } from './failure.ts';
import { putBack } from './ready.ts';
import type { Node, Run, State } from './state.ts';

export function isOnce({ flags }: CompiledDag, i: number): boolean {
  return (flags[i]! & Flag.once) !== 0;
}

/** Whether nothing may be queued behind a function on a node, nor before it. */
export function isExclusive(plan: CompiledDag, i: number, { host }: Node): boolean {
  return (plan.flags[i]! & Flag.exclusive) !== 0 || (host !== 0 && isOnce(plan, i));
}

/** The last attempt of a function is gone, which may have begun: it is put back, unless it must not be begun again. */
export function putBackUnlessBegun(state: State, run: Run, i: number, mayHaveBegun: boolean, out: Command[]): void {
  if (!mayHaveBegun || run.outcome !== undefined || !isOnce(run.plan, i)) putBack(state, run, i, out);
  else failAsBegun(state, run, i, false, out);
}

/** @param ended whether it is known to have given a result */
export function failAsBegun(state: State, run: Run, i: number, ended: boolean, out: Command[]): void {
  run.batch[i] = -1;
  failForGood(state, run, i, { kind: 'begun', node: state.nodes[run.node[i]!]!.name, ended }, out);
}
