/** Results as bytes that outlive the process, and back. */
import { deserialize, serialize } from 'node:v8';
import { load } from '../workers/store/encode.ts';
import { allocateShared } from '../workers/store/shared-memory.ts';
import { ofShape, partsOf, Payload, type PayloadData, type Shape, shapeOf } from '../workers/store/payload.ts';
import type { ErrorWire } from '../core/error-wire.ts';

type Stored =
  | { readonly kind: 'error'; readonly error: ErrorWire }
  | { readonly kind: 'payload'; readonly shape: Shape; readonly parts: readonly Uint8Array[] };

/**
 * The bytes of a result in shared memory or in a file.
 *
 * @returns undefined for what cannot be stored: it is on another host, or its memory is shared with the function that made it
 */
export function toBytes({ data }: Payload): Uint8Array | undefined {
  if (data.kind === 'error') return serialize({ kind: 'error', error: data.error } satisfies Stored);
  if (data.kind === 'remote' || (data.kind === 'encoded' && data.live === true)) return undefined;
  const here = data.kind === 'spilled' ? load(data) : data;
  return serialize({ kind: 'payload', shape: shapeOf(here)!, parts: partsOf(here) } satisfies Stored);
}

/** The result that `toBytes` has stored. */
export function fromBytes(bytes: Uint8Array): Payload {
  const stored = deserialize(bytes) as Stored;
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
