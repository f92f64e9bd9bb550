/**
 * A journal in a PostgreSQL database, shared by the processes of many hosts.
 *
 * ```
 *   appends of a turn ──► AppendQueue ──one statement──►┐
 *   blobs, lists, cache ► Database: a few connections ─►│ runs, log, blobs, owners, cache
 *   lease, changes ────► Presence: its own connection ─►┘
 * ```
 *
 * A run's owner and term stand in its row. An append moves the position of that row, only under its owner and term, and
 * adds the chunk in the same statement; so of two owners one fails, whatever their clocks say.
 */
import { ChangeListeners } from '../change-listeners.ts';
import type { Change, Claim, Journal, NewRun, RunFilter, RunState, RunSummaryRow } from '../journal.ts';
import { AppendQueue } from './append-queue.ts';
import { Blobs } from './blobs.ts';
import { Database, transaction } from './database.ts';
import { isPassing, journalFailed } from './failures.ts';
import { PostgresLimits } from './limits.ts';
import type { PostgresSettings } from './options.ts';
import { PostgresCache } from './postgres-cache.ts';
import { Presence } from './presence.ts';
import { migrate } from './schema.ts';

/** The maximum number of runs that one transaction deletes. */
const maxDeleted = 500;

const now = '(extract(epoch FROM clock_timestamp()) * 1000)::float8';

interface Row {
  readonly run_id: string;
  readonly dag_id: string;
  readonly state: RunState;
  readonly submitted_at: number;
  readonly ended_at: number | null;
  readonly functions: number;
  readonly done: number;
  readonly cached: number;
  readonly failed: number;
  readonly owner: string | null;
}

export class PostgresJournal implements Journal {
  readonly #settings: PostgresSettings;
  readonly #database: Database;
  readonly #presence: Presence;
  readonly #appends: AppendQueue;
  readonly #blobs: Blobs;
  readonly limits: PostgresLimits;
  readonly #schema: string;
  readonly #channel: string;
  readonly #listeners = new ChangeListeners();
  readonly #limitListeners = new Set<() => void>();
  /** Runs that this process is about to claim. */
  readonly #claiming = new Set<string>();
  /**
   * Runs that this process may own without working on them, because the database was away for too long, and their terms
   * where they are known. They are given back when it can be reached again.
   */
  readonly #abandoned = new Map<string, number | undefined>();

  private constructor(settings: PostgresSettings, database: Database) {
    this.#settings = settings;
    this.#database = database;
    this.#schema = `"${settings.schema}"`;
    this.#channel = `handoff ${settings.schema}`;
    this.#presence = new Presence(settings, this.#channel, {
      changed: () => this.#listeners.changed(),
      freed: () => {
        for (const call of this.#limitListeners) call();
      },
      back: () => void this.#giveBack(),
    });
    this.#blobs = new Blobs(database, this.#schema);
    this.limits = new PostgresLimits({
      database,
      owner: this.#presence.owner,
      schema: this.#schema,
      channel: this.#channel,
      lease: settings.lease,
      lives: (row, judges) => this.#lives(row, judges),
      judges: () => this.#presence.judges,
      watch: (listener) => {
        this.#limitListeners.add(listener);
        return () => this.#limitListeners.delete(listener);
      },
    });
    this.#appends = new AppendQueue({
      database,
      owner: this.#presence.owner,
      schema: this.#schema,
      channel: this.#channel,
    });
  }

  /**
   * Connects, and creates the tables if they are missing.
   *
   * @throws `INVALID_OPTION` when the package `pg` is missing; `JOURNAL_FAILED` when the database cannot be reached or
   *   used, or a newer version has written the tables
   */
  static async open(settings: PostgresSettings): Promise<PostgresJournal> {
    const database = await Database.create(settings);
    const journal = new PostgresJournal(settings, database);
    try {
      await database.attemptOnce('opened', (client) =>
        transaction(client, () => migrate(client, settings.schema, database.place)),
      );
      await journal.#presence.start();
      return journal;
    } catch (error) {
      await database.close();
      throw journalFailed(database.place, 'opened', error);
    }
  }

  get owner(): string {
    return this.#presence.owner;
  }

  async submit({ runId, dagId, functions }: NewRun, chunk: Uint8Array): Promise<boolean> {
    return this.#database.run('written', async (client, attempt) => {
      const { rowCount } = await client.query(
        `WITH new AS (
           INSERT INTO ${this.#schema}.runs (run_id, dag_id, state, submitted_at, functions, position)
           VALUES ($1, $2, 'queued', ${now}, $3, 1) ON CONFLICT (run_id) DO NOTHING RETURNING run_id
         ),
         first AS (INSERT INTO ${this.#schema}.log (run_id, term, position, chunk) SELECT run_id, 0, 0, $4 FROM new)
         SELECT pg_notify($5, '') FROM new`,
        [runId, dagId, functions, chunk, this.#channel],
      );
      if (rowCount === 1 || attempt === 0) return rowCount === 1;
      // An attempt whose answer was lost may have submitted it.
      const earlier = await client.query(
        `SELECT 1 FROM ${this.#schema}.log WHERE run_id = $1 AND position = 0 AND chunk = $2`,
        [runId, chunk],
      );
      return earlier.rowCount === 1;
    });
  }

  async claim(runId: string): Promise<Claim | undefined> {
    if (this.#claiming.has(runId)) return undefined;
    this.#claiming.add(runId);
    try {
      return await this.#database.run('written', async (client, attempt) => {
        // A run that another transaction works on is not worth waiting for: it is claimed, or appended to. After an
        // attempt whose answer was lost this process may be its owner.
        const { rows } = await client.query<{ term: number; position: number }>(
          `WITH free AS (
             SELECT run_id FROM ${this.#schema}.runs AS run
             WHERE run_id = $1 AND ended_at IS NULL
               AND (owner IS NULL OR (owner = $2 AND $3) OR (owner <> $2 AND NOT ${this.#lives('run', '$4')}))
             FOR UPDATE OF run SKIP LOCKED
           )
           UPDATE ${this.#schema}.runs AS run SET state = 'running', owner = $2, term = term + 1
           FROM free WHERE run.run_id = free.run_id RETURNING run.term, run.position`,
          [runId, this.owner, attempt > 0, this.#presence.judges],
        );
        if (rows[0] === undefined) return undefined;
        this.#abandoned.delete(runId);
        return { runId, term: rows[0].term, position: rows[0].position };
      });
    } catch (error) {
      if (isOutage(error)) this.#abandoned.set(runId, undefined);
      throw error;
    } finally {
      this.#claiming.delete(runId);
    }
  }

  async append(claim: Claim, chunk: Uint8Array, change: Change): Promise<void> {
    try {
      await this.#appends.add(claim, chunk, change);
    } catch (error) {
      if (isOutage(error)) this.#abandoned.set(claim.runId, claim.term);
      throw error;
    }
  }

  release({ runId, term }: Claim): Promise<void> {
    return this.#release(runId, term);
  }

  /** @param term that the run must have; undefined if it does not matter */
  async #release(runId: string, term: number | undefined): Promise<void> {
    await this.#database.rows(
      'written',
      `WITH moved AS (
         UPDATE ${this.#schema}.runs SET state = 'queued', owner = NULL
         WHERE run_id = $1 AND owner = $2 AND term = coalesce($3, term) AND ended_at IS NULL RETURNING 1
       )
       SELECT pg_notify($4, '') FROM moved`,
      [runId, this.owner, term ?? null, this.#channel],
    );
  }

  async reopen(runId: string, chunk: Uint8Array): Promise<boolean> {
    const rows = await this.#database.rows(
      'written',
      `WITH moved AS (
         UPDATE ${this.#schema}.runs
         SET state = 'queued', ended_at = NULL, owner = NULL, is_cancelled = false, position = position + 1
         WHERE run_id = $1 AND ended_at IS NOT NULL RETURNING run_id, term, position - 1 AS position
       ),
       added AS (
         INSERT INTO ${this.#schema}.log (run_id, term, position, chunk) SELECT run_id, term, position, $2 FROM moved
       )
       SELECT pg_notify($3, '') FROM moved`,
      [runId, chunk, this.#channel],
    );
    return rows.length === 1;
  }

  async read(runId: string): Promise<Uint8Array[]> {
    const rows = await this.#database.rows<{ position: number; chunk: Buffer }>(
      'read',
      `SELECT position, chunk FROM ${this.#schema}.log WHERE run_id = $1 ORDER BY position`,
      [runId],
    );
    const gap = rows.findIndex(({ position }, at) => position !== at);
    if (gap >= 0) {
      const missing = new Error(`the record at position ${gap} of run ${JSON.stringify(runId)} is missing`);
      throw journalFailed(this.#database.place, 'read', missing);
    }
    return rows.map(({ chunk }) => chunk);
  }

  async find(runId: string): Promise<RunSummaryRow | undefined> {
    const [row] = await this.#database.rows<Row>('read', `${this.#select('$2')} WHERE run_id = $1`, [
      runId,
      this.#presence.judges,
    ]);
    return row && toSummary(row);
  }

  async list({ state, limit = 100, before = Infinity }: RunFilter = {}): Promise<RunSummaryRow[]> {
    const inTable = state === 'orphaned' ? 'running' : state;
    const values = [this.#presence.judges, before, limit, ...(inTable === undefined ? [] : [inTable, state])];
    const rows = await this.#database.rows<Row>(
      'read',
      `SELECT * FROM (
         ${this.#select('$1')} WHERE submitted_at < $2 ${inTable === undefined ? '' : 'AND run.state = $4'}
       ) AS run ${inTable === undefined ? '' : 'WHERE state = $5'} ORDER BY submitted_at DESC, run_id LIMIT $3`,
      values,
    );
    return rows.map(toSummary);
  }

  async cancel(runId: string): Promise<boolean> {
    const rows = await this.#database.rows(
      'written',
      `WITH marked AS (
         UPDATE ${this.#schema}.runs SET is_cancelled = true WHERE run_id = $1 AND ended_at IS NULL RETURNING 1
       )
       SELECT pg_notify($2, '') FROM marked`,
      [runId, this.#channel],
    );
    return rows.length === 1;
  }

  async isCancelled(runId: string): Promise<boolean> {
    const [row] = await this.#database.rows<{ is_cancelled: boolean }>(
      'read',
      `SELECT is_cancelled FROM ${this.#schema}.runs WHERE run_id = $1`,
      [runId],
    );
    return row?.is_cancelled === true;
  }

  putBlob(runId: string, hash: string, bytes: Uint8Array): Promise<void> {
    return this.#blobs.put(runId, hash, bytes);
  }

  getBlob(hash: string): Promise<Uint8Array | undefined> {
    return this.#blobs.get(hash);
  }

  async openCache(maxBytes: number): Promise<PostgresCache> {
    return new PostgresCache({ database: this.#database, blobs: this.#blobs, schema: this.#schema, maxBytes });
  }

  watch(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  async compact(): Promise<number> {
    let deleted = 0;
    for (let count = maxDeleted; count === maxDeleted; deleted += count)
      count = await this.#database.run('written', (client) => transaction(client, () => this.#compactSome(client)));
    await this.#database.rows(
      'written',
      `DELETE FROM ${this.#schema}.owners WHERE expires_at < now() - interval '1 h'`,
      [],
    );
    return deleted;
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#presence.close();
    await this.#database.close();
  }

  async #compactSome(client: Parameters<Parameters<Database['run']>[1]>[0]): Promise<number> {
    const { runs, ms } = this.#settings.retain;
    // Another process that deletes at the same time takes other runs.
    const { rows } = await client.query<{ run_id: string }>(
      `SELECT run_id FROM ${this.#schema}.runs
       WHERE ended_at IS NOT NULL AND (ended_at < ${now} - $1 OR run_id IN
         (SELECT run_id FROM ${this.#schema}.runs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC OFFSET $2))
       LIMIT ${maxDeleted} FOR UPDATE SKIP LOCKED`,
      [ms, runs === Infinity ? Number.MAX_SAFE_INTEGER : runs],
    );
    const ids = rows.map(({ run_id: runId }) => runId);
    if (ids.length === 0) return 0;
    await client.query(`DELETE FROM ${this.#schema}.log WHERE run_id = ANY ($1)`, [ids]);
    const used = await client.query<{ hash: string }>(
      `DELETE FROM ${this.#schema}.blob_uses WHERE run_id = ANY ($1) RETURNING hash`,
      [ids],
    );
    await this.#blobs.deleteUnused(client, [...new Set(used.rows.map(({ hash }) => hash))]);
    await client.query(`DELETE FROM ${this.#schema}.runs WHERE run_id = ANY ($1)`, [ids]);
    return ids.length;
  }

  /**
   * A condition: the owner of a run lives, or that cannot be known. A server that has just started has heard of no renewal
   * yet. An owner without a row has closed its journal.
   *
   * @param judges the placeholder of whether this process may take others for dead
   */
  #lives(run: string, judges: string): string {
    const justStarted = `pg_postmaster_start_time() > clock_timestamp() - ${this.#settings.lease} * interval '1 ms'`;
    return `EXISTS (
      SELECT FROM ${this.#schema}.owners AS other WHERE other.owner = ${run}.owner
        AND (other.expires_at > clock_timestamp() OR NOT ${judges} OR ${justStarted}))`;
  }

  #select(judges: string): string {
    return `SELECT run_id, dag_id, submitted_at, ended_at, functions, done, cached, failed, owner,
      CASE WHEN state = 'running' AND NOT ${this.#lives('run', judges)} THEN 'orphaned' ELSE state END AS state
      FROM ${this.#schema}.runs AS run`;
  }

  async #giveBack(): Promise<void> {
    for (const [runId, term] of this.#abandoned) {
      this.#abandoned.delete(runId);
      await this.#release(runId, term).catch(() => {}); // its lease, like all others, ends with this process
    }
  }
}

/** Whether the database could not be reached in time. */
function isOutage(error: unknown): boolean {
  return isPassing((error as Error).cause);
}

function toSummary(row: Row): RunSummaryRow {
  return {
    runId: row.run_id,
    dagId: row.dag_id,
    state: row.state,
    submittedAt: row.submitted_at,
    endedAt: row.ended_at ?? undefined,
    functions: row.functions,
    done: row.done,
    cached: row.cached,
    failed: row.failed,
    owner: row.owner ?? undefined,
  };
}
