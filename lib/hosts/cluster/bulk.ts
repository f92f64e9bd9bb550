/**
 * Large results between two hosts, on a channel of their own. Either side requests what the other holds:
 *
 * ```
 *   [want, request, what]                                        [chunk, request, part, offset, bytes]
 *   [drop, request]    no longer wanted                          [gone, request]          no longer there
 * ```
 *
 * Numbers are little-endian: request and part of four bytes, offset of eight. Chunks go directly into shared memory of
 * the requesting host. A side waits until the channel has drained before each chunk, so that several results share it.
 */
import { deserialize, serialize } from 'node:v8';
import { HandoffError } from '../../core/errors.ts';
import {
  isHere,
  ofShape,
  partLengths,
  partsOf,
  type PayloadData,
  type RemoteData,
  type Shape,
} from '../../workers/store/payload.ts';
import { allocateShared } from '../../workers/store/shared-memory.ts';
import type { Channel } from '../transport/transport.ts';
import { isReference } from './bounds.ts';
import { inMemory } from './payload-wire.ts';
import { protocolError } from '../../core/protocol-error.ts';

const Frame = { want: 1, chunk: 2, gone: 3, drop: 4 } as const;
const headBytes = 16;

// Large enough that the cost per frame is small, small enough that several results take turns. Limited by the frame
// size.
const maxChunkBytes = 512 * 1024;

interface Wanted {
  readonly parts: readonly SharedArrayBuffer[];
  readonly shape: Shape;
  missing: number;
  resolve(data: PayloadData): void;
  reject(error: unknown): void;
}

/** Returns what this host holds or can fetch from another. Throws when it cannot. */
export type Find = (data: RemoteData) => PayloadData | Promise<PayloadData>;

export class BulkLink {
  readonly #channel: Channel;
  readonly #find: Find;
  readonly #chunkBytes: number;
  readonly #wanted = new Map<number, Wanted>();
  /** Requests of the other side in progress. */
  readonly #answering = new Set<number>();
  #closed = false;
  #last = 0;

  constructor(channel: Channel, find: Find) {
    this.#channel = channel;
    this.#find = find;
    this.#chunkBytes = Math.min(maxChunkBytes, channel.maxFrameBytes - headBytes);
    channel.receive({
      frame: (type, body) => this.#receive(type, body),
      target: (type, head, length) => (type === Frame.chunk ? this.#target(head, length) : undefined),
      filled: (_, head) => this.#filled(head),
    });
    void channel.closed.then((error) => this.#fail(error));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get closed(): Promise<unknown> {
    return this.#channel.closed;
  }

  /**
   * Fetches what the other side holds or can fetch.
   *
   * @param signal aborts when the result is no longer needed; the other side then stops sending
   * @throws `RESULT_LOST` when it is no longer there; `NODE_DOWN` when the link is gone; the signal's reason
   */
  fetch(data: RemoteData, signal: AbortSignal): Promise<PayloadData> {
    const { of: shape } = data;
    const { promise, resolve, reject } = Promise.withResolvers<PayloadData>();
    const lengths = partLengths(shape);
    const wanted: Wanted = {
      parts: lengths.map((length) => allocateShared(length)),
      shape,
      missing: lengths.reduce((sum, length) => sum + length, 0),
      resolve,
      reject,
    };
    const request = (this.#last = (this.#last + 1) >>> 0);
    this.#wanted.set(request, wanted);
    if (this.#closed)
      this.#wanted
        .get(request)!
        .reject(new HandoffError('NODE_DOWN', 'The link to the host is gone. It is made again when it is needed.'));
    this.#channel.send(Frame.want, numberBytes(request), serialize(data));
    const drop = (): void =>
      this.#give(request, (given) => {
        given.reject(signal.reason);
        this.#channel.send(Frame.drop, numberBytes(request));
      });
    signal.addEventListener('abort', drop);
    return promise.finally(() => signal.removeEventListener('abort', drop));
  }

  close(): void {
    this.#channel.close();
  }

  #receive(type: number, body: Uint8Array): void {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    if (body.byteLength < 4) throw malformed();
    const request = view.getUint32(0, true);
    switch (type) {
      case Frame.want:
        return void this.#send(request, readWant(body.subarray(4)));
      case Frame.gone:
        return this.#give(request, (wanted) =>
          wanted.reject(new HandoffError('RESULT_LOST', 'Its host no longer holds this result.')),
        );
      case Frame.drop:
        return void this.#answering.delete(request);
      case Frame.chunk:
        return this.#short(body);
      default:
        throw malformed();
    }
  }

  /** A chunk no longer than its head carries no data. */
  #short(body: Uint8Array): void {
    if (body.byteLength !== headBytes) throw malformed();
  }

  #target(head: Uint8Array, length: number): Uint8Array {
    const { request, part, offset } = readHead(head);
    const wanted = this.#wanted.get(request);
    if (wanted === undefined) return new Uint8Array(length); // aborted meanwhile
    const bytes = wanted.parts[part];
    if (bytes === undefined || offset + length > bytes.byteLength || length > wanted.missing) throw malformed();
    wanted.missing -= length;
    return new Uint8Array(bytes, offset, length);
  }

  #filled(head: Uint8Array): void {
    const { request } = readHead(head);
    if (this.#wanted.get(request)?.missing === 0)
      this.#give(request, ({ shape, parts, resolve }) => resolve(ofShape(shape, parts)));
  }

  #give(request: number, how: (wanted: Wanted) => void): void {
    const wanted = this.#wanted.get(request);
    this.#wanted.delete(request);
    if (wanted !== undefined) how(wanted);
  }

  async #send(request: number, want: RemoteData): Promise<void> {
    this.#answering.add(request);
    try {
      const data = inMemory(await this.#find(want));
      if (!isHere(data)) throw malformed(); // it has no bytes to send
      for (const [part, bytes] of partsOf(data).entries()) {
        for (let offset = 0; offset < bytes.byteLength; offset += this.#chunkBytes) {
          await this.#channel.drained();
          if (this.#closed || !this.#answering.has(request)) return;
          this.#channel.send(
            Frame.chunk,
            writeHead(request, part, offset),
            bytes.subarray(offset, offset + this.#chunkBytes),
          );
        }
      }
    } catch {
      this.#channel.send(Frame.gone, numberBytes(request)); // not here, or in a file that cannot be read
    } finally {
      this.#answering.delete(request);
    }
  }

  #fail(error: unknown): void {
    this.#closed = true;
    for (const { reject } of this.#wanted.values()) reject(error ?? new HandoffError('NODE_DOWN', 'The host is gone.'));
    this.#wanted.clear();
  }
}

function readWant(bytes: Uint8Array): RemoteData {
  const want: unknown = read(bytes);
  if (!isReference(want) || want.kind !== 'remote') throw malformed();
  const { kind, host, key, of } = want;
  return { kind, host, key, of };
}

function read(bytes: Uint8Array): unknown {
  try {
    return deserialize(bytes);
  } catch {
    throw malformed();
  }
}

function numberBytes(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function writeHead(request: number, part: number, offset: number): Uint8Array {
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUInt32LE(request);
  head.writeUInt32LE(part, 4);
  head.writeDoubleLE(offset, 8);
  return head;
}

function readHead(head: Uint8Array): { readonly request: number; readonly part: number; readonly offset: number } {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const offset = view.getFloat64(8, true);
  if (!Number.isSafeInteger(offset) || offset < 0) throw malformed();
  return { request: view.getUint32(0, true), part: view.getUint32(4, true), offset };
}

function malformed(): HandoffError {
  return protocolError('A peer sent a malformed frame on its bulk channel.');
}
