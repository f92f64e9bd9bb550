/**
 * How two hosts prove to each other that they know the same secret, without saying it.
 *
 * ```
 *   dialler                                            listener
 *     │  hello ──────────────────▶   ◀────────────────── hello  │     each as soon as it is connected
 *     │  proof ────────────────────────────────────────────▶    │     wrong: closed without a word
 *     │  ◀──────────────────────────────────────── proof, card  │     wrong: closed
 *     │  card ─────────────────────────────────────────────▶    │
 *     │  ◀──────────────────── frames ─────────────────────▶    │
 *
 *   hello    'HOFF' │ version u16 │ who u8 │ 0 │ nonce, 32 bytes       who: 0 the listener, else what the dialler wants
 *   proof    HMAC-SHA256(secret, 'dialler' or 'listens' │ dialler's hello │ listener's hello)
 *   card     see card.ts
 * ```
 *
 * Before it has proved itself, a peer has 72 bytes read of it, all at fixed places, and learns nothing but a hello. As both nonces are in
 * both proofs, what was once recorded proves nothing again; as each proof says whose it is, neither side can be made to prove the other.
 * Hosts without a secret do the same with an empty one.
 *
 * A proof lets those who see it try secrets at leisure: a secret must be long and random. And it proves who is there, but hides nothing
 * and guards nothing of what follows from those between the hosts: for that there is TLS.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { HandoffError } from '../../../core/errors.ts';
import type { ChannelKind, Identity } from '../transport.ts';
import { cardHead, decodeCard, encodeCard, maxCardBytes } from './card.ts';

export const protocolVersion = 2;

const magic = Buffer.from('HOFF', 'latin1');
const nonceAt = 8;
export const helloBytes = 40;
export const proofBytes = 32;
const wants = ['listener', 'control', 'bulk'] as const;

/** What a handshake comes to. */
export interface Proven {
  readonly kind: ChannelKind;
  readonly peer: Identity;
  /** What arrived with the last bytes of the handshake, and is frames. */
  readonly rest: Buffer;
}

export interface HandshakeOptions {
  /** What is asked for; undefined: this host was dialled. */
  readonly dials: ChannelKind | undefined;
  readonly secret: string;
  readonly identity: () => Identity;
  /** The other side, as messages call it. */
  readonly peerName: string;
}

export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #own: Buffer;
  #theirs: Buffer | undefined;
  #stage: 'hello' | 'proof' | 'card' | 'up' = 'hello';
  #bytes: Buffer = Buffer.alloc(0);
  #proven: Proven | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    const who = Buffer.from([0, protocolVersion, options.dials === undefined ? 0 : wants.indexOf(options.dials), 0]);
    this.#own = Buffer.concat([magic, who, randomBytes(helloBytes - nonceAt)]);
  }

  /** What this side says first. */
  get hello(): Buffer {
    return this.#own;
  }

  /** Once both sides have proved themselves. */
  get proven(): Proven | undefined {
    return this.#proven;
  }

  /** Whether the other side has not even said hello. */
  get unanswered(): boolean {
    return this.#stage === 'hello';
  }

  /**
   * Takes in what arrived.
   *
   * @returns what is to be sent now
   * @throws `UNAUTHORIZED`, `VERSION_MISMATCH`, `PROTOCOL_ERROR`: close without a word
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
    if (this.#stage === 'proof') return new HandoffError('UNAUTHORIZED', `${name} closed the connection when asked for proof: does it have the same secret?`, details);
    return new HandoffError('NODE_DOWN', `${name} closed the connection before ${this.#stage === 'hello' ? 'it said hello' : 'it said who it is'}`, details);
  }

  #takeHello(): Buffer | undefined {
    const theirs = this.#bytes;
    const { peerName, dials } = this.#options;
    if (!theirs.subarray(0, 4).equals(magic.subarray(0, theirs.length))) throw new HandoffError('PROTOCOL_ERROR', `${peerName} does not speak this protocol${theirs[0] === 0x15 ? ', but TLS' : ''}`);
    if (theirs.length >= 6 && theirs.readUInt16BE(4) !== protocolVersion) {
      throw new HandoffError('VERSION_MISMATCH', `${peerName} speaks version ${theirs.readUInt16BE(4)} of the protocol, and this host version ${protocolVersion}`);
    }
    const hello = this.#cut(helloBytes);
    if (hello === undefined) return undefined;
    if (hello.subarray(nonceAt).equals(this.#own.subarray(nonceAt))) throw new HandoffError('UNAUTHORIZED', `${peerName} sent back the hello of this host`);
    const who = wants[hello[6]!];
    if (who === undefined || (who === 'listener') !== (dials !== undefined) || hello[7] !== 0) throw new HandoffError('PROTOCOL_ERROR', `${peerName} sent a hello that makes no sense`);
    this.#theirs = Buffer.from(hello);
    this.#stage = 'proof';
    return dials === undefined ? undefined : this.#proofOf('dialler');
  }

  #takeProof(): Buffer | undefined {
    const proof = this.#cut(proofBytes);
    if (proof === undefined) return undefined;
    const { dials, identity, peerName } = this.#options;
    if (!timingSafeEqual(proof, this.#proofOf(dials === undefined ? 'dialler' : 'listens'))) {
      throw new HandoffError('UNAUTHORIZED', `${peerName} has not proved that it knows the secret`);
    }
    this.#stage = 'card';
    const card = encodeCard(identity());
    return dials === undefined ? Buffer.concat([this.#proofOf('listens'), card]) : card;
  }

  #takeCard(): undefined {
    const { peerName, dials } = this.#options;
    if (this.#bytes.length < cardHead) return;
    const length = this.#bytes.readUInt16BE(0);
    if (length > maxCardBytes) throw new HandoffError('PROTOCOL_ERROR', `${peerName} has too much to say of itself: ${length} bytes`);
    const card = this.#cut(cardHead + length);
    if (card === undefined) return;
    const peer = decodeCard(card.subarray(cardHead));
    if (peer === undefined) throw new HandoffError('PROTOCOL_ERROR', `${peerName} does not say properly who it is`);
    this.#stage = 'up';
    this.#proven = { kind: dials ?? (wants[this.#theirs![6]!] as ChannelKind), peer, rest: this.#bytes };
  }

  #proofOf(side: 'dialler' | 'listens'): Buffer {
    const dialled = this.#options.dials === undefined;
    const hmac = createHmac('sha256', this.#options.secret).update(side);
    return hmac.update(dialled ? this.#theirs! : this.#own).update(dialled ? this.#own : this.#theirs!).digest();
  }

  #cut(bytes: number): Buffer | undefined {
    if (this.#bytes.length < bytes) return undefined;
    const part = this.#bytes.subarray(0, bytes);
    this.#bytes = this.#bytes.subarray(bytes);
    return part;
  }
}
