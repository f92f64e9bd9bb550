/**
 * The data that proven hosts exchange about themselves.
 *
 * ```
 *   length u16 │ {"id": …, "incarnation": …, "address": …, "maxFrameBytes": …, "direct": …}
 * ```
 */
import { HandoffError } from '../../../core/errors.ts';
import { minFrameBytes } from '../frame.ts';
import type { Identity } from '../transport.ts';
import { tokenOf } from '../nats/subjects.ts';
import { parseAddress } from './address.ts';

export const cardHead = 2;
export const maxCardBytes = 4096;

export interface Card {
  readonly identity: Identity;
  /** The longest frame body it accepts. */
  readonly maxFrameBytes: number;
}

/** @throws `INVALID_OPTION` when peers would not accept it */
export function encodeCard({ identity, maxFrameBytes }: Card): Buffer {
  const { id, incarnation, address, direct } = identity;
  const json = Buffer.from(JSON.stringify({ id, incarnation, address, maxFrameBytes, direct }));
  if (json.length > maxCardBytes || checkIdentity(identity) === undefined) {
    throw new HandoffError(
      'INVALID_OPTION',
      `the identity of this host is not valid: expected an id of up to 256 characters and an incarnation that is a whole number from 0`,
      { option: 'identity' },
    );
  }
  const card = Buffer.allocUnsafe(cardHead + json.length);
  card.writeUInt16BE(json.length, 0);
  json.copy(card, cardHead);
  return card;
}

/** Undefined when it is not a card. */
export function decodeCard(json: Buffer): Card | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json.toString());
  } catch {
    return undefined;
  }
  const identity = checkIdentity(value);
  if (identity === undefined) return undefined;
  const { maxFrameBytes } = value as { readonly maxFrameBytes?: unknown };
  if (!Number.isSafeInteger(maxFrameBytes) || (maxFrameBytes as number) < minFrameBytes) return undefined;
  return { identity, maxFrameBytes: maxFrameBytes as number };
}

/** Copies the fields of an identity and no others. */
function checkIdentity(value: unknown): Identity | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, incarnation, address, direct } = value as Record<string, unknown>;
  if (typeof id !== 'string' || !/^[^\p{Cc}]{1,256}$/u.test(id)) return undefined;
  if (!Number.isSafeInteger(incarnation) || (incarnation as number) < 0) return undefined;
  if (address !== undefined && !isAddress(address)) return undefined;
  if (direct !== undefined && (typeof direct !== 'string' || parseAddress(direct) === undefined)) return undefined;
  return { id, incarnation: incarnation as number, address, ...(direct !== undefined && { direct }) };
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && (parseAddress(value) !== undefined || tokenOf(value) !== undefined);
}
