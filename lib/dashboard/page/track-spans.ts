/** The spans of one thread in columns, sorted by start, so that a time range is found by binary search. */

const firstCapacity = 256;
const maxSpans = 2 ** 20;

export class TrackSpans {
  size = 0;
  /** How many earlier spans were dropped. */
  forgotten = 0;
  /** Index in the graph. */
  fn = new Uint32Array(firstCapacity);
  /** ms from the run's start. */
  begun = new Float64Array(firstCapacity);
  /** ms from the run's start. */
  ended = new Float64Array(firstCapacity);
  attempt = new Uint16Array(firstCapacity);
  /** 1: it threw. */
  threw = new Uint8Array(firstCapacity);
  /** By position: the latest end so far. It never decreases, even if spans overlap, so it can be searched. */
  #latest = new Float64Array(firstCapacity);
  /** Everything before this position is sorted. */
  #sorted = 0;

  /** Adds a span. Beyond a million spans, the earlier half is dropped. */
  add(fn: number, begun: number, took: number, attempt: number, threw: number): void {
    if (this.size === maxSpans) this.#forgetHalf();
    else if (this.size === this.fn.length) this.#grow();
    const i = this.size++;
    this.fn[i] = fn;
    this.begun[i] = begun;
    this.ended[i] = begun + took;
    this.attempt[i] = attempt;
    this.threw[i] = threw;
  }

  /** The first span that ends at or after a time. */
  firstEndingAt(at: number): number {
    this.sort();
    return lowerBound(this.#latest, this.size, at);
  }

  /** The first span that begins at or after a time. */
  firstBeginningAt(at: number): number {
    this.sort();
    return lowerBound(this.begun, this.size, at);
  }

  /** Moves added spans to their sorted position. Sorted spans move only if a new one belongs before them. */
  sort(): void {
    if (this.#sorted === this.size) return;
    const from = this.#firstOutOfPlace();
    if (from < this.size) this.#sortFrom(from);
    const changed = Math.min(from, this.#sorted);
    let latest = changed === 0 ? Number.NEGATIVE_INFINITY : this.#latest[changed - 1]!;
    for (let i = changed; i < this.size; i++) this.#latest[i] = latest = Math.max(latest, this.ended[i]!);
    this.#sorted = this.size;
  }

  /** The position of the earliest span that is out of order; `size`: none. */
  #firstOutOfPlace(): number {
    let earliest = Number.POSITIVE_INFINITY;
    let latest = this.#sorted === 0 ? Number.NEGATIVE_INFINITY : this.begun[this.#sorted - 1]!;
    for (let i = this.#sorted; i < this.size; i++) {
      const begun = this.begun[i]!;
      if (begun < latest) earliest = Math.min(earliest, begun);
      else latest = begun;
    }
    return earliest === Number.POSITIVE_INFINITY ? this.size : lowerBound(this.begun, this.#sorted, earliest);
  }

  #sortFrom(from: number): void {
    const { begun } = this;
    const order = new Uint32Array(this.size - from)
      .map((_, i) => from + i)
      .sort((a, b) => begun[a]! - begun[b]! || a - b);
    for (const column of [this.fn, this.begun, this.ended, this.attempt, this.threw]) {
      const before = column.slice(from, this.size);
      for (let i = 0; i < order.length; i++) column[from + i] = before[order[i]! - from]!;
    }
  }

  #forgetHalf(): void {
    this.sort();
    for (const column of [this.fn, this.begun, this.ended, this.attempt, this.threw, this.#latest])
      column.copyWithin(0, maxSpans / 2);
    this.size = this.#sorted = maxSpans / 2;
    this.forgotten += maxSpans / 2;
  }

  #grow(): void {
    const capacity = this.fn.length * 2;
    const grown = <Column extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(
      column: Column,
      into: Column,
    ): Column => {
      into.set(column);
      return into;
    };
    this.fn = grown(this.fn, new Uint32Array(capacity));
    this.begun = grown(this.begun, new Float64Array(capacity));
    this.ended = grown(this.ended, new Float64Array(capacity));
    this.attempt = grown(this.attempt, new Uint16Array(capacity));
    this.threw = grown(this.threw, new Uint8Array(capacity));
    this.#latest = grown(this.#latest, new Float64Array(capacity));
  }
}

/** The first position with a value of at least `min`, in a column that never decreases. */
function lowerBound(column: Float64Array, size: number, min: number): number {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (column[middle]! < min) low = middle + 1;
    else high = middle;
  }
  return low;
}
