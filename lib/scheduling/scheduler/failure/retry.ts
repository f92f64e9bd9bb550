/** The delay before the next attempt. */
import type { RetryDelay } from '../../../dag/types.ts';

/**
 * The delay in ms before the attempt after `attempts` failed ones: exponential, capped, and randomized so that
 * functions that failed together do not retry together.
 *
 * @param attempts the number of failed attempts, at least 1
 * @param random in [0, 1)
 */
export function retryDelay(delay: number | RetryDelay, attempts: number, random: number): number {
  if (typeof delay === 'number') return delay;
  const { initial, factor = 2, max = Infinity, jitter = 0 } = delay;
  const full = Math.min(max, initial * factor ** (attempts - 1));
  return full * (1 - jitter * random);
}
