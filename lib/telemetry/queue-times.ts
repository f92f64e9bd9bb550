/**
 * How long functions of a run waited for a thread: from the latest end of their dependencies (or the start of the run)
 * to their own start. Ends may be reported in any order, because threads and hosts report independently.
 */
import type { RunShape } from './run-shape.ts';

/** A function that has started, with dependencies whose ends are not reported yet. */
interface Begun {
  readonly i: number;
  readonly at: number;
}

export class QueueTimes {
  readonly #shape: RunShape;
  readonly #startedAt: number;
  readonly #report: (i: number, ms: number) => void;
  /** Indexed by function: ms since the epoch; NaN if not reported yet. */
  readonly #ended: Float64Array;
  /** For each function that is not reported yet: the functions that wait for its end. */
  readonly #waiting = new Map<number, Begun[]>();

  /**
   * @param startedAt ms since the epoch; NaN if unknown, and functions without dependencies are then skipped
   * @param report called once for each function
   */
  constructor(shape: RunShape, startedAt: number, report: (i: number, ms: number) => void) {
    this.#shape = shape;
    this.#startedAt = startedAt;
    this.#report = report;
    this.#ended = new Float64Array(shape.size).fill(Number.NaN);
  }

  /** Records that the first attempt of a function started. */
  begun(i: number, at: number): void {
    let ready = this.#startedAt;
    for (const dep of this.#shape.depsOf(i)) {
      const ended = this.#ended[dep]!;
      if (Number.isNaN(ended)) return this.#wait(dep, { i, at });
      if (!(ended <= ready)) ready = ended;
    }
    if (!Number.isNaN(ready)) this.#report(i, Math.max(0, at - ready));
  }

  /** Records that a function returned its result. */
  ended(i: number, at: number): void {
    this.#ended[i] = at;
    const waiting = this.#waiting.get(i);
    if (waiting === undefined) return;
    this.#waiting.delete(i);
    for (const begun of waiting) this.begun(begun.i, begun.at);
  }

  #wait(dep: number, begun: Begun): void {
    const waiting = this.#waiting.get(dep);
    if (waiting === undefined) this.#waiting.set(dep, [begun]);
    else waiting.push(begun);
  }
}
