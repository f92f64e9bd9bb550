/** The result of a planner. */
import type { Draft } from './decoder.ts';

/** When and where each function runs, by its number in the plan. Times are ms from the start. */
export interface Schedule {
  readonly start: Float64Array;
  readonly finish: Float64Array;
  /** By function: index into the problem's nodes. */
  readonly node: Int32Array;
  readonly makespan: number;
  /** No schedule is shorter than this, in ms. */
  readonly lowerBound: number;
  /** The number of schedules made to find this one. */
  readonly candidates: number;
}

/** The price of a schedule: for each function, its run time times the price of its node. */
export function priceOf({ price }: { readonly price: Float64Array }, { start, finish, node }: Draft): number {
  let sum = 0;
  for (let i = 0; i < node.length; i++) sum += price[node[i]!]! * (finish[i]! - start[i]!);
  return sum;
}

/** A copy of a draft, which the next candidate overwrites. */
export function keep({ start, finish, node }: Draft, makespan: number): Draft & { readonly makespan: number } {
  return { start: start.slice(), finish: finish.slice(), node: node.slice(), makespan };
}
