/**
 * Shared memory that the garbage collector knows of.
 *
 * V8 counts the bytes of an ArrayBuffer when it decides whether to collect, but not those of a SharedArrayBuffer, which
 * several threads hold. Results of a megabyte each are then a few small objects to it, and never collected. So each
 * thread that holds one also holds as many bytes of an ordinary ArrayBuffer, which is never touched, and goes when the
 * other goes. It is a resizable one: those are mapped, and take address space only, where others may come from memory
 * that was used before, and are cleared.
 */

import { isInstanceMemory } from '../../core/instance-memory.ts';

const counterpart = Symbol('handoffjs.counterpart');

// As much as makes V8 collect after a few: asking for more costs time and gains nothing.
const mostBytes = 32 * 1024 * 1024;

// V8 collects after about this much.
const garbageBytes = 64 * 1024 * 1024;

let weight = 1;

/**
 * Has this thread collect often enough that what it holds for nothing is a small part of what results may hold. Each
 * collection costs time, so there is a bound to it.
 *
 * @param budget how much results may hold, in bytes
 */
export function collectFor(budget: number): void {
  weight = Math.max(1, Math.min(4, Math.ceil(garbageBytes / (budget / 16))));
}

/** New shared memory, counted in this thread. */
export function allocateShared(byteLength: number): SharedArrayBuffer {
  return count(new SharedArrayBuffer(byteLength));
}

/**
 * Has this thread count a SharedArrayBuffer that it holds, unless that is an instance's. V8 counts ArrayBuffers itself.
 *
 * @returns the buffer
 */
export function count<Bytes extends SharedArrayBuffer | ArrayBuffer>(buffer: Bytes): Bytes {
  if (buffer instanceof SharedArrayBuffer && !Object.hasOwn(buffer, counterpart) && !isInstanceMemory(buffer)) {
    const length = Math.min(buffer.byteLength * weight, mostBytes);
    Object.defineProperty(buffer, counterpart, { value: new ArrayBuffer(length, { maxByteLength: length }) });
  }
  return buffer;
}
