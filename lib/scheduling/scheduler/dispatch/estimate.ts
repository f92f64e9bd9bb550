/** Estimates of durations and result sizes: running means, and the deviation of single functions from them. */
import { createTypical, type Typical } from '../speculation/straggler-threshold.ts';

/** A running mean over functions and its variance. For a group of functions, only the total is known. */
export interface Moments {
  mean: number;
  /** The variance of single functions; 0 while there is only one group. */
  variance: number;
  /** The number of functions, up to the memory limit. */
  count: number;
  /** The number of groups, up to the same limit. */
  groups: number;
}

/** The estimate for a code: ms on a node of speed 1. */
export interface Estimate extends Moments, Typical {
  /** The size of results in shared memory or files; 0 for others. */
  readonly bytes: Moments;
}

export function createMoments(): Moments {
  return { mean: 0, variance: 0, count: 0, groups: 0 };
}

export function createEstimate(): Estimate {
  return { ...createMoments(), ...createTypical(), bytes: createMoments() };
}

/**
 * Adds a group of functions with a `total`. Up to `memory` functions, mean and variance are exact. After that, old
 * values fade exponentially.
 *
 * The mean of a group of n differs by chance from the mean of the N before it, with a variance of σ² (1/n + 1/N). The
 * observed square difference divided by that factor estimates σ² (Welford 1962, with weighted groups; equal to summing
 * n (m - mean)² over the groups and dividing by their number minus one).
 */
export function observe(moments: Moments, count: number, total: number, memory: number): void {
  const off = total / count - moments.mean;
  if (moments.count > 0)
    moments.variance +=
      ((off * off) / (1 / count + 1 / moments.count) - moments.variance) / Math.max(1, moments.groups);
  moments.groups = Math.min(memory, moments.groups + 1);
  moments.count = Math.min(memory, moments.count + count);
  moments.mean += off * Math.min(1, count / moments.count);
}
