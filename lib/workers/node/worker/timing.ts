/** How long functions take, by a clock that is read as seldom as will do. */
import type { Batch } from './batch.ts';

// Functions of one code that take less than this, in ms, are timed together, as reading the clock would be a good part
// of them.
const clockEach = 0.002;
const clockTogether = 8;

// A function that takes so long, in ms, is not begun before those that are done have been told of.
const longMs = 0.2;

export class Stopwatch {
  /** When the clock was last read, in ms: a function ended then, and so the next begins. */
  now = 0;
  /** Functions that have ended since, all of one code. */
  #untimed = 0;
  #code = -1;
  /** By code: ms that the last ones took; a hole: none were timed. */
  readonly #last: number[] = [];
  /** How many are timed together. */
  #stride = 1;
  /** By code: how many; a hole: one. */
  readonly #strides: number[] = [];

  /** What has passed until now is nobody's time. */
  restart(): void {
    this.now = performance.now();
  }

  /** The next functions are timed one by one. */
  slow(): void {
    this.#stride = 1;
  }

  /**
   * Whether functions of some code may take so long that what is finished should be told before; those that are not
   * known may.
   */
  isLong(code: number): boolean {
    return !(this.#last[code]! < longMs);
  }

  /** A function is about to begin. */
  begin(code: number, batch: Batch): void {
    if (code === this.#code) return;
    this.read(batch);
    this.#code = code;
    this.#stride = this.#strides[code] ?? 1;
  }

  /** A function has ended. */
  ended(batch: Batch): void {
    this.#untimed++;
    if (this.#untimed >= this.#stride || batch.observed) this.read(batch);
  }

  /** Times what has ended since the clock was last read. */
  read({ report, observed }: Batch): void {
    if (this.#untimed === 0) return;
    const before = this.now;
    this.now = performance.now();
    const code = this.#code;
    const count = this.#untimed;
    const ms = this.now - before;
    this.#last[code] = ms / count;
    report.measure(code, count, before, this.now);
    this.#strides[code] = this.#stride = !observed && ms < clockEach * count ? clockTogether : 1;
    this.#untimed = 0;
  }
}
