/**
 * How much results may hold, all runs together. What is over goes to disk, the least recently used first; who needs it
 * then reads it from there.
 *
 * ```
 *   least recently used                       most recently used
 *   ┌───────┬───────┬───────┬───────┬───────┬───────┐
 *   │writing│writing│       │       │       │       │    bytes in memory ≤ budget, but for what is being written
 *   └───────┴───────┴───────┴───────┴───────┴───────┘
 * ```
 */
import { Payload, partsOf, spilled } from './payload.ts';
import type { SpillFolder } from './spill-folder.ts';

// So much of the budget is filled before anything is written, so that there is room for what comes meanwhile.
const fill = 0.75;

// From here on nothing more is started: what runs will bring results too.
const pressing = 0.875;

// More at once would only take turns.
const mostWrites = 4;

// After a failed write the next is tried so much later, in ms; twice as much after each that fails, too.
const firstPause = 1000;
const longestPause = 60_000;

export interface ResultMemoryEvents {
  /** So much is held that nothing more should be started, or no longer. */
  pressed(isPressed: boolean): void;
  /** A result could not be written. Until the next try results stay in memory, however many. */
  failed(failure: SpillFailure): void;
}

export interface SpillFailure {
  readonly error: unknown;
  /** That results hold now. */
  readonly bytes: number;
  /** ms until the next try. */
  readonly retryIn: number;
}

export class ResultMemory {
  /** In bytes. */
  readonly budget: number;
  readonly #folder: SpillFolder;
  readonly #events: ResultMemoryEvents;
  /** What is in memory, the least recently used first. */
  readonly #resident = new Map<Payload, number>();
  readonly #writing = new Set<Payload>();
  #bytes = 0;
  #bytesBeingWritten = 0;
  #isPressed = false;
  #isStopped = false;
  #pause = firstPause;
  /** Set after a failed write, until the next try. */
  #retry: NodeJS.Timeout | undefined;
  /** Writes under way. */
  readonly #writes = new Set<Promise<void>>();

  constructor(budget: number, folder: SpillFolder, events: ResultMemoryEvents) {
    this.budget = budget;
    this.#folder = folder;
    this.#events = events;
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A result is held from now on. */
  add(payload: Payload): void {
    const bytes = payload.byteLength;
    // What is shared for real cannot go to disk.
    if (bytes === 0 || (payload.data.kind === 'encoded' && payload.data.live === true)) return;
    this.#resident.set(payload, bytes);
    this.#bytes += bytes;
    this.#relieve();
  }

  /** It is being used: others go first. */
  touch(payload: Payload): void {
    const bytes = this.#resident.get(payload);
    if (bytes === undefined) return;
    this.#resident.delete(payload);
    this.#resident.set(payload, bytes);
  }

  /** Nobody needs it any more. */
  remove(payload: Payload): void {
    this.#forget(payload);
    // It goes with the folder.
    if (payload.data.kind === 'spilled') this.#folder.remove(payload.data.file).catch(() => {});
    this.#relieve();
  }

  /** Writes nothing more; resolves when nothing is being written. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#resident.clear();
    clearTimeout(this.#retry);
    await Promise.all(this.#writes);
  }

  #forget(payload: Payload): void {
    const bytes = this.#resident.get(payload);
    if (bytes === undefined) return;
    this.#resident.delete(payload);
    this.#bytes -= bytes;
  }

  #relieve(): void {
    for (const [payload, bytes] of this.#resident) {
      if (
        this.#retry !== undefined ||
        this.#writing.size >= mostWrites ||
        this.#bytes - this.#bytesBeingWritten <= this.budget * fill
      )
        break;
      if (this.#writing.has(payload)) continue;
      const write = this.#write(payload, bytes);
      this.#writes.add(write);
      void write.then(() => this.#writes.delete(write));
    }
    const isPressed = this.#bytes > this.budget * pressing && this.#retry === undefined;
    if (isPressed === this.#isPressed) return;
    this.#isPressed = isPressed;
    this.#events.pressed(isPressed);
  }

  async #write(payload: Payload, bytes: number): Promise<void> {
    this.#writing.add(payload);
    this.#bytesBeingWritten += bytes;
    try {
      const file = await this.#folder.write(partsOf(payload.data));
      this.#pause = firstPause;
      if (this.#resident.has(payload)) {
        this.#forget(payload);
        payload.data = spilled(payload.data, file);
      } else {
        await this.#folder.remove(file).catch(() => {}); // nobody needs it any more
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#writing.delete(payload);
      this.#bytesBeingWritten -= bytes;
      this.#relieve();
    }
  }

  /** Those that were being written at the same time fail for the same reason: once is enough. */
  #failed(error: unknown): void {
    if (this.#retry !== undefined || this.#isStopped) return;
    const retryIn = this.#pause;
    this.#pause = Math.min(2 * retryIn, longestPause);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#relieve();
    }, retryIn);
    this.#retry.unref();
    this.#events.failed({ error, bytes: this.#bytes, retryIn });
  }
}
