/**
 * A heartbeat as a datagram: the id of the recipient's key, an increasing number, and a proof that the sender knows the
 * key. It is read by comparing bytes.
 *
 * ```
 *   id 8 │ number 8 │ HMAC-SHA256 of both, cut to 16
 * ```
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type BeaconKey, idBytes, keyBytes } from './key.ts';

const headBytes = 16;
const datagramBytes = 32;

export function newBeaconKey(): BeaconKey {
  return { id: randomBytes(idBytes), key: randomBytes(keyBytes) };
}

export function writeHeartbeat({ id, key }: BeaconKey, number: number): Buffer {
  const head = Buffer.alloc(headBytes);
  head.set(id);
  head.writeBigUInt64BE(BigInt(number), idBytes);
  return Buffer.concat([head, proofOf(head, key)]);
}

/** The id of the key that a datagram claims to know, in hexadecimal; undefined: it is no heartbeat. */
export function idOf(datagram: Buffer): string | undefined {
  return datagram.byteLength === datagramBytes ? datagram.toString('hex', 0, idBytes) : undefined;
}

/** The number of a heartbeat; undefined when its sender does not know the key. */
export function readHeartbeat(datagram: Buffer, key: Uint8Array): number | undefined {
  const head = datagram.subarray(0, headBytes);
  if (!timingSafeEqual(proofOf(head, key), datagram.subarray(headBytes))) return undefined;
  return Number(head.readBigUInt64BE(idBytes));
}

function proofOf(head: Uint8Array, key: Uint8Array): Buffer {
  return createHmac('sha256', key)
    .update(head)
    .digest()
    .subarray(0, datagramBytes - headBytes);
}
