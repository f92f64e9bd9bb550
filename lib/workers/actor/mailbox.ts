/** PURE: messages in the order they came, no more than there is room for. */

/** What becomes of a message for which there is no room: it is refused, or the oldest makes room for it. */
export type Overflow = 'reject' | 'drop-oldest';

export class Mailbox<Message> {
  readonly #messages = new Set<Message>();
  readonly #capacity: number;
  readonly #overflow: Overflow;

  /** @param capacity how many messages may wait; Infinity: any number */
  constructor(capacity: number, overflow: Overflow) {
    this.#capacity = capacity;
    this.#overflow = overflow;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** Takes a message in; gives the one that fell out for lack of room: this, or the oldest. */
  push(message: Message): Message | undefined {
    if (this.#messages.size < this.#capacity) {
      this.#messages.add(message);
      return undefined;
    }
    if (this.#overflow === 'reject' || this.#capacity === 0) return message;
    const oldest = this.shift();
    this.#messages.add(message);
    return oldest;
  }

  /** The oldest message, taken out. */
  shift(): Message | undefined {
    for (const message of this.#messages) {
      this.#messages.delete(message);
      return message;
    }
    return undefined;
  }

  /** Takes a message out that nobody waits for any more; whether it was there. */
  remove(message: Message): boolean {
    return this.#messages.delete(message);
  }

  /** Takes out all. */
  drain(): Message[] {
    const all = [...this.#messages];
    this.#messages.clear();
    return all;
  }
}
