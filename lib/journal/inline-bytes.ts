/** Small results beside their record, with a checksum, so that damage is recognised. */
import { crc32 } from 'node:zlib';

const checksumBytes = 4;

export function withChecksum(bytes: Uint8Array): Uint8Array {
  const all = Buffer.allocUnsafe(bytes.length + checksumBytes);
  all.set(bytes);
  all.writeUInt32LE(crc32(bytes), bytes.length);
  return all;
}

/** The bytes without their checksum; undefined when they are damaged. */
export function withoutChecksum(all: Uint8Array): Uint8Array | undefined {
  const end = all.length - checksumBytes;
  if (end < 0) return undefined;
  const bytes = all.subarray(0, end);
  return crc32(bytes) === new DataView(all.buffer, all.byteOffset).getUint32(end, true) ? bytes : undefined;
}
