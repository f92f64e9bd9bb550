/** Tensors as data for other threads and hosts. In between they are arrays in the WebAssembly memory of jax. */
import { numpy as np } from '@jax-js/jax';

export interface Tensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: Data;
}

type Data = Float32Array | Float64Array | Int32Array | Uint32Array;

// jax returns booleans as 32-bit integers.
const classes = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Int32Array,
} as const;

export function toArray({ shape, dtype, data }: Tensor): np.Array {
  return np.array(data as Float32Array<ArrayBuffer>, { shape: [...shape], dtype: dtype as np.DType });
}

/** Consumes the array. */
export async function toTensor(array: np.Array): Promise<Tensor> {
  const { shape, dtype } = array;
  return { shape, dtype, data: (await array.data()) as Data };
}

/** One block of bytes: the length of a header, the header, the elements. */
export function encode({ shape, dtype, data }: Tensor): Uint8Array {
  const header = JSON.stringify({ shape, dtype });
  // The elements of a typed array begin at a multiple of their size.
  const padded = header.padEnd(header.length + (-header.length & 7));
  const bytes = Buffer.alloc(8 + padded.length + data.byteLength);
  bytes.writeUInt32LE(padded.length);
  bytes.write(padded, 8, 'latin1');
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 8 + padded.length);
  return bytes;
}

/** A tensor whose elements stay where the bytes are. */
export function decode(bytes: Uint8Array): Tensor {
  const { buffer, byteOffset, byteLength } = bytes;
  const length = new DataView(buffer, byteOffset).getUint32(0, true);
  const { shape, dtype } = JSON.parse(
    Buffer.from(buffer as ArrayBuffer, byteOffset + 8, length).toString('latin1'),
  ) as Pick<Tensor, 'shape'> & { dtype: keyof typeof classes };
  const at = byteOffset + 8 + length;
  return {
    shape,
    dtype,
    data: new classes[dtype](buffer as ArrayBuffer, at, (byteLength - 8 - length) / classes[dtype].BYTES_PER_ELEMENT),
  };
}
