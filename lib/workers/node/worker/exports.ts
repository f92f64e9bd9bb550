/** Sends the results of a batch that other threads need, as functions end. */
import { type LocalResults, nothing } from './local-results.ts';
import type { GangConnections } from './gang-connections.ts';

export class Exports {
  /** `index, address, batch, place, …`, in the order of indexes. */
  readonly #list: Int32Array;
  readonly #held: LocalResults;
  readonly #gang: GangConnections;
  #next = 0;

  constructor(list: Int32Array, held: LocalResults, gang: GangConnections) {
    this.#list = list;
    this.#held = held;
    this.#gang = gang;
  }

  /** A function has ended, and its result, if any, is held. Functions end in order. */
  ended(index: number): void {
    while (this.#list[this.#next] === index) this.#send(this.#held.get(index));
  }

  /** No more functions will end. */
  close(): void {
    while (this.#next < this.#list.length) this.#send(nothing);
  }

  #send(value: unknown): void {
    const at = this.#next;
    this.#next += 4;
    this.#gang.queue(this.#list[at + 1]!, this.#list[at + 2]!, this.#list[at + 3]!, value);
  }
}
