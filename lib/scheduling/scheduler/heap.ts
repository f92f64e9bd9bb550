/**
 * A binary min-heap of ranks in a typed array, so that popping returns the next function. Ranks are small integers, or
 * fractions for elements of maps.
 */
export class RankHeap {
  #ranks: Int32Array | Float64Array = new Int32Array(16);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The smallest; undefined behaviour when empty. */
  get top(): number {
    return this.#ranks[0]!;
  }

  push(rank: number): void {
    if ((rank | 0) !== rank && this.#ranks instanceof Int32Array) this.#ranks = Float64Array.from(this.#ranks);
    if (this.#size === this.#ranks.length) this.#grow();
    const ranks = this.#ranks;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (ranks[parent]! <= rank) break;
      ranks[at] = ranks[parent]!;
      at = parent;
    }
    ranks[at] = rank;
  }

  pop(): number {
    const ranks = this.#ranks;
    const top = ranks[0]!;
    const last = ranks[--this.#size]!;
    const size = this.#size;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && ranks[child + 1]! < ranks[child]!) child++;
      if (ranks[child]! >= last) break;
      ranks[at] = ranks[child]!;
      at = child;
    }
    ranks[at] = last;
    return top;
  }

  #grow(): void {
    const length = this.#ranks.length * 4;
    const bigger = this.#ranks instanceof Int32Array ? new Int32Array(length) : new Float64Array(length);
    bigger.set(this.#ranks);
    this.#ranks = bigger;
  }
}
