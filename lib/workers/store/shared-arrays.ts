/** Typed arrays in shared memory, for functions that write a large result where every thread can read it. */
import { HandoffError } from '../../core/errors.ts';
import { allocateShared } from './shared-memory.ts';

interface ArrayClass<View> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: SharedArrayBuffer): View;
}

type Make<View> = (length: number) => View;

/**
 * Creates typed arrays that are never copied: a function fills one and returns it, and every reader of the result uses
 * the same memory. An ordinary array of 64 KiB or more is copied once, into shared memory, when it is returned.
 *
 * ```ts
 * import { shared } from 'handoffjs/task';
 *
 * export function ramp(count: number): Float64Array {
 *   const values = shared.float64(count);
 *   for (let i = 0; i < count; i++) values[i] = i / count;
 *   return values;
 * }
 * ```
 *
 * Each method takes a length in elements and returns an array of zeros. Do not write to the array after the function
 * has returned: other threads may read it.
 *
 * @throws `INVALID_OPTION` when the length is not a whole number of at least 0, or too large for the platform
 */
export const shared = Object.freeze({
  int8: maker(Int8Array<SharedArrayBuffer>),
  uint8: maker(Uint8Array<SharedArrayBuffer>),
  uint8Clamped: maker(Uint8ClampedArray<SharedArrayBuffer>),
  int16: maker(Int16Array<SharedArrayBuffer>),
  uint16: maker(Uint16Array<SharedArrayBuffer>),
  int32: maker(Int32Array<SharedArrayBuffer>),
  uint32: maker(Uint32Array<SharedArrayBuffer>),
  float32: maker(Float32Array<SharedArrayBuffer>),
  float64: maker(Float64Array<SharedArrayBuffer>),
  bigInt64: maker(BigInt64Array<SharedArrayBuffer>),
  bigUint64: maker(BigUint64Array<SharedArrayBuffer>),
});

function maker<View>(View: ArrayClass<View>): Make<View> {
  return (length) => {
    if (!Number.isInteger(length) || length < 0)
      throw new HandoffError(
        'INVALID_OPTION',
        `The length of a shared array must be a whole number of at least 0, got ${String(length)}.`,
      );
    try {
      return new View(allocateShared(length * View.BYTES_PER_ELEMENT));
    } catch (cause) {
      throw new HandoffError(
        'INVALID_OPTION',
        `A shared array of ${length} elements does not fit into memory. Use a smaller length.`,
        { cause },
      );
    }
  };
}
