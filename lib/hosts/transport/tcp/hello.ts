/**
 * The handshake of two hosts, inside TLS if there is any. The dialler speaks first, so that a listener recognizes by
 * the first byte what has connected, and sends nothing to unknown clients.
 *
 * ```
 *   dialler                                            listener
 *     │  hello ────────────────────────────────────────────▶    │
 *     │  ◀──────────────────────────────────────────────  hello │     with a reason if it refuses
 *     │  proof ────────────────────────────────────────────▶    │     only with certificates and a secret; wrong: closed
 *     │  ◀────────────────────────────────────────  proof, card │
 *     │  card ─────────────────────────────────────────────▶    │
 *     │  ◀──────────────────── frames ─────────────────────▶    │
 *
 *   hello    'HOFF' │ version u16 │ who u8 │ refusal u8           who: 0 listener, 1 control, 2 bulk; +16: has a secret
 *   proof    HMAC-SHA256(key of the secret, side │ TLS exporter)  RFC 9266: bound to this one connection
 *   card     see card.ts
 * ```
 *
 * A secret without certificates is the key of TLS itself (secure.ts), so it needs no proof here. Certificates prove the
 * identity of a host, but not that it knows a secret; with both, the proof is needed. Before its proof, at most 40
 * bytes of a peer are read, at fixed positions.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { HandoffError } from '../../../core/errors.ts';
import type { ChannelKind, Identity } from '../transport.ts';
import { type Card, cardHead, decodeCard, encodeCard, maxCardBytes } from './card.ts';
import { Refusal, refusedBy } from './refusal.ts';

export const protocolVersion = 3;

export const magic = Buffer.from('HOFF', 'latin1');
export const helloBytes = 8;
export const proofBytes = 32;
const wants = ['listener', 'control', 'bulk'] as const;
const withSecret = 16;

/** The result of the exchange. */
export interface Proven {
  readonly kind: ChannelKind;
  readonly peer: Identity;
  /** The longest frame body the peer accepts. */
  readonly maxFrameBytes: number;
  /** The bytes after the exchange: the first frames. */
  readonly rest: Buffer;
}

export interface HelloOptions {
  /** The kind of channel to open; undefined: this host was dialled. */
  readonly dials: ChannelKind | undefined;
  /** Proves the secret where TLS does not: its key, and a value unique to this connection. */
  readonly proof: { readonly key: Buffer; readonly binding: Buffer } | undefined;
  readonly card: () => Card;
  /** The other side's name in messages. */
  readonly peerName: string;
}

/** A hello. @param refusal why its sender refuses the other side */
export function hello(dials: ChannelKind | undefined, hasProof: boolean, refusal: number = Refusal.none): Buffer {
  const who = (dials === undefined ? 0 : wants.indexOf(dials)) + (hasProof ? withSecret : 0);
  return Buffer.concat([magic, Buffer.from([protocolVersion >>> 8, protocolVersion & 0xff, who, refusal])]);
}

export class HelloExchange {
  readonly #options: HelloOptions;
  #stage: 'hello' | 'proof' | 'card' | 'up' = 'hello';
  #wants: ChannelKind | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #proven: Proven | undefined;
  #farewell: Buffer | undefined;

  constructor(options: HelloOptions) {
    this.#options = options;
    this.#wants = options.dials;
  }

  /** What this side sends first. */
  get opening(): Buffer {
    return this.#options.dials === undefined ? Buffer.alloc(0) : this.#hello();
  }

  /** Set when both sides have exchanged their cards. */
  get proven(): Proven | undefined {
    return this.#proven;
  }

  /** Whether the other side has not sent its hello yet. */
  get unanswered(): boolean {
    return this.#stage === 'hello';
  }

  /** What to send last to a side that was refused. */
  get farewell(): Buffer | undefined {
    return this.#farewell;
  }

  /**
   * Reads data that has arrived.
   *
   * @returns data to send now
   * @throws `UNAUTHORIZED`, `VERSION_MISMATCH` or `PROTOCOL_ERROR`: send the `farewell`, if any, and close
   */
  take(bytes: Buffer): Buffer {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    const out: Buffer[] = [];
    for (let stage: string | undefined; stage !== this.#stage && this.#stage !== 'up';) {
      stage = this.#stage;
      const answer = stage === 'hello' ? this.#takeHello() : stage === 'proof' ? this.#takeProof() : this.#takeCard();
      if (answer !== undefined) out.push(answer);
    }
    return out.length === 1 ? out[0]! : Buffer.concat(out);
  }

  /** The error for a connection that ends now. */
  broken(cause: unknown): HandoffError {
    const details = cause === undefined ? {} : { cause };
    const name = this.#options.peerName;
    if (this.#stage === 'proof')
      return new HandoffError(
        'UNAUTHORIZED',
        `${name} closed the connection when asked for proof. Does it have the same secret?`,
        details,
      );
    return new HandoffError(
      'NODE_DOWN',
      `${name} closed the connection before ${this.#stage === 'hello' ? 'its hello' : 'it sent its identity'}`,
      details,
    );
  }

  #hello(refusal: number = Refusal.none): Buffer {
    return hello(this.#options.dials, this.#options.proof !== undefined, refusal);
  }

  #takeHello(): Buffer | undefined {
    const theirs = this.#bytes;
    const { peerName, dials, proof } = this.#options;
    if (!theirs.subarray(0, 4).equals(magic.subarray(0, theirs.length)))
      throw new HandoffError(
        'PROTOCOL_ERROR',
        `${peerName} does not speak Handoff's protocol: it sent ${glimpse(theirs)}. Check that a Handoff host listens there`,
      );
    if (theirs.length >= 6 && theirs.readUInt16BE(4) !== protocolVersion) {
      if (dials === undefined) this.#farewell = this.#hello(); // contains the version of this host
      throw new HandoffError(
        'VERSION_MISMATCH',
        `${peerName} speaks protocol version ${theirs.readUInt16BE(4)}, this host version ${protocolVersion}. Install the same version of handoffjs on both`,
      );
    }
    const theirHello = this.#cut(helloBytes);
    if (theirHello === undefined) return undefined;
    const [who, refusal] = [theirHello[6]!, theirHello[7]!];
    if (refusal !== Refusal.none) throw refusedBy(peerName, refusal);
    const wanted = wants[who & ~withSecret];
    if (wanted === undefined || (wanted === 'listener') !== (dials !== undefined))
      throw new HandoffError(
        'PROTOCOL_ERROR',
        `${peerName} sent a hello that is not valid here. Check that a Handoff host listens there`,
      );
    if ((who & withSecret) !== (proof === undefined ? 0 : withSecret)) {
      this.#farewell = this.#hello(proof === undefined ? Refusal.secretUnknown : Refusal.secretMissing);
      throw new HandoffError(
        'UNAUTHORIZED',
        proof === undefined
          ? `${peerName} has a secret, but this host has none. Give both the same secret`
          : `${peerName} has no secret, but this host has one. Give both the same secret`,
      );
    }
    if (wanted !== 'listener') this.#wants = wanted;
    this.#stage = proof === undefined ? 'card' : 'proof';
    if (dials === undefined) return proof === undefined ? Buffer.concat([this.#hello(), this.#card()]) : this.#hello();
    return proof === undefined ? this.#card() : this.#proofOf('dialler');
  }

  #takeProof(): Buffer | undefined {
    const proof = this.#cut(proofBytes);
    if (proof === undefined) return undefined;
    const { dials, peerName } = this.#options;
    if (!timingSafeEqual(proof, this.#proofOf(dials === undefined ? 'dialler' : 'listener'))) {
      throw new HandoffError(
        'UNAUTHORIZED',
        `${peerName} did not prove that it knows the secret. Give both hosts the same secret`,
      );
    }
    this.#stage = 'card';
    return dials === undefined ? Buffer.concat([this.#proofOf('listener'), this.#card()]) : this.#card();
  }

  #takeCard(): undefined {
    const { peerName } = this.#options;
    if (this.#bytes.length < cardHead) return;
    const length = this.#bytes.readUInt16BE(0);
    if (length > maxCardBytes)
      throw new HandoffError(
        'PROTOCOL_ERROR',
        `${peerName} sent an identity of ${length} bytes: at most ${maxCardBytes} are allowed`,
      );
    const card = this.#cut(cardHead + length);
    if (card === undefined) return;
    const theirs = decodeCard(card.subarray(cardHead));
    if (theirs === undefined)
      throw new HandoffError(
        'PROTOCOL_ERROR',
        `${peerName} sent an identity that is not valid. Install the same version of handoffjs on both hosts`,
      );
    this.#stage = 'up';
    this.#proven = {
      kind: this.#wants!,
      peer: theirs.identity,
      maxFrameBytes: theirs.maxFrameBytes,
      rest: this.#bytes,
    };
  }

  #card(): Buffer {
    return encodeCard(this.#options.card());
  }

  #proofOf(side: 'dialler' | 'listener'): Buffer {
    const { key, binding } = this.#options.proof!;
    return createHmac('sha256', key).update(side).update(binding).digest();
  }

  #cut(bytes: number): Buffer | undefined {
    if (this.#bytes.length < bytes) return undefined;
    const part = this.#bytes.subarray(0, bytes);
    this.#bytes = this.#bytes.subarray(bytes);
    return part;
  }
}

/** The beginning of unknown data, for error messages. */
export function glimpse(bytes: Buffer): string {
  const text = bytes
    .subarray(0, 24)
    .toString('latin1')
    .replace(/[^ -~]/g, '.');
  return JSON.stringify(bytes.length > 24 ? `${text}…` : text);
}
