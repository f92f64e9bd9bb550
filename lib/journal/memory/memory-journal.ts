/** A journal in the memory of this process, for specs and the simulator. Several owners may share one store. */
import { createHash } from 'node:crypto';
import { wallClock } from '../wall-clock.ts';
import { MemoryCache } from './memory-cache.ts';
import { type Entry, MemoryRuns } from './memory-runs.ts';
import {
  type Change,
  type Claim,
  hasEnded,
  type Journal,
  type NewRun,
  type RunFilter,
  type RunSummaryRow,
} from '../journal.ts';

/** What several owners share. */
export class MemoryStore {
  readonly runs = new MemoryRuns();
  readonly blobs = new Map<string, Uint8Array>();
  cache: MemoryCache | undefined;
  readonly listeners = new Set<() => void>();
  time = 0;

  changed(): void {
    for (const listener of this.listeners) queueMicrotask(listener);
  }
}

let lastOwner = 0;

export class MemoryJournal implements Journal {
  readonly owner = `owner-${++lastOwner}`;
  readonly #store: MemoryStore;
  readonly #retainedRuns: number;

  constructor(store = new MemoryStore(), { retainedRuns = Infinity } = {}) {
    this.#store = store;
    this.#retainedRuns = retainedRuns;
    store.runs.alive.add(this.owner);
  }

  async submit(run: NewRun, chunk: Uint8Array): Promise<boolean> {
    const submittedAt = Math.max(wallClock(), this.#store.time + 1);
    if (!this.#store.runs.submit(run, chunk, submittedAt)) return false;
    this.#store.time = submittedAt;
    this.#store.changed();
    return true;
  }

  async claim(runId: string): Promise<Claim | undefined> {
    return this.#store.runs.claim(runId, this.owner);
  }

  async append(claim: Claim, chunk: Uint8Array, change: Change): Promise<void> {
    this.#store.runs.append(claim, this.owner, chunk, change, wallClock());
    this.#store.changed();
  }

  async release(claim: Claim): Promise<void> {
    if (this.#store.runs.release(claim, this.owner)) this.#store.changed();
  }

  async reopen(runId: string, chunk: Uint8Array): Promise<boolean> {
    if (!this.#store.runs.reopen(runId, chunk)) return false;
    this.#store.changed();
    return true;
  }

  async read(runId: string): Promise<Uint8Array[]> {
    return [...(this.#store.runs.get(runId)?.chunks ?? [])];
  }

  async find(runId: string): Promise<RunSummaryRow | undefined> {
    const entry = this.#store.runs.get(runId);
    return entry && this.#toSummary(entry);
  }

  async list({ state, limit = 100, before = Infinity }: RunFilter = {}): Promise<RunSummaryRow[]> {
    return [...this.#store.runs.entries]
      .map((entry) => this.#toSummary(entry))
      .filter((row) => row.submittedAt < before && (state === undefined || row.state === state))
      .sort((a, b) => b.submittedAt - a.submittedAt)
      .slice(0, limit);
  }

  async cancel(runId: string): Promise<boolean> {
    const entry = this.#store.runs.get(runId);
    if (entry === undefined || hasEnded(entry.row.state)) return false;
    entry.isCancelled = true;
    this.#store.changed();
    return true;
  }

  async isCancelled(runId: string): Promise<boolean> {
    return this.#store.runs.get(runId)?.isCancelled === true;
  }

  async putBlob(_runId: string, hash: string, bytes: Uint8Array): Promise<void> {
    this.#store.blobs.set(hash, bytes.slice());
  }

  async getBlob(hash: string): Promise<Uint8Array | undefined> {
    const bytes = this.#store.blobs.get(hash);
    return bytes !== undefined && createHash('sha256').update(bytes).digest('hex') === hash ? bytes : undefined;
  }

  async openCache(maxBytes: number): Promise<MemoryCache> {
    return (this.#store.cache ??= new MemoryCache(maxBytes));
  }

  watch(listener: () => void): () => void {
    this.#store.listeners.add(listener);
    return () => this.#store.listeners.delete(listener);
  }

  async compact(): Promise<number> {
    const ended = [...this.#store.runs.entries].filter(({ row }) => hasEnded(row.state));
    ended.sort((a, b) => b.row.endedAt! - a.row.endedAt!);
    const old = ended.slice(this.#retainedRuns === Infinity ? ended.length : this.#retainedRuns);
    for (const { row } of old) this.#store.runs.delete(row.runId);
    return old.length;
  }

  /** The owner counts as dead from now on. */
  async close(): Promise<void> {
    this.#store.runs.alive.delete(this.owner);
    this.#store.changed();
  }

  #toSummary({ row }: Entry): RunSummaryRow {
    const isOrphaned = row.state === 'running' && row.owner !== undefined && !this.#store.runs.alive.has(row.owner);
    return isOrphaned ? { ...row, state: 'orphaned' } : row;
  }
}
