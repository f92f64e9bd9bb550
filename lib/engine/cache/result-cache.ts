/**
 * The cache of results, as runs use it. Results are written in the background, many at a time. A store that fails makes
 * the cache miss, and is reported once.
 */
import { textOf } from '../../core/error-wire.ts';
import type { CachedResult, CacheStore, ResultToCache } from '../../journal/cache-store.ts';

/** The maximum number of results, and of bytes, in one write, so that it does not hold the event loop for long. */
const maxWrite = 256;
const maxWriteBytes = 4 * 2 ** 20;

/** Beyond this many bytes that wait to be written, results are left out. */
const maxWaitingBytes = 64 * 2 ** 20;

const none: readonly undefined[] = Object.freeze([]) as readonly undefined[];

export class ResultCache {
  /** Larger results are not kept. */
  readonly maxResultBytes: number;
  readonly #store: CacheStore;
  readonly #reported = new Set<string>();
  #waiting: ResultToCache[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;

  constructor(store: CacheStore, maxResultBytes: number) {
    this.#store = store;
    this.maxResultBytes = maxResultBytes;
  }

  /** As `find` of the store. */
  async find(
    keys: readonly string[],
    wantsBytes: (at: number) => boolean,
  ): Promise<readonly (CachedResult | undefined)[]> {
    try {
      return await this.#store.find(keys, wantsBytes);
    } catch (error) {
      this.#report('read', `The cache cannot be read, so functions run. ${textOf(error)}`);
      return none;
    }
  }

  /** The bytes of a result; undefined when they are damaged or gone. */
  async read(result: CachedResult): Promise<Uint8Array | undefined> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.#store.read(result);
    } catch {
      // as if it were gone
    }
    if (bytes === undefined)
      this.#report('damage', 'A result in the cache is damaged or gone, so its function runs again.');
    return bytes;
  }

  /** Keeps a result, soon. */
  add(result: ResultToCache): void {
    const { length } = result.bytes;
    if (length > this.maxResultBytes || this.#waitingBytes + length > maxWaitingBytes) return;
    this.#waiting.push(result);
    this.#waitingBytes += length;
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
  }

  /** A result of a function cannot be kept. */
  refuse(functionId: string, why: string): void {
    this.#report(
      'refusal',
      `The result of function ${JSON.stringify(functionId)} is not cached: ${why}. The same may hold for others.`,
    );
  }

  /** Resolves when everything that was added is kept. */
  async written(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async close(): Promise<void> {
    await this.written();
    await this.#store.close();
  }

  async #writeAll(): Promise<void> {
    do {
      await new Promise(setImmediate); // what else happens in this turn comes along
      const results = this.#take();
      try {
        await this.#store.put(results);
      } catch (error) {
        this.#report('write', `Results cannot be written to the cache. ${textOf(error)}`);
      }
    } while (this.#waiting.length > 0);
  }

  #take(): readonly ResultToCache[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && count < maxWrite && (count === 0 || bytes < maxWriteBytes))
      bytes += this.#waiting[count++]!.bytes.length;
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  /** Warns once of each kind. */
  #report(kind: string, text: string): void {
    if (this.#reported.has(kind)) return;
    this.#reported.add(kind);
    process.emitWarning(text, 'HandoffWarning');
  }
}
