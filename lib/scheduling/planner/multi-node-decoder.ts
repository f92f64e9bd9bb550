/**
 * Serial schedule generation on several nodes: each function goes to the node where it finishes earliest, in a gap if
 * one is long enough (the placement of HEFT: Topcuoglu, Hariri and Wu 2002, "Performance-effective and low-complexity
 * task scheduling for heterogeneous computing"), here with threads and any resources.
 */
import type { Decoder, Draft } from './decoder.ts';
import { InputArrivals } from './input-arrivals.ts';
import type { Problem } from './problem.ts';
import { Profile } from './resource-profile.ts';

/** With more functions than this, early gaps are dropped, so that the cost per function does not grow. */
const many = 20_000;

export class MultiNodeDecoder implements Decoder {
  readonly #problem: Problem;
  readonly #profiles: Profile[];
  readonly #arrivals: InputArrivals;
  readonly #groupNode: Int32Array;
  /** By group: ms of the members that are not placed yet. */
  readonly #groupWork: Float64Array;
  /** By node: ms that a function may end later elsewhere, per ms that it would run here. */
  readonly #toll: Float64Array;
  /** When the current function starts on the node that was chosen for it. */
  #chosenStart = 0;

  /** @param thrift ms that a function may end later per unit of price saved; 0: it ends as early as possible */
  constructor(problem: Problem, thrift = 0) {
    const { nodes, resources, capacity, group, duration, size } = problem;
    this.#problem = problem;
    const gate = gateOf(problem);
    this.#profiles = nodes.map(
      (_, k) => new Profile(capacity.slice(k * resources, (k + 1) * resources), gate, size > many ? 64 : Infinity),
    );
    this.#arrivals = new InputArrivals(problem.site);
    this.#toll = problem.price.map((each) => (thrift === 0 ? 0 : each * thrift));
    const groups = group === null ? 0 : group.reduce((most, each) => Math.max(most, each + 1), 0);
    this.#groupNode = new Int32Array(groups);
    this.#groupWork = new Float64Array(groups);
    if (group !== null) for (let i = 0; i < size; i++) if (group[i]! >= 0) this.#groupWork[group[i]!]! += duration[i]!;
  }

  decode(list: Int32Array, backward: boolean, into: Draft, hint?: Int32Array): number {
    const edges = backward ? this.#problem.after : this.#problem.before;
    let makespan = 0;
    for (const profile of this.#profiles) profile.clear();
    this.#groupNode.fill(-1);
    for (let at = 0; at < list.length; at++) {
      const i = list[at]!;
      this.#arrivals.read(i, edges, into);
      const node = this.#choose(i, hint);
      this.#arrivals.clear(i, edges, into);
      const finish = this.#place(i, node, this.#chosenStart, into);
      if (finish > makespan) makespan = finish;
    }
    return makespan;
  }

  /** The node on which function `i` finishes earliest. Sets `#chosenStart`. */
  #choose(i: number, hint: Int32Array | undefined): number {
    const { duration, speed, eligible, placesOf, resources, demand, demandOf, group } = this.#problem;
    const profiles = this.#profiles;
    const arrivals = this.#arrivals;
    const toll = this.#toll;
    const row = demandOf[i]! * resources;
    const ms = duration[i]!;
    const g = group === null ? -1 : group[i]!;
    const fixed = g >= 0 && this.#groupNode[g]! >= 0 ? this.#groupNode[g]! : hint === undefined ? -1 : hint[i]!;
    // The rest of its group will follow it to its node, so that work counts too.
    const burden = g >= 0 && fixed < 0 ? this.#groupWork[g]! - ms : 0;
    const choice = eligible[placesOf[i]!]!;
    let best = -1;
    let bestStart = 0;
    let least = Infinity;
    for (let c = 0; c < choice.length; c++) {
      const k = fixed >= 0 ? fixed : choice[c]!;
      const ready = arrivals.readyOn(k);
      const own = ms / speed[k]!;
      const extra = burden / speed[k]! + toll[k]! * own;
      if (ready + own + extra < least) {
        const begin = profiles[k]!.earliest(ready, own, demand, row, least - own - extra);
        if (begin + own + extra < least) {
          best = k;
          bestStart = begin;
          least = begin + own + extra;
        }
      }
      if (fixed >= 0) break;
    }
    this.#chosenStart = bestStart;
    return best;
  }

  /** Claims the resources of function `i`. @returns when it finishes */
  #place(i: number, k: number, begin: number, { start, finish, node }: Draft): number {
    const { duration, speed, resources, demand, demandOf, group } = this.#problem;
    const row = demandOf[i]! * resources;
    const own = duration[i]! / speed[k]!;
    const profile = this.#profiles[k]!;
    // Other nodes' profiles may have been asked last, or this one for another place.
    if (this.#profiles.length > 1) profile.earliest(begin, own, demand, row, Infinity);
    profile.take(begin, own, demand, row);
    if (group !== null && group[i]! >= 0) this.#groupNode[group[i]!] = k;
    node[i] = k;
    start[i] = begin;
    finish[i] = begin + own;
    return begin + own;
  }
}

/** A resource that every function demands. */
function gateOf({ resources, demand, demandOf }: Problem): number {
  for (let r = 0; r < resources; r++) if (demandOf.every((kind) => demand[kind * resources + r]! > 0)) return r;
  return -1;
}
