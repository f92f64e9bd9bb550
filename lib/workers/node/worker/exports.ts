/** Which results of a batch other workers take, carried out as its functions end. */
import { type Held, nothing } from './local-results.ts';
import type { Peers } from './peers.ts';

export class Exports {
  /** `index, address, batch, place, …`, in the order of indexes. */
  readonly #list: Int32Array;
  readonly #held: Held;
  readonly #peers: Peers;
  #next = 0;

  constructor(list: Int32Array, held: Held, peers: Peers) {
    this.#list = list;
    this.#held = held;
    this.#peers = peers;
  }

  /** A function has ended, and what it gave, if anything, is held. Functions end in order. */
  ended(index: number): void {
    while (this.#list[this.#next] === index) this.#tell(this.#held.get(index));
  }

  /** No more functions will end. */
  close(): void {
    while (this.#next < this.#list.length) this.#tell(nothing);
  }

  #tell(value: unknown): void {
    const at = this.#next;
    this.#next += 4;
    this.#peers.tell(this.#list[at + 1]!, this.#list[at + 2]!, this.#list[at + 3]!, value);
  }
}
