/**
 * Frames on a stream of bytes.
 *
 * ```
 *   length u32 │ type u8 │ body             length: of type and body, big-endian
 *            1 │     255 │                  goodbye: nothing follows, and that the stream ends here is no accident
 * ```
 */
import { HandoffError } from '../../core/errors.ts';
import { type Receiver, targetHead } from './transport.ts';

export const headerBytes = 5;

/**
 * The least that the longest body of a frame can be limited to: less would hold no chunk of a result beside what says
 * whose it is.
 */
export const leastFrameBytes = 1024;

/** The one type that those above cannot send. */
export const goodbyeType = 255;

/** Writes the header of a frame; gives where its body starts. */
export function writeHeader(into: Uint8Array, at: number, type: number, bodyBytes: number): number {
  const length = bodyBytes + 1;
  into[at] = length >>> 24;
  into[at + 1] = length >>> 16;
  into[at + 2] = length >>> 8;
  into[at + 3] = length;
  into[at + 4] = type;
  return at + headerBytes;
}

/** How many bytes the body of a frame to be sent has. @throws `PROTOCOL_ERROR` when it is longer than frames may be */
export function checkFrame(type: number, parts: readonly Uint8Array[], maxFrameBytes: number): number {
  if (!(type >= 0 && type < goodbyeType))
    throw new RangeError(`${type} is no type of frame: expected 0 to ${goodbyeType - 1}`);
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  if (bytes > maxFrameBytes) {
    throw new HandoffError(
      'PROTOCOL_ERROR',
      `a frame of ${bytes} bytes cannot be sent: ${maxFrameBytes} (maxFrameBytes) is the most. Send it in several`,
    );
  }
  return bytes;
}

/** Hands over a frame of which everything is there, asking first where it is to go. */
export function deliver(to: Receiver, type: number, body: Uint8Array): void {
  const head = body.subarray(0, targetHead);
  const target = body.byteLength > targetHead ? to.target?.(type, head, body.byteLength - targetHead) : undefined;
  if (target === undefined) return to.frame(type, body);
  checkTarget(target, body.byteLength - targetHead);
  target.set(body.subarray(targetHead));
  return to.filled?.(type, head);
}

/** Memory for a frame of which little is there begins with this much. */
const firstBytes = 64 * 1024;

/**
 * Finds frames in a stream that arrives in pieces.
 *
 * A frame that lies within one piece is handed over as a view of it. Pieces must therefore not be used again by whoever
 * reads them; those of Node's sockets are not, and are as long as what was read. A receiver that keeps little of
 * something long copies it.
 *
 * A frame of several pieces goes to where the receiver says, or to memory that grows with what has arrived: whoever
 * only claims that something large is to follow gets none.
 */
export class FrameDecoder {
  readonly #maxFrameBytes: number;
  readonly #header = new Uint8Array(headerBytes);
  #headerBytes = 0;
  #stopped = false;
  #goodbye = false;

  // The frame of which a part is there.
  #within = false;
  #type = 0;
  #size = 0;
  #arrived = 0;
  #memory: Uint8Array | undefined;
  /** Where what follows the head goes. */
  #target: Uint8Array | undefined;
  #head: Uint8Array | undefined;

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Whether the other side has said that it ends here. */
  get goodbye(): boolean {
    return this.#goodbye;
  }

  /** Whether it would be amiss if the stream ended here. */
  get partial(): boolean {
    return this.#within || this.#headerBytes > 0;
  }

  /** Bytes of memory taken for a frame of which a part is there. */
  get held(): number {
    return this.#memory?.byteLength ?? 0;
  }

  /** Nothing is handed over from now on, not even of the piece at hand. */
  stop(): void {
    this.#stopped = true;
    this.#memory = this.#target = this.#head = undefined;
  }

  /**
   * Takes in the next piece.
   *
   * @throws `PROTOCOL_ERROR` when it is not frames; what the receiver throws. Nothing more is to be pushed then.
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

  /** Reads as much of the header as is there, judging its length before anything else. */
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
          `the peer announced a frame of ${length - 1} bytes: ${this.#maxFrameBytes} (maxFrameBytes) is the most`,
        );
      }
      this.#size = length - 1;
    }
    if (this.#headerBytes === headerBytes) this.#type = header[4]!;
    return at;
  }

  #endHere(): void {
    if (this.#size > 0) throw new HandoffError('PROTOCOL_ERROR', 'the peer sent a goodbye that is longer than one');
    this.#goodbye = true;
    this.stop();
  }

  /** Goes on with the frame of which a part is there; gives where in the piece the rest starts. */
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

  /** Puts away what is there of the frame's first `end` bytes. */
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
    // Not pooled: the receiver may keep it. Not cleared: only what has arrived is ever shown.
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#size, Math.max(2 * bytes, firstBytes)));
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
