/** What turns a list into a schedule. */
import type { Problem } from './problem.ts';

/** Times and places that a decoder fills in; going backward, times count from the end. */
export interface Draft {
  readonly start: Float64Array;
  readonly finish: Float64Array;
  readonly node: Int32Array;
}

export interface Decoder {
  /**
   * Places the functions of a list one by one, each as early as the ones before allow: the serial schedule generation scheme (Kolisch
   * 1996).
   *
   * @param backward the list starts at the end of the graph and time runs back from there
   * @param hint by function: the node it must go to, -1 where the decoder chooses
   * @returns ms from start to end
   */
  decode(list: Int32Array, backward: boolean, into: Draft, hint?: Int32Array): number;
}

export function createDraft({ size }: Problem): Draft {
  return { start: new Float64Array(size), finish: new Float64Array(size), node: new Int32Array(size) };
}

/** Turns a draft that was made backward around, so that its times count from the start. */
export function turn({ start, finish }: Draft, makespan: number): void {
  for (let i = 0; i < start.length; i++) {
    const end = makespan - start[i]!;
    start[i] = makespan - finish[i]!;
    finish[i] = end;
  }
}
