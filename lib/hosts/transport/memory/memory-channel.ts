/** A channel between two hosts of a memory network: same promises as one over a socket. */
import { HandoffError } from '../../../core/errors.ts';
import { checkFrame, deliver } from '../frame.ts';
import { Inbox } from '../inbox.ts';
import type { Channel, ChannelKind, Identity, Receiver } from '../transport.ts';

/** What an end needs to know of the network. */
export interface MemoryLink {
  readonly cut: () => boolean;
  readonly maxFrameBytes: number;
}

/** What is queued is little up to here. */
const littleBytes = 1024 * 1024;
/** As much as this goes over in a turn: like a real one, it takes time to move what is large. */
const bytesPerTurn = 1024 * 1024;

interface Sent {
  readonly type: number;
  readonly body: Uint8Array;
}

export class MemoryChannel implements Channel {
  readonly kind: ChannelKind;
  readonly self: Identity;
  readonly peer: Identity;
  readonly dialled: boolean;
  readonly closed: Promise<unknown>;
  readonly maxFrameBytes: number;
  readonly #link: MemoryLink;
  readonly #inbox = new Inbox();
  readonly #resolveClosed: (why: unknown) => void;
  #other: MemoryChannel | undefined;
  /** `closing`: what was sent has still to leave. */
  #state: 'open' | 'closing' | 'closed' = 'open';
  #queue: Sent[] = [];
  #queued = 0;
  #moving = false;
  #waiting: (() => void)[] = [];

  private constructor(kind: ChannelKind, self: Identity, peer: Identity, dialled: boolean, link: MemoryLink) {
    this.kind = kind;
    this.self = self;
    this.peer = peer;
    this.dialled = dialled;
    this.#link = link;
    this.maxFrameBytes = link.maxFrameBytes;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  /** Both ends, the dialler's first. */
  static pair(
    kind: ChannelKind,
    dialler: Identity,
    dialled: Identity,
    link: MemoryLink,
  ): [MemoryChannel, MemoryChannel] {
    const near = new MemoryChannel(kind, dialler, dialled, true, link);
    const far = new MemoryChannel(kind, dialled, dialler, false, link);
    near.#other = far;
    far.#other = near;
    return [near, far];
  }

  get queued(): number {
    return this.#queued;
  }

  send(type: number, ...body: readonly Uint8Array[]): void {
    const bytes = checkFrame(type, body, this.maxFrameBytes);
    if (this.#state !== 'open') return;
    const copy = new Uint8Array(bytes);
    let at = 0;
    for (const part of body) {
      copy.set(part, at);
      at += part.byteLength;
    }
    this.#queue.push({ type, body: copy });
    this.#queued += bytes;
    this.#move();
  }

  drained(): Promise<void> {
    if (this.#state !== 'open' || this.#queued <= littleBytes) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  receive(receiver: Receiver): void {
    this.#inbox.open(receiver, (error) => {
      if (error !== undefined) this.close(error);
    });
  }

  close(error?: unknown): void {
    if (this.#state === 'closed' || (this.#state === 'closing' && error === undefined)) return;
    this.#inbox.drop();
    if (error === undefined) {
      this.#state = 'closing';
      this.#release();
      this.#move();
      return;
    }
    this.#end(error);
    setImmediate(() => this.#tellOther((other) => other.break('the connection has ended without a goodbye')));
  }

  /** The connection is gone, by nobody's wish. */
  break(how: string): void {
    if (this.#state === 'closed') return;
    this.#end(
      this.#state === 'closing'
        ? undefined
        : new HandoffError('NODE_DOWN', `the connection with host ${this.peer.id} has ended: ${how}`),
    );
  }

  #end(why: unknown): void {
    this.#state = 'closed';
    this.#queue = [];
    this.#queued = 0;
    this.#release();
    this.#resolveClosed(why);
  }

  #move(): void {
    if (this.#moving) return;
    this.#moving = true;
    setImmediate(() => {
      this.#moving = false;
      this.#moveSome();
    });
  }

  #moveSome(): void {
    for (let moved = 0; moved < bytesPerTurn && this.#queue.length > 0;) {
      const { type, body } = this.#queue.shift()!;
      this.#queued -= body.byteLength;
      moved += body.byteLength;
      this.#tellOther((other) => other.#take(type, body));
    }
    if (this.#queued <= littleBytes) this.#release();
    if (this.#queue.length > 0) return this.#move();
    if (this.#state !== 'closing') return;
    this.#end(undefined);
    this.#tellOther((other) => other.#state === 'closed' || other.#end(undefined));
  }

  #take(type: number, body: Uint8Array): void {
    if (this.#state === 'closing') return;
    // Whoever is gone answers, if at all, that it knows nothing of this connection.
    if (this.#state === 'closed') return this.#tellOther((other) => other.break('the connection was reset'));
    try {
      deliver(this.#inbox, type, body);
    } catch (error) {
      this.close(error);
    }
  }

  #tellOther(tell: (other: MemoryChannel) => void): void {
    if (!this.#link.cut()) tell(this.#other!);
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
