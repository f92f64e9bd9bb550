/** A thread in virtual time with its seats: each concurrent function on it runs as on a thread of its own. */
import { SimThread, type ThreadWorld } from './sim-thread.ts';
import type { SentBatch } from './wire.ts';

export class SimSharedThread {
  readonly #world: ThreadWorld;
  readonly #own: SimThread;
  /** By batch. */
  readonly #seats = new Map<number, SimThread>();

  constructor(world: ThreadWorld) {
    this.#world = world;
    this.#own = new SimThread(world);
  }

  accept(sent: SentBatch): void {
    const { id, thread } = sent.batch;
    if (thread.of === null) return this.#own.accept(sent);
    for (const [batch, seat] of this.#seats) if (seat.isIdle) this.#seats.delete(batch);
    const seat = new SimThread(this.#world);
    this.#seats.set(id, seat);
    seat.accept(sent);
  }

  import(batch: number, place: number, gave: boolean): void {
    this.#own.import(batch, place, gave);
  }

  /** Returns the new end of a batch; undefined if the batch is done. */
  takeBack(batch: number, count: number): number | undefined {
    return this.#of(batch).takeBack(batch, count);
  }

  cancel(batch: number): void {
    this.#of(batch).cancel(batch);
  }

  /** Whether a function of the batch is running. */
  runs(batch: number): boolean {
    return this.#of(batch).runs(batch);
  }

  /** The number of started functions of each batch. */
  get started(): { readonly batch: number; readonly started: number }[] {
    return [...this.#seats.values(), this.#own].flatMap((thread) => thread.started);
  }

  die(): void {
    for (const seat of this.#seats.values()) seat.die();
    this.#own.die();
  }

  #of(batch: number): SimThread {
    return this.#seats.get(batch) ?? this.#own;
  }
}
