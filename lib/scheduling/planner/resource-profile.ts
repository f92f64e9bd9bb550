/** The free resources of a node over time, for functions that may be placed in gaps. */
const tolerance = 1e-9;

/**
 * Moments in order, each with the amounts that are free until the next. Neighbours with equal amounts are merged, so
 * that a tightly packed node has few moments. With a `limit`, the earliest moments are dropped, and nothing is placed
 * there any more.
 */
export class Profile {
  readonly #resources: number;
  readonly #capacity: Float64Array;
  readonly #limit: number;
  #time = new Float64Array(32);
  #free: Float64Array;
  #count = 1;
  readonly #gate: number;
  /** The first moment with a free amount at the gate. */
  #open = 0;
  /** The moment that `earliest` found. */
  #found = 0;

  /**
   * @param gate a resource that every function demands, usually the threads, or -1; moments without any of it are
   * skipped
   */
  constructor(capacity: Float64Array, gate: number, limit: number) {
    this.#gate = gate;
    this.#resources = capacity.length;
    this.#capacity = capacity;
    this.#limit = limit;
    this.#free = new Float64Array(32 * capacity.length);
    this.clear();
  }

  clear(): void {
    this.#count = 1;
    this.#open = 0;
    this.#time[0] = 0;
    this.#free.set(this.#capacity);
  }

  /**
   * The earliest start, from `ready` on, at which `demand` fits for `ms`; `Infinity` if that is not before `late`.
   *
   * @param row the offset of the amounts in `demand`
   */
  earliest(ready: number, ms: number, demand: Float64Array, row: number, late: number): number {
    const [time, free, resources, count] = [this.#time, this.#free, this.#resources, this.#count];
    let low = this.#open;
    let high = count;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (time[middle]! <= ready) low = middle;
      else high = middle;
    }
    let from = low;
    let start = ready > time[from]! ? ready : time[from]!;
    let at = from;
    do {
      let r = 0;
      for (const base = at * resources; r < resources; r++) if (free[base + r]! + tolerance < demand[row + r]!) break;
      at++;
      if (r < resources) {
        from = at;
        start = time[at]!;
        if (start >= late) return Infinity;
      }
    } while (at < count && (at === from || time[at]! < start + ms));
    this.#found = from;
    return start;
  }

  /** Claims the place that the last call of `earliest` found. */
  take(start: number, ms: number, demand: Float64Array, row: number): void {
    if (!(ms > 0) || this.#resources === 0) return;
    const resources = this.#resources;
    let from = this.#found;
    if (this.#time[from]! < start) this.#split(from++, start);
    const end = start + ms;
    let to = from + 1;
    while (to < this.#count && this.#time[to]! < end) to++;
    if (to === this.#count || this.#time[to]! > end) this.#split(to - 1, end);
    const free = this.#free;
    for (let at = from; at < to; at++)
      for (let r = 0, base = at * resources; r < resources; r++) free[base + r]! -= demand[row + r]!;
    this.#join(to);
    this.#join(from);
    if (from <= this.#open + 1) this.#advance();
    if (this.#count > this.#limit) this.#forget();
  }

  /** Inserts a moment into the interval that starts at `at`. */
  #split(at: number, time: number): void {
    const resources = this.#resources;
    if (this.#count === this.#time.length) {
      const [oldTime, oldFree] = [this.#time, this.#free];
      this.#time = new Float64Array(this.#count * 2);
      this.#free = new Float64Array(this.#count * 2 * resources);
      this.#time.set(oldTime);
      this.#free.set(oldFree);
    }
    this.#time.copyWithin(at + 2, at + 1, this.#count);
    this.#free.copyWithin((at + 2) * resources, (at + 1) * resources, this.#count * resources);
    this.#time[at + 1] = time;
    this.#free.copyWithin((at + 1) * resources, at * resources, (at + 1) * resources);
    this.#count++;
  }

  /** Removes a moment at which nothing changes. */
  #join(at: number): void {
    if (at < 1 || at >= this.#count) return;
    const resources = this.#resources;
    for (let r = 0; r < resources; r++)
      if (this.#free[at * resources + r] !== this.#free[(at - 1) * resources + r]) return;
    this.#time.copyWithin(at, at + 1, this.#count);
    this.#free.copyWithin(at * resources, (at + 1) * resources, this.#count * resources);
    this.#count--;
  }

  #advance(): void {
    if (this.#gate < 0) return;
    this.#open = Math.max(0, Math.min(this.#open - 1, this.#count - 1));
    while (this.#open < this.#count - 1 && this.#free[this.#open * this.#resources + this.#gate]! <= tolerance)
      this.#open++;
  }

  #forget(): void {
    const drop = this.#count >> 1;
    this.#time.copyWithin(0, drop, this.#count);
    this.#free.copyWithin(0, drop * this.#resources, this.#count * this.#resources);
    this.#count -= drop;
    this.#open = Math.max(0, this.#open - drop);
  }
}
