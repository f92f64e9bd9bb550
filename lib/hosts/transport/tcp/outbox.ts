/** The data to write next: small parts are copied into one block of memory, large ones stay separate. */
import { headerBytes, writeHeader } from '../frame.ts';

/** Up to this size, copying is faster than writing a separate piece. */
const maxCopiedBytes = 512;
const blockBytes = 64 * 1024;

export class Outbox {
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #block = Buffer.alloc(0);
  /** The range of the block that is not among the pieces yet. The bytes before it may still be in flight. */
  #from = 0;
  #to = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(type: number, parts: readonly Uint8Array[], bodyBytes: number): void {
    this.#room(headerBytes);
    this.#to = writeHeader(this.#block, this.#to, type, bodyBytes);
    this.#bytes += headerBytes + bodyBytes;
    for (const part of parts) {
      const bytes = part.byteLength;
      if (bytes > maxCopiedBytes) {
        this.#cut();
        this.#pieces.push(part);
      } else if (bytes > 0) {
        this.#room(bytes);
        this.#block.set(part, this.#to);
        this.#to += bytes;
      }
    }
  }

  /** Removes and returns everything. */
  take(): Uint8Array[] {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    return pieces;
  }

  #room(bytes: number): void {
    if (this.#to + bytes <= this.#block.length) return;
    this.#cut();
    this.#block = Buffer.allocUnsafeSlow(blockBytes);
    this.#from = this.#to = 0;
  }

  #cut(): void {
    if (this.#to > this.#from) this.#pieces.push(this.#block.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
