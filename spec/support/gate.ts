/** Lets a spec see functions arrive in worker threads, and let them go on. */
export class Gate {
  readonly memory = new SharedArrayBuffer(16);
  readonly #words = new Int32Array(this.memory);

  /** Resolves when so many have arrived. */
  async arrived(count: number): Promise<void> {
    for (let now = this.count; now < count; now = this.count) await Atomics.waitAsync(this.#words, 0, now).value;
  }

  get count(): number {
    return Atomics.load(this.#words, 0);
  }

  /** Lets go on whoever holds a ticket below `tickets`; all by default. */
  release(tickets = 0x7fff_ffff): void {
    Atomics.store(this.#words, 1, tickets);
    Atomics.notify(this.#words, 1);
  }

  /** The second word, for functions that leave a mark. */
  get mark(): number {
    return Atomics.load(this.#words, 1);
  }
}
