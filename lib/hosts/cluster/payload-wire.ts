/**
 * Payloads between hosts, which share no memory: small ones travel with the message, large ones stay where they are,
 * and a reference to them travels.
 */
import { HandoffError } from '../../core/errors.ts';
import { load } from '../../workers/store/encode.ts';
import { isReference, isShape } from './bounds.ts';
import {
  bytesOf,
  ofShape,
  partLengths,
  partsOf,
  type PayloadData,
  type RemoteData,
  type Shape,
  shapeOf,
  minSharedBytes,
} from '../../workers/store/payload.ts';
import { allocateShared } from '../../workers/store/shared-memory.ts';

/** Bytes that travel with the message. */
export interface InlineData {
  readonly kind: 'inline';
  readonly of: Shape;
  readonly parts: readonly Uint8Array[];
}

export type PayloadWire = InlineData | RemoteData | Extract<PayloadData, { readonly kind: 'error' }>;

/**
 * As what a payload travels.
 *
 * @param hold gives the reference under which a large one can be fetched
 */
export function toPayloadWire(data: PayloadData, hold: (data: PayloadData) => RemoteData): PayloadWire {
  if (data.kind === 'error') return data;
  if (data.kind === 'encoded' && data.live === true)
    throw new HandoffError('NOT_SERIALIZABLE', 'It holds a SharedArrayBuffer, which threads share but hosts do not.');
  if (data.kind === 'remote' || bytesOf(data) >= minSharedBytes) return hold(data);
  // A copy: the serializer does not take shared memory.
  return { kind: 'inline', of: shapeOf(data)!, parts: partsOf(inMemory(data)).map((part) => Uint8Array.from(part)) };
}

/** @throws `PROTOCOL_ERROR` when it is none */
export function fromPayloadWire(wire: unknown): PayloadData {
  const { kind, of } = wire as Partial<PayloadWire> & { readonly of?: Shape };
  if (kind === 'error') return wire as PayloadData;
  if (kind !== 'inline' && kind !== 'remote')
    throw new HandoffError('PROTOCOL_ERROR', 'A peer sent a payload of a kind that does not exist.');
  if (!isShape(of)) throw new HandoffError('PROTOCOL_ERROR', 'A peer sent a payload of an impossible length.');
  if (kind === 'remote') {
    if (!isReference(wire))
      throw new HandoffError('PROTOCOL_ERROR', 'A peer sent a reference to a payload that is none.');
    return wire;
  }
  const lengths = partLengths(of);
  const { parts } = wire as InlineData;
  if (
    !Array.isArray(parts) ||
    parts.length !== lengths.length ||
    !lengths.every((length, k) => parts[k] instanceof Uint8Array && parts[k].byteLength === length)
  )
    throw new HandoffError('PROTOCOL_ERROR', 'A peer sent a payload that is not as long as it says.');
  if (of!.kind === 'view')
    return { kind: 'view', view: of!.view, bytes: Uint8Array.from(parts[0]!), byteOffset: 0, length: of!.length };
  return ofShape(
    of!,
    parts.map((part) => {
      const shared = allocateShared(part.byteLength);
      new Uint8Array(shared).set(part);
      return shared;
    }),
  );
}

/** A payload whose bytes are in memory. */
export function inMemory(data: PayloadData): PayloadData {
  return data.kind === 'spilled' ? load(data) : data;
}
