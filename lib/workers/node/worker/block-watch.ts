/**
 * Finds concurrent functions that hold their thread while others wait on it. A late timer shows that the thread was held.
 * From then on, for a while, each piece of code is timed, because only that shows which function does it; until then it
 * would cost each promise more than most functions are worth. A thread that begins or ends functions all the time is busy,
 * but none of them holds it.
 */
import { type AsyncHook, createHook } from 'node:async_hooks';
import type { Item } from './item.ts';

// A thread that is held for less than this many ms is not worth a report.
const longMs = 100;

// How often a timer checks, and how long each piece of code is timed after the last that was too long, in ms.
const checkMs = 100;
const traceMs = 10_000;

// At most one report in this many ms.
const pauseMs = 1000;

export interface BlockWatchParts {
  /** The function whose code runs at this moment. */
  current(): Item | undefined;
  /** @param item the function; undefined: it is not known which one it was */
  report(item: Item | undefined, ms: number): void;
}

export class BlockWatch {
  readonly #parts: BlockWatchParts;
  #timer: NodeJS.Timeout | undefined;
  #hook: AsyncHook | undefined;
  #begun = 0;
  /** When the timer was last on time. */
  #checkedAt = 0;
  #cpu = 0;
  /** When a function last began or ended. */
  #passedAt = 0;
  /** The longest time, in ms, in which none began or ended since the timer is due. */
  #longestMs = 0;
  #tracedUntil = 0;
  #reportedAt = -Infinity;

  constructor(parts: BlockWatchParts) {
    this.#parts = parts;
  }

  /** Others wait while a function holds the thread. */
  start(): void {
    this.#checkedAt = performance.now();
    this.#longestMs = 0;
    this.#cpu = cpuMs();
    this.#timer ??= setInterval(() => this.#check(), checkMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#trace(false);
  }

  /** A function begins or has ended. */
  passed(now: number): void {
    const due = this.#checkedAt + checkMs;
    if (now > due) this.#longestMs = Math.max(this.#longestMs, now - Math.max(due, this.#passedAt));
    this.#passedAt = now;
  }

  /** A function ran from `begun` on without a break. */
  ran(item: Item, begun: number): void {
    const now = performance.now();
    if (now - begun >= longMs) this.#found(item, now - begun);
  }

  #check(): void {
    const now = performance.now();
    this.passed(now);
    const heldMs = this.#longestMs;
    this.#longestMs = 0;
    const late = now - this.#checkedAt - checkMs;
    const cpu = cpuMs() - this.#cpu;
    const isReported = this.#reportedAt >= this.#checkedAt;
    this.#checkedAt = now;
    this.#cpu += cpu;
    if (heldMs < longMs) {
      if (this.#hook !== undefined && now > this.#tracedUntil) this.#trace(false);
      return;
    }
    // A thread that did not get to run was not held by its functions.
    if (!isReported && this.#hook === undefined && cpu >= late / 2) this.#found(undefined, heldMs);
    this.#tracedUntil = now + traceMs;
    this.#trace(true);
  }

  #found(item: Item | undefined, ms: number): void {
    const now = performance.now();
    if (now - this.#reportedAt < pauseMs) return;
    // The next one, whose function will be known, is worth a report at once.
    if (item !== undefined) this.#reportedAt = now;
    this.#parts.report(item, ms);
  }

  #trace(on: boolean): void {
    if (on === (this.#hook !== undefined)) return;
    if (!on) {
      this.#hook!.disable();
      this.#hook = undefined;
      return;
    }
    this.#hook = createHook({
      before: () => (this.#begun = performance.now()),
      after: () => {
        const item = this.#parts.current();
        if (item !== undefined) this.ran(item, this.#begun);
      },
    }).enable();
  }
}

/** CPU time of this thread in ms; without an answer, as much as there can be. */
function cpuMs(): number {
  if (typeof process.threadCpuUsage !== 'function') return performance.now();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
