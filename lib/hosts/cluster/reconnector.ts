/** Dials addresses, with increasing pauses, until a host answers. */
import { isHandoffError } from '../../core/errors.ts';
import type { Channel } from '../transport/transport.ts';

const minDelayMs = 100;
const maxDelayMs = 5000;
// Limits addresses dialled at the same time: hosts announce others, and a faulty one may announce any number.
const maxAttempts = 10_000;

interface Attempt {
  delay: number;
  timer: NodeJS.Timeout | undefined;
  tried: boolean;
  /** No further attempts after this time, by `performance.now()`. */
  readonly until: number;
  /** Its host was connected before, so a refusal is probably temporary. */
  readonly again: boolean;
}

export interface ReconnectorEvents {
  dial(address: string): Promise<Channel>;
  reached(channel: Channel, address: string): void;
  /** An attempt failed. `isFinal`: there will be no further one. */
  failed(address: string, error: unknown, isFinal: boolean): void;
}

export class Reconnector {
  readonly #events: ReconnectorEvents;
  readonly #attempts = new Map<string, Attempt>();
  #stopped = false;

  constructor(events: ReconnectorEvents) {
    this.#events = events;
  }

  /**
   * Starts dialling an address, unless it is being dialled.
   *
   * @param patience ms after which to give up
   * @param delay ms before the first attempt. Default 0
   * @param again whether its host was connected before; dialling then continues after a refusal. Default false
   */
  reach(address: string, patience: number, delay = 0, again = false): void {
    if (this.#stopped || this.#attempts.has(address) || this.#attempts.size >= maxAttempts) return;
    const attempt: Attempt = {
      delay: minDelayMs,
      timer: undefined,
      tried: false,
      until: performance.now() + patience,
      again,
    };
    this.#attempts.set(address, attempt);
    if (delay === 0) void this.#try(address, attempt);
    else attempt.timer = setTimeout(() => void this.#try(address, attempt), delay);
  }

  /** Makes the next attempt for an address now, if it is being dialled again. */
  hurry(address: string): void {
    const attempt = this.#attempts.get(address);
    if (attempt?.timer === undefined || !attempt.tried) return;
    clearTimeout(attempt.timer);
    void this.#try(address, attempt);
  }

  /** Whether the first attempt for some other address is still open. */
  busy(apart: readonly string[]): boolean {
    return [...this.#attempts].some(([address, { tried }]) => !tried && !apart.includes(address));
  }

  /** Stops dialling an address: its host is connected. */
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
      // A refusal is final, unless the host may just be stopping or starting.
      const isRefused =
        isHandoffError(error, 'UNAUTHORIZED') ||
        isHandoffError(error, 'VERSION_MISMATCH') ||
        isHandoffError(error, 'PROTOCOL_ERROR') ||
        isHandoffError(error, 'INVALID_OPTION');
      const isFinal = performance.now() >= attempt.until || (isRefused && !attempt.again);
      if (isFinal) this.#attempts.delete(address);
      else attempt.timer = setTimeout(() => void this.#try(address, attempt), attempt.delay);
      attempt.delay = Math.min(maxDelayMs, attempt.delay * 2);
      this.#events.failed(address, error, isFinal);
    }
  }
}
