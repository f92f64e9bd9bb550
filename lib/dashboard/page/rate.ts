/** The number of functions done per second, over the last seconds. */

/** ms. */
const windowMs = 3000;

export class RateMeter {
  #samples: { readonly at: number; readonly done: number }[] = [];

  /** @param at ms from the run's start */
  add(at: number, done: number): void {
    this.#samples.push({ at, done });
    while (this.#samples.length > 2 && this.#samples[1]!.at < at - windowMs) this.#samples.shift();
  }

  /** undefined without enough data. */
  get perSecond(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at - first.at < 200) return undefined;
    return Math.max(last.done - first.done, 0) / ((last.at - first.at) / 1000);
  }

  clear(): void {
    this.#samples = [];
  }
}
