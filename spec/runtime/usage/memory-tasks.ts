/** Functions that take memory, for the specs of monitoring. */
import { waitAtGate } from '../../fixtures/tasks.ts';

const arrays = (mb: number): number[][] =>
  Array.from({ length: 8 * mb }, () => Array.from({ length: 2 ** 14 }, (_, i) => i + 0.5));

/** Holds so many MB of heap while it waits at a gate. */
export function holdAtGate(gate: SharedArrayBuffer, ticket: number, mb: number): number {
  const held = arrays(mb);
  waitAtGate(gate, ticket);
  return held.length;
}

/** Holds so many MB outside of the heap while it waits at a gate. */
export function holdBufferAtGate(gate: SharedArrayBuffer, ticket: number, mb: number): number {
  const held = Buffer.alloc(mb * 2 ** 20, 1);
  waitAtGate(gate, ticket);
  return held.length;
}

/** Makes garbage all the time until it is let go on, and never holds more than so many MB. */
export function litterAtGate(gate: SharedArrayBuffer, mb: number): number {
  const words = new Int32Array(gate);
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
  let made = 0;
  while (Atomics.load(words, 1) === 0) made += arrays(mb).length;
  return made;
}

/** Holds so many MB, and never ends. */
export function holdForever(mb: number): number {
  const held = arrays(mb);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  return held.length;
}

/** Never yields, and runs until it is let go on. */
export function spinAtGate(gate: SharedArrayBuffer): number {
  const words = new Int32Array(gate);
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
  let turns = 0;
  while (Atomics.load(words, 1) === 0) turns++;
  return turns;
}
