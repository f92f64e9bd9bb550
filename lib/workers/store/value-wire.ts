/**
 * A value as it crosses a port to another thread: as it is when structured clone keeps it whole, else as a payload.
 * Used for questions and answers; results also become payloads when they are large.
 */
import { needsCare } from '../../core/survey.ts';
import { decode, encode } from './encode.ts';
import type { PayloadData } from './payload.ts';

export type ValueWire = { readonly value: unknown } | { readonly payload: PayloadData };

/** @throws `NOT_SERIALIZABLE` for a value that cannot be sent, as far as this is visible without sending it */
export function toValueWire(value: unknown): ValueWire {
  const payload = typeof value === 'object' && value !== null && needsCare(value) ? encode(value) : undefined;
  return payload === undefined ? { value } : { payload };
}

export function fromValueWire(wire: ValueWire): unknown {
  return 'payload' in wire ? decode(wire.payload) : wire.value;
}
