/**
 * What two hosts say first on a connection, inside TLS where there is any. The dialler speaks first, so that a listener
 * can tell by the first byte what reaches it, and says nothing to what it does not know.
 *
 * ```
 *   dialler                                            listener
 *     │  hello ────────────────────────────────────────────▶    │
 *     │  ◀──────────────────────────────────────────────  hello │     with a reason when it refuses, and the end
 *     │  proof ────────────────────────────────────────────▶    │     only with certificates and a secret; wrong: closed
 *     │  ◀────────────────────────────────────────  proof, card │
 *     │  card ─────────────────────────────────────────────▶    │
 *     │  ◀──────────────────── frames ─────────────────────▶    │
 *
 *   hello    'HOFF' │ version u16 │ who u8 │ refusal u8           who: 0 the listener, 1 control, 2 bulk; +16: with a secret besides
 *   proof    HMAC-SHA256(key of the secret, side │ TLS exporter)  RFC 9266: bound to this one connection
 *   card     see card.ts
 * ```
 *
 * A secret without certificates is the key of TLS itself (secure.ts), and needs no proof here. Certificates prove who
 * is there but not that it knows the secret, where there is one too: hence the proof. Before it has proved itself, 40
 * bytes are read of a peer, all at fixed places.
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

/** What the exchange comes to. */
export interface Proven {
  readonly kind: ChannelKind;
  readonly peer: Identity;
  /** The longest body of a frame that the peer takes. */
  readonly maxFrameBytes: number;
  /** What arrived with the last bytes of the exchange, and is frames. */
  readonly rest: Buffer;
}

export interface HelloOptions {
  /** What is asked for; undefined: this host was dialled. */
  readonly dials: ChannelKind | undefined;
  /** What the secret is proved by where TLS does not: its key, and what is only true of this connection. */
  readonly proof: { readonly key: Buffer; readonly binding: Buffer } | undefined;
  readonly card: () => Card;
  /** The other side, as messages call it. */
  readonly peerName: string;
}

/** A hello. @param refusal why its sender will have nothing to do with the other side */
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

  /** What this side says before the other has said anything. */
  get opening(): Buffer {
    return this.#options.dials === undefined ? Buffer.alloc(0) : this.#hello();
  }

  /** Once both sides have said who they are. */
  get proven(): Proven | undefined {
    return this.#proven;
  }

  /** Whether the other side has not even said hello. */
  get unanswered(): boolean {
    return this.#stage === 'hello';
  }

  /** The last thing to be said to a side that was refused. */
  get farewell(): Buffer | undefined {
    return this.#farewell;
  }

  /**
   * Takes in what arrived.
   *
   * @returns what is to be sent now
   * @throws `UNAUTHORIZED`, `VERSION_MISMATCH`, `PROTOCOL_ERROR`: close, with the `farewell` where there is one
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

  /** What it means that the connection ends now. */
  broken(cause: unknown): HandoffError {
    const details = cause === undefined ? {} : { cause };
    const name = this.#options.peerName;
    if (this.#stage === 'proof')
      return new HandoffError(
        'UNAUTHORIZED',
        `${name} closed the connection when asked for proof: does it have the same secret?`,
        details,
      );
    return new HandoffError(
      'NODE_DOWN',
      `${name} closed the connection before ${this.#stage === 'hello' ? 'it said hello' : 'it said who it is'}`,
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
        `${peerName} does not speak the protocol of Handoff: it sent ${glimpse(theirs)}. Is it a Handoff host?`,
      );
    if (theirs.length >= 6 && theirs.readUInt16BE(4) !== protocolVersion) {
      if (dials === undefined) this.#farewell = this.#hello(); // tells it the version of this host
      throw new HandoffError(
        'VERSION_MISMATCH',
        `${peerName} speaks version ${theirs.readUInt16BE(4)} of the protocol, and this host version ${protocolVersion}. Install the same version of handoffjs on both`,
      );
    }
    const theirHello = this.#cut(helloBytes);
    if (theirHello === undefined) return undefined;
    const [who, refusal] = [theirHello[6]!, theirHello[7]!];
    if (refusal !== Refusal.none) throw refusedBy(peerName, refusal);
    const wanted = wants[who & ~withSecret];
    if (wanted === undefined || (wanted === 'listener') !== (dials !== undefined))
      throw new HandoffError('PROTOCOL_ERROR', `${peerName} sent a hello that makes no sense`);
    if ((who & withSecret) !== (proof === undefined ? 0 : withSecret)) {
      this.#farewell = this.#hello(proof === undefined ? Refusal.secretUnknown : Refusal.secretMissing);
      throw new HandoffError(
        'UNAUTHORIZED',
        proof === undefined
          ? `${peerName} has a secret, and this host has none. Give both the same`
          : `${peerName} has no secret, and this host has one. Give both the same`,
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
        `${peerName} has not proved that it knows the secret. Give both hosts the same`,
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
        `${peerName} has too much to say of itself: ${length} bytes, and ${maxCardBytes} is the most`,
      );
    const card = this.#cut(cardHead + length);
    if (card === undefined) return;
    const theirs = decodeCard(card.subarray(cardHead));
    if (theirs === undefined) throw new HandoffError('PROTOCOL_ERROR', `${peerName} does not say properly who it is`);
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

/** The beginning of what is not ours, for a message. */
export function glimpse(bytes: Buffer): string {
  const text = bytes
    .subarray(0, 24)
    .toString('latin1')
    .replace(/[^ -~]/g, '.');
  return JSON.stringify(bytes.length > 24 ? `${text}…` : text);
}
