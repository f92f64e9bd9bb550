/**
 * What is to be written next: small things copied one after the other into one piece of memory, large ones as they are.
 */
import { headerBytes, writeHeader } from '../frame.ts';

/** Up to this size, to copy is faster than to give the system one piece more. */
const copiedBytes = 512;
const blockBytes = 64 * 1024;

export class Outbox {
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #block = Buffer.alloc(0);
  /** Of the block: where what is not among the pieces yet starts and ends. What lies before may still be on its way. */
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
      if (bytes > copiedBytes) {
        this.#cut();
        this.#pieces.push(part);
      } else if (bytes > 0) {
        this.#room(bytes);
        this.#block.set(part, this.#to);
        this.#to += bytes;
      }
    }
  }

  /** Takes everything out. */
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
