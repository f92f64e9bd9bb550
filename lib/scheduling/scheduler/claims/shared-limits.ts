/**
 * Limits that several processes share. A process asks the others' store for what its next function uses, all of it at
 * once, and starts that function with the answer; what functions have held goes back when they end. So this scheduler
 * counts only what it has got.
 */
import type { Uses } from '../../../dag/types.ts';
import type { Command } from '../commands.ts';
import type { EventOf } from '../events.ts';
import type { ReadyClass } from '../ready-queue.ts';
import type { LimitShare, Run, State } from '../state.ts';

/** From now on, this process shares all its limits. Nothing may use them yet. */
export function limitsShared({ limits }: State): void {
  for (const limit of limits.values()) limit.share = { credit: 0, asker: null, asked: null, returned: 0 };
}

/** What was asked for may start. */
export function limitsGranted({ limits }: State, { uses }: EventOf<'LimitsGranted'>): void {
  for (const name in uses) {
    const share = limits.get(name)!.share!;
    share.asked = null;
    share.credit += uses[name]!;
  }
}

/**
 * Asks for what the first function of a class uses, unless an answer for one of its limits is outstanding. What is left
 * of them goes back first: processes that kept a part and waited for the rest could wait for each other.
 */
export function askFor(state: State, run: Run, from: ReadyClass, uses: Uses, out: Command[]): void {
  const shares = Object.keys(uses).map((name) => [name, state.limits.get(name)!.share!] as const);
  for (const [, share] of shares) withdrawIfUnwanted(state, share, out);
  if (shares.some(([, { asked }]) => asked !== null)) return;
  for (const [name, share] of shares) {
    if (share.credit > 0) out.push({ type: 'ReturnLimit', name, held: 0, unused: share.credit });
    share.credit = 0;
    share.asked = uses;
    share.asker = { run, from };
  }
  out.push({ type: 'AskLimits', uses });
}

export function takeCredit(share: LimitShare, amount: number): void {
  share.credit = Math.max(0, share.credit - amount);
}

export function giveBack(share: LimitShare, amount: number): void {
  share.returned += amount;
}

/** At the end of an event: returns what functions no longer hold, and what no function that asked for it wants. */
export function returnShares(state: State, out: Command[]): void {
  for (const [name, { share }] of state.limits) {
    if (share === null) return; // all are shared, or none
    withdrawIfUnwanted(state, share, out);
    const { credit, returned } = share;
    const unused = isWanted(state, share) ? 0 : credit;
    if (returned === 0 && unused === 0) continue;
    [share.credit, share.returned] = [credit - unused, 0];
    out.push({ type: 'ReturnLimit', name, held: returned, unused });
  }
}

/** Others need not wait for an answer that no function wants. */
function withdrawIfUnwanted(state: State, share: LimitShare, out: Command[]): void {
  const uses = share.asked;
  if (uses === null || isWanted(state, share)) return;
  for (const name in uses) state.limits.get(name)!.share!.asked = null;
  out.push({ type: 'WithdrawLimits', uses });
}

/** Whether the class for which it was asked last may still start. */
function isWanted(state: State, { asker }: LimitShare): boolean {
  return asker !== null && !isGone(state, asker.run, asker.from);
}

/** Whether a class has no function that could start, now or later. */
export function isGone(state: State, run: Run, from: ReadyClass): boolean {
  return run.outcome !== undefined || state.runs.get(run.id) !== run || from.heap.size === 0;
}
