/** Functions that take 10 ms, except for one attempt in a hundred, which takes a second. */
import { setTimeout } from 'node:timers/promises';
import { context } from '../../lib/task.ts';

const [usual, slow, share] = [10, 1000, 0.01];

/**
 * Waits, unless it is aborted.
 *
 * @param calls counts the calls of each function
 * @param seed decides which calls are slow: the same calls for the same seed
 */
export async function wait(calls: SharedArrayBuffer, i: number, seed: number): Promise<number> {
  const call = Atomics.add(new Int32Array(calls), i, 1);
  const ms = chance(seed, i, call) < share ? slow : usual;
  await setTimeout(ms, undefined, { signal: context().signal });
  return ms;
}

/** In [0, 1), equal for equal arguments. */
function chance(...numbers: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const each of numbers) {
    hash = Math.imul(hash ^ each, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return (hash >>> 0) / 2 ** 32;
}
