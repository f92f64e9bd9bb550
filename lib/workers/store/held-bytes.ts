/**
 * How much memory the results of a run hold, about: exactly where they are in shared memory, and by samples where they
 * are plain values.
 */
import { survey } from '../../core/survey.ts';
import { isHere, Payload } from './payload.ts';
import type { RunResults } from './run-results.ts';

// Results of one run are much alike: so many tell what the others hold.
const samples = 32;

// What a number takes, or whatever else is one word.
const word = 8;

export function heldBytes(results: RunResults): number {
  const { size } = results.index;
  let bytes = 0;
  const plain: unknown[] = [];
  for (let i = 0; i < size; i++) {
    if (!results.has(i)) continue;
    const value = results.peek(i);
    if (value instanceof Payload) bytes += isHere(value.data) ? value.byteLength : 0;
    else if ((typeof value === 'object' && value !== null) || typeof value === 'string') plain.push(value);
    else bytes += word;
  }
  if (plain.length === 0) return bytes;
  const step = Math.max(1, Math.floor(plain.length / samples));
  let sampled = 0;
  let count = 0;
  for (let k = 0; k < plain.length; k += step) {
    sampled += word + sizeOf(plain[k]);
    count++;
  }
  return bytes + (sampled / count) * plain.length;
}

function sizeOf(value: unknown): number {
  return typeof value === 'string' ? value.length : survey(value as object).size;
}
