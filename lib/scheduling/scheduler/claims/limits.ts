/**
 * Limits of the program: how much of something that belongs to no node functions may hold at a time, and how much of it
 * may start per second. They are counted over all runs. The rate is a token bucket that fills as events bring the time.
 *
 * The first class that finds a limit used up waits in its **line**. Others that want it come after that, so a function
 * that uses much is not passed by those that use little. If something else keeps the first from starting, they may pass.
 */
import type { Uses } from '../../../dag/types.ts';
import type { Command } from '../commands.ts';
import type { ReadyClass } from '../ready-queue.ts';
import { batchesOn } from '../dispatch/seats.ts';
import { askFor, giveBack, isGone, takeCredit } from './shared-limits.ts';
import type { Batch, Limit, Run, State } from '../state.ts';
import { wakeAfter } from '../dispatch/wake.ts';

// Amounts may be fractions, and times are rounded.
const tolerance = 1e-6;

/**
 * Whether the first function of a class may start, as far as limits are concerned. If not, the class waits in the line of
 * a limit.
 */
export function mayUse(state: State, run: Run, from: ReadyClass, uses: Uses, now: number, out: Command[]): boolean {
  for (const name in uses) {
    const limit = state.limits.get(name)!;
    const first = lineOf(state, limit);
    if (first !== null && first.from !== from && !mayOvertake(state, run, from, limit, first, name, now)) return false;
    const ms = waitFor(limit, uses[name]!, now);
    if (ms === 0) continue;
    if (first === null || (first.run === run && from.heap.top < first.from.heap.top)) limit.line = { run, from };
    if (limit.share !== null) askFor(state, run, from, uses, out);
    else if (ms < Infinity) wakeAfter(state, now, ms, out);
    return false;
  }
  return true;
}

/** Whether limits allow a copy of a function now. Copies do not wait in lines. */
export function mayUseNow(state: State, uses: Uses, now: number): boolean {
  return Object.entries(uses).every(([name, amount]) => {
    const limit = state.limits.get(name)!;
    return lineOf(state, limit) === null && waitFor(limit, amount, now) === 0;
  });
}

/** The classes that are first in line for a limit which has enough for them now. */
export function* served(state: State, now: number): Generator<{ readonly run: Run; readonly from: ReadyClass }> {
  for (const [name, limit] of state.limits) {
    const first = lineOf(state, limit);
    if (first === null || first.from.blocked === state.turn) continue;
    if (waitFor(limit, first.run.plan.uses[first.from.cost]![name]!, now) === 0) yield first;
  }
}

/** A batch starts: it takes what its function uses. */
export function takeUses(state: State, { uses, begunAt }: Batch): void {
  for (const name in uses) {
    const limit = state.limits.get(name)!;
    limit.used += uses[name]!;
    if (limit.share !== null) {
      takeCredit(limit.share, uses[name]!);
      continue;
    }
    refill(limit, begunAt);
    limit.tokens -= uses[name]!;
  }
}

/** A class has got what it stood in line for. */
export function leaveLines(state: State, uses: Uses, from: ReadyClass): void {
  for (const name in uses) {
    const limit = state.limits.get(name)!;
    if (limit.line?.from === from) limit.line = null;
  }
}

/** The classes that wait in a line before this one, and the limits that have too little left for it. */
export function shortOf(state: State, run: Run, rank: number, uses: Uses, now: number): ShortLimit[] {
  return Object.entries(uses).flatMap(([name, amount]) => {
    const limit = state.limits.get(name)!;
    const ms = waitFor(limit, amount, now);
    const first = lineOf(state, limit);
    const isBehind = first !== null && !(first.run === run && rank <= first.from.heap.top);
    if (ms === 0 && !isBehind) return [];
    const holders = [...state.batches.values()].filter((batch) => Object.hasOwn(batch.uses ?? {}, name));
    return [{ name, amount, limit, ms, holders, first: isBehind ? first : null }];
  });
}

/** How much of each limit is in use: in all, and by functions on a node. */
export function limitsOn({ limits, nodeByName }: State, node: string): Record<string, LimitUse> {
  const here = new Map<string, number>();
  for (const thread of nodeByName.get(node)?.threads ?? [])
    for (const { uses } of batchesOn(thread))
      for (const name in uses) here.set(name, (here.get(name) ?? 0) + uses[name]!);
  return Object.fromEntries(
    [...limits].map(([name, { used, concurrency, perSecond }]) => [
      name,
      {
        here: here.get(name) ?? 0,
        used,
        ...(concurrency < Infinity && { concurrency }),
        ...(perSecond < Infinity && { perSecond }),
      },
    ]),
  );
}

/** The use of a limit of the program. */
export interface LimitUse {
  /** The amount that functions on the node hold. */
  readonly here: number;
  /** The amount that functions of all nodes hold. */
  readonly used: number;
  /** The amount that functions may hold at a time; left out without such a limit. */
  readonly concurrency?: number;
  /** The amount that may start per second; left out without such a limit. */
  readonly perSecond?: number;
}

export interface ShortLimit {
  readonly name: string;
  readonly amount: number;
  readonly limit: Limit;
  /** The ms until it has enough: Infinity if others must end first. */
  readonly ms: number;
  readonly holders: readonly Batch[];
  /** The class that comes before; null for none. */
  readonly first: Limit['line'];
}

/** A batch has ended: it gives back what its function held. Starts that count towards a rate are not given back. */
export function giveBackUses(state: State, { uses }: Batch): void {
  for (const name in uses) {
    const limit = state.limits.get(name)!;
    limit.used = Math.max(0, limit.used - uses[name]!);
    if (limit.used < tolerance) limit.used = 0;
    if (limit.share !== null) giveBack(limit.share, uses[name]!);
  }
}

/** The ms until an amount of a limit may start: 0 for now; Infinity if other functions must end first. */
export function waitFor(limit: Limit, amount: number, now: number): number {
  if (limit.share !== null) return limit.share.credit + tolerance < amount ? Infinity : 0;
  if (limit.used + amount > limit.concurrency + tolerance) return Infinity;
  refill(limit, now);
  const missing = Math.min(amount, limit.burst) - limit.tokens;
  return missing <= tolerance ? 0 : (missing / limit.perSecond) * 1000;
}

function refill(limit: Limit, now: number): void {
  if (now <= limit.at) return;
  const { tokens, perSecond, burst, at } = limit;
  limit.tokens = perSecond === Infinity ? burst : Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
  limit.at = now;
}

/** The class that waits for a limit first. Forgets one that no longer waits. */
function lineOf(state: State, limit: Limit): Limit['line'] {
  if (limit.line === null) return null;
  const { run, from } = limit.line;
  if (isGone(state, run, from) || run.threads >= run.settings.maxConcurrency) limit.line = null;
  return limit.line;
}

/** Whether a class may pass the first in line: it comes before that in its run, or something else holds that back. */
function mayOvertake(
  state: State,
  run: Run,
  from: ReadyClass,
  limit: Limit,
  first: NonNullable<Limit['line']>,
  name: string,
  now: number,
): boolean {
  if (run === first.run && from.heap.top < first.from.heap.top) return true;
  const amount = first.run.plan.uses[first.from.cost]![name]!;
  return first.from.blocked === state.turn && waitFor(limit, amount, now) === 0;
}
