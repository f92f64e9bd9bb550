/** An estimate of the memory that the results of a run hold: exact for shared memory, sampled for plain values. */
import { survey } from '../../core/survey.ts';
import { isHere, Payload } from './payload.ts';
import type { RunResults } from './run-results.ts';

// Results of one run are similar, so this many samples represent them.
const maxSamples = 32;

// Bytes of a number or another value of one word.
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
  const step = Math.max(1, Math.floor(plain.length / maxSamples));
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
