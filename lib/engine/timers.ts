/** The scheduler's timers, by number. */
import { type LongTimeout, setLongTimeout } from '../core/long-timeout.ts';

export class Timers {
  readonly #fired: (timer: number) => void;
  readonly #running = new Map<number, LongTimeout>();

  constructor(fired: (timer: number) => void) {
    this.#fired = fired;
  }

  set(timer: number, ms: number): void {
    this.#running.set(
      timer,
      setLongTimeout(() => {
        this.#running.delete(timer);
        this.#fired(timer);
      }, ms),
    );
  }

  clear(timer: number): void {
    this.#running.get(timer)?.clear();
    this.#running.delete(timer);
  }

  stop(): void {
    for (const timer of this.#running.values()) timer.clear();
    this.#running.clear();
  }
}
