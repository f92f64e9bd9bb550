/** Compares typed arrays byte by byte at once, as `toEqual` takes seconds for a million numbers. */
import { expect } from 'vitest';

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

expect.addEqualityTesters([
  // What differs in its bytes may still be equal, such as two NaN.
  (a: unknown, b: unknown) =>
    ArrayBuffer.isView(a) &&
    ArrayBuffer.isView(b) &&
    a.constructor === b.constructor &&
    a.byteLength === b.byteLength &&
    bytesOf(a).equals(bytesOf(b))
      ? true
      : undefined,
]);
