/**
 * Work that fails when something else ends. `Promise.race` with a promise of that end would keep each result for as long
 * as the end has not come.
 */
export class UntilEnd {
  /** How to fail the work that is under way. */
  readonly #waiting = new Set<(error: unknown) => void>();
  readonly #why: () => Error;
  #hasEnded = false;

  /** @param why gives the error of work that the end overtakes */
  constructor(end: Promise<unknown>, why: () => Error) {
    this.#why = why;
    void end.then(() => {
      this.#hasEnded = true;
      for (const fail of this.#waiting) fail(why());
      this.#waiting.clear();
    });
  }

  /** Settles as the work does, or rejects at the end. */
  async race<Value>(work: Promise<Value>): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    if (this.#hasEnded) reject(this.#why());
    this.#waiting.add(reject);
    work.then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#waiting.delete(reject);
    }
  }
}
