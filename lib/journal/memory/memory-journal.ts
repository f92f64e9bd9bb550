/** A journal in the memory of this process, for specs and the simulator. Several owners may share one store. */
import { createHash } from 'node:crypto';
import { fenced } from '../fenced.ts';
import { wallClock } from '../wall-clock.ts';
import { MemoryCache } from './memory-cache.ts';
import {
  type Change,
  type Claim,
  hasEnded,
  type Journal,
  type NewRun,
  type RunFilter,
  type RunSummaryRow,
} from '../journal.ts';

interface Entry {
  row: RunSummaryRow;
  readonly chunks: Uint8Array[];
  term: number;
  isCancelled: boolean;
}

/** What several owners share. */
export class MemoryStore {
  readonly runs = new Map<string, Entry>();
  readonly blobs = new Map<string, Uint8Array>();
  readonly alive = new Set<string>();
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
    store.alive.add(this.owner);
  }

  async submit({ runId, dagId, functions }: NewRun, chunk: Uint8Array): Promise<boolean> {
    const { runs } = this.#store;
    if (runs.has(runId)) return false;
    const submittedAt = Math.max(wallClock(), this.#store.time + 1);
    this.#store.time = submittedAt;
    const row = {
      runId,
      dagId,
      state: 'queued',
      submittedAt,
      endedAt: undefined,
      functions,
      done: 0,
      cached: 0,
      failed: 0,
    } as const;
    runs.set(runId, { row: { ...row, owner: undefined }, chunks: [chunk], term: 0, isCancelled: false });
    this.#store.changed();
    return true;
  }

  async claim(runId: string): Promise<Claim | undefined> {
    const entry = this.#store.runs.get(runId);
    if (entry === undefined || hasEnded(entry.row.state)) return undefined;
    if (entry.row.owner !== undefined && this.#store.alive.has(entry.row.owner)) return undefined;
    entry.row = { ...entry.row, state: 'running', owner: this.owner };
    return { runId, term: ++entry.term, position: entry.chunks.length };
  }

  async append(claim: Claim, chunk: Uint8Array, { state, ...counts }: Change): Promise<void> {
    const entry = this.#store.runs.get(claim.runId);
    const isOwn =
      entry?.row.owner === this.owner && entry.term === claim.term && entry.chunks.length === claim.position;
    if (!isOwn) throw fenced(claim.runId);
    entry.chunks.push(chunk);
    entry.row = { ...entry.row, ...counts };
    if (state !== undefined) entry.row = { ...entry.row, state, endedAt: wallClock(), owner: undefined };
    claim.position++;
    this.#store.changed();
  }

  async release({ runId, term }: Claim): Promise<void> {
    const entry = this.#store.runs.get(runId);
    if (entry === undefined || entry.term !== term || entry.row.owner !== this.owner) return;
    entry.row = { ...entry.row, state: 'queued', owner: undefined };
    this.#store.changed();
  }

  async reopen(runId: string, chunk: Uint8Array): Promise<boolean> {
    const entry = this.#store.runs.get(runId);
    if (entry === undefined || !hasEnded(entry.row.state)) return false;
    entry.chunks.push(chunk);
    entry.row = { ...entry.row, state: 'queued', endedAt: undefined, owner: undefined };
    entry.isCancelled = false;
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
    return [...this.#store.runs.values()]
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
    const ended = [...this.#store.runs.values()].filter(({ row }) => hasEnded(row.state));
    ended.sort((a, b) => b.row.endedAt! - a.row.endedAt!);
    const old = ended.slice(this.#retainedRuns === Infinity ? ended.length : this.#retainedRuns);
    for (const { row } of old) this.#store.runs.delete(row.runId);
    return old.length;
  }

  /** The owner counts as dead from now on. */
  async close(): Promise<void> {
    this.#store.alive.delete(this.owner);
    this.#store.changed();
  }

  #toSummary({ row }: Entry): RunSummaryRow {
    const isOrphaned = row.state === 'running' && row.owner !== undefined && !this.#store.alive.has(row.owner);
    return isOrphaned ? { ...row, state: 'orphaned' } : row;
  }
}
