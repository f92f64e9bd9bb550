/** Measures how long functions take, reading the clock as rarely as possible. */
import type { Batch } from './batch.ts';

// Functions of one code that take less than this, in ms, are timed in groups: reading the clock would take as long as
// they do.
const maxGroupedMs = 0.002;
const groupSize = 8;

// ms from which a function counts as long: finished results are reported before it begins.
const minLongMs = 0.2;

// Results of a patient batch are reported before they are this old, in ms.
const holdMs = 12;

export class Stopwatch {
  /** The last reading of the clock, in ms. The previous function ended then, so the next one begins. */
  now = 0;
  /** Functions of one code that ended since that reading. */
  #untimed = 0;
  #code = -1;
  /** By code: ms of the last measurement; a hole: none yet. */
  readonly #last: number[] = [];
  /** How many functions are timed together. */
  #groupSize = 1;
  /** By code: how many are timed together; a hole: one. */
  readonly #groupSizes: number[] = [];

  /** Skips the time until now. */
  restart(): void {
    this.now = performance.now();
  }

  /** Times the next functions individually. */
  slow(): void {
    this.#groupSize = 1;
  }

  /** Whether functions of some code may be long. Unknown ones may. */
  isLong(code: number): boolean {
    return !(this.#last[code]! < minLongMs);
  }

  /**
   * Whether the results of a patient batch must be reported before a function of some code begins.
   *
   * @param from when reports are urgent, by this thread's clock
   */
  isDue(batch: Batch, code: number, from: number): boolean {
    const held = this.now - batch.flushedAt;
    const end = held + (this.#last[code] ?? Infinity);
    if (end > holdMs) return true;
    return batch.flushedAt + end > from && (held > batch.flushAfter || this.isLong(code));
  }

  /** A function is about to begin. */
  begin(code: number, batch: Batch): void {
    if (code === this.#code) return;
    this.read(batch);
    this.#code = code;
    this.#groupSize = this.#groupSizes[code] ?? 1;
  }

  /** A function has ended. */
  ended(batch: Batch): void {
    this.#untimed++;
    if (this.#untimed >= this.#groupSize || batch.observed) this.read(batch);
  }

  /** Attributes the time since the last reading to the functions that ended. */
  read({ report, observed }: Batch): void {
    if (this.#untimed === 0) return;
    const before = this.now;
    this.now = performance.now();
    const code = this.#code;
    const count = this.#untimed;
    const ms = this.now - before;
    this.#last[code] = ms / count;
    report.measure(code, count, before, this.now);
    this.#groupSizes[code] = this.#groupSize = !observed && ms < maxGroupedMs * count ? groupSize : 1;
    this.#untimed = 0;
  }
}
