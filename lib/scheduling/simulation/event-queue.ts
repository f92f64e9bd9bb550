/** A queue of actions by time. Actions of the same time run in the order of their insertion. */
import FlatQueue from 'flatqueue';

interface Entry {
  readonly order: number;
  /** Undefined once removed. */
  happen: (() => void) | undefined;
}

export class EventQueue {
  /** ms since the start. */
  now = 0;
  readonly #queue = new FlatQueue<Entry>();
  #entered = 0;
  /** The number of recurring entries. */
  #recurring = 0;
  /** The entries of one time, the last of them first. */
  #due: Entry[] = [];

  /** Schedules an action in `ms`. Returns a function that removes it. */
  in(ms: number, happen: () => void): () => void {
    const entry: Entry = { order: this.#entered++, happen };
    this.#queue.push(entry, this.now + ms);
    return () => {
      entry.happen = undefined;
    };
  }

  /**
   * Repeats an action at intervals of `ms()` while other actions are scheduled. It does not keep the simulation
   * running.
   */
  every(ms: () => number, happen: () => void): void {
    this.#recurring++;
    this.in(ms(), () => {
      this.#recurring--;
      if (this.#due.length + this.#queue.length <= this.#recurring) return;
      happen();
      this.every(ms, happen);
    });
  }

  /** Whether more actions are due now. */
  get isBusy(): boolean {
    return this.#due.length > 0 || this.#queue.peekValue() === this.now;
  }

  /** Runs the next action. Returns false if there is none. */
  step(): boolean {
    for (;;) {
      if (this.#due.length === 0 && !this.#fetch()) return false;
      const { happen } = this.#due.pop()!;
      if (happen === undefined) continue;
      happen();
      return true;
    }
  }

  /** The heap does not keep the order of equal times, so all entries of one time are taken out and sorted. */
  #fetch(): boolean {
    const time = this.#queue.peekValue();
    if (time === undefined) return false;
    this.now = time;
    while (this.#queue.peekValue() === time) this.#due.push(this.#queue.pop()!);
    if (this.#due.length > 1) this.#due.sort((a, b) => b.order - a.order);
    return true;
  }
}
