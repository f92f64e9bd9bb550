/**
 * A value as one port takes it to another thread: as it is where structured clone carries it whole, else as a payload.
 * For what is asked and answered; results become payloads also where they are large.
 */
import { needsCare } from '../../core/survey.ts';
import { decode, encode } from './encode.ts';
import type { PayloadData } from './payload.ts';

export type ValueWire = { readonly value: unknown } | { readonly payload: PayloadData };

/** @throws `NOT_SERIALIZABLE` for what cannot be sent at all, as far as that shows here */
export function toValueWire(value: unknown): ValueWire {
  const payload = typeof value === 'object' && value !== null && needsCare(value) ? encode(value) : undefined;
  return payload === undefined ? { value } : { payload };
}

export function fromValueWire(wire: ValueWire): unknown {
  return 'payload' in wire ? decode(wire.payload) : wire.value;
}
