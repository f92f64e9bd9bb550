/** A cache in the memory of this process, for specs and the simulator. */
import type { CachedResult, CacheStats, CacheStore, ResultToCache } from '../cache-store.ts';
import { withChecksum, withoutChecksum } from '../inline-bytes.ts';
import { wallClock } from '../wall-clock.ts';

/** `inline`: its bytes, with a checksum. */
type Held = CachedResult & { readonly inline: Uint8Array };

export class MemoryCache implements CacheStore {
  /** In the order of their last use. */
  readonly #results = new Map<string, Held>();
  readonly #maxBytes: number;

  constructor(maxBytes = Infinity) {
    this.#maxBytes = maxBytes;
  }

  async find(
    keys: readonly string[],
    wantsBytes: (at: number) => boolean,
  ): Promise<readonly (CachedResult | undefined)[]> {
    return keys.map((key, at) => {
      const found = this.#results.get(key);
      if (found === undefined) return undefined;
      this.#insert(found);
      const { inline, ...result } = found;
      const bytes = wantsBytes(at) ? withoutChecksum(inline) : undefined;
      return bytes === undefined ? result : { ...result, bytes };
    });
  }

  async put(results: readonly ResultToCache[]): Promise<void> {
    for (const { bytes, hash: _, ...result } of results)
      if (bytes.length <= this.#maxBytes)
        this.#insert({ ...result, storedAt: wallClock(), inline: withChecksum(bytes) });
    let excess = this.#bytes() - this.#maxBytes;
    for (const { key, inline } of this.#results.values()) {
      if (excess <= 0) return;
      excess -= inline.length;
      this.#results.delete(key);
    }
  }

  async read({ key, identity }: CachedResult): Promise<Uint8Array | undefined> {
    const found = this.#results.get(key);
    if (found?.identity !== identity) return undefined; // it was replaced
    const bytes = withoutChecksum(found.inline);
    if (bytes === undefined) this.#results.delete(key);
    return bytes;
  }

  async stats(): Promise<CacheStats> {
    return { results: this.#results.size, bytes: this.#bytes(), maxBytes: this.#maxBytes };
  }

  async clear(): Promise<number> {
    const { size } = this.#results;
    this.#results.clear();
    return size;
  }

  async close(): Promise<void> {}

  #insert(result: Held): void {
    this.#results.delete(result.key);
    this.#results.set(result.key, result);
  }

  #bytes(): number {
    let bytes = 0;
    for (const { inline } of this.#results.values()) bytes += inline.length;
    return bytes;
  }
}
