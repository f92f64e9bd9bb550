/**
 * A channel over a socket, plain or TLS, or over another stream of bytes that behaves like one.
 *
 * **Writing.** Frames are collected until the turn of the event loop ends, or until they are large enough for a write
 * of their own. Bytes that the socket has not passed to the system count as queued.
 *
 * **Ending.** A host that closes a channel sends a goodbye after its last frame. An end without one means that the
 * peer's process died or closed the channel with an error.
 */
import type { Duplex } from 'node:stream';
import { HandoffError } from '../../../core/errors.ts';
import { checkFrame, FrameDecoder, goodbyeType } from '../frame.ts';
import { Inbox } from '../inbox.ts';
import type { Channel, ChannelKind, Identity, Receiver } from '../transport.ts';
import type { Proven } from './hello.ts';
import { Outbox } from './outbox.ts';

export interface ChannelLimits {
  readonly maxFrameBytes: number;
  readonly maxQueuedBytes: number;
}

/** At most this many queued bytes count as drained: enough to keep the system busy until more arrives. */
const maxDrainedBytes = 1024 * 1024;
/** At this many bytes, write without waiting for the end of the turn. */
const maxBatchedBytes = 256 * 1024;
/** At this many kept bytes without a receiver, stop reading. */
const maxKeptBytes = 1024 * 1024;
/**
 * ms in which the peer must read some of what was sent before the channel was closed, for each MiB of it: a socket
 * shows no progress within what it writes at once.
 */
const closeTimeoutMs = 1000;
/** How many times that, at most. */
const maxCloseTimeouts = 30;

export class SocketChannel implements Channel {
  readonly kind: ChannelKind;
  readonly peer: Identity;
  readonly dialled: boolean;
  readonly maxFrameBytes: number;
  readonly closed: Promise<unknown>;
  readonly #socket: Duplex;
  readonly #limits: ChannelLimits;
  readonly #decoder: FrameDecoder;
  readonly #inbox = new Inbox();
  readonly #outbox = new Outbox();
  #open = true;
  #why: unknown;
  #cause: unknown;
  #flushing = false;
  #waiting: (() => void)[] = [];

  constructor(socket: Duplex, proven: Proven, dialled: boolean, limits: ChannelLimits) {
    this.#socket = socket;
    this.#limits = limits;
    this.#decoder = new FrameDecoder(limits.maxFrameBytes);
    this.kind = proven.kind;
    this.peer = proven.peer;
    this.dialled = dialled;
    this.maxFrameBytes = Math.min(proven.maxFrameBytes, limits.maxFrameBytes);
    this.closed = new Promise((resolve) =>
      socket.on('close', () => {
        this.#ended();
        this.#outbox.take(); // no longer needed
        resolve(this.#why);
      }),
    );
    socket.on('error', (error) => (this.#cause ??= error));
    socket.on('end', () => this.#ended());
    socket.on('data', (piece: Buffer) => this.#take(piece));
    if (proven.rest.length > 0) this.#take(proven.rest);
  }

  get queued(): number {
    return this.#outbox.bytes + this.#socket.writableLength;
  }

  send(type: number, ...body: readonly Uint8Array[]): void {
    const bytes = checkFrame(type, body, this.maxFrameBytes);
    if (!this.#open) return;
    this.#outbox.add(type, body, bytes);
    if (this.#outbox.bytes >= maxBatchedBytes) return this.#flush();
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(this.#flush);
  }

  drained(): Promise<void> {
    if (!this.#open || this.queued <= maxDrainedBytes) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  receive(receiver: Receiver): void {
    this.#inbox.open(receiver, (error) => {
      if (error !== undefined) this.close(error);
      else this.#socket.resume();
    });
  }

  close(error?: unknown): void {
    if (!this.#open) {
      if (error !== undefined) this.#socket.destroy();
      return;
    }
    this.#stop(error);
    this.#inbox.drop();
    // No goodbye: the peer sees that this end is an error.
    if (error !== undefined) return void this.#socket.destroy();
    this.#outbox.add(goodbyeType, [], 0);
    this.#write();
    this.#socket.end();
    this.#socket.resume(); // drop incoming data, but notice the peer's end
    this.#awaitClose(this.queued, maxCloseTimeouts);
  }

  /** Waits for the peer to read the rest, as long as it reads. */
  #awaitClose(queued: number, timeouts: number): void {
    const patience = Math.min(timeouts, Math.max(1, queued / 2 ** 20));
    const timer = setTimeout(() => {
      if (this.queued < queued && timeouts > patience) this.#awaitClose(this.queued, timeouts - patience);
      else this.#socket.destroy();
    }, patience * closeTimeoutMs);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #take(piece: Buffer): void {
    if (!this.#open) return;
    try {
      this.#decoder.push(piece, this.#inbox);
    } catch (error) {
      return this.close(error);
    }
    if (this.#decoder.goodbye) {
      // The peer reads nothing more; it only waits for the end.
      this.#stop(undefined);
      this.#socket.destroy();
    } else if (this.#inbox.keptBytes > maxKeptBytes) {
      this.#socket.pause();
    }
  }

  /** The socket has ended, possibly unexpectedly. */
  #ended(): void {
    if (!this.#open) return;
    const how =
      this.#cause !== undefined
        ? `: ${(this.#cause as Error).message}`
        : this.#decoder.partial
          ? ' in the middle of a frame'
          : ' without a goodbye';
    this.#stop(
      new HandoffError(
        'NODE_DOWN',
        `the connection with host ${this.peer.id} has ended${how}`,
        this.#cause === undefined ? {} : { cause: this.#cause },
      ),
    );
    this.#socket.destroy();
  }

  #stop(why: unknown): void {
    this.#open = false;
    this.#why = why;
    this.#decoder.stop();
    this.#release();
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    if (!this.#open || this.#outbox.bytes === 0) return;
    this.#write();
    if (this.queued <= this.#limits.maxQueuedBytes) return;
    this.close(
      new HandoffError(
        'NODE_DOWN',
        `host ${this.peer.id} reads nothing: ${this.queued} bytes wait for it, at most ${this.#limits.maxQueuedBytes} (maxQueuedBytes) are allowed`,
      ),
    );
  };

  #write(): void {
    const pieces = this.#outbox.take();
    const last = pieces.pop()!;
    if (pieces.length === 0) return void this.#socket.write(last, this.#wrote);
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.write(last, this.#wrote);
    this.#socket.uncork();
  }

  readonly #wrote = (): void => {
    if (this.#waiting.length > 0 && this.queued <= maxDrainedBytes) this.#release();
  };

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
