/** How far a run is, from its events: counts, rate, what runs where. */
import type { HandoffEvent } from './events.ts';

export interface ProgressState {
  readonly dagId: string;
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly retries: number;
  /** Functions that run, with their node, in the order they began. */
  readonly running: ReadonlyMap<string, string>;
  /** ms since the run began. */
  readonly elapsed: number;
  /** ms that the rest should take at the rate so far; undefined before anything is done. */
  readonly remaining: number | undefined;
}

/** Follows one run. */
export class ProgressTracker {
  readonly #dagId: string;
  readonly #running = new Map<string, string>();
  #total = 0;
  #done = 0;
  #failed = 0;
  #retries = 0;
  #startedAt: number | undefined;

  constructor(dagId: string) {
    this.#dagId = dagId;
  }

  record(event: HandoffEvent): void {
    if (!('dagId' in event) || event.dagId !== this.#dagId) return;
    switch (event.type) {
      case 'run:started':
        this.#total = event.functions;
        this.#startedAt = event.at;
        return;
      case 'function:started':
        this.#running.set(event.functionId, event.node);
        return;
      case 'function:finished':
        this.#done++;
        this.#running.delete(event.functionId);
        return;
      case 'function:retried':
        this.#retries++;
        this.#running.delete(event.functionId);
        return;
      case 'function:failed':
        this.#failed++;
        this.#running.delete(event.functionId);
    }
  }

  /** @param at ms since the epoch */
  state(at: number): ProgressState {
    const elapsed = this.#startedAt === undefined ? 0 : at - this.#startedAt;
    return {
      dagId: this.#dagId, total: this.#total, done: this.#done, failed: this.#failed, retries: this.#retries, running: this.#running, elapsed,
      remaining: this.#done === 0 ? undefined : (elapsed / this.#done) * (this.#total - this.#done - this.#failed),
    };
  }
}
