/**
 * How long functions of a run waited for a thread after all that they need was there: from the latest end of what they depend on, or the run's
 * start, to their beginning. Word of the ends may come in any order, as threads and hosts tell each for itself.
 */
import type { RunShape } from './run-shape.ts';

/** A function that has begun, and whose dependencies have not all been told of. */
interface Begun {
  readonly i: number;
  readonly at: number;
}

export class QueueTimes {
  readonly #shape: RunShape;
  readonly #startedAt: number;
  readonly #tell: (i: number, ms: number) => void;
  /** By function: ms since the epoch; NaN: not told yet. */
  readonly #ended: Float64Array;
  /** By function that is not told of: who waits for word of it. */
  readonly #waiting = new Map<number, Begun[]>();

  /**
   * @param startedAt ms since the epoch; NaN: not known, and then functions that depend on nothing are passed over
   * @param tell called once for each function
   */
  constructor(shape: RunShape, startedAt: number, tell: (i: number, ms: number) => void) {
    this.#shape = shape;
    this.#startedAt = startedAt;
    this.#tell = tell;
    this.#ended = new Float64Array(shape.size).fill(Number.NaN);
  }

  /** A function has begun its first attempt. */
  begun(i: number, at: number): void {
    let ready = this.#startedAt;
    for (const dep of this.#shape.depsOf(i)) {
      const ended = this.#ended[dep]!;
      if (Number.isNaN(ended)) return this.#wait(dep, { i, at });
      if (!(ended <= ready)) ready = ended;
    }
    if (!Number.isNaN(ready)) this.#tell(i, Math.max(0, at - ready));
  }

  /** A function has given its result. */
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
