/**
 * Chunks of a log: a version byte, the records in V8's serialization, and a checksum, so that a torn or damaged chunk is
 * recognised.
 */
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { HandoffError } from '../core/errors.ts';
import type { RunRecord } from './record.ts';

/**
 * The version of the records. Older ones are read, newer ones refused.
 *
 * 1: the first. 2: `expanded` and `discarded`, for runs that grow.
 */
const version = 2;

const checksumBytes = 4;

/** @throws what V8 throws for a value that it cannot serialize */
export function encodeChunk(records: readonly RunRecord[]): Uint8Array {
  const body = serialize(records);
  const chunk = Buffer.allocUnsafe(1 + body.length + checksumBytes);
  chunk[0] = version;
  body.copy(chunk, 1);
  chunk.writeUInt32LE(crc32(chunk.subarray(0, 1 + body.length)), 1 + body.length);
  return chunk;
}

/**
 * @param where names the run and the position, for error texts
 * @throws `JOURNAL_FAILED` when the chunk is damaged, or was written by a newer version
 */
export function decodeChunk(chunk: Uint8Array, where: string): RunRecord[] {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const end = bytes.length - checksumBytes;
  if (end < 1 || crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) {
    throw new HandoffError(
      'JOURNAL_FAILED',
      `The journal's record of ${where} is damaged. Nothing after it is used. Restore the journal from a backup, or run the DAG again under another runId.`,
    );
  }
  if (bytes[0]! > version) {
    throw new HandoffError(
      'JOURNAL_FAILED',
      `The journal's record of ${where} has version ${bytes[0]}, and this version of Handoff reads up to ${version}. Update Handoff.`,
    );
  }
  return deserialize(bytes.subarray(1, end)) as RunRecord[];
}
