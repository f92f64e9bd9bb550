/**
 * Payloads between hosts, which share no memory: small ones travel inside the message; large ones stay, and a reference
 * travels.
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
import type { AnswerWire } from '../../workers/node/wire.ts';
import { allocateShared } from '../../workers/store/shared-memory.ts';
import { protocolError } from '../../core/protocol-error.ts';

/** Bytes inside the message. */
export interface InlineData {
  readonly kind: 'inline';
  readonly of: Shape;
  readonly parts: readonly Uint8Array[];
}

export type PayloadWire = InlineData | RemoteData | Extract<PayloadData, { readonly kind: 'error' }>;

/**
 * The form in which a payload travels.
 *
 * @param hold returns the reference under which a large payload can be fetched
 * @throws `NOT_SERIALIZABLE` when it holds a SharedArrayBuffer of the user
 */
export function toPayloadWire(data: PayloadData, hold: (data: PayloadData) => PayloadWire): PayloadWire {
  if (data.kind === 'error') return data;
  if (data.kind === 'encoded' && data.live === true)
    throw new HandoffError(
      'NOT_SERIALIZABLE',
      'It holds a SharedArrayBuffer, which threads share but hosts cannot. Return a copy of its content.',
    );
  if (data.kind === 'remote' || bytesOf(data) >= minSharedBytes) return hold(data);
  return inline(data);
}

/**
 * A graph that a function answered with, for another host: it travels inside the message, however large.
 *
 * @throws `NOT_SERIALIZABLE` as `toPayloadWire`
 */
export function toAnswerOfHost(answer: AnswerWire): unknown {
  return 'data' in answer ? { data: toPayloadWire(answer.data, inline) } : answer;
}

/** @throws `PROTOCOL_ERROR` when it is not a graph that a function answered with */
export function fromAnswerOfHost(wire: unknown): AnswerWire {
  if (typeof wire === 'object' && wire !== null) {
    if ('data' in wire) return { data: fromPayloadWire(wire.data) };
    if ('graph' in wire) return wire as AnswerWire;
  }
  throw new HandoffError('PROTOCOL_ERROR', 'A peer sent a malformed graph as the answer of a function.');
}

function inline(data: PayloadData): InlineData {
  // Copied, because the serializer does not accept shared memory.
  return { kind: 'inline', of: shapeOf(data)!, parts: partsOf(inMemory(data)).map((part) => Uint8Array.from(part)) };
}

/** @throws `PROTOCOL_ERROR` when it is not a payload */
export function fromPayloadWire(wire: unknown): PayloadData {
  const { kind, of } = wire as Partial<PayloadWire> & { readonly of?: Shape };
  if (kind === 'error') return wire as PayloadData;
  if (kind !== 'inline' && kind !== 'remote')
    throw protocolError('A peer sent a payload of a kind that does not exist.');
  if (!isShape(of)) throw protocolError('A peer sent a payload of an impossible length.');
  if (kind === 'remote') {
    if (!isReference(wire)) throw protocolError('A peer sent a malformed reference to a payload.');
    return wire;
  }
  const lengths = partLengths(of);
  const { parts } = wire as InlineData;
  if (
    !Array.isArray(parts) ||
    parts.length !== lengths.length ||
    !lengths.every((length, k) => parts[k] instanceof Uint8Array && parts[k].byteLength === length)
  )
    throw protocolError('A peer sent a payload whose length differs from its description.');
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

/** The payload with its bytes in memory. */
export function inMemory(data: PayloadData): PayloadData {
  return data.kind === 'spilled' ? load(data) : data;
}
