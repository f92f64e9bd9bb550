/** Waits until no batch of this host remains on the nodes of a host, or on any node. */
import type { Batch, State } from '../scheduling/scheduler/state.ts';

interface Waiter {
  readonly host: number | undefined;
  resolve(): void;
}

export class IdleWaiters {
  readonly #batches: ReadonlyMap<number, Batch>;
  readonly #waiters = new Set<Waiter>();

  constructor({ batches }: State) {
    this.#batches = batches;
  }

  /** @param host the number of a host; undefined: all */
  wait(host?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add({ host, resolve });
    this.settle();
    return promise;
  }

  /** Called when a batch may have ended. */
  settle(): void {
    for (const waiter of this.#waiters) {
      if (
        [...this.#batches.values()].some(({ thread }) => waiter.host === undefined || thread.node.host === waiter.host)
      )
        continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
