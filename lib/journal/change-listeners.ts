/** Listeners to changes of a journal that several processes share. */

/** Changes that give no sign, such as the death of a process, are noticed after this time, in ms. */
const intervalMs = 1000;

/** Changes within this time, in ms, are one. */
const delayMs = 25;

export class ChangeListeners {
  readonly #calls = new Set<() => void>();

  /** @returns ends the calls */
  add(listener: () => void): () => void {
    let isDue = false;
    const call = (): void => {
      if (isDue) return;
      isDue = true;
      setTimeout(() => {
        isDue = false;
        if (this.#calls.has(call)) listener();
      }, delayMs).unref();
    };
    this.#calls.add(call);
    const timer = setInterval(call, intervalMs).unref();
    return () => {
      clearInterval(timer);
      this.#calls.delete(call);
    };
  }

  /** Something has changed. */
  changed(): void {
    for (const call of this.#calls) call();
  }

  /** Ends all calls. */
  clear(): void {
    this.#calls.clear();
  }
}
