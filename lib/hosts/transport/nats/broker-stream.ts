/**
 * One end of a connection through a broker: a stream of bytes, like a socket. The broker may lose messages, so they are
 * numbered, and a missing one ends the stream: nothing is lost silently.
 *
 * Each side sends at most one window of bytes beyond what the other has read. So what the broker holds for a host that
 * reads slowly stays below the limit at which it drops the host.
 */
import { Duplex } from 'node:stream';
import {
  decodeCredit,
  encodeCredit,
  numbers,
  Packet,
  packet,
  packetHead,
  type PacketKind,
  writeHead,
} from './packet.ts';

export interface BrokerStreamOptions {
  /** The bytes that this side takes before it has read any. */
  readonly window: number;
  /** The maximum body of a message, in bytes. */
  readonly maxBodyBytes: number;
  /** Publishes a message to the other side. Has no effect before `open`. */
  readonly publish: (message: Uint8Array) => void;
  /** Takes the answer to a request for this connection. */
  readonly answered?: (kind: number, body: Uint8Array) => void;
  /** The stream is closed. */
  readonly closed: () => void;
}

export class BrokerStream extends Duplex {
  readonly #options: BrokerStreamOptions;
  #sentPackets = 0;
  #receivedPackets = 0;

  /** Bytes that were sent, and that may be. */
  #sent = 0;
  #allowed = 0;
  #theirWindow = 0;
  #waiting: Buffer[] = [];
  #written: ((error?: Error | null) => void) | undefined;
  #isEndSent = false;

  /** Bytes that arrived, that were read, and of which the other side knows that they were read. */
  #arrived = 0;
  #read = 0;
  #acknowledged = 0;
  #unread: Buffer[] = [];
  #isWanted = false;
  #isEndReceived = false;

  constructor(options: BrokerStreamOptions) {
    super({ allowHalfOpen: false });
    this.#options = options;
  }

  /** The other side takes this many bytes. Nothing is sent before. */
  open(theirWindow: number): void {
    this.#theirWindow = theirWindow;
    this.#allow(theirWindow);
  }

  /** Sends a message other than data. */
  send(kind: PacketKind, body?: Uint8Array): void {
    this.#options.publish(packet(kind, this.#next(), body));
  }

  /** Takes a message of the other side. A wrong one ends the stream. */
  arrive(kind: number, number: number, body: Uint8Array): void {
    if (this.destroyed) return;
    if (number !== this.#receivedPackets)
      return void this.destroy(
        new Error(`message ${this.#receivedPackets} was lost at the broker: ${number} has arrived instead`),
      );
    this.#receivedPackets = (number + 1) % numbers;
    switch (kind) {
      case Packet.data:
        return this.#takeData(body);
      case Packet.credit:
        return this.#takeCredit(body);
      case Packet.end:
        return this.#takeEnd();
      case Packet.reset:
        // After its end, everything has arrived.
        if (this.#isEndReceived) return void this.destroy();
        return void this.destroy(new Error('the other host has reset it'));
      case Packet.accept:
      case Packet.refuse:
        if (number > 0 || this.#options.answered === undefined) return this.#wrong('a second answer');
        return this.#options.answered(kind, body);
      default:
        return this.#wrong(`a message of kind ${kind}`);
    }
  }

  override _read(): void {
    this.#isWanted = true;
    this.#deliver();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#waiting.push(chunk);
    this.#written = done;
    this.#transmit();
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    for (const { chunk } of chunks) this.#waiting.push(chunk);
    this.#written = done;
    this.#transmit();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#isEndSent = true;
    this.send(Packet.end);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#isEndSent) this.send(Packet.reset);
    this.#waiting = [];
    this.#unread = [];
    this.#written?.(error ?? new Error('the connection is closed'));
    this.#written = undefined;
    this.#options.closed();
    done(error);
  }

  #next(): number {
    const number = this.#sentPackets;
    this.#sentPackets = (number + 1) % numbers;
    return number;
  }

  #allow(bytes: number): void {
    this.#allowed = bytes;
    this.#transmit();
  }

  /** Sends as much of the waiting data as the other side takes. */
  #transmit(): void {
    while (this.#waiting.length > 0) {
      const max = Math.min(this.#allowed - this.#sent, this.#options.maxBodyBytes);
      if (max <= 0) return;
      const message = this.#cut(max);
      writeHead(message, Packet.data, this.#next());
      this.#sent += message.byteLength - packetHead;
      this.#options.publish(message);
    }
    const written = this.#written;
    this.#written = undefined;
    written?.();
  }

  /** A message with up to `max` of the waiting bytes; its head is not written yet. */
  #cut(max: number): Buffer {
    const waiting = this.#waiting;
    let bytes = 0;
    let pieces = 0;
    while (pieces < waiting.length && bytes < max) bytes += waiting[pieces++]!.byteLength;
    const length = Math.min(bytes, max);
    const message = Buffer.allocUnsafe(packetHead + length);
    let at = packetHead;
    for (let i = 0; i < pieces; i++) at += waiting[i]!.copy(message, at);
    const left = bytes - length;
    const last = waiting[pieces - 1]!;
    if (left > 0) waiting[--pieces] = last.subarray(last.byteLength - left);
    waiting.splice(0, pieces);
    return message;
  }

  #takeData(body: Uint8Array): void {
    this.#arrived += body.byteLength;
    if (this.#isEndReceived || this.#arrived - this.#acknowledged > this.#options.window)
      return this.#wrong('more data than allowed');
    if (body.byteLength === 0) return;
    this.#unread.push(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
    this.#deliver();
  }

  #takeCredit(body: Uint8Array): void {
    const read = decodeCredit(body);
    if (read === undefined || read > this.#sent) return this.#wrong('a credit that is not valid');
    return this.#allow(read + this.#theirWindow);
  }

  #takeEnd(): void {
    this.#isEndReceived = true;
    this.#deliver();
  }

  #deliver(): void {
    while (this.#isWanted && this.#unread.length > 0) {
      const piece = this.#unread.shift()!;
      this.#read += piece.byteLength;
      this.#isWanted = this.push(piece);
      if (this.destroyed) return;
    }
    if (this.#isEndReceived && this.#unread.length === 0) {
      this.push(null);
      return;
    }
    if (this.#read - this.#acknowledged < this.#options.window / 4) return;
    this.#acknowledged = this.#read;
    this.send(Packet.credit, encodeCredit(this.#read));
  }

  #wrong(what: string): void {
    this.destroy(new Error(`the other host sent ${what}`));
  }
}
