/**
 * A journal at NATS servers with JetStream, shared by the processes of many hosts.
 *
 * ```
 *   appends, claims ──► RunLog ──► one subject per run ──┐
 *   results ──────────► Blobs ───► parts by their hash   ├── streams at the servers
 *   runs, changes ◄── RunList ◄── the last of each run ──┘
 *   which processes live ◄─► Leases ◄─► a bucket of keys
 * ```
 *
 * Each message of a run names the sequence of the one before it, and the server refuses it when there is another. So of
 * two owners one fails, whatever their clocks say. Each message also says what the run is after it: no index can differ
 * from the logs.
 */
import { ChangeListeners } from '../change-listeners.ts';
import { fenced } from '../fenced.ts';
import {
  type Change,
  type Claim,
  hasEnded,
  type Journal,
  type NewRun,
  type RunFilter,
  type RunSummaryRow,
} from '../journal.ts';
import { wallClock } from '../wall-clock.ts';
import { Blobs } from './blobs.ts';
import type { Entry } from './entry.ts';
import { isPassing, journalFailed } from './failures.ts';
import { Leases } from './leases.ts';
import { Names, tokenOf } from './names.ts';
import type { JournalConnection, NatsJournalSettings } from './options.ts';
import { cancelHeader, RunList } from './run-list.ts';
import { type LastEntry, RunLog } from './run-log.ts';
import { Seal } from './seal.ts';
import { Servers } from './servers.ts';

/** How long until what could not be given back is given back again, in ms. */
const giveBackDelayMs = 1000;

/** A run that was deleted this many ms ago is known to all. */
const deletedMs = 3_600_000;

const empty = new Uint8Array();

export class NatsJournal implements Journal {
  readonly #connection: JournalConnection;
  readonly #settings: NatsJournalSettings;
  readonly #names: Names;
  readonly #servers: Servers;
  readonly #blobs: Blobs;
  readonly #log: RunLog;
  readonly #list: RunList;
  readonly #leases: Leases;
  readonly #listeners = new ChangeListeners();
  /** The runs of this process. */
  readonly #held = new Map<string, LastEntry>();
  readonly #claiming = new Set<string>();
  /** Runs that this process may own without working on them, because the servers were away for too long. */
  readonly #abandoned = new Set<string>();
  /** Until those are given back again. */
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(
    connection: JournalConnection,
    settings: NatsJournalSettings,
    names: Names,
    { servers, leases }: Awaited<ReturnType<typeof Servers.open>>,
  ) {
    this.#connection = connection;
    this.#settings = settings;
    this.#names = names;
    this.#servers = servers;
    const seal = new Seal(connection.key);
    this.#blobs = new Blobs(servers, names, seal);
    this.#log = new RunLog(servers, names, seal, this.#blobs);
    this.#list = new RunList(servers, names, this.#log, () => this.#listeners.changed());
    this.#leases = new Leases(leases, connection.client, settings.lease, {
      changed: () => this.#listeners.changed(),
      back: () => void this.#back(),
    });
  }

  /**
   * Creates the streams if they are missing.
   *
   * @throws `INVALID_OPTION` when a package is missing; `JOURNAL_FAILED` when the servers cannot be reached, or have no
   *   JetStream
   */
  static async open(connection: JournalConnection, settings: NatsJournalSettings): Promise<NatsJournal> {
    const names = new Names(connection.namespace);
    try {
      const parts = await Servers.open(connection, names, settings);
      const journal = new NatsJournal(connection, settings, names, parts);
      await journal.#leases.start();
      await journal.#list.follow();
      return journal;
    } catch (error) {
      await connection.close();
      throw journalFailed(connection.place, 'opened', error);
    }
  }

  get owner(): string {
    return this.#leases.owner;
  }

  async submit({ runId, dagId, functions }: NewRun, chunk: Uint8Array): Promise<boolean> {
    const counts = { functions, done: 0, cached: 0, failed: 0, term: 0, position: 1, at: 0 };
    const times = { submittedAt: wallClock(), endedAt: undefined };
    const entry = { runId, dagId, state: 'queued', owner: undefined, ...times, ...counts, chunk: 'body' } as const;
    return (await this.#log.begin(entry, chunk)) !== undefined;
  }

  async claim(runId: string): Promise<Claim | undefined> {
    if (this.#claiming.has(runId)) return undefined;
    this.#claiming.add(runId);
    try {
      return await this.#claim(runId);
    } catch (error) {
      if (isOutage(error)) this.#abandon(runId);
      throw error;
    } finally {
      this.#claiming.delete(runId);
    }
  }

  async #claim(runId: string): Promise<Claim | undefined> {
    const last = await this.#log.last(runId);
    if (last === undefined || isEnded(last.entry)) return undefined;
    const { owner, term, position } = last.entry;
    if (owner !== undefined && (await this.#lives(owner))) return undefined;
    const entry = { ...next(last.entry), state: 'running', owner: this.owner, term: term + 1 } as const;
    const sequence = await this.#log.add(entry, undefined, last.sequence);
    if (sequence === undefined) return undefined;
    this.#abandoned.delete(runId);
    this.#held.set(runId, { entry: { ...entry, chunk: 'none' }, sequence });
    return { runId, term: entry.term, position };
  }

  async append(claim: Claim, chunk: Uint8Array, { state, ...counts }: Change): Promise<void> {
    const { runId, term, position } = claim;
    const held = this.#held.get(runId);
    if (held === undefined || held.entry.term !== term || held.entry.position !== position) throw fenced(runId);
    const ended = state !== undefined && { state, endedAt: wallClock(), owner: undefined };
    const entry = { ...next(held.entry), ...defined(counts), ...ended, position: position + 1 };
    let sequence: number | undefined;
    try {
      sequence = await this.#log.add(entry, chunk, held.sequence);
    } catch (error) {
      this.#held.delete(runId);
      if (isOutage(error)) this.#abandon(runId);
      throw error;
    }
    if (sequence === undefined || state !== undefined) this.#held.delete(runId);
    else this.#held.set(runId, { entry: { ...entry, chunk: 'none' }, sequence });
    if (sequence === undefined) throw fenced(runId);
    claim.position++;
  }

  async release({ runId, term }: Claim): Promise<void> {
    const held = this.#held.get(runId);
    if (held === undefined || held.entry.term !== term) return;
    this.#held.delete(runId);
    try {
      await this.#log.add({ ...next(held.entry), state: 'queued', owner: undefined }, undefined, held.sequence);
    } catch (error) {
      if (isOutage(error)) this.#abandon(runId);
      throw error;
    }
  }

  async reopen(runId: string, chunk: Uint8Array): Promise<boolean> {
    for (;;) {
      const last = await this.#log.last(runId);
      if (last === undefined || !isEnded(last.entry)) return false;
      await this.#setCancelled(runId, false);
      const position = last.entry.position + 1;
      const entry = { ...next(last.entry), state: 'queued', endedAt: undefined, owner: undefined, position } as const;
      if ((await this.#log.add(entry, chunk, last.sequence)) !== undefined) return true;
    }
  }

  read(runId: string): Promise<Uint8Array[]> {
    return this.#log.read(runId);
  }

  async find(runId: string): Promise<RunSummaryRow | undefined> {
    const last = await this.#log.last(runId);
    if (last === undefined) return undefined;
    const { owner } = last.entry;
    return toSummary(last.entry, owner === undefined || (await this.#lives(owner)));
  }

  async list({ state, limit = 100, before = Infinity }: RunFilter = {}): Promise<RunSummaryRow[]> {
    const entries = (await this.#list.all()).map(({ entry }) => entry).filter((entry) => entry.state !== 'deleted');
    const alive = await this.#alive(entries);
    return entries
      .filter(({ submittedAt }) => submittedAt < before)
      .map((entry) => toSummary(entry, entry.owner === undefined || alive.has(entry.owner)))
      .filter((row) => state === undefined || row.state === state)
      .sort((a, b) => b.submittedAt - a.submittedAt || (a.runId < b.runId ? -1 : 1))
      .slice(0, limit);
  }

  async cancel(runId: string): Promise<boolean> {
    const last = await this.#log.last(runId);
    if (last === undefined || isEnded(last.entry)) return false;
    await this.#setCancelled(runId, true);
    return true;
  }

  async isCancelled(runId: string): Promise<boolean> {
    return this.#list.isCancelled(tokenOf(runId));
  }

  async putBlob(runId: string, hash: string, bytes: Uint8Array): Promise<void> {
    const entry = this.#held.get(runId)?.entry ?? (await this.#log.last(runId))?.entry;
    if (entry !== undefined) await this.#blobs.put(entry, hash, bytes);
  }

  getBlob(hash: string): Promise<Uint8Array | undefined> {
    return this.#blobs.get(hash);
  }

  watch(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  async compact(): Promise<number> {
    const { runs, ms } = this.#settings.retain;
    const all = await this.#list.all();
    const ended = all.filter(({ entry }) => isEnded(entry));
    ended.sort((a, b) => b.entry.endedAt! - a.entry.endedAt!);
    const now = wallClock();
    let deleted = 0;
    for (const [i, last] of ended.entries())
      if (i >= runs || last.entry.endedAt! < now - ms) deleted += await this.#delete(last, now);
    const forgotten = all.filter(({ entry }) => entry.state === 'deleted' && entry.endedAt! < now - deletedMs);
    for (const last of forgotten) await this.#forget(last);
    if (deleted > 0) await this.#blobs.deleteUnused();
    return deleted;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#listeners.clear();
    this.#list.stop();
    await this.#leases.close();
    this.#servers.close();
    await this.#connection.close();
  }

  /** @returns 1, or 0 when the run has changed in the meantime */
  async #delete({ entry, sequence }: LastEntry, now: number): Promise<0 | 1> {
    const gone = { ...next(entry), state: 'deleted', endedAt: now } as const;
    const end = await this.#log.add(gone, undefined, sequence, true);
    if (end === undefined) return 0;
    await this.#blobs.release(entry);
    await this.#servers.delete(this.#names.log, this.#names.cancellation(tokenOf(entry.runId)), end);
    return 1;
  }

  /** Deletes what says that a run was deleted. The last message of the stream stays, so that lists can wait for it. */
  async #forget({ entry, sequence }: LastEntry): Promise<void> {
    if (sequence >= (await this.#servers.lastSequence(this.#names.log))) return;
    const token = tokenOf(entry.runId);
    await this.#servers.delete(this.#names.log, this.#names.run(token), sequence + 1);
    this.#list.forget(token, sequence);
  }

  async #setCancelled(runId: string, isCancelled: boolean): Promise<void> {
    const token = tokenOf(runId);
    const subject = this.#names.cancellation(token);
    if (!isCancelled && (await this.#servers.last(this.#names.log, subject)) === undefined) return;
    const headers = { [cancelHeader]: isCancelled ? '1' : '0' };
    await this.#servers.write(this.#names.log, subject, empty, { headers, replaces: true });
    this.#list.cancelled(token, isCancelled);
  }

  #lives(owner: string): Promise<boolean> {
    return this.#servers.run('read', () => this.#leases.lives(owner));
  }

  /** Those owners of runs that live. */
  async #alive(entries: readonly Entry[]): Promise<Set<string>> {
    const owners = new Set(entries.flatMap(({ owner }) => (owner === undefined ? [] : [owner])));
    const alive = new Set<string>();
    for (const owner of owners) if (await this.#lives(owner)) alive.add(owner);
    return alive;
  }

  async #back(): Promise<void> {
    await this.#list.follow().catch(() => {}); // a list that is behind is read again
    await this.#giveBackAbandoned();
    this.#listeners.changed();
  }

  /** Gives back what it may own without working on it. What cannot be given back now is tried again soon. */
  async #giveBackAbandoned(): Promise<void> {
    clearTimeout(this.#retry);
    for (const runId of this.#abandoned)
      try {
        await this.#giveBack(runId);
        this.#abandoned.delete(runId);
      } catch {
        this.#retryLater();
      }
  }

  #abandon(runId: string): void {
    this.#abandoned.add(runId);
    this.#retryLater();
  }

  #retryLater(): void {
    clearTimeout(this.#retry);
    if (!this.#isClosed) this.#retry = setTimeout(() => void this.#giveBackAbandoned(), giveBackDelayMs).unref();
  }

  async #giveBack(runId: string): Promise<void> {
    const last = await this.#log.last(runId);
    if (last?.entry.owner !== this.owner || this.#held.has(runId)) return;
    await this.#log.add({ ...next(last.entry), state: 'queued', owner: undefined }, undefined, last.sequence);
  }
}

/** Whether the servers could not be reached in time. */
function isOutage(error: unknown): boolean {
  return isPassing((error as Error).cause);
}

function isEnded({ state }: Entry): boolean {
  return state !== 'deleted' && hasEnded(state);
}

function next(entry: Entry): Omit<Entry, 'chunk'> {
  const { chunk: _, ...rest } = entry;
  return { ...rest, at: entry.at + 1 };
}

function defined(counts: Omit<Change, 'state'>): Partial<Entry> {
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== undefined));
}

function toSummary(entry: Entry, isAlive: boolean): RunSummaryRow {
  const { runId, dagId, submittedAt, endedAt, functions, done, cached, failed, owner } = entry;
  const state = entry.state === 'running' && !isAlive ? 'orphaned' : (entry.state as RunSummaryRow['state']);
  return { runId, dagId, state, submittedAt, endedAt, functions, done, cached, failed, owner };
}
