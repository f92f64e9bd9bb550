/** PURE: the spans of one run as rows of numbers, of which the oldest can be forgotten. */
import { spanWidth } from './protocol.ts';

const chunkRows = 1024;

export class SpanRows {
  /** Each full but the last. */
  readonly #chunks: number[][] = [];
  /** Rows that there were and are forgotten. */
  dropped = 0;
  /** Rows that there ever were. */
  count = 0;

  /** Rows that are kept. */
  get kept(): number {
    return this.count - this.dropped;
  }

  /** Times in ms; they are kept to the µs, and what took less than a ms to the ns, so that many of them add up to what they took. */
  push(fn: number, lane: number, at: number, took: number, attempt: number, hasThrown: boolean): void {
    let last = this.#chunks.at(-1);
    if (last === undefined || last.length === chunkRows * spanWidth) this.#chunks.push((last = []));
    last.push(fn, lane, Math.round(at * 1000) / 1000, rounded(took), attempt, hasThrown ? 1 : 0);
    this.count++;
  }

  /** Forgets the oldest, some at a time, and gives them. */
  drop(): readonly number[] {
    const rows = this.#chunks.shift() ?? [];
    this.dropped += rows.length / spanWidth;
    return rows;
  }

  /**
   * Rows as they follow one another, flat.
   *
   * @param from how many came before; not fewer than `dropped`
   */
  slice(from: number, most: number): number[] {
    const rows: number[] = [];
    // The first chunk may be the last, and then is not full; all others before the last are, so that places can be counted.
    const begin = (from - this.dropped) * spanWidth;
    const end = Math.min(begin + most * spanWidth, this.kept * spanWidth);
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
