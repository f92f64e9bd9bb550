/** PURE: messages in the order they arrive, up to a capacity. */

/** What happens when the mailbox is full: the new message is rejected, or the oldest is dropped. */
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

  /** Adds a message. @returns the message that found no room: this one or the oldest */
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

  /** Removes and returns the oldest message. */
  shift(): Message | undefined {
    for (const message of this.#messages) {
      this.#messages.delete(message);
      return message;
    }
    return undefined;
  }

  /** Removes a message whose sender no longer waits. @returns whether it was there */
  remove(message: Message): boolean {
    return this.#messages.delete(message);
  }

  /** Removes and returns all messages. */
  drain(): Message[] {
    const all = [...this.#messages];
    this.#messages.clear();
    return all;
  }
}
