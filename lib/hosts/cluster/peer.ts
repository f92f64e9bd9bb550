/**
 * Another host, as long as there is a control channel to it: messages, questions with answers, and heartbeats. Who says
 * nothing for too long is given up, and is a new peer when it comes back. Signs of life of its beacon count, too,
 * although its main thread is busy then.
 */
import { fromErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import type { ErrorWire } from '../../core/error-wire.ts';
import type { Pulse } from '../transport/beacon/beacon.ts';
import type { Channel, Identity } from '../transport/transport.ts';
import { BulkLink, type Find } from './bulk.ts';
import { type Heartbeat, PeerClock } from './clock.ts';
import { type ArgsOf, checkRequest, checkResult, type Method, type RequestChecks, type ResultOf } from './requests.ts';
import { decodeMessage, encodeMessage, Message, toTravellingError, Unreadable } from './wire.ts';

export interface PeerOptions {
  /** ms between signs of life. */
  readonly heartbeatInterval: number;
  /** ms of silence after which a host is given up. */
  readonly heartbeatTimeout: number;
  /** ms after which a host is given up whose process is alive, and whose main thread does nothing. Default: never. */
  readonly stallTimeout?: number;
}

// What is longer is sent in parts.
const partBytes = 1024 * 1024;
// No message is as long: whoever sends one has lost its mind.
const mostBytes = 2 ** 30;

/** What a peer sends, to those who know what to do about it. */
export interface PeerEvents {
  message(type: number, parts: any[]): void;
  /** A question; what it gives, or throws, is the answer. */
  request<Name extends Method>(method: Name, args: ArgsOf<Name>): unknown;
  /** What may be asked and answered. */
  readonly requests: RequestChecks;
  /** Opens a bulk channel to it: only who can dial it does. */
  dialBulk(): Promise<Channel>;
  /** What this host holds, or can get. */
  readonly find: Find;
  /** Its signs of life that do not come on the channel. */
  readonly pulse?: Pulse | undefined;
  closed(error: unknown): void;
}

interface Question {
  readonly method: Method;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

// Those that wait for a bulk channel do so for this long, in ms.
const bulkPatience = 30_000;

let lastHost = 0;

/** ms since the epoch, with fractions, as events have them. */
function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

export class Peer {
  /** A number for it in this process, from 1. Never used again. */
  readonly number = ++lastHost;
  readonly identity: Identity;
  /** How far its clock is from this host's. Known before anything comes that it does for this host. */
  readonly clock = new PeerClock();
  readonly #channel: Channel;
  readonly #options: PeerOptions;
  readonly #events: PeerEvents;
  readonly #questions = new Map<number, Question>();
  #lastQuestion = 0;
  #heardAt = performance.now();
  /** When its beacon was heard last. */
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

  /** Begins to listen. */
  open(): void {
    this.#beat();
    this.#channel.receive({ frame: (type, body) => this.#receive(type, body) });
  }

  /** Resolves when it is gone. */
  get gone(): Promise<unknown> {
    return this.#channel.closed;
  }

  get dialled(): boolean {
    return this.#channel.dialled;
  }

  /** Whether it has said something of late. */
  get isLively(): boolean {
    return !this.#closed && performance.now() - this.#heardAt < 2 * this.#options.heartbeatInterval;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @throws `NOT_SERIALIZABLE` */
  send(type: number, ...parts: readonly unknown[]): void {
    let body = encodeMessage(type, parts);
    const most = Math.min(partBytes, this.#channel.maxFrameBytes);
    if (body.byteLength > mostBytes)
      throw new HandoffError(
        'NOT_SERIALIZABLE',
        `A message to another host takes ${body.byteLength} bytes; ${mostBytes} are possible. Large typed arrays and buffers travel apart from it.`,
      );
    for (; body.byteLength > most; body = body.subarray(most)) this.#channel.send(Message.part, body.subarray(0, most));
    this.#channel.send(type, body);
  }

  /** Asks, and gives the answer; rejects when the host is gone before it answers. */
  request<Name extends Method>(method: Name, ...args: ArgsOf<Name>): Promise<ResultOf<Name>> {
    if (this.#closed) return Promise.reject(this.#gone(undefined));
    const { promise, resolve, reject } = Promise.withResolvers<any>();
    const id = ++this.#lastQuestion;
    this.#questions.set(id, { method, resolve, reject });
    try {
      this.send(Message.request, id, method, args);
    } catch (error) {
      this.#questions.delete(id);
      reject(error);
    }
    return promise;
  }

  /** The way for what is large, opened when it is first needed. */
  bulk(): Promise<BulkLink> {
    if (this.#bulk !== undefined) return this.#bulk.promise;
    const opening = Promise.withResolvers<BulkLink>();
    opening.promise.catch(() => {}); // whoever asked hears of it
    this.#bulk = opening;
    if (!this.dialled)
      this.send(Message.bulk); // it dialled us, so it can again; we may not be able to
    else void this.#dialBulk(opening);
    // Whatever keeps it from being opened, the host itself is there: only those fail that wait for it.
    const timer = setTimeout(
      () =>
        this.#failBulk(
          opening,
          new HandoffError(
            'NODE_DOWN',
            `No bulk channel to host ${this.#name} could be opened for ${bulkPatience} ms.`,
            { cause: this.#bulkError },
          ),
        ),
      bulkPatience,
    );
    timer.unref();
    void opening.promise.catch(() => {}).then(() => clearTimeout(timer));
    return opening.promise;
  }

  /** Dials until it is there, or not wanted any more: what keeps a dial from being answered may pass. */
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
    this.#heardAt = performance.now();
    if (type === Message.part) return this.#keep(body);
    const parts = decodeMessage(type, this.#beginning.length === 0 ? body : this.#whole(body));
    switch (type) {
      case Message.ping:
        return void (this.clock.hear(parts as unknown as Heartbeat, wallClock()) && this.#beat());
      case Message.bulk:
        return void (this.dialled && this.bulk().catch(() => {})); // one that is there, or on its way, it will see too
      case Message.request:
        return void this.#answer(parts[0], parts[1], parts[2]);
      case Message.response:
        return this.#answered(parts[0], parts[1], parts[2]);
      default:
        return this.#events.message(type, parts);
    }
  }

  /** The beginning of a message that comes in parts. */
  #keep(body: Uint8Array): void {
    this.#beginning.push(body);
    this.#beginningBytes += body.byteLength;
    if (this.#beginningBytes > mostBytes)
      throw new HandoffError('PROTOCOL_ERROR', 'A peer sent a message that does not end.');
  }

  #whole(end: Uint8Array): Uint8Array {
    const parts = [...this.#beginning, end];
    this.#beginning = [];
    this.#beginningBytes = 0;
    return Buffer.concat(parts);
  }

  async #answer(id: number, method: string, args: unknown[] | Unreadable): Promise<void> {
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
    const question = this.#questions.get(id);
    if (question === undefined) return;
    this.#questions.delete(id);
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
      // it was us who were busy: what it said waits to be read
      this.#heardAt += late;
      this.#aliveAt += late;
    }
    if (this.#events.pulse?.takeBeat() === true) this.#aliveAt = now;
    if (this.#silence(now) === undefined) return this.#beat();
    setImmediate(() =>
      setImmediate(() => {
        // once all has been read that has arrived
        const error = this.#silence(performance.now());
        if (error !== undefined) this.close(error);
      }),
    );
  }

  /** Why it is to be given up, if it is. */
  #silence(now: number): HandoffError | undefined {
    const { heartbeatTimeout, stallTimeout = Infinity } = this.#options;
    if (now - Math.max(this.#heardAt, this.#aliveAt) > heartbeatTimeout)
      return new HandoffError('NODE_DOWN', `Host ${this.#name} has said nothing for ${heartbeatTimeout} ms.`);
    if (now - this.#heardAt <= Math.max(heartbeatTimeout, stallTimeout)) return undefined;
    return new HandoffError(
      'NODE_DOWN',
      `The process of host ${this.#name} is alive, but its main thread has answered nothing for ${stallTimeout} ms.`,
    );
  }

  #beat(): void {
    if (!this.#closed) this.send(Message.ping, ...this.clock.say(wallClock()));
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
    for (const { reject } of this.#questions.values()) reject(this.#gone(error));
    this.#questions.clear();
    this.#bulk?.reject(this.#gone(error));
    this.#link?.close();
    this.#events.closed(error);
  }
}
