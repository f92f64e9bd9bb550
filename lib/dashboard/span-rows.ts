/** PURE: the spans of one run as rows of numbers. The oldest can be dropped. */
import { spanWidth } from './protocol.ts';

const chunkRows = 1024;

export class SpanRows {
  /** All full except the last. */
  readonly #chunks: number[][] = [];
  /** Rows that were dropped. */
  dropped = 0;
  /** Rows that were ever added. */
  count = 0;

  /** Rows in memory. */
  get kept(): number {
    return this.count - this.dropped;
  }

  /** Times in ms, rounded to µs; durations below 1 ms to ns, so that sums of many stay exact. */
  push(fn: number, track: number, at: number, took: number, attempt: number, hasThrown: boolean): void {
    let last = this.#chunks.at(-1);
    if (last === undefined || last.length === chunkRows * spanWidth) this.#chunks.push((last = []));
    last.push(fn, track, Math.round(at * 1000) / 1000, rounded(took), attempt, hasThrown ? 1 : 0);
    this.count++;
  }

  /** Drops some of the oldest rows and returns them. */
  drop(): readonly number[] {
    const rows = this.#chunks.shift() ?? [];
    this.dropped += rows.length / spanWidth;
    return rows;
  }

  /**
   * Consecutive rows, flat.
   *
   * @param from number of rows before the first; at least `dropped`
   */
  slice(from: number, maxRows: number): number[] {
    const rows: number[] = [];
    // All chunks but the last are full, so that positions can be computed. The first may also be the last.
    const begin = (from - this.dropped) * spanWidth;
    const end = Math.min(begin + maxRows * spanWidth, this.kept * spanWidth);
    const size = chunkRows * spanWidth;
    for (let at = begin; at < end;) {
      const offset = at % size;
      const part = this.#chunks[(at - offset) / size]!.slice(offset, offset + end - at);
      for (const number of part) rows.push(number);
      at += part.length;
    }
    return rows;
  }
}

function rounded(took: number): number {
  const digits = took < 1 ? 1e6 : 1e3;
  return Math.round(took * digits) / digits;
}
