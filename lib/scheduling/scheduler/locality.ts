/**
 * Where results lie matters when they are large and nodes are on several hosts: what takes them is run where most of them is, and what will
 * be taken together is made on one host, where that could be said beforehand (see planner/homes.ts).
 *
 * A function waits for a lane of its host for a while, as moving its inputs would take time, too (delay scheduling: Zaharia et al., EuroSys
 * 2010); but not when all lanes there are known to be busy for longer than that.
 */
import { shortage } from '../resources/amounts.ts';
import { accepts } from './eligibility.ts';
import type { Command } from './commands.ts';
import type { ReadyClass } from './ready-queue.ts';
import type { Run, State } from './state.ts';
import { wakeAfter } from './wake.ts';

/** Bytes that one ms of waiting is worth: a result moves at about four times that, and costs its hosts work besides. */
const bytesPerMs = 250_000;
/** ms that are waited at most: by then it is not known to be worth it any more. */
const longest = 500;

/**
 * The host that a function had better be on: that with most bytes of what it takes, else the one it was thought to be for; -1: it is no
 * matter.
 */
export function nearestHost(state: State, run: Run, i: number): number {
  const home = run.settings.home?.[i] ?? -1;
  let most = -1;
  let bytes = 0;
  if (run.large.size > 0) for (const [host, sum] of bytesByHost(state, run, i)) if (sum > bytes || (sum === bytes && host === home)) [most, bytes] = [host, sum];
  return most >= 0 ? most : home;
}

function bytesByHost(state: State, run: Run, i: number): Map<number, number> {
  const { depOffset, deps } = run.plan;
  const bytes = new Map<number, number>();
  for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) {
    const size = run.large.get(deps[k]!);
    if (size === undefined) continue;
    const { host } = state.nodes[run.node[deps[k]!]!]!;
    bytes.set(host, (bytes.get(host) ?? 0) + size);
  }
  return bytes;
}

/** Whether the first of a class, which found no lane on the host that it prefers, had better wait for one. */
export function waitsForHost(state: State, run: Run, from: ReadyClass, i: number, now: number, out: Command[]): boolean {
  const bytes = [...bytesByHost(state, run, i)].sort((a, b) => b[1] - a[1]);
  const saved = bytes.length === 0 ? expectedBytes(state, run, i) : bytes[0]![1] - (bytes[1]?.[1] ?? 0);
  const patience = Math.min(longest, saved / bytesPerMs);
  if (patience < 1 || soonestLane(state, run, from, now) > patience) return false;
  if (from.waitsSince < 0) from.waitsSince = now;
  const left = from.waitsSince + patience - now;
  if (left <= 0) return false; // nor do those behind it wait once more, until one of them has found room there
  wakeAfter(state, now, left, out);
  return true;
}

/**
 * ms until a lane that could take one of a class should be free on its host, as far as is known: 0 when nothing is; Infinity when none
 * ever could.
 */
function soonestLane(state: State, run: Run, from: ReadyClass, now: number): number {
  const cost = run.plan.costs[from.cost] ?? {};
  let soonest = Infinity;
  for (const node of state.nodes) {
    if (node.host !== from.prefer || node.index === from.avoid || !accepts(run, from, node) || shortage(cost, node.capabilities) !== undefined) continue;
    for (const { up, batches } of node.lanes) {
      if (!up) continue;
      let left = 0;
      for (const { expectedMs, sentAt, done } of batches) left += expectedMs === 0 ? 0 : Math.max(0, expectedMs - (done === 0 && left === 0 ? now - sentAt : 0));
      soonest = Math.min(soonest, left);
    }
  }
  return soonest;
}

function expectedBytes({ estimates }: State, { plan, settings }: Run, i: number): number {
  // What it will be taken with is made there, too.
  return plan.entries[i]!.traits.outputBytes ?? estimates[settings.codes[plan.code[i]!]!]!.bytes.mean;
}
