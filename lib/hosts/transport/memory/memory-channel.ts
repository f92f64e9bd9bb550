/** A channel between two hosts of a memory network. It behaves like one over a socket. */
import { HandoffError } from '../../../core/errors.ts';
import { checkFrame, deliver } from '../frame.ts';
import { Inbox } from '../inbox.ts';
import type { Channel, ChannelKind, Identity, Receiver } from '../transport.ts';

/** What an end needs from the network. */
export interface MemoryLink {
  readonly cut: () => boolean;
  readonly maxFrameBytes: number;
}

/** At most this many queued bytes count as drained. */
const maxDrainedBytes = 1024 * 1024;
/** Bytes delivered per turn: like a real channel, it needs time for large data. */
const maxTurnBytes = 1024 * 1024;

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
  /** `closing`: sent frames still have to be delivered. */
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
    if (this.#state !== 'open' || this.#queued <= maxDrainedBytes) return Promise.resolve();
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
    setImmediate(() => this.#withOther((other) => other.break('the connection has ended without a goodbye')));
  }

  /** The connection is lost. */
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
    for (let moved = 0; moved < maxTurnBytes && this.#queue.length > 0;) {
      const { type, body } = this.#queue.shift()!;
      this.#queued -= body.byteLength;
      moved += body.byteLength;
      this.#withOther((other) => other.#take(type, body));
    }
    if (this.#queued <= maxDrainedBytes) this.#release();
    if (this.#queue.length > 0) return this.#move();
    if (this.#state !== 'closing') return;
    this.#end(undefined);
    this.#withOther((other) => other.#state === 'closed' || other.#end(undefined));
  }

  #take(type: number, body: Uint8Array): void {
    if (this.#state === 'closing') return;
    // The ended host answers, if at all, that it does not know this connection.
    if (this.#state === 'closed') return this.#withOther((other) => other.break('the connection was reset'));
    try {
      deliver(this.#inbox, type, body);
    } catch (error) {
      this.close(error);
    }
  }

  #withOther(action: (other: MemoryChannel) => void): void {
    if (!this.#link.cut()) action(this.#other!);
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
