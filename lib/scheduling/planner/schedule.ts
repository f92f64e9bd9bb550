/** What a planner answers. */
import type { Draft } from './decoder.ts';

/** When and where each function runs, by its number in the plan; ms from the start. */
export interface Schedule {
  readonly start: Float64Array;
  readonly finish: Float64Array;
  /** Into the problem's nodes. */
  readonly node: Int32Array;
  readonly makespan: number;
  /** No schedule can be shorter. */
  readonly lowerBound: number;
  /** How many schedules were made to find it. */
  readonly candidates: number;
}

/** What a schedule costs: for each function, the price of its node for as long as it runs. */
export function priceOf({ price }: { readonly price: Float64Array }, { start, finish, node }: Draft): number {
  let sum = 0;
  for (let i = 0; i < node.length; i++) sum += price[node[i]!]! * (finish[i]! - start[i]!);
  return sum;
}

/** A copy of a draft, which is written over by the next. */
export function keep({ start, finish, node }: Draft, makespan: number): Draft & { readonly makespan: number } {
  return { start: start.slice(), finish: finish.slice(), node: node.slice(), makespan };
}
