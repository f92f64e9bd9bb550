/** Decoders turn a list into a schedule. */
import type { Problem } from './problem.ts';

/** Times and nodes that a decoder fills in. In a backward schedule, times count from the end. */
export interface Draft {
  readonly start: Float64Array;
  readonly finish: Float64Array;
  readonly node: Int32Array;
}

export interface Decoder {
  /**
   * Places the functions of a list one by one, each as early as those before it allow: the serial schedule generation
   * scheme (Kolisch 1996).
   *
   * @param backward the list starts at the end of the graph, and times count from the end
   * @param hint by function: the node to use, or -1 if the decoder chooses
   * @returns ms from start to end
   */
  decode(list: Int32Array, backward: boolean, into: Draft, hint?: Int32Array): number;
}

export function createDraft({ size }: Problem): Draft {
  return { start: new Float64Array(size), finish: new Float64Array(size), node: new Int32Array(size) };
}

/** Converts a backward draft to times that count from the start. */
export function turn({ start, finish }: Draft, makespan: number): void {
  for (let i = 0; i < start.length; i++) {
    const end = makespan - start[i]!;
    start[i] = makespan - finish[i]!;
    finish[i] = end;
  }
}
