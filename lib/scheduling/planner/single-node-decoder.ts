/** Serial schedule generation on one node: the resource-constrained project scheduling problem. */
import type { Decoder, Draft } from './decoder.ts';
import type { Problem } from './problem.ts';

const tolerance = 1e-9;

/**
 * The free resources of the node form a chain of moments; they change only at moments. A function starts when another
 * ends, at a known moment, so no search by time is needed.
 */
export class SingleNodeDecoder implements Decoder {
  readonly #problem: Problem;
  readonly #duration: Float64Array;
  readonly #time: Float64Array;
  readonly #next: Int32Array;
  /** By moment, then resource: the free amount until the next moment. */
  readonly #free: Float64Array;
  /** By function: the moment of its end. */
  readonly #end: Int32Array;
  /** The demand of each kind, as rows of resource and amount. */
  readonly #askOffset: Int32Array;
  readonly #askOf: Int32Array;
  readonly #ask: Float64Array;

  constructor(problem: Problem) {
    const { size, resources, demand, duration, speed } = problem;
    this.#problem = problem;
    this.#duration = duration.map((each) => each / speed[0]!);
    this.#time = new Float64Array(size + 1);
    this.#next = new Int32Array(size + 1);
    this.#free = new Float64Array((size + 1) * resources);
    this.#end = new Int32Array(size);
    const kinds = resources === 0 ? 1 : demand.length / resources;
    this.#askOffset = new Int32Array(
      Math.max(
        kinds,
        problem.demandOf.reduce((most, kind) => Math.max(most, kind + 1), 0),
      ) + 1,
    );
    const of: number[] = [];
    const ask: number[] = [];
    for (let kind = 0; kind + 1 < this.#askOffset.length; kind++) {
      for (let r = 0; r < resources; r++)
        if (demand[kind * resources + r]! > 0) {
          of.push(r);
          ask.push(demand[kind * resources + r]!);
        }
      this.#askOffset[kind + 1] = of.length;
    }
    this.#askOf = Int32Array.from(of);
    this.#ask = Float64Array.from(ask);
  }

  decode(list: Int32Array, backward: boolean, { start, finish, node }: Draft): number {
    const { resources, capacity, demandOf, before, after } = this.#problem;
    const { offset, ends } = backward ? after : before;
    const [duration, time, next, free] = [this.#duration, this.#time, this.#next, this.#free];
    const [end, askOffset, askOf, ask] = [this.#end, this.#askOffset, this.#askOf, this.#ask];
    let moments = 1;
    let makespan = 0;
    next[0] = -1;
    for (let r = 0; r < resources; r++) free[r] = capacity[r]!;
    for (let at = 0; at < list.length; at++) {
      const i = list[at]!;
      let from = 0;
      for (let k = offset[i]!, latest = 0; k < offset[i + 1]!; k++) {
        const moment = end[ends[k]!]!;
        if (time[moment]! > latest) {
          latest = time[moment]!;
          from = moment;
        }
      }
      const ms = duration[i]!;
      const first = askOffset[demandOf[i]!]!;
      const last = askOffset[demandOf[i]! + 1]!;
      let until = time[from]! + ms;
      let moment = from;
      let previous = from;
      do {
        let k = first;
        for (const row = moment * resources; k < last; k++) if (free[row + askOf[k]!]! + tolerance < ask[k]!) break;
        previous = moment;
        moment = next[moment]!;
        if (k < last) {
          from = moment;
          until = time[from]! + ms;
        }
      } while (moment >= 0 && (moment === from || time[moment]! < until));
      start[i] = time[from]!;
      finish[i] = until;
      node[i] = 0;
      if (until > makespan) makespan = until;
      if (ms === 0) {
        end[i] = from;
        continue;
      }
      if (moment < 0 || time[moment]! > until) {
        time[moments] = until;
        next[moments] = moment;
        next[previous] = moments;
        for (let r = 0, row = moments * resources, old = previous * resources; r < resources; r++)
          free[row + r] = free[old + r]!;
        moment = moments++;
      }
      end[i] = moment;
      for (let each = from; each !== moment; each = next[each]!) {
        for (let k = first, row = each * resources; k < last; k++) free[row + askOf[k]!]! -= ask[k]!;
      }
    }
    return makespan;
  }
}
