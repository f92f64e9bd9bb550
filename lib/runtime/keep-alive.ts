/**
 * Keeps the process alive during operations. Threads and ports do not, so an idle Handoff that was never stopped ends
 * with its program.
 */

// The maximum delay of a Node timer, in ms.
const maxDelayMs = 2 ** 31 - 1;

export class KeepAlive {
  #held = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Keeps the process alive until the work is done. */
  async during<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    if (this.#held++ === 0) (this.#timer ??= setInterval(() => {}, maxDelayMs)).ref();
    try {
      return await work();
    } finally {
      if (--this.#held === 0) this.#timer?.unref();
    }
  }

  /** Called when no more operations follow. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
