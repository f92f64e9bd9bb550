/** When the inputs of a function are on each site. */
import type { Draft } from './decoder.ts';
import type { Edges } from './precedence.ts';

/** Holds the times of one function at a time, because a plan asks for each function once. */
export class InputArrivals {
  /** By node. */
  readonly #site: Int32Array;
  /** By site: when the last input made there is ready. */
  readonly #made: Float64Array;
  /** The latest arrival from any site, and the latest from any other site. One of the two applies to each node. */
  #latest = 0;
  #latestSite = -1;
  #second = 0;

  /** @param site by node */
  constructor(site: Int32Array) {
    this.#site = site;
    this.#made = new Float64Array(site.length);
  }

  /** Reads the inputs of function `i`, which are in the draft. O(inputs). */
  read(i: number, { offset, ends, move }: Edges, { finish, node }: Draft): void {
    const site = this.#site;
    const made = this.#made;
    const to = offset[i + 1]!;
    let latest = 0;
    let latestSite = -1;
    let second = 0;
    for (let k = offset[i]!; k < to; k++) {
      const input = ends[k]!;
      const on = site[node[input]!]!;
      const end = finish[input]!;
      if (end > made[on]!) made[on] = end;
      if (move === null) {
        if (end > latest) latest = end;
        continue;
      }
      const arrival = end + move[k]!;
      if (on === latestSite) {
        if (arrival > latest) latest = arrival;
      } else if (arrival > latest) {
        second = latest;
        latest = arrival;
        latestSite = on;
      } else if (arrival > second) {
        second = arrival;
      }
    }
    this.#latest = latest;
    this.#latestSite = latestSite;
    this.#second = second;
  }

  /** When all inputs are on a node. */
  readyOn(node: number): number {
    const site = this.#site[node]!;
    const made = this.#made[site]!;
    const moved = site === this.#latestSite ? this.#second : this.#latest;
    return made > moved ? made : moved;
  }

  /** Forgets the inputs of function `i`. */
  clear(i: number, { offset, ends }: Edges, { node }: Draft): void {
    const site = this.#site;
    const made = this.#made;
    const to = offset[i + 1]!;
    for (let k = offset[i]!; k < to; k++) made[site[node[ends[k]!]!]!] = 0;
  }
}
