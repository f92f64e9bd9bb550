/**
 * Locality of large results when nodes are on several hosts. A function runs on the host with most of its inputs.
 * Results that are read together are made on one host, if that was planned (see planner/home-hosts.ts).
 *
 * A function waits a while for a thread of its host, because moving its inputs would take time too (delay scheduling:
 * Zaharia et al., EuroSys 2010). It does not wait if all threads there are known to be busy for longer.
 */
import { shortage } from '../../resources/amounts.ts';
import { accepts } from './eligibility.ts';
import type { Command } from '../commands.ts';
import { holdersOf, inputsOf } from '../growth/growth.ts';
import type { ReadyClass } from '../ready-queue.ts';
import type { Run, State } from '../state.ts';
import { wakeAfter } from './wake.ts';

/**
 * The number of bytes for which waiting one ms pays off. A move is about four times as fast, but also costs its hosts
 * work.
 */
const bytesPerMs = 250_000;
/** The maximum wait in ms. */
const maxWaitMs = 500;

/**
 * The preferred host of a function: the one with most bytes of its inputs, otherwise its planned home; -1 for no
 * preference.
 */
export function nearestHost(state: State, run: Run, i: number): number {
  const home = run.settings.home?.[i] ?? -1;
  let most = -1;
  let bytes = 0;
  if (run.large.size > 0) {
    for (const [host, sum] of bytesByHost(state, run, i))
      if (sum > bytes || (sum === bytes && host === home)) [most, bytes] = [host, sum];
  }
  return most >= 0 ? most : home;
}

function bytesByHost(state: State, run: Run, i: number): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const dep of inputsOf(run, i)) {
    for (const holder of holdersOf(run, dep)) {
      const size = run.large.get(holder);
      if (size === undefined) continue;
      const { host } = state.nodes[run.node[holder]!]!;
      bytes.set(host, (bytes.get(host) ?? 0) + size);
    }
  }
  return bytes;
}

/** Whether the first function of a class, which found no thread on its preferred host, waits for one. */
export function waitsForHost(
  state: State,
  run: Run,
  from: ReadyClass,
  i: number,
  now: number,
  out: Command[],
): boolean {
  const bytes = [...bytesByHost(state, run, i)].sort((a, b) => b[1] - a[1]);
  const saved = bytes.length === 0 ? expectedBytes(state, run, i) : bytes[0]![1] - (bytes[1]?.[1] ?? 0);
  const patience = Math.min(maxWaitMs, saved / bytesPerMs);
  if (patience < 1 || soonestThread(state, run, from, now) > patience) return false;
  if (from.waitsSince < 0) from.waitsSince = now;
  const left = from.waitsSince + patience - now;
  if (left <= 0) return false; // the others of the class do not wait either, until one finds room there
  wakeAfter(state, now, left, out);
  return true;
}

/** ms until a thread of the class's host can take one of its functions: 0 if unknown, Infinity if no thread ever can. */
function soonestThread(state: State, run: Run, from: ReadyClass, now: number): number {
  const cost = run.plan.costs[from.cost] ?? {};
  let soonest = Infinity;
  for (const node of state.nodes) {
    if (
      node.host !== from.prefer ||
      node.index === from.avoid ||
      !accepts(run, from, node) ||
      shortage(cost, node.capabilities) !== undefined
    )
      continue;
    for (const { up, batches } of node.threads) {
      if (!up) continue;
      let left = 0;
      for (const { expectedMs, begunAt, done } of batches)
        left += expectedMs === 0 ? 0 : Math.max(0, expectedMs - (done === 0 && left === 0 ? now - begunAt : 0));
      soonest = Math.min(soonest, left);
    }
  }
  return soonest;
}

function expectedBytes({ estimates }: State, { plan, settings }: Run, i: number): number {
  // The other inputs of its dependents are made on the same host.
  return plan.entries[i]!.traits.outputBytes ?? estimates[settings.codes[plan.code[i]!]!]!.bytes.mean;
}
