/** Keeps trying to reach addresses, ever more seldom, until somebody is there. */
import { isHandoffError } from '../../core/errors.ts';
import type { Channel } from '../transport/transport.ts';

const firstDelay = 100;
const longestDelay = 5000;
// At once: members tell of others, and one that is mistaken may tell of any number.
const mostAttempts = 10_000;

interface Attempt {
  delay: number;
  timer: NodeJS.Timeout | undefined;
  tried: boolean;
  /** No more attempts after this time, in ms. */
  readonly until: number;
  /** It was reached before: that it refuses us now will pass. */
  readonly again: boolean;
}

export interface DiallerEvents {
  dial(address: string): Promise<Channel>;
  reached(channel: Channel, address: string): void;
  /** An attempt failed. `isFinal`: there will be no other. */
  failed(address: string, error: unknown, isFinal: boolean): void;
}

export class Dialler {
  readonly #events: DiallerEvents;
  readonly #attempts = new Map<string, Attempt>();
  #stopped = false;

  constructor(events: DiallerEvents) {
    this.#events = events;
  }

  /**
   * Begins to dial an address, if it is not being dialled.
   *
   * @param patience ms after which it is given up
   * @param delay ms before the first attempt
   * @param again whether it was reached before, and is to be reached even if it refuses us
   */
  reach(address: string, patience: number, delay = 0, again = false): void {
    if (this.#stopped || this.#attempts.has(address) || this.#attempts.size >= mostAttempts) return;
    const attempt: Attempt = {
      delay: firstDelay,
      timer: undefined,
      tried: false,
      until: performance.now() + patience,
      again,
    };
    this.#attempts.set(address, attempt);
    if (delay === 0) void this.#try(address, attempt);
    else attempt.timer = setTimeout(() => void this.#try(address, attempt), delay);
  }

  /** Whether some address is being dialled for the first time, apart from these. */
  busy(apart: readonly string[]): boolean {
    return [...this.#attempts].some(([address, { tried }]) => !tried && !apart.includes(address));
  }

  /** Somebody is there already. */
  forget(address: string): void {
    clearTimeout(this.#attempts.get(address)?.timer);
    this.#attempts.delete(address);
  }

  stop(): void {
    this.#stopped = true;
    for (const address of [...this.#attempts.keys()]) this.forget(address);
  }

  async #try(address: string, attempt: Attempt): Promise<void> {
    attempt.timer = undefined;
    try {
      const channel = await this.#events.dial(address);
      if (this.#stopped) return channel.close();
      if (this.#attempts.get(address) === attempt) this.#attempts.delete(address);
      this.#events.reached(channel, address);
    } catch (error) {
      if (this.#attempts.get(address) !== attempt) return;
      attempt.tried = true;
      // Who refuses us now will refuse us in a second, unless it is one that is just stopping, or starting.
      const isRefused =
        isHandoffError(error, 'UNAUTHORIZED') ||
        isHandoffError(error, 'VERSION_MISMATCH') ||
        isHandoffError(error, 'PROTOCOL_ERROR') ||
        isHandoffError(error, 'INVALID_OPTION');
      const isFinal = performance.now() >= attempt.until || (isRefused && !attempt.again);
      if (isFinal) this.#attempts.delete(address);
      else attempt.timer = setTimeout(() => void this.#try(address, attempt), attempt.delay);
      attempt.delay = Math.min(longestDelay, attempt.delay * 2);
      this.#events.failed(address, error, isFinal);
    }
  }
}
