/** The cache of a Handoff. Loaded only when a run uses it. */
import { ResultCache } from '../../engine/cache/result-cache.ts';
import { RunCache, type RunCacheParts } from '../../engine/cache/run-cache.ts';
import type { CacheStore } from '../../journal/cache-store.ts';

export class Caching {
  readonly #cache: ResultCache;

  /** @param maxResultBytes the maximum size of a result that is kept */
  constructor(store: CacheStore, maxResultBytes: number) {
    this.#cache = new ResultCache(store, maxResultBytes);
  }

  /** The cache of a run; undefined when nothing of it may be cached. */
  ofRun(parts: Omit<RunCacheParts, 'cache'>): RunCache | undefined {
    const cache = new RunCache({ ...parts, cache: this.#cache });
    return cache.isNeeded ? cache : undefined;
  }

  async close(): Promise<void> {
    await this.#cache.close();
  }
}
