/**
 * What is known of how long functions take, and how much they give: means that follow what is measured, and how far single functions are
 * off them.
 */
import { createTypical, type Typical } from './straggler-threshold.ts';

/** A mean over functions, and their variance about it. Of groups of functions it is told only what all of a group come to. */
export interface Moments {
  mean: number;
  /** Of single functions; 0 as long as there was one group. */
  variance: number;
  /** How many functions, up to what is remembered. */
  count: number;
  /** How many groups, likewise. */
  groups: number;
}

/** Of functions of one code: ms on a node of speed 1. */
export interface Estimate extends Moments, Typical {
  /** Bytes of results in shared memory or files; 0 for any other. */
  readonly bytes: Moments;
}

export function createMoments(): Moments {
  return { mean: 0, variance: 0, count: 0, groups: 0 };
}

export function createEstimate(): Estimate {
  return { ...createMoments(), ...createTypical(), bytes: createMoments() };
}

/**
 * Takes in a group of functions that come to `total`. As long as no more than `memory` functions were seen, mean and variance are those of
 * all of them; then old ones fade exponentially.
 *
 * The mean of a group of n lies off the mean of the N before it by chance, with a variance of σ² (1/n + 1/N): what is seen of that, over
 * this, is σ² (Welford 1962, with the weights of groups; the same as summing n (m - mean)² over the groups and dividing by one less than
 * there are).
 */
export function observe(moments: Moments, count: number, total: number, memory: number): void {
  const off = total / count - moments.mean;
  if (moments.count > 0) moments.variance += ((off * off) / (1 / count + 1 / moments.count) - moments.variance) / Math.max(1, moments.groups);
  moments.groups = Math.min(memory, moments.groups + 1);
  moments.count = Math.min(memory, moments.count + count);
  moments.mean += off * Math.min(1, count / moments.count);
}
