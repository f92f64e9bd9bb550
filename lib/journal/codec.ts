/**
 * Chunks of a log: a version byte, the records in V8's serialization, and a checksum, so that a torn or damaged chunk is
 * recognised.
 */
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { type ErrorWire, fromErrorWire, toErrorWire } from '../core/error-wire.ts';
import { HandoffError } from '../core/errors.ts';
import { flatten, type FlatTable, unflatten } from '../core/flat.ts';
import { needsCare } from '../core/survey.ts';
import type { RunRecord } from './record.ts';

/**
 * The version of the records. Older ones are read, newer ones refused.
 *
 * 1: the first. 2: `expanded` and `discarded`, for runs that grow. 3: the records are a table, for arguments and results
 * that are deep or hold errors, which V8's serialization would not keep.
 */
const version = 3;
const versionOfPlain = 2;

const checksumBytes = 4;

/** @throws what V8 throws for a value that it cannot serialize */
export function encodeChunk(records: readonly RunRecord[]): Uint8Array {
  const isTable = records.some(holdsAnyValue) && needsCare(records);
  const body = serialize(isTable ? flatten(records, { error: toErrorWire }) : records);
  const chunk = Buffer.allocUnsafe(1 + body.length + checksumBytes);
  chunk[0] = isTable ? version : versionOfPlain;
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
  const body: unknown = deserialize(bytes.subarray(1, end));
  if (bytes[0]! <= versionOfPlain) return body as RunRecord[];
  return unflatten(body as FlatTable, (error) => fromErrorWire(error as ErrorWire)) as RunRecord[];
}

/** Records of other types hold values only as bytes, or small ones. */
function holdsAnyValue({ type }: RunRecord): boolean {
  return type === 'submitted' || type === 'decided';
}
