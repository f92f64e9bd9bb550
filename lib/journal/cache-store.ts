/**
 * Where results are kept for later runs, by the hash of what they were made from. It may forget anything at any time:
 * results that are gone are computed again. One contract suite holds for every implementation.
 */

/** A kept result. */
export interface CachedResult {
  readonly key: string;
  /** Equal for equal values. */
  readonly identity: string;
  readonly isTruthy: boolean;
  /** ms since the epoch. */
  readonly storedAt: number;
  /** The bytes, if they were asked for and are few. Otherwise `read` gives them. */
  readonly bytes?: Uint8Array | undefined;
}

export interface ResultToCache {
  readonly key: string;
  readonly identity: string;
  readonly isTruthy: boolean;
  readonly bytes: Uint8Array;
  /** The SHA-256 of the bytes, where it is known. */
  readonly hash?: string | undefined;
}

export interface CacheStats {
  /** The number of results. */
  readonly results: number;
  /** Their size. */
  readonly bytes: number;
  /** The limit of their size. */
  readonly maxBytes: number;
}

/** All methods reject with `JOURNAL_FAILED` when the store fails. */
export interface CacheStore {
  /**
   * The results of these keys; undefined for those without one.
   *
   * @param wantsBytes whether the bytes of the result at this position are needed in any case
   */
  find(keys: readonly string[], wantsBytes: (at: number) => boolean): Promise<readonly (CachedResult | undefined)[]>;

  /** Keeps results. Beyond the limit, the least recently used are deleted. */
  put(results: readonly ResultToCache[]): Promise<void>;

  /** The bytes of a result that was found; undefined when they are damaged or gone. Then the result is deleted. */
  read(result: CachedResult): Promise<Uint8Array | undefined>;

  stats(): Promise<CacheStats>;

  /** Deletes all results. Returns their number. */
  clear(): Promise<number>;

  close(): Promise<void>;
}
