/**
 * The connection to another host: messages, requests with responses, and heartbeats. A host that stays silent for too
 * long is disconnected, and gets a new `Peer` when it returns. Heartbeats of its beacon also count, because its main
 * thread may be busy.
 */
import { fromErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import type { ErrorWire } from '../../core/error-wire.ts';
import type { Pulse } from '../transport/beacon/beacon.ts';
import type { Channel, Identity } from '../transport/transport.ts';
import { BulkLink, type Find } from './bulk.ts';
import { PeerClock } from './clock.ts';
import { type ArgsOf, checkRequest, checkResult, type Method, type RequestChecks, type ResultOf } from './requests.ts';
import type { MessageType, PartsOf, Received } from './message-parts.ts';
import { decodeMessage, checkSendable, encodeMessage, Message, toTravellingError, Unreadable } from './wire.ts';
import { protocolError } from '../../core/protocol-error.ts';

export interface PeerOptions {
  /** ms between heartbeats. */
  readonly heartbeatInterval: number;
  /** ms of silence after which a host is disconnected. */
  readonly heartbeatTimeout: number;
  /**
   * ms after which a host is disconnected whose process is alive but whose main thread does not answer. Default: never.
   */
  readonly stallTimeout?: number;
}

// Longer messages are sent in parts.
const maxPartBytes = 1024 * 1024;
// A longer message can only be a fault.
const maxMessageBytes = 2 ** 30;

/** Handlers for what a peer sends. */
export interface PeerEvents {
  message(message: Received): void;
  /** Answers a request with its result or error. */
  request<Name extends Method>(method: Name, args: ArgsOf<Name>): unknown;
  /** The known requests, and the checks of their arguments and results. */
  readonly requests: RequestChecks;
  /** Opens a bulk channel. Only the host that can dial does. */
  dialBulk(): Promise<Channel>;
  /** Returns what this host holds or can fetch. */
  readonly find: Find;
  /** The peer's heartbeats beside the channel. */
  readonly pulse?: Pulse | undefined;
  closed(error: unknown): void;
}

interface OpenRequest {
  readonly method: Method;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

// ms that fetches wait for a bulk channel.
const bulkTimeoutMs = 30_000;

let lastHost = 0;

/** ms since the epoch, with fractions, as in events. */
function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

export class Peer {
  /** A number for this connection within the process, from 1. Never reused. */
  readonly number = ++lastHost;
  readonly identity: Identity;
  /** The difference between its clock and this host's. Known before it runs anything for this host. */
  readonly clock = new PeerClock();
  readonly #channel: Channel;
  readonly #options: PeerOptions;
  readonly #events: PeerEvents;
  readonly #requests = new Map<number, OpenRequest>();
  #lastRequest = 0;
  #receivedAt = performance.now();
  /** When the last heartbeat of its beacon arrived. */
  #aliveAt = -Infinity;
  #tickedAt = performance.now();
  #timer: NodeJS.Timeout;
  #bulk: PromiseWithResolvers<BulkLink> | undefined;
  #link: BulkLink | undefined;
  #bulkError: unknown;
  #closed = false;
  #beginning: Uint8Array[] = [];
  #beginningBytes = 0;

  constructor(channel: Channel, options: PeerOptions, events: PeerEvents) {
    this.identity = channel.peer;
    this.#channel = channel;
    this.#options = options;
    this.#events = events;
    this.#timer = setInterval(() => this.#tick(), options.heartbeatInterval);
    void channel.closed.then((error) => this.#end(error));
  }

  /** Starts receiving messages. */
  open(): void {
    this.#beat();
    this.#channel.receive({ frame: (type, body) => this.#receive(type, body) });
  }

  /** Resolves when the connection is closed. */
  get gone(): Promise<unknown> {
    return this.#channel.closed;
  }

  get dialled(): boolean {
    return this.#channel.dialled;
  }

  /** Whether it has sent something recently. */
  get isResponsive(): boolean {
    return !this.#closed && performance.now() - this.#receivedAt < 2 * this.#options.heartbeatInterval;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @throws `NOT_SERIALIZABLE` when V8 cannot serialize a part, or the other host would refuse the message */
  send<Type extends MessageType>(type: Type, ...parts: PartsOf<Type>): void {
    checkSendable(type, parts);
    let body = encodeMessage(type, parts);
    const max = Math.min(maxPartBytes, this.#channel.maxFrameBytes);
    if (body.byteLength > maxMessageBytes)
      throw new HandoffError(
        'NOT_SERIALIZABLE',
        `A message to another host has ${body.byteLength} bytes: at most ${maxMessageBytes} are allowed. Use large typed arrays or buffers, which travel separately.`,
      );
    for (; body.byteLength > max; body = body.subarray(max)) this.#channel.send(Message.part, body.subarray(0, max));
    this.#channel.send(type, body);
  }

  /**
   * Sends a request and gives its response.
   *
   * @throws `NODE_DOWN` when the host disconnects first; the error of the other host
   */
  request<Name extends Method>(method: Name, ...args: ArgsOf<Name>): Promise<ResultOf<Name>> {
    if (this.#closed) return Promise.reject(this.#gone(undefined));
    const { promise, resolve, reject } = Promise.withResolvers<any>();
    const id = ++this.#lastRequest;
    this.#requests.set(id, { method, resolve, reject });
    try {
      this.send(Message.request, id, method, args);
    } catch (error) {
      this.#requests.delete(id);
      reject(error);
    }
    return promise;
  }

  /** The channel for large data, opened on first use. */
  bulk(): Promise<BulkLink> {
    if (this.#bulk !== undefined) return this.#bulk.promise;
    const opening = Promise.withResolvers<BulkLink>();
    opening.promise.catch(() => {}); // the caller handles the error
    this.#bulk = opening;
    if (!this.dialled)
      this.send(Message.bulk); // it dialled us, so it can dial again; we may not be able to
    else void this.#dialBulk(opening);
    // The host itself is up, so only the fetches that wait for the channel fail.
    const timer = setTimeout(
      () =>
        this.#failBulk(
          opening,
          new HandoffError(
            'NODE_DOWN',
            `No bulk channel to host ${this.#name} could be opened within ${bulkTimeoutMs} ms. Check that its address can be reached from here; option advertise sets another one.`,
            { cause: this.#bulkError },
          ),
        ),
      bulkTimeoutMs,
    );
    timer.unref();
    void opening.promise.catch(() => {}).then(() => clearTimeout(timer));
    return opening.promise;
  }

  /** Dials until the channel is open or no longer needed: the obstacle may be temporary. */
  async #dialBulk(opening: PromiseWithResolvers<BulkLink>): Promise<void> {
    for (
      let pause = 50;
      this.#bulk === opening && this.#link === undefined && !this.#closed;
      pause = Math.min(1000, 2 * pause)
    ) {
      try {
        return this.takeBulk(await this.#events.dialBulk());
      } catch (error) {
        this.#bulkError = error;
        await new Promise<void>((resolve) => setTimeout(resolve, pause).unref());
      }
    }
  }

  #failBulk(opening: PromiseWithResolvers<BulkLink>, error: unknown): void {
    if (this.#bulk === opening && this.#link === undefined) this.#bulk = undefined;
    opening.reject(error);
  }

  /** A bulk channel to this peer is open. */
  takeBulk(channel: Channel): void {
    if (this.#closed) return channel.close();
    const link = new BulkLink(channel, this.#events.find);
    const opening = (this.#bulk ??= Promise.withResolvers<BulkLink>());
    this.#link = link;
    opening.resolve(link);
    void link.closed.then(() => {
      if (this.#bulk === opening) this.#bulk = undefined;
      if (this.#link === link) this.#link = undefined;
    });
  }

  close(error?: unknown): void {
    this.#channel.close(error);
  }

  #receive(type: number, body: Uint8Array): void {
    this.#receivedAt = performance.now();
    if (type === Message.part) return this.#keep(body);
    const parts = decodeMessage(type, this.#beginning.length === 0 ? body : this.#whole(body));
    const message = { type, parts } as unknown as Received; // as the checks of its type guarantee
    switch (message.type) {
      case Message.ping:
        return void (this.clock.read(message.parts, wallClock()) && this.#beat());
      case Message.bulk:
        // The peer notices a channel that exists or is being opened.
        return void (this.dialled && this.bulk().catch(() => {}));
      case Message.request:
        return void this.#answer(...message.parts);
      case Message.response:
        return this.#answered(...message.parts);
      default:
        return this.#events.message(message);
    }
  }

  /** The beginning of a message in parts. */
  #keep(body: Uint8Array): void {
    this.#beginning.push(body);
    this.#beginningBytes += body.byteLength;
    if (this.#beginningBytes > maxMessageBytes)
      throw protocolError(`A peer sent a message of more than ${maxMessageBytes} bytes.`);
  }

  #whole(end: Uint8Array): Uint8Array {
    const parts = [...this.#beginning, end];
    this.#beginning = [];
    this.#beginningBytes = 0;
    return Buffer.concat(parts);
  }

  async #answer(id: number, method: string, args: readonly unknown[] | Unreadable): Promise<void> {
    try {
      if (args instanceof Unreadable) throw args.error;
      checkRequest(this.#events.requests, method, args);
      const value = await this.#events.request(method, args as any);
      if (!this.#closed) this.send(Message.response, id, true, value);
    } catch (error) {
      if (!this.#closed) this.send(Message.response, id, false, toTravellingError(error));
    }
  }

  #answered(id: number, isOk: boolean, value: unknown): void {
    const question = this.#requests.get(id);
    if (question === undefined) return;
    this.#requests.delete(id);
    if (value instanceof Unreadable) return question.reject(value.error);
    if (!isOk) return question.reject(fromErrorWire(value as ErrorWire));
    try {
      checkResult(this.#events.requests, question.method, value);
    } catch (error) {
      return question.reject(error);
    }
    return question.resolve(value);
  }

  #tick(): void {
    const now = performance.now();
    const { heartbeatInterval } = this.#options;
    const late = now - this.#tickedAt - heartbeatInterval;
    this.#tickedAt = now;
    if (late > heartbeatInterval) {
      // this host was busy: messages that arrived meanwhile are not read yet
      this.#receivedAt += late;
      this.#aliveAt += late;
    }
    if (this.#events.pulse?.takeHeartbeat() === true) this.#aliveAt = now;
    if (this.#silence(now) === undefined) return this.#beat();
    setImmediate(() =>
      setImmediate(() => {
        // after reading everything that has arrived
        const error = this.#silence(performance.now());
        if (error !== undefined) this.close(error);
      }),
    );
  }

  /** The reason to disconnect, if there is one. */
  #silence(now: number): HandoffError | undefined {
    const { heartbeatTimeout, stallTimeout = Infinity } = this.#options;
    if (now - Math.max(this.#receivedAt, this.#aliveAt) > heartbeatTimeout)
      return new HandoffError('NODE_DOWN', `Host ${this.#name} has sent nothing for ${heartbeatTimeout} ms.`);
    if (now - this.#receivedAt <= Math.max(heartbeatTimeout, stallTimeout)) return undefined;
    return new HandoffError(
      'NODE_DOWN',
      `The process of host ${this.#name} is alive, but its main thread has not answered for ${stallTimeout} ms.`,
    );
  }

  #beat(): void {
    if (!this.#closed) this.send(Message.ping, ...this.clock.write(wallClock()));
  }

  get #name(): string {
    return this.identity.address ?? this.identity.id;
  }

  #gone(cause: unknown): HandoffError {
    return new HandoffError('NODE_DOWN', `Host ${this.#name} is gone.`, cause === undefined ? {} : { cause });
  }

  #end(error: unknown): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#events.pulse?.end();
    for (const { reject } of this.#requests.values()) reject(this.#gone(error));
    this.#requests.clear();
    this.#bulk?.reject(this.#gone(error));
    this.#link?.close();
    this.#events.closed(error);
  }
}
