/**
 * Results as bytes that outlive the process, and back. Bytes of one result, made from the same value, are always equal.
 *
 * ```
 *   payload   {"kind":"view",…}⏎ and then its parts, one after the other
 *   others    V8's serialization
 * ```
 */
import { deserialize, serialize } from 'node:v8';
import { load } from '../../workers/store/encode.ts';
import { allocateShared } from '../../workers/store/shared-memory.ts';
import {
  ofShape,
  partLengths,
  partsOf,
  Payload,
  type PayloadData,
  type Shape,
  shapeOf,
} from '../../workers/store/payload.ts';
import type { ErrorWire } from '../../core/error-wire.ts';

type Stored =
  | { readonly kind: 'error'; readonly error: ErrorWire }
  | { readonly kind: 'plain'; readonly value: unknown }
  /** As older versions wrote it. */
  | { readonly kind: 'payload'; readonly shape: Shape; readonly parts: readonly Uint8Array[] };

const brace = '{'.charCodeAt(0);
const newline = '\n'.charCodeAt(0);

/**
 * The bytes of a payload, in consecutive parts.
 *
 * @returns undefined for what cannot be stored: it is on another host, or its memory is shared with the function that made it
 * @throws what the file system throws when the file of the payload is gone
 */
export function toParts({ data }: Payload): readonly Uint8Array[] | undefined {
  if (data.kind === 'error') return [serialize({ kind: 'error', error: data.error } satisfies Stored)];
  if (data.kind === 'remote' || (data.kind === 'encoded' && data.live === true)) return undefined;
  const here = data.kind === 'spilled' ? load(data) : data;
  return [Buffer.from(`${JSON.stringify(shapeOf(here)!)}\n`), ...partsOf(here)];
}

/** Like `toParts`, in one piece. */
export function toBytes(payload: Payload): Uint8Array | undefined {
  const parts = toParts(payload);
  return parts && Buffer.concat(parts);
}

/** The bytes of a result that is no payload. @throws what V8 throws for a value that it cannot serialize */
export function plainToBytes(value: unknown): Uint8Array {
  return serialize({ kind: 'plain', value } satisfies Stored);
}

/** The result of which these are the bytes: a `Payload`, or a plain value. */
export function fromBytes(bytes: Uint8Array): unknown {
  if (bytes[0] === brace) {
    const end = bytes.indexOf(newline);
    const shape = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString()) as Shape;
    let at = end + 1;
    const parts = partLengths(shape).map((length) => bytes.subarray(at, (at += length)));
    return new Payload(toData(shape, parts));
  }
  const stored = deserialize(bytes) as Stored;
  if (stored.kind === 'plain') return stored.value;
  return new Payload(stored.kind === 'error' ? stored : toData(stored.shape, stored.parts));
}

function toData(shape: Shape, parts: readonly Uint8Array[]): PayloadData {
  return ofShape(
    shape,
    parts.map((part) => {
      const bytes = allocateShared(part.byteLength);
      new Uint8Array(bytes).set(part);
      return bytes;
    }),
  );
}
