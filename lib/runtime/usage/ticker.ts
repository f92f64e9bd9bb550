/** Repeats an action as long as it is needed. */
export class Ticker {
  readonly #interval: number;
  readonly #work: () => Promise<boolean>;
  #timer: NodeJS.Timeout | undefined;
  #working = false;
  #stopped = false;

  /**
   * @param interval ms between the end of one action and the start of the next
   * @param work resolves to whether to continue
   */
  constructor(interval: number, work: () => Promise<boolean>) {
    this.#interval = interval;
    this.#work = work;
  }

  /** Has no effect while it is running. */
  start(): void {
    this.#stopped = false;
    if (this.#timer !== undefined || this.#working) return;
    this.#timer = setTimeout(() => void this.#tick(), this.#interval);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #tick(): Promise<void> {
    this.#timer = undefined;
    this.#working = true;
    let goesOn = false;
    try {
      goesOn = await this.#work();
    } finally {
      this.#working = false;
      if (goesOn && !this.#stopped) this.start();
    }
  }
}
