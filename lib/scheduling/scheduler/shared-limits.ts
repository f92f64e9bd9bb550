/**
 * Limits that several processes share. A process asks the others' store for what its next function uses, all of it at
 * once, and starts that function with the answer; what functions have held goes back when they end. So this scheduler
 * counts only what it has got.
 */
import type { Uses } from '../../dag/types.ts';
import type { Command } from './commands.ts';
import type { EventOf } from './events.ts';
import type { ReadyClass } from './ready-queue.ts';
import type { LimitShare, Run, State } from './state.ts';

/** From now on, this process shares all its limits. Nothing may use them yet. */
export function limitsShared({ limits }: State): void {
  for (const limit of limits.values()) limit.share = { credit: 0, asker: null, isAsked: false, returned: 0 };
}

/** What was asked for may start. */
export function limitsGranted({ limits }: State, { uses }: EventOf<'LimitsGranted'>): void {
  for (const name in uses) {
    const share = limits.get(name)!.share!;
    share.isAsked = false;
    share.credit += uses[name]!;
  }
}

/**
 * Asks for what the first function of a class uses, unless an answer for one of its limits is outstanding. What is left
 * of them goes back first: processes that kept a part and waited for the rest could wait for each other.
 */
export function askFor({ limits }: State, run: Run, from: ReadyClass, uses: Uses, out: Command[]): void {
  const shares = Object.keys(uses).map((name) => [name, limits.get(name)!.share!] as const);
  if (shares.some(([, { isAsked }]) => isAsked)) return;
  for (const [name, share] of shares) {
    if (share.credit > 0) out.push({ type: 'ReturnLimit', name, held: 0, unused: share.credit });
    share.credit = 0;
    share.isAsked = true;
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
    const { credit, asker, returned, isAsked } = share;
    const isWanted = isAsked || (asker !== null && !isGone(state, asker.run, asker.from));
    const unused = isWanted ? 0 : credit;
    if (returned === 0 && unused === 0) continue;
    [share.credit, share.returned] = [credit - unused, 0];
    out.push({ type: 'ReturnLimit', name, held: returned, unused });
  }
}

/** Whether a class has no function that could start, now or later. */
export function isGone(state: State, run: Run, from: ReadyClass): boolean {
  return run.outcome !== undefined || state.runs.get(run.id) !== run || from.heap.size === 0;
}
