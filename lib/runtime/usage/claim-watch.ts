/**
 * Checks whether functions stay within their memory claim, from outside of their thread and only while they run. Use is
 * the growth of the heap since the lowest value after the function was sent. Garbage does not count: if the heap seems
 * too large, garbage is collected before the decision.
 */
import { toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import type { OutgoingBatch } from '../../workers/node/thread-messages.ts';
import { BatchFlag } from '../../workers/node/wire.ts';
import type { WorkerThread } from '../../workers/node/worker-thread.ts';
import { heapMb, liveHeapMb } from './heap.ts';
import { Ticker } from './ticker.ts';

/** A function that uses more memory than it claimed. */
export interface Overuse {
  readonly node: string;
  /** The index of its thread. */
  readonly thread: number;
  /** The number of its batch; negative when another host sent it. */
  readonly batch: number;
  readonly claimedMb: number;
  readonly usedMb: number;
}

interface Watched {
  readonly node: string;
  readonly index: number;
  readonly thread: WorkerThread;
  readonly batch: number;
  readonly claimedMb: number;
  readonly enforced: boolean;
  /** The lowest heap size of its thread since it was sent, in MB. */
  base: number;
  /** How many checks to skip before the next collection, if the last one found only garbage or was late. Doubled. */
  pause: number;
  passing: number;
}

export class ClaimWatch {
  readonly #onOveruse: (overuse: Overuse) => void;
  readonly #watched = new Set<Watched>();
  readonly #ticker: Ticker;

  constructor(interval: number, onOveruse: (overuse: Overuse) => void) {
    this.#onOveruse = onOveruse;
    this.#ticker = new Ticker(interval, async () => {
      await Promise.all([...this.#watched].map((each) => this.#look(each)));
      return this.#watched.size > 0;
    });
  }

  /**
   * Starts to watch a batch that is about to be sent. Only a batch of one function can be judged, and none that shares
   * its thread.
   */
  sent(
    node: string,
    index: number,
    thread: WorkerThread,
    { id, flags, size, claim }: OutgoingBatch,
    enforced: boolean,
  ): void {
    const claimedMb = claim?.['memory'];
    if (size !== 1 || claimedMb === undefined || (flags & BatchFlag.concurrent) !== 0) return;
    const watched: Watched = {
      node,
      index,
      thread,
      batch: id,
      claimedMb,
      enforced,
      base: Infinity,
      pause: 0,
      passing: 0,
    };
    this.#watched.add(watched);
    void this.#measure(watched); // requested before the function is sent, so measured before it begins
    this.#ticker.start();
  }

  stop(): void {
    this.#ticker.stop();
    this.#watched.clear();
  }

  async #measure(watched: Watched): Promise<number | undefined> {
    const { worker } = watched.thread;
    const held = worker && (await heapMb(worker));
    if (held !== undefined) watched.base = Math.min(watched.base, held);
    return held;
  }

  async #look(watched: Watched): Promise<void> {
    const { thread, batch, claimedMb } = watched;
    if (!this.#isThere(watched)) return;
    const held = await this.#measure(watched);
    if (held === undefined || !this.#isThere(watched) || thread.begun(batch) === 0 || held - watched.base <= claimedMb)
      return;
    if (watched.passing-- > 0) return;
    const live = await liveHeapMb(thread.worker!);
    if (!this.#isThere(watched)) return;
    if (live !== undefined) {
      const usedMb = (live === 'unknown' ? held : live) - watched.base;
      if (usedMb > claimedMb) return this.#report(watched, usedMb);
    }
    watched.pause = Math.max(1, 2 * watched.pause);
    watched.passing = watched.pause;
  }

  #isThere(watched: Watched): boolean {
    const isThere = this.#watched.has(watched) && watched.thread.holds(watched.batch);
    if (!isThere) this.#watched.delete(watched);
    return isThere;
  }

  #report(watched: Watched, usedMb: number): void {
    const { node, index, thread, batch, claimedMb, enforced } = watched;
    this.#watched.delete(watched);
    this.#onOveruse({ node, thread: index, batch, claimedMb, usedMb });
    if (!enforced) return;
    const error = new HandoffError(
      'MEMORY_EXCEEDED',
      `It claimed ${round(claimedMb)} MB of memory and used ${round(usedMb)} MB, and node ${node} enforces claims. ` +
        'Raise its cost.memory, or start the node without enforceMemory.',
      {
        node,
        resource: 'memory',
        cost: { memory: claimedMb },
      },
    );
    thread.fail(batch, { error: toErrorWire(error), retryable: false });
  }
}

function round(mb: number): number {
  return Math.round(mb * 10) / 10;
}
