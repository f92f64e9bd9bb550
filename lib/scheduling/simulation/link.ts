/**
 * A one-way link that loses, delays, duplicates and reorders messages. Its receiving end delivers each message once and
 * in order. If a message does not arrive, the link breaks and reports that to its user, and nothing more is delivered.
 *
 * ```
 *   sent       1   2   3   4   5
 *   arrives    1   3   3   2   5          (4 is lost)
 *   delivered  1         2,3              … broken
 * ```
 */
import type { EventQueue } from './event-queue.ts';
import type { Random } from '../../core/random.ts';

export interface LinkFaults {
  /** The probability that a message is lost. */
  readonly loss: number;
  /** The probability that a message arrives twice. */
  readonly duplication: number;
  /** The probability that a message is late, so that others overtake it. */
  readonly lateness: number;
  /** The maximum delay in ms. */
  readonly late: number;
}

export interface LinkOptions {
  /** ms that a message takes. */
  readonly latency: number;
  readonly faults: LinkFaults;
  /** ms of waiting for the next message after which the link counts as broken. */
  readonly silence: number;
}

export class Link<Message> {
  readonly #eventQueue: EventQueue;
  readonly #random: Random;
  readonly #options: LinkOptions;
  readonly #deliver: (message: Message) => void;
  readonly #onBroken: () => void;
  #sent = 0;
  #delivered = 0;
  readonly #early = new Map<number, Message>();
  #cut = false;
  #watching = false;

  constructor(
    eventQueue: EventQueue,
    random: Random,
    options: LinkOptions,
    deliver: (message: Message) => void,
    onBroken: () => void,
  ) {
    this.#eventQueue = eventQueue;
    this.#random = random;
    this.#options = options;
    this.#deliver = deliver;
    this.#onBroken = onBroken;
  }

  send(message: Message): void {
    if (this.#cut) return;
    const { latency, faults } = this.#options;
    const number = ++this.#sent;
    // The receiver hears from the sender regularly, so it notices a lost message even if none follows.
    this.#watch();
    if (this.#random.chance(faults.loss)) return;
    for (let copies = this.#random.chance(faults.duplication) ? 2 : 1; copies > 0; copies--) {
      const extra = this.#random.chance(faults.lateness) ? this.#random.next() * faults.late : 0;
      this.#eventQueue.in(latency + extra, () => this.#arrive(number, message));
    }
  }

  /** Drops all messages under way. */
  cut(): void {
    this.#cut = true;
  }

  #arrive(number: number, message: Message): void {
    if (this.#cut || number <= this.#delivered || this.#early.has(number)) return;
    this.#early.set(number, message);
    for (
      let next = this.#early.get(this.#delivered + 1);
      next !== undefined && !this.#cut;
      next = this.#early.get(this.#delivered + 1)
    ) {
      this.#early.delete(++this.#delivered);
      this.#deliver(next);
    }
  }

  #watch(): void {
    if (this.#watching || this.#options.faults.loss === 0) return;
    this.#watching = true;
    const expected = this.#sent;
    this.#eventQueue.in(this.#options.latency + this.#options.faults.late + this.#options.silence, () => {
      this.#watching = false;
      if (this.#cut) return;
      if (this.#delivered >= expected) {
        if (this.#delivered < this.#sent) this.#watch();
        return;
      }
      this.#cut = true;
      this.#onBroken();
    });
  }
}
