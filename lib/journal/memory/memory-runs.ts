/** Logs in memory, for a journal of specs and for simulated orchestrators. Several owners share them. */
import { fenced } from '../fenced.ts';
import { type Change, type Claim, hasEnded, type NewRun, type RunSummaryRow } from '../journal.ts';

export interface Entry {
  row: RunSummaryRow;
  readonly chunks: Uint8Array[];
  term: number;
  isCancelled: boolean;
}

export class MemoryRuns {
  readonly #entries = new Map<string, Entry>();
  /** The owners that live. */
  readonly alive = new Set<string>();

  get entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  get(runId: string): Entry | undefined {
    return this.#entries.get(runId);
  }

  /** @returns false when the id is in use */
  submit({ runId, dagId, functions }: NewRun, chunk: Uint8Array, submittedAt: number): boolean {
    if (this.#entries.has(runId)) return false;
    const counts = { functions, done: 0, cached: 0, failed: 0 };
    const row: RunSummaryRow = {
      runId,
      dagId,
      state: 'queued',
      submittedAt,
      endedAt: undefined,
      ...counts,
      owner: undefined,
    };
    this.#entries.set(runId, { row, chunks: [chunk], term: 0, isCancelled: false });
    return true;
  }

  claim(runId: string, owner: string): Claim | undefined {
    const entry = this.#entries.get(runId);
    if (entry === undefined || hasEnded(entry.row.state)) return undefined;
    if (entry.row.owner !== undefined && this.alive.has(entry.row.owner)) return undefined;
    entry.row = { ...entry.row, state: 'running', owner };
    return { runId, term: ++entry.term, position: entry.chunks.length };
  }

  /** @throws `FENCED` when another process owns the run by now; nothing was written */
  append(claim: Claim, owner: string, chunk: Uint8Array, { state, ...counts }: Change, now: number): void {
    const entry = this.#entries.get(claim.runId);
    const isOwn = entry?.row.owner === owner && entry.term === claim.term && entry.chunks.length === claim.position;
    if (!isOwn) throw fenced(claim.runId);
    entry.chunks.push(chunk);
    entry.row = { ...entry.row, ...counts };
    if (state !== undefined) entry.row = { ...entry.row, state, endedAt: now, owner: undefined };
    claim.position++;
  }

  /** @returns false when the run was not that of this owner */
  release({ runId, term }: Claim, owner: string): boolean {
    const entry = this.#entries.get(runId);
    if (entry === undefined || entry.term !== term || entry.row.owner !== owner) return false;
    entry.row = { ...entry.row, state: 'queued', owner: undefined };
    return true;
  }

  /** @returns false when it has not ended */
  reopen(runId: string, chunk: Uint8Array): boolean {
    const entry = this.#entries.get(runId);
    if (entry === undefined || !hasEnded(entry.row.state)) return false;
    entry.chunks.push(chunk);
    entry.row = { ...entry.row, state: 'queued', endedAt: undefined, owner: undefined };
    entry.isCancelled = false;
    return true;
  }

  delete(runId: string): void {
    this.#entries.delete(runId);
  }
}
