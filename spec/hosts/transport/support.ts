/** What the specs of transports share. */
import { connect, type Socket } from 'node:net';
import { protocolVersion } from '../../../lib/hosts/transport/tcp/hello.ts';
import { needAddress } from '../../../lib/hosts/transport/tcp/address.ts';
import { dial, type Dialled } from '../../../lib/hosts/transport/tcp/dial.ts';
import { resolveTcpOptions } from '../../../lib/hosts/transport/tcp/options.ts';
import { securityOf } from '../../../lib/hosts/transport/tcp/secure.ts';
import type { Channel, Receiver } from '../../../lib/hosts/transport/transport.ts';

export interface Frame {
  readonly type: number;
  readonly body: Uint8Array;
}

/** A receiver that keeps what it gets. */
export class Frames implements Receiver {
  readonly all: Frame[] = [];
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  frame(type: number, body: Uint8Array): void {
    this.all.push({ type, body });
    this.#waiting = this.#waiting.filter(({ count, resolve }) => (this.all.length < count ? true : void resolve()));
  }

  /** Resolves with the first frames, once there are as many. */
  async first(count: number): Promise<Frame[]> {
    if (this.all.length < count) await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
    return this.all.slice(0, count);
  }
}

export function framesOf(channel: Channel): Frames {
  const frames = new Frames();
  channel.receive(frames);
  return frames;
}

/** Answers every frame with the same. */
export function echo(channel: Channel): void {
  channel.receive({ frame: (type, body) => channel.send(type, body) });
}

/** Sends something and waits for it to come back. */
export async function ping(channel: Channel, frames: Frames): Promise<void> {
  channel.send(1, Buffer.from('ping'));
  await frames.first(frames.all.length + 1);
}

/** Bytes that differ from their neighbours. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) + seed) & 0xff;
  return bytes;
}

/** A plain socket to an address, that keeps what it gets. */
export class RawSocket {
  readonly socket: Socket;
  /** Resolves when it is closed by either side. */
  readonly closed: Promise<void>;
  #received: Buffer = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  constructor(address: string) {
    this.socket = connect(needAddress(address));
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) =>
      this.socket.on('close', () => {
        this.#wake();
        resolve();
      }),
    );
    this.socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
  }

  get received(): Buffer {
    return this.#received;
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Resolves with the first bytes, once there are as many, or the connection is closed. */
  async first(bytes: number): Promise<Buffer> {
    while (this.#received.length < bytes && !this.socket.closed)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.#received.subarray(0, bytes);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** A socket to an address that has proved itself, to send over it what no channel would. */
export async function provenSocket(address: string, secret?: string, id = 'raw'): Promise<Dialled> {
  const settings = resolveTcpOptions({
    identity: () => ({ id, incarnation: 0 }),
    ...(secret !== undefined && { secret }),
  });
  return dial(
    {
      address,
      kind: 'control',
      handshakeTimeout: settings.handshakeTimeout,
      signal: new AbortController().signal,
      security: () => securityOf(settings),
      card: () => ({ identity: { id, incarnation: 0, address: undefined }, maxFrameBytes: settings.maxFrameBytes }),
    },
    (dialled) => {
      dialled.socket.on('data', () => undefined);
      return dialled;
    },
  );
}

/** What a hello begins with, by latin1; `ahead` versions after ours. */
export function greeting(ahead = 0): string {
  return `HOFF\0${String.fromCharCode(protocolVersion + ahead)}`;
}
