/**
 * Frames on a stream of bytes.
 *
 * ```
 *   length u32 │ type u8 │ body             length: of type and body, big-endian
 *            1 │     255 │                  goodbye: nothing follows, and the end of the stream is intended
 * ```
 */
import { HandoffError } from '../../core/errors.ts';
import { type Receiver, targetHead } from './transport.ts';

export const headerBytes = 5;

/** The smallest allowed limit for frame bodies: a smaller one could not hold a chunk of a result and its header. */
export const minFrameBytes = 1024;

/** The only type that callers cannot send. */
export const goodbyeType = 255;

/** Writes the header of a frame. @returns where its body starts */
export function writeHeader(into: Uint8Array, at: number, type: number, bodyBytes: number): number {
  const length = bodyBytes + 1;
  into[at] = length >>> 24;
  into[at + 1] = length >>> 16;
  into[at + 2] = length >>> 8;
  into[at + 3] = length;
  into[at + 4] = type;
  return at + headerBytes;
}

/** The body size of a frame to be sent. @throws `PROTOCOL_ERROR` when it exceeds the limit */
export function checkFrame(type: number, parts: readonly Uint8Array[], maxFrameBytes: number): number {
  if (!(type >= 0 && type < goodbyeType))
    throw new RangeError(`${type} is not a frame type: expected 0 to ${goodbyeType - 1}`);
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  if (bytes > maxFrameBytes) {
    throw new HandoffError(
      'PROTOCOL_ERROR',
      `a frame of ${bytes} bytes cannot be sent: at most ${maxFrameBytes} (maxFrameBytes) are allowed. Split it`,
    );
  }
  return bytes;
}

/** Delivers a complete frame, after asking the receiver for a target. */
export function deliver(to: Receiver, type: number, body: Uint8Array): void {
  const head = body.subarray(0, targetHead);
  const target = body.byteLength > targetHead ? to.target?.(type, head, body.byteLength - targetHead) : undefined;
  if (target === undefined) return to.frame(type, body);
  checkTarget(target, body.byteLength - targetHead);
  target.set(body.subarray(targetHead));
  return to.filled?.(type, head);
}

/** The first allocation for a partial frame. */
const minAllocatedBytes = 64 * 1024;

/**
 * Finds frames in a stream that arrives in pieces.
 *
 * A frame within one piece is delivered as a view of it. So the caller must not reuse pieces. Pieces from Node's
 * sockets are fresh and have the length of the data that was read. A receiver that keeps a little of a large piece
 * copies it.
 *
 * The body of a frame of several pieces goes into the receiver's target, or into memory that grows with what has
 * arrived: a peer that only announces a large frame gets no memory.
 */
export class FrameDecoder {
  readonly #maxFrameBytes: number;
  readonly #header = new Uint8Array(headerBytes);
  #headerBytes = 0;
  #stopped = false;
  #goodbye = false;

  // The partial frame.
  #within = false;
  #type = 0;
  #size = 0;
  #arrived = 0;
  #memory: Uint8Array | undefined;
  /** Receives the body after its head. */
  #target: Uint8Array | undefined;
  #head: Uint8Array | undefined;

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Whether the other side has sent a goodbye. */
  get goodbye(): boolean {
    return this.#goodbye;
  }

  /** Whether an end of the stream would cut off a frame. */
  get partial(): boolean {
    return this.#within || this.#headerBytes > 0;
  }

  /** Bytes of memory held for a partial frame. */
  get held(): number {
    return this.#memory?.byteLength ?? 0;
  }

  /** Delivers nothing more, not even the rest of the current piece. */
  stop(): void {
    this.#stopped = true;
    this.#memory = this.#target = this.#head = undefined;
  }

  /**
   * Reads the next piece.
   *
   * @throws `PROTOCOL_ERROR` when it does not contain frames; what the receiver throws. Do not push more pieces after
   *   that
   */
  push(piece: Uint8Array, to: Receiver): void {
    let at = 0;
    while (!this.#stopped) {
      if (this.#within) {
        at = this.#continue(piece, at, to);
        if (this.#within || this.#stopped) return;
      }
      at = this.#readHeader(piece, at);
      if (this.#headerBytes < headerBytes) return;
      this.#headerBytes = 0;
      const size = this.#size;
      if (this.#type === goodbyeType) return this.#endHere();
      if (piece.byteLength - at < size) {
        this.#within = true;
        continue;
      }
      deliver(to, this.#type, piece.subarray(at, at + size));
      at += size;
    }
  }

  /** Reads the available part of the header and checks the length first. */
  #readHeader(piece: Uint8Array, from: number): number {
    const header = this.#header;
    let at = from;
    while (this.#headerBytes < headerBytes && at < piece.byteLength) {
      header[this.#headerBytes++] = piece[at++]!;
      if (this.#headerBytes !== 4) continue;
      const length = header[0]! * 0x1000000 + (header[1]! << 16) + (header[2]! << 8) + header[3]!;
      if (length === 0) throw new HandoffError('PROTOCOL_ERROR', 'the peer sent a frame without a type');
      if (length - 1 > this.#maxFrameBytes) {
        throw new HandoffError(
          'PROTOCOL_ERROR',
          `the peer announced a frame of ${length - 1} bytes: at most ${this.#maxFrameBytes} (maxFrameBytes) are allowed`,
        );
      }
      this.#size = length - 1;
    }
    if (this.#headerBytes === headerBytes) this.#type = header[4]!;
    return at;
  }

  #endHere(): void {
    if (this.#size > 0) throw new HandoffError('PROTOCOL_ERROR', 'the peer sent a goodbye with a body');
    this.#goodbye = true;
    this.stop();
  }

  /** Continues a partial frame. @returns where the rest of the piece starts */
  #continue(piece: Uint8Array, from: number, to: Receiver): number {
    let at = from;
    if (this.#arrived < targetHead && this.#size > targetHead) {
      at = this.#store(piece, at, targetHead);
      if (this.#arrived < targetHead) return at;
      this.#askForTarget(to);
    }
    at = this.#store(piece, at, this.#size);
    if (this.#arrived === this.#size && !this.#stopped) this.#complete(to);
    return at;
  }

  #askForTarget(to: Receiver): void {
    const head = this.#memory!.slice(0, targetHead);
    const length = this.#size - targetHead;
    const target = to.target?.(this.#type, head, length);
    if (target === undefined || this.#stopped) return;
    checkTarget(target, length);
    this.#target = target;
    this.#head = head;
    this.#memory = undefined;
  }

  /** Stores the available part of the frame's first `end` bytes. */
  #store(piece: Uint8Array, at: number, end: number): number {
    const bytes = Math.min(end - this.#arrived, piece.byteLength - at);
    if (bytes === 0 || this.#stopped) return at;
    const part = at === 0 && bytes === piece.byteLength ? piece : piece.subarray(at, at + bytes);
    if (this.#target !== undefined) this.#target.set(part, this.#arrived - targetHead);
    else this.#room(this.#arrived + bytes).set(part, this.#arrived);
    this.#arrived += bytes;
    return at + bytes;
  }

  #room(bytes: number): Uint8Array {
    const memory = this.#memory;
    if (memory !== undefined && memory.byteLength >= bytes) return memory;
    // Not pooled: the receiver may keep it. Not cleared: only bytes that have arrived are exposed.
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#size, Math.max(2 * bytes, minAllocatedBytes)));
    if (memory !== undefined) larger.set(memory.subarray(0, this.#arrived));
    this.#memory = larger;
    return larger;
  }

  #complete(to: Receiver): void {
    const type = this.#type;
    const head = this.#head;
    const body = this.#memory;
    this.#within = false;
    this.#arrived = 0;
    this.#memory = this.#target = this.#head = undefined;
    if (head === undefined) to.frame(type, body!);
    else to.filled?.(type, head);
  }
}

function checkTarget(target: Uint8Array, length: number): void {
  if (target.byteLength !== length)
    throw new RangeError(`a receiver gave memory of ${target.byteLength} bytes for ${length}`);
}
