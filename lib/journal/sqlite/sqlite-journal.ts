/**
 * A journal in a folder: `journal.db` (SQLite, in WAL mode), `blobs/` for large results, `owners/` for the locks of
 * living processes. Several processes of one machine may use it.
 *
 * SQLite is synchronous. An append is one small transaction, and callers collect what happens in a turn into one.
 */
import { mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { HandoffError } from '../../core/errors.ts';
import { wallClock } from '../wall-clock.ts';
import type { Change, Claim, Journal, NewRun, RunFilter, RunState, RunSummaryRow } from '../journal.ts';
import { fenced } from '../fenced.ts';
import { BlobFiles } from './blob-files.ts';
import { OwnerLock } from './owner-lock.ts';
import { migrations, schemaVersion } from './schema.ts';
import { SqliteCache } from './sqlite-cache.ts';
import { sqlite } from './sqlite-module.ts';
import { newerVersion, storeFailed } from './store-error.ts';
import { Statements } from './statements.ts';

export interface SqliteJournalOptions {
  /** The folder. It is created if it is missing. */
  readonly path: string;
  /**
   * `'normal'`: what is recorded survives the death of the process. `'full'`: also a loss of power; each append then
   * waits for the disk.
   */
  readonly sync: 'normal' | 'full';
  readonly retain: { readonly runs: number; readonly ms: number };
}

/** How long an append waits for another process that writes, in ms. */
const busyTimeoutMs = 5000;

/** How often a watcher looks without a sign of a change, in ms: the death of an owner changes no file. */
const watchIntervalMs = 1000;

/** Changes within this many ms are one to a watcher. */
const watchDelayMs = 25;

interface Row {
  run_id: string;
  dag_id: string;
  state: RunState;
  submitted_at: number;
  ended_at: number | null;
  functions: number;
  done: number;
  cached: number;
  failed: number;
  owner: string | null;
  term: number;
  position: number;
  is_cancelled: number;
}

export class SqliteJournal implements Journal {
  readonly #options: SqliteJournalOptions;
  readonly #database: DatabaseSync;
  readonly #lock: OwnerLock;
  readonly #blobs: BlobFiles;
  readonly #statements: Statements;

  /** @throws `JOURNAL_FAILED` when the folder or the database cannot be used */
  constructor(options: SqliteJournalOptions) {
    this.#options = options;
    const { path, sync } = options;
    let database: DatabaseSync | undefined;
    try {
      mkdirSync(path, { recursive: true });
      database = new (sqlite().DatabaseSync)(join(path, 'journal.db'));
      database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${sync}`);
      migrate(database, path);
      this.#lock = new OwnerLock(path);
    } catch (error) {
      database?.close();
      throw this.#failed('opened', error);
    }
    this.#database = database;
    this.#statements = new Statements(database);
    this.#blobs = new BlobFiles(join(path, 'blobs'), sync === 'full');
  }

  get owner(): string {
    return this.#lock.owner;
  }

  async submit({ runId, dagId, functions }: NewRun, chunk: Uint8Array): Promise<boolean> {
    return this.#write(() => {
      if (this.#row(runId) !== undefined) return false;
      this.#statements.run(
        `INSERT INTO runs (run_id, dag_id, state, submitted_at, functions, position) VALUES (?, ?, 'queued', ?, ?, 1)`,
        runId,
        dagId,
        wallClock(),
        functions,
      );
      this.#statements.run('INSERT INTO log (run_id, position, chunk) VALUES (?, 0, ?)', runId, chunk);
      return true;
    });
  }

  async claim(runId: string): Promise<Claim | undefined> {
    return this.#write(() => {
      const row = this.#row(runId);
      if (row === undefined || row.ended_at !== null) return undefined;
      if (row.owner !== null && this.#lock.lives(row.owner)) return undefined;
      const term = row.term + 1;
      this.#statements.run(
        `UPDATE runs SET state = 'running', owner = ?, term = ? WHERE run_id = ?`,
        this.owner,
        term,
        runId,
      );
      return { runId, term, position: row.position };
    });
  }

  async append(claim: Claim, chunk: Uint8Array, { functions, done, cached, failed, state }: Change): Promise<void> {
    this.#write(() => {
      const { changes } = this.#statements.run(
        `UPDATE runs SET position = position + 1, functions = coalesce(?, functions),
           done = coalesce(?, done), cached = coalesce(?, cached), failed = coalesce(?, failed),
           state = coalesce(?, state), ended_at = ?, owner = CASE WHEN ? THEN NULL ELSE owner END
         WHERE run_id = ? AND owner = ? AND term = ? AND position = ?`,
        functions ?? null,
        done ?? null,
        cached ?? null,
        failed ?? null,
        state ?? null,
        state === undefined ? null : wallClock(),
        state === undefined ? 0 : 1,
        claim.runId,
        this.owner,
        claim.term,
        claim.position,
      );
      if (changes !== 1) throw fenced(claim.runId);
      this.#statements.run(
        'INSERT INTO log (run_id, position, chunk) VALUES (?, ?, ?)',
        claim.runId,
        claim.position,
        chunk,
      );
    });
    claim.position++;
  }

  async release({ runId, term }: Claim): Promise<void> {
    this.#write(() =>
      this.#statements.run(
        `UPDATE runs SET state = 'queued', owner = NULL WHERE run_id = ? AND owner = ? AND term = ? AND ended_at IS NULL`,
        runId,
        this.owner,
        term,
      ),
    );
  }

  async reopen(runId: string, chunk: Uint8Array): Promise<boolean> {
    return this.#write(() => {
      const row = this.#row(runId);
      if (row === undefined || row.ended_at === null) return false;
      this.#statements.run(
        `UPDATE runs SET state = 'queued', ended_at = NULL, owner = NULL, is_cancelled = 0, position = position + 1 WHERE run_id = ?`,
        runId,
      );
      this.#statements.run('INSERT INTO log (run_id, position, chunk) VALUES (?, ?, ?)', runId, row.position, chunk);
      return true;
    });
  }

  async read(runId: string): Promise<Uint8Array[]> {
    return this.#read(() => {
      const rows = this.#all('SELECT position, chunk FROM log WHERE run_id = ? ORDER BY position', runId);
      const gap = rows.findIndex(({ position }, at) => position !== at);
      if (gap >= 0) throw new Error(`the record at position ${gap} of run ${JSON.stringify(runId)} is missing`);
      return rows.map(({ chunk }) => chunk as Uint8Array);
    });
  }

  async find(runId: string): Promise<RunSummaryRow | undefined> {
    return this.#read(() => {
      const row = this.#row(runId);
      return row && this.#toSummary(row);
    });
  }

  async list({ state, limit = 100, before = Infinity }: RunFilter = {}): Promise<RunSummaryRow[]> {
    return this.#read(() => {
      // Whether a run is orphaned is not in the table: its owner died without a word.
      const inTable = state === 'orphaned' ? 'running' : state;
      const found: RunSummaryRow[] = [];
      const alive = new Map<string, boolean>();
      const rows = this.#statements
        .of(`SELECT * FROM runs WHERE (? IS NULL OR state = ?) AND submitted_at < ? ORDER BY submitted_at DESC, run_id`)
        .iterate(inTable ?? null, inTable ?? null, before);
      for (const row of rows) {
        const summary = this.#toSummary(row as unknown as Row, alive);
        if (state === undefined || summary.state === state) found.push(summary);
        if (found.length >= limit) break;
      }
      return found;
    });
  }

  async cancel(runId: string): Promise<boolean> {
    return this.#write(() => {
      const row = this.#row(runId);
      if (row === undefined || row.ended_at !== null) return false;
      this.#statements.run('UPDATE runs SET is_cancelled = 1 WHERE run_id = ?', runId);
      return true;
    });
  }

  async isCancelled(runId: string): Promise<boolean> {
    return this.#read(() => this.#row(runId)?.is_cancelled === 1);
  }

  async putBlob(runId: string, hash: string, bytes: Uint8Array): Promise<void> {
    this.#write(() => this.#statements.run('INSERT OR IGNORE INTO blobs (hash, run_id) VALUES (?, ?)', hash, runId));
    try {
      await this.#blobs.put(hash, bytes);
    } catch (error) {
      throw this.#failed('written', error);
    }
  }

  async getBlob(hash: string): Promise<Uint8Array | undefined> {
    return this.#blobs.get(hash);
  }

  async openCache(maxBytes: number): Promise<SqliteCache> {
    return new SqliteCache({ path: this.#options.path, maxBytes });
  }

  watch(listener: () => void): () => void {
    let isDue = false;
    let seen = this.#othersVersion();
    const look = (): void => {
      if (isDue) return;
      isDue = true; // many writes at once are one change
      setTimeout(() => {
        isDue = false;
        const version = this.#othersVersion();
        if (version === seen) return; // only this process has written
        seen = version;
        listener();
      }, watchDelayMs).unref();
    };
    const timer = setInterval(listener, watchIntervalMs).unref();
    const watcher = watch(this.#options.path, { persistent: false }, (_, file) => {
      if (file !== 'journal.db-shm') look();
    });
    watcher.on('error', () => {}); // the timer goes on
    return () => {
      clearInterval(timer);
      watcher.close();
    };
  }

  async compact(): Promise<number> {
    const { runs, ms } = this.#options.retain;
    const [deleted, orphans] = this.#write(() => {
      const old = this.#all(
        `SELECT run_id FROM runs WHERE ended_at IS NOT NULL AND (ended_at < ? OR run_id NOT IN
           (SELECT run_id FROM runs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT ?))`,
        wallClock() - ms,
        runs === Infinity ? -1 : runs,
      );
      const hashes = new Set<string>();
      for (const { run_id: runId } of old) {
        for (const { hash } of this.#all('SELECT hash FROM blobs WHERE run_id = ?', runId as string))
          hashes.add(hash as string);
        for (const table of ['runs', 'log', 'blobs'])
          this.#statements.run(`DELETE FROM ${table} WHERE run_id = ?`, runId as string);
      }
      const free = [...hashes].filter(
        (hash) => this.#all('SELECT 1 FROM blobs WHERE hash = ? LIMIT 1', hash).length === 0,
      );
      return [old.length, free] as const;
    });
    for (const hash of orphans) await this.#blobs.delete(hash);
    await this.#blobs.sweep();
    return deleted;
  }

  async close(): Promise<void> {
    this.#statements.clear();
    this.#database.close();
    this.#lock.release();
  }

  /** A number that changes with each write of another process, and not with those of this one; NaN once closed. */
  #othersVersion(): number {
    if (!this.#database.isOpen) return NaN;
    try {
      return Number(this.#statements.of('PRAGMA data_version').get()!['data_version']);
    } catch {
      return NaN; // equals nothing, so the listener looks, and reports the failure
    }
  }

  #row(runId: string): Row | undefined {
    return this.#statements.of('SELECT * FROM runs WHERE run_id = ?').get(runId) as Row | undefined;
  }

  /** @param alive whether owners live, as far as that is known */
  #toSummary(row: Row, alive = new Map<string, boolean>()): RunSummaryRow {
    const { owner } = row;
    if (row.state === 'running' && owner !== null && !alive.has(owner)) alive.set(owner, this.#lock.lives(owner));
    const isOrphaned = row.state === 'running' && owner !== null && alive.get(owner) === false;
    return {
      runId: row.run_id,
      dagId: row.dag_id,
      state: isOrphaned ? 'orphaned' : row.state,
      submittedAt: row.submitted_at,
      endedAt: row.ended_at ?? undefined,
      functions: row.functions,
      done: row.done,
      cached: row.cached,
      failed: row.failed,
      owner: row.owner ?? undefined,
    };
  }

  #all(sql: string, ...values: (string | number)[]): Record<string, unknown>[] {
    return this.#statements.of(sql).all(...values);
  }

  #read<Value>(work: () => Value): Value {
    try {
      return work();
    } catch (error) {
      throw this.#failed('read', error);
    }
  }

  #write<Value>(work: () => Value): Value {
    try {
      return this.#statements.write(work);
    } catch (error) {
      throw this.#failed('written', error);
    }
  }

  #failed(what: string, error: unknown): HandoffError {
    return storeFailed('journal', this.#options.path, what, error);
  }
}

/** Creates the tables or brings them up to date, or refuses those of a newer version. */
function migrate(database: DatabaseSync, path: string): void {
  const versionOf = (): number => Number(database.prepare('PRAGMA user_version').get()!['user_version']);
  if (versionOf() < schemaVersion) {
    database.exec('BEGIN IMMEDIATE');
    // Another process may have been first.
    for (const [version, tables] of migrations.entries())
      if (version >= versionOf()) database.exec(`${tables}; PRAGMA user_version = ${version + 1}`);
    database.exec('COMMIT');
  }
  if (versionOf() > schemaVersion) throw newerVersion('journal', path, versionOf(), schemaVersion);
}
