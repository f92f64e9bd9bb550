/**
 * The memory budget of results, for all runs together. What exceeds it goes to disk, least recently used first, and is
 * read from there when needed.
 *
 * ```
 *   least recently used                       most recently used
 *   ┌───────┬───────┬───────┬───────┬───────┬───────┐
 *   │writing│writing│       │       │       │       │    bytes in memory ≤ budget, apart from those being written
 *   └───────┴───────┴───────┴───────┴───────┴───────┘
 * ```
 */
import { Payload, partsOf, spilled } from './payload.ts';
import type { SpillFolder } from './spill-folder.ts';

// The share of the budget above which results are written, so that there is room for those that arrive meanwhile.
const fillShare = 0.75;

// The share of the budget above which no more functions start: those that run will bring results too.
const pressedShare = 0.875;

// More parallel writes would only wait for each other.
const maxWrites = 4;

// ms between a failed write and the next try. Doubles with every further failure, up to the maximum.
const minPauseMs = 1000;
const maxPauseMs = 60_000;

export interface ResultMemoryEvents {
  /** Memory use passed the limit for starting functions, in either direction. */
  pressed(isPressed: boolean): void;
  /** A result could not be written. Until the next try, results stay in memory, even above the budget. */
  failed(failure: SpillFailure): void;
}

export interface SpillFailure {
  readonly error: unknown;
  /** Bytes that results hold now. */
  readonly bytes: number;
  /** ms until the next try. */
  readonly retryIn: number;
}

export class ResultMemory {
  /** In bytes. */
  readonly budget: number;
  readonly #folder: SpillFolder;
  readonly #events: ResultMemoryEvents;
  /** Results in memory, least recently used first. */
  readonly #resident = new Map<Payload, number>();
  readonly #writing = new Set<Payload>();
  #bytes = 0;
  #bytesBeingWritten = 0;
  #isPressed = false;
  #isStopped = false;
  #pause = minPauseMs;
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

  /** Counts a result from now on. */
  add(payload: Payload): void {
    const bytes = payload.byteLength;
    // Memory shared with the user cannot go to disk.
    if (bytes === 0 || (payload.data.kind === 'encoded' && payload.data.live === true)) return;
    this.#resident.set(payload, bytes);
    this.#bytes += bytes;
    this.#relieve();
  }

  /** Marks a result as recently used. */
  touch(payload: Payload): void {
    const bytes = this.#resident.get(payload);
    if (bytes === undefined) return;
    this.#resident.delete(payload);
    this.#resident.set(payload, bytes);
  }

  /** Stops counting a result that is no longer needed. */
  remove(payload: Payload): void {
    this.#forget(payload);
    // If this fails, the file is removed with its folder.
    if (payload.data.kind === 'spilled') this.#folder.remove(payload.data.file).catch(() => {});
    this.#relieve();
  }

  /** Starts no more writes; resolves when those under way have ended. */
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
        this.#writing.size >= maxWrites ||
        this.#bytes - this.#bytesBeingWritten <= this.budget * fillShare
      )
        break;
      if (this.#writing.has(payload)) continue;
      const write = this.#write(payload, bytes);
      this.#writes.add(write);
      void write.then(() => this.#writes.delete(write));
    }
    const isPressed = this.#bytes > this.budget * pressedShare && this.#retry === undefined;
    if (isPressed === this.#isPressed) return;
    this.#isPressed = isPressed;
    this.#events.pressed(isPressed);
  }

  async #write(payload: Payload, bytes: number): Promise<void> {
    this.#writing.add(payload);
    this.#bytesBeingWritten += bytes;
    try {
      const file = await this.#folder.write(partsOf(payload.data));
      this.#pause = minPauseMs;
      if (this.#resident.has(payload)) {
        this.#forget(payload);
        payload.data = spilled(payload.data, file);
      } else {
        await this.#folder.remove(file).catch(() => {}); // no longer needed
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#writing.delete(payload);
      this.#bytesBeingWritten -= bytes;
      this.#relieve();
    }
  }

  /** Parallel writes fail for the same reason, so only the first failure counts. */
  #failed(error: unknown): void {
    if (this.#retry !== undefined || this.#isStopped) return;
    const retryIn = this.#pause;
    this.#pause = Math.min(2 * retryIn, maxPauseMs);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#relieve();
    }, retryIn);
    this.#retry.unref();
    this.#events.failed({ error, bytes: this.#bytes, retryIn });
  }
}
