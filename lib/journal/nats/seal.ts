/**
 * Protects what stands at the servers, when the hosts share a secret: who does not know it can neither read records nor
 * forge them. Records that were once there can be put there again, and deleted, by anyone who may publish: the servers'
 * own permissions protect from that, and without a secret they protect everything.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

const cipher = 'aes-256-gcm';
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

export class Seal {
  readonly #keys: { readonly proof: Buffer; readonly bytes: Buffer } | undefined;

  /** @param key of the hosts' secret; undefined without one */
  constructor(key: Buffer | undefined) {
    this.#keys = key && { proof: derived(key, 'proof'), bytes: derived(key, 'bytes') };
  }

  /** A proof that a host with the secret has written a text at a place. */
  proofOf(place: string, text: string): string {
    return this.#keys === undefined ? '' : this.#hmac(place, text).toString('base64');
  }

  isProven(place: string, text: string, proof: string): boolean {
    if (this.#keys === undefined) return true;
    const [given, expected] = [Buffer.from(proof, 'base64'), this.#hmac(place, text)];
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  /** @param place where the bytes stand: they can be opened nowhere else */
  close(place: string, bytes: Uint8Array): Uint8Array {
    if (this.#keys === undefined) return bytes;
    const nonce = randomBytes(nonceBytes);
    const sealing = createCipheriv(cipher, this.#keys.bytes, nonce).setAAD(Buffer.from(place));
    return Buffer.concat([nonce, sealing.update(bytes), sealing.final(), sealing.getAuthTag()]);
  }

  /** Undefined when no host with the secret has written the bytes there. */
  open(place: string, bytes: Uint8Array): Uint8Array | undefined {
    if (this.#keys === undefined) return bytes;
    if (bytes.length < nonceBytes + tagBytes) return undefined;
    const end = bytes.length - tagBytes;
    const opening = createDecipheriv(cipher, this.#keys.bytes, bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    });
    opening.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(end));
    try {
      return Buffer.concat([opening.update(bytes.subarray(nonceBytes, end)), opening.final()]);
    } catch {
      return undefined;
    }
  }

  #hmac(place: string, text: string): Buffer {
    return createHmac('sha256', this.#keys!.proof).update(place).update('\0').update(text).digest();
  }
}

function derived(key: Buffer, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', `handoff journal: ${use}`, keyBytes));
}
