/**
 * The part of the cache in one run. A function that may be cached is gated: it waits until the identities of its inputs
 * are known, and is then looked up. A hit gives the identity of its result at once, without its bytes, so that what
 * depends on it can be looked up, too. Bytes are read when a function that runs takes them, or when the run returns them.
 *
 * ```
 *   inputs known ──► key ──► hit ──► done, identity known ──► dependents
 *                       └──► miss ─► runs ─► identity of its result ──► dependents, and the store
 * ```
 */
import { messageOf } from '../../core/message-of.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { CacheOptions } from '../../dag/types.ts';
import type { CachedResult } from '../../journal/cache-store.ts';
import { wallClock } from '../../journal/wall-clock.ts';
import { isOnce } from '../../scheduling/scheduler/failure/once.ts';
import { Payload } from '../../workers/store/payload.ts';
import type { RunResults } from '../../workers/store/run-results.ts';
import { CacheKeys, type Inputs } from './cache-keys.ts';
import type { ResultCache } from './result-cache.ts';
import { fromBytes, plainToBytes } from '../results/stored-values.ts';
import { identifyPayload, identityOf } from '../results/value-identity.ts';

/** The setting of a function or a run. */
export type CacheSetting = boolean | CacheOptions;

/** What is known of the functions that were looked up. */
export interface LookedUp {
  readonly hits: readonly number[];
  readonly misses: readonly number[];
  /** Hits whose result is falsy. */
  readonly falsy: ReadonlySet<number>;
  /** Hits whose bytes have yet to be read, because the run returns them. */
  readonly coming: readonly number[];
}

/** What the cache of a run needs of the run. */
export interface CachedRun {
  readonly results: RunResults;
  /** Whether a function still waits: it was not skipped or given up. */
  isWaiting(i: number): boolean;
  lookedUp(found: LookedUp): void;
  /** The bytes of a hit are here. */
  arrived(i: number): void;
  /** Fetches a result from another host. */
  bring(i: number): Promise<void>;
}

export interface RunCacheParts {
  readonly cache: ResultCache;
  readonly plan: CompiledDag;
  /** The setting of the run. */
  readonly setting: CacheSetting | undefined;
  /** The hash of each module, with everything that it imports. */
  readonly hashes: Readonly<Record<string, string>>;
  /** Which results the run keeps to its end: 1 for each; null for all. */
  readonly kept: Uint8Array | null;
  /** Functions that are done from the beginning. */
  readonly done: ReadonlyMap<number, unknown>;
  /** Whether the run is recorded, with the values of small hits. */
  readonly isRecorded: boolean;
}

const Phase = {
  /** It is not looked up. */
  none: 0,
  /** An input is not known yet. */
  gated: 1,
  /** It is being looked up. */
  asked: 2,
  /** It was looked up. */
  settled: 3,
} as const;

/** The maximum number of keys of one question, and of functions that are reported together. */
const maxAsked = 256;

/** What was found is reported after at most this many ms. */
const reportMs = 2;

export class RunCache {
  readonly gated: Uint8Array;
  /** Functions that were done by a result from the cache. */
  readonly cached = new Set<number>();
  readonly #parts: RunCacheParts;
  readonly #keys: CacheKeys;
  readonly #inputs: Inputs;
  readonly #phase: Uint8Array;
  /** By gated function: the number of inputs whose identity is not known yet, counted per argument. */
  readonly #unknown: Int32Array;
  /** By function: the identity of its result; null when it has none. */
  readonly #identity: (string | null | undefined)[] = [];
  readonly #key: (string | undefined)[] = [];
  readonly #skipped = new Set<number>();
  /** Hits, whose bytes can be read as long as they do not run again. */
  readonly #found = new Map<number, CachedResult>();
  readonly #reading = new Map<number, Promise<void>>();
  /** Functions that may have taken a value from before an input was made again, so their key is not certain. */
  readonly #uncertain = new Set<number>();
  /** How often the result of a function was made again. */
  readonly #remade = new Map<number, number>();
  readonly #learning = new Set<Promise<void>>();
  #asking: number[] = [];
  #isAsking = false;
  #hits: number[] = [];
  #misses: number[] = [];
  #coming: number[] = [];
  #falsy = new Set<number>();
  #reportedAt = 0;
  #run!: CachedRun;
  #isOver = false;

  constructor(parts: RunCacheParts) {
    const { plan, hashes, done } = parts;
    this.#parts = parts;
    this.#keys = new CacheKeys(plan, hashes);
    this.#inputs = {
      identityOf: (i) => this.#identity[i] ?? undefined,
      isSkipped: (i) => this.#skipped.has(i),
      keyOf: (i) => this.#key[i],
    };
    this.gated = Uint8Array.from(plan.entries, (_, i) =>
      Number(!done.has(i) && this.#options(i) !== undefined && this.#keys.isPossible(i)),
    );
    this.#phase = this.gated.slice();
    this.#unknown = plan.inDegree.slice();
  }

  /** Whether there is anything to look up. */
  get isNeeded(): boolean {
    return this.gated.includes(1);
  }

  /** Begins to look up functions. */
  begin(run: CachedRun): void {
    this.#run = run;
    const { plan, done } = this.#parts;
    for (const i of done.keys()) {
      const value = run.results.exists(i) ? run.results.peek(i) : absent;
      if (this.#feeds(i)) this.#learn(i, undefined, value);
    }
    for (let i = 0; i < plan.size; i++) if (this.#unknown[i] === 0) this.#ask(i);
  }

  /** Functions have ended with results, which the run holds now. */
  ended(functions: readonly number[]): void {
    for (const i of functions) {
      if (i >= this.#parts.plan.size) continue;
      const key = this.#uncertain.has(i) ? undefined : this.#key[i];
      if (key !== undefined || this.#feeds(i)) this.#learn(i, key, this.#run.results.peek(i));
    }
  }

  /** A function does not run. */
  skipped(i: number): void {
    if (this.#skipped.has(i)) return;
    this.#skipped.add(i);
    this.#phase[i] = Phase.settled;
    this.#know(i, null);
  }

  /** A map is done. The list of its results has no identity. */
  gathered(i: number): void {
    this.#know(i, null);
  }

  /** Functions run again, because their results were lost. */
  remade(functions: readonly number[]): void {
    const { outOffset, outs } = this.#parts.plan;
    for (const i of functions) {
      this.#found.delete(i);
      this.cached.delete(i);
      this.#remade.set(i, (this.#remade.get(i) ?? 0) + 1);
      const wasKnown = this.#identity[i] !== undefined;
      this.#identity[i] = undefined;
      for (let k = outOffset[i]!; k < outOffset[i + 1]!; k++) {
        const next = outs[k]!;
        if (this.#phase[next] === Phase.gated && wasKnown) this.#unknown[next]!++;
        else if (this.#phase[next] !== Phase.gated) this.#uncertain.add(next);
      }
    }
  }

  /** Those of the functions that are hits and whose bytes are not here. */
  absent(taken: readonly number[]): number[] {
    if (this.#found.size === 0) return [];
    return [...new Set(taken)].filter((i) => this.#found.has(i) && !this.#run.results.exists(i));
  }

  /** Reads the bytes of a hit. Rejects when they are gone. */
  read(i: number): Promise<void> {
    let reading = this.#reading.get(i);
    if (reading === undefined) {
      reading = this.#readNow(i).finally(() => this.#reading.delete(i));
      this.#reading.set(i, reading);
    }
    return reading;
  }

  /** Resolves when the results of this run are kept. */
  async written(): Promise<void> {
    while (this.#learning.size > 0) await Promise.all(this.#learning);
    await this.#parts.cache.written();
  }

  /** The run has ended. */
  end(): void {
    this.#isOver = true;
  }

  /** The options of a function that may be cached. */
  #options(i: number): CacheOptions | undefined {
    const { plan, setting } = this.#parts;
    const own = plan.entries[i]!.traits.cache;
    const applied = own ?? (isOnce(plan, i) ? false : (setting ?? false));
    if (applied === false) return undefined;
    // What the run says of the version and the age holds for functions that say only that they are cached.
    if (applied === true) return typeof setting === 'object' ? setting : {};
    return applied;
  }

  /** Whether a function that is gated takes its result. */
  #feeds(i: number): boolean {
    const { outOffset, outs } = this.#parts.plan;
    for (let k = outOffset[i]!; k < outOffset[i + 1]!; k++) if (this.gated[outs[k]!] === 1) return true;
    return false;
  }

  /** The identity of a result is known. What depends on it may be looked up. */
  #know(i: number, identity: string | null): void {
    if (this.#identity[i] !== undefined) return;
    this.#identity[i] = identity;
    const { outOffset, outs } = this.#parts.plan;
    for (let k = outOffset[i]!; k < outOffset[i + 1]!; k++) if (--this.#unknown[outs[k]!]! === 0) this.#ask(outs[k]!);
  }

  #ask(i: number): void {
    if (this.#phase[i] !== Phase.gated) return;
    this.#phase[i] = Phase.asked;
    this.#asking.push(i);
    if (this.#isAsking) return;
    this.#isAsking = true;
    void this.#askAll();
  }

  async #askAll(): Promise<void> {
    await this.#parts.cache.written(); // earlier results of this process count, too
    this.#reportedAt = performance.now();
    while (this.#asking.length > 0 && !this.#isOver) {
      await this.#askSome(this.#asking.splice(0, maxAsked));
      // With branches, only the scheduler knows what is skipped.
      const isDue =
        this.#hits.length + this.#misses.length >= maxAsked || performance.now() - this.#reportedAt > reportMs;
      if (isDue || this.#asking.length === 0 || this.#parts.plan.branches !== null) await this.#report();
    }
    this.#isAsking = false;
  }

  async #askSome(functions: readonly number[]): Promise<void> {
    const asked: number[] = [];
    const keys: string[] = [];
    for (const i of functions) {
      if (this.#phase[i] !== Phase.asked || !this.#run.isWaiting(i)) continue;
      const key = this.#keyOf(i);
      this.#key[i] = key;
      if (key === undefined || !this.#keys.before(i).every((dep) => this.cached.has(dep) || this.#skipped.has(dep))) {
        this.#miss(i);
        continue;
      }
      asked.push(i);
      keys.push(key);
    }
    if (keys.length === 0) return;
    const found = await this.#parts.cache.find(keys, (at) => this.#isRead(asked[at]!));
    for (let at = 0; at < asked.length; at++) {
      const i = asked[at]!;
      const result = found[at];
      if (result !== undefined && !this.#isTooOld(i, result) && this.#take(i, result)) this.#hit(i, result);
      else this.#miss(i);
    }
  }

  /** Whether the run needs the bytes of a hit in any case. */
  #isRead(i: number): boolean {
    return this.#parts.isRecorded || this.#isKept(i);
  }

  #isKept(i: number): boolean {
    const { kept } = this.#parts;
    return kept === null || kept[i] === 1;
  }

  #keyOf(i: number): string | undefined {
    try {
      return this.#keys.of(i, this.#inputs, this.#options(i)!);
    } catch (error) {
      this.#parts.cache.refuse(this.#idOf(i), `an argument cannot be written: ${messageOf(error)}`);
      return undefined;
    }
  }

  #isTooOld(i: number, { storedAt }: CachedResult): boolean {
    const { ttl = Infinity } = this.#options(i)!;
    return ttl !== Infinity && wallClock() - storedAt > ttl;
  }

  /** Takes the bytes that came along. Returns false when they cannot be read. */
  #take(i: number, result: CachedResult): boolean {
    const { bytes, ...found } = result;
    try {
      if (bytes !== undefined) this.#run.results.put(i, fromBytes(bytes));
      else if (this.#isKept(i)) this.#coming.push(i);
    } catch {
      return false; // another version of Node wrote it
    }
    this.#found.set(i, found);
    return true;
  }

  #hit(i: number, { identity, isTruthy }: CachedResult): void {
    this.#phase[i] = Phase.settled;
    this.#hits.push(i);
    this.cached.add(i);
    if (!isTruthy) this.#falsy.add(i);
    this.#know(i, identity);
  }

  #miss(i: number): void {
    this.#phase[i] = Phase.settled;
    this.#misses.push(i);
  }

  async #report(): Promise<void> {
    const [hits, misses, falsy, coming] = [this.#hits, this.#misses, this.#falsy, this.#coming];
    [this.#hits, this.#misses, this.#falsy, this.#coming] = [[], [], new Set(), []];
    if (hits.length + misses.length > 0 && !this.#isOver) this.#run.lookedUp({ hits, misses, falsy, coming });
    await new Promise(setImmediate); // what runs reports meanwhile
    this.#reportedAt = performance.now();
  }

  async #readNow(i: number): Promise<void> {
    const result = this.#found.get(i);
    if (result === undefined || this.#run.results.exists(i)) return;
    const bytes = await this.#parts.cache.read(result);
    if (this.#found.get(i) !== result) return; // it was made again meanwhile
    if (bytes === undefined) throw new Error('its bytes are gone');
    this.#run.results.put(i, fromBytes(bytes));
    this.#run.arrived(i);
  }

  /** Learns the identity of a result, and keeps the result under its key. */
  #learn(i: number, key: string | undefined, value: unknown): void {
    if (value === absent) return this.#know(i, null);
    if (value instanceof Payload) {
      const learning = this.#learnPayload(i, key, value).finally(() => this.#learning.delete(learning));
      this.#learning.add(learning);
      return;
    }
    try {
      const identity = identityOf(value);
      if (key !== undefined)
        this.#parts.cache.add({ key, identity, isTruthy: Boolean(value), bytes: plainToBytes(value) });
      this.#know(i, identity);
    } catch (error) {
      this.#cannot(i, messageOf(error));
    }
  }

  async #learnPayload(i: number, key: string | undefined, payload: Payload): Promise<void> {
    const made = this.#remade.get(i);
    try {
      if (payload.data.kind === 'remote') await this.#run.bring(i);
      const identified = await identifyPayload(payload);
      if (this.#remade.get(i) !== made) return; // its new result is reported, too
      if (identified === undefined) return this.#cannot(i, 'it holds a SharedArrayBuffer, which cannot be written');
      const { identity, hash, parts } = identified;
      const bytes = parts.reduce((sum, { length }) => sum + length, 0);
      if (key !== undefined && bytes <= this.#parts.cache.maxResultBytes)
        this.#parts.cache.add({ key, identity, isTruthy: true, bytes: Buffer.concat(parts), hash });
      else if (key !== undefined) this.#tooLarge(i, bytes);
      this.#know(i, identity);
    } catch (error) {
      if (this.#remade.get(i) === made) this.#cannot(i, messageOf(error));
    }
  }

  #tooLarge(i: number, bytes: number): void {
    const limit = this.#parts.cache.maxResultBytes;
    this.#parts.cache.refuse(this.#idOf(i), `it has ${bytes} bytes, and at most ${limit} are kept (maxResultBytes)`);
  }

  #cannot(i: number, why: string): void {
    if (this.#key[i] !== undefined) this.#parts.cache.refuse(this.#idOf(i), why);
    this.#know(i, null);
  }

  #idOf(i: number): string {
    return this.#parts.plan.entries[i]!.id;
  }
}

const absent = Symbol('absent');
