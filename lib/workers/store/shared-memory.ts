/**
 * Shared memory that counts for the garbage collector.
 *
 * V8 decides when to collect by the bytes of ArrayBuffers. It does not count those of a SharedArrayBuffer, which
 * several threads may hold, so it sees large results as a few small objects and never collects them. Therefore each
 * thread that holds a SharedArrayBuffer also holds an ArrayBuffer of the same size, its counterpart, which is never
 * touched and is freed together with it. The counterpart is resizable: such a buffer is mapped and takes only address
 * space, while an ordinary one may reuse memory, which is then cleared.
 */

import { isInstanceMemory } from '../../core/instance-memory.ts';

const counterpart = Symbol('handoffjs.counterpart');

// Enough for V8 to collect after a few counterparts; larger ones cost time without any gain.
const maxCounterpartBytes = 32 * 1024 * 1024;

// V8 collects after about this many bytes.
const garbageBytes = 64 * 1024 * 1024;

let weight = 1;

/**
 * Makes this thread collect often enough that its garbage stays small compared with the budget. The factor is limited,
 * because every collection costs time.
 *
 * @param budget bytes that results may hold
 */
export function collectFor(budget: number): void {
  weight = Math.max(1, Math.min(4, Math.ceil(garbageBytes / (budget / 16))));
}

/** Allocates shared memory and counts it in this thread. */
export function allocateShared(byteLength: number): SharedArrayBuffer {
  return count(new SharedArrayBuffer(byteLength));
}

/**
 * Makes this thread count a SharedArrayBuffer, unless it is the memory of a WebAssembly instance. V8 counts ArrayBuffers
 * itself.
 *
 * @returns the same buffer
 */
export function count<Bytes extends SharedArrayBuffer | ArrayBuffer>(buffer: Bytes): Bytes {
  if (buffer instanceof SharedArrayBuffer && !Object.hasOwn(buffer, counterpart) && !isInstanceMemory(buffer)) {
    const length = Math.min(buffer.byteLength * weight, maxCounterpartBytes);
    Object.defineProperty(buffer, counterpart, { value: new ArrayBuffer(length, { maxByteLength: length }) });
  }
  return buffer;
}
