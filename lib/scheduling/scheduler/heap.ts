/** A binary min-heap of small integers in a typed array. Holds ranks, so that popping returns the next function. */
export class RankHeap {
  #ranks = new Int32Array(16);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The smallest; undefined behaviour when empty. */
  get top(): number {
    return this.#ranks[0]!;
  }

  push(rank: number): void {
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
    const bigger = new Int32Array(this.#ranks.length * 4);
    bigger.set(this.#ranks);
    this.#ranks = bigger;
  }
}
