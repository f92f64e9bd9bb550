/** Worker threads of this process, counted as they come and go. */
import type { Worker } from 'node:worker_threads';

export class ThreadCount {
  #now = 0;
  #most = 0;
  readonly #onWorker = (worker: Worker): void => {
    this.#most = Math.max(this.#most, ++this.#now);
    let isThere = true;
    const gone = (): void => {
      if (isThere) this.#now--;
      isThere = false;
    };
    worker.once('exit', gone);
    const terminate = worker.terminate.bind(worker);
    worker.terminate = () => {
      // it is on its way out
      gone();
      return terminate();
    };
  };

  constructor() {
    process.on('worker', this.#onWorker);
  }

  get now(): number {
    return this.#now;
  }

  /** The most that were there at once since the last call. */
  takeMost(): number {
    const most = this.#most;
    this.#most = this.#now;
    return most;
  }

  stop(): void {
    process.off('worker', this.#onWorker);
  }
}
