/**
 * Serial schedule generation on several nodes: each function goes to the node where it finishes earliest, in a gap if
 * one is long enough (the placement of HEFT: Topcuoglu, Hariri and Wu 2002, "Performance-effective and low-complexity
 * task scheduling for heterogeneous computing"), here with threads and any resources.
 */
import type { Decoder, Draft } from './decoder.ts';
import type { Problem } from './problem.ts';
import { Profile } from './resource-profile.ts';

/** With more functions than this, early gaps are dropped, so that the cost per function does not grow. */
const many = 20_000;

export class Placing implements Decoder {
  readonly #problem: Problem;
  readonly #profiles: Profile[];
  /** By site, for the current function: when the last of its inputs made on this site is ready. */
  readonly #here: Float64Array;
  readonly #groupNode: Int32Array;
  /** By group: ms of the members that are not placed yet. */
  readonly #groupWork: Float64Array;
  /** By node: ms that a function may end later elsewhere, per ms that it would run here. */
  readonly #toll: Float64Array;

  /** @param thrift ms that a function may end later per unit of price saved; 0: it ends as early as possible */
  constructor(problem: Problem, thrift = 0) {
    const { nodes, resources, capacity, group, duration, size } = problem;
    this.#problem = problem;
    const gate = gateOf(problem);
    this.#profiles = nodes.map(
      (_, k) => new Profile(capacity.slice(k * resources, (k + 1) * resources), gate, size > many ? 64 : Infinity),
    );
    this.#here = new Float64Array(nodes.length);
    this.#toll = problem.price.map((each) => (thrift === 0 ? 0 : each * thrift));
    const groups = group === null ? 0 : group.reduce((most, each) => Math.max(most, each + 1), 0);
    this.#groupNode = new Int32Array(groups);
    this.#groupWork = new Float64Array(groups);
    if (group !== null) for (let i = 0; i < size; i++) if (group[i]! >= 0) this.#groupWork[group[i]!]! += duration[i]!;
  }

  decode(list: Int32Array, backward: boolean, { start, finish, node }: Draft, hint?: Int32Array): number {
    const { before, after, duration, speed, site, eligible, placesOf, resources, demand, demandOf, group } =
      this.#problem;
    const { offset, ends, move } = backward ? after : before;
    const [profiles, here, toll] = [this.#profiles, this.#here, this.#toll];
    let makespan = 0;
    for (const profile of profiles) profile.clear();
    this.#groupNode.fill(-1);
    for (let at = 0; at < list.length; at++) {
      const i = list[at]!;
      const [from, to] = [offset[i]!, offset[i + 1]!];
      // The latest arrival from any site, and the latest from any other site. One of the two applies to each node.
      let [first, firstSite, second] = [0, -1, 0];
      for (let k = from; k < to; k++) {
        const j = ends[k]!;
        const on = site[node[j]!]!;
        if (finish[j]! > here[on]!) here[on] = finish[j]!;
        if (move === null) continue;
        const arrival = finish[j]! + move[k]!;
        if (on === firstSite) {
          if (arrival > first) first = arrival;
        } else if (arrival > first) {
          [second, first, firstSite] = [first, arrival, on];
        } else if (arrival > second) {
          second = arrival;
        }
      }
      if (move === null) for (let k = from; k < to; k++) if (finish[ends[k]!]! > first) first = finish[ends[k]!]!;
      const row = demandOf[i]! * resources;
      const ms = duration[i]!;
      const g = group === null ? -1 : group[i]!;
      const fixed = g >= 0 && this.#groupNode[g]! >= 0 ? this.#groupNode[g]! : hint === undefined ? -1 : hint[i]!;
      // The rest of its group will follow it to its node, so that work counts too.
      const burden = g >= 0 && fixed < 0 ? this.#groupWork[g]! - ms : 0;
      const choice = eligible[placesOf[i]!]!;
      let [best, bestStart, least] = [-1, 0, Infinity];
      for (let c = 0; c < choice.length; c++) {
        const k = fixed >= 0 ? fixed : choice[c]!;
        const there = here[site[k]!]!;
        const arrived = site[k] === firstSite ? second : first;
        const ready = there > arrived ? there : arrived;
        const own = ms / speed[k]!;
        const extra = burden / speed[k]! + toll[k]! * own;
        if (ready + own + extra < least) {
          const begin = profiles[k]!.earliest(ready, own, demand, row, least - own - extra);
          if (begin + own + extra < least) [best, bestStart, least] = [k, begin, begin + own + extra];
        }
        if (fixed >= 0) break;
      }
      for (let k = from; k < to; k++) here[site[node[ends[k]!]!]!] = 0;
      const own = ms / speed[best]!;
      if (profiles.length > 1) profiles[best]!.earliest(bestStart, own, demand, row, Infinity);
      profiles[best]!.take(bestStart, own, demand, row);
      node[i] = best;
      start[i] = bestStart;
      finish[i] = bestStart + own;
      if (finish[i]! > makespan) makespan = finish[i]!;
      if (g >= 0) this.#groupNode[g] = best;
    }
    return makespan;
  }
}

/** A resource that every function demands. */
function gateOf({ resources, demand, demandOf }: Problem): number {
  for (let r = 0; r < resources; r++) if (demandOf.every((kind) => demand[kind * resources + r]! > 0)) return r;
  return -1;
}
