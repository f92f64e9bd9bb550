/** What is to happen, by time. What is to happen at the same time happens in the order in which it was entered. */
import FlatQueue from 'flatqueue';

interface Entry {
  readonly order: number;
  /** Undefined when it was taken out. */
  happen: (() => void) | undefined;
}

export class Agenda {
  /** ms since the start. */
  now = 0;
  readonly #queue = new FlatQueue<Entry>();
  #entered = 0;
  /** Entries that come again by themselves. */
  #recurring = 0;
  /** Entries of one time, the last of them first. */
  #due: Entry[] = [];

  /** Has something happen in `ms`; gives what takes it out again. */
  in(ms: number, happen: () => void): () => void {
    const entry: Entry = { order: this.#entered++, happen };
    this.#queue.push(entry, this.now + ms);
    return () => {
      entry.happen = undefined;
    };
  }

  /** Has something happen now and then, `ms()` apart, as long as anything else is to happen: by itself it keeps nothing going. */
  every(ms: () => number, happen: () => void): void {
    this.#recurring++;
    this.in(ms(), () => {
      this.#recurring--;
      if (this.#due.length + this.#queue.length <= this.#recurring) return;
      happen();
      this.every(ms, happen);
    });
  }

  /** Whether more is to happen at this very moment. */
  get isBusy(): boolean {
    return this.#due.length > 0 || this.#queue.peekValue() === this.now;
  }

  /** Has the next thing happen; false when there is none. */
  step(): boolean {
    for (;;) {
      if (this.#due.length === 0 && !this.#fetch()) return false;
      const { happen } = this.#due.pop()!;
      if (happen === undefined) continue;
      happen();
      return true;
    }
  }

  /** The heap does not keep the order of equals, so all of one time are taken out and sorted. */
  #fetch(): boolean {
    const time = this.#queue.peekValue();
    if (time === undefined) return false;
    this.now = time;
    while (this.#queue.peekValue() === time) this.#due.push(this.#queue.pop()!);
    if (this.#due.length > 1) this.#due.sort((a, b) => b.order - a.order);
    return true;
  }
}
