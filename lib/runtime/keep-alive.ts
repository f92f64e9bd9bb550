/**
 * Keeps the process alive while something is under way. Threads and their ports do not: an idle Handoff that was never stopped ends with its
 * program.
 */

// The longest that Node's timers can wait, in ms.
const longest = 2 ** 31 - 1;

export class KeepAlive {
  #held = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Keeps the process alive until the work is done. */
  async during<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    if (this.#held++ === 0) (this.#timer ??= setInterval(() => {}, longest)).ref();
    try {
      return await work();
    } finally {
      if (--this.#held === 0) this.#timer?.unref();
    }
  }

  /** Nothing will be under way any more. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
