/** A few connections to a database. What a lost connection has interrupted is done again, within a time limit. */
import { setTimeout as wait } from 'node:timers/promises';
import type { ClientBase, Pool, PoolClient, PoolConfig, QueryResultRow } from 'pg';
import { loadClient } from './client.ts';
import { isPassing, journalFailed } from './failures.ts';
import { placeOf, type PostgresSettings } from './options.ts';

/** Beside the one of `Presence`. */
const maxConnections = 4;
const connectTimeoutMs = 5000;
/** A statement that takes longer counts as lost with its connection. All are short. */
const queryTimeoutMs = 30_000;

const firstPauseMs = 50;
const maxPauseMs = 1000;

/** @param attempt 0 for the first; a later one may find what an earlier one has done without an answer */
type Work<Value> = (client: ClientBase, attempt: number) => Promise<Value>;

export class Database {
  /** Names the database in texts. */
  readonly place: string;
  readonly #pool: Pool;
  readonly #retryTimeout: number;
  readonly #closing = new AbortController();

  private constructor(pool: Pool, { url, retryTimeout }: PostgresSettings) {
    this.#pool = pool;
    this.place = placeOf(url);
    this.#retryTimeout = retryTimeout;
    pool.on('error', () => {}); // an idle connection is gone; the next statement makes another
  }

  /** @throws `INVALID_OPTION` when the package of the client is missing */
  static async create(settings: PostgresSettings): Promise<Database> {
    const { Pool: ClientPool } = await loadClient();
    const pool = new ClientPool({ ...connectionOptions(settings), max: maxConnections, allowExitOnIdle: true });
    return new Database(pool, settings);
  }

  /** One statement. @throws `JOURNAL_FAILED` */
  rows<Row extends QueryResultRow>(
    what: 'read' | 'written',
    text: string,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    return this.run(what, async (client) => (await client.query<Row>(text, [...values])).rows);
  }

  /** @throws `JOURNAL_FAILED` when the database refuses, or cannot be reached within the time limit */
  async run<Value>(what: 'read' | 'written', work: Work<Value>): Promise<Value> {
    const until = performance.now() + this.#retryTimeout;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#once((client) => work(client, attempt));
      } catch (error) {
        if (!isPassing(error) || performance.now() >= until || this.#closing.signal.aborted)
          throw journalFailed(this.place, what, error);
        const pause = Math.min(maxPauseMs, firstPauseMs * 2 ** attempt);
        await wait(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
      }
    }
  }

  /** @throws `JOURNAL_FAILED`, also when the connection is lost: nothing is tried twice */
  async attemptOnce<Value>(
    what: 'opened' | 'read' | 'written',
    work: (client: ClientBase) => Promise<Value>,
  ): Promise<Value> {
    try {
      return await this.#once(work);
    } catch (error) {
      throw journalFailed(this.place, what, error);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#pool.end();
  }

  async #once<Value>(work: (client: ClientBase) => Promise<Value>): Promise<Value> {
    const client: PoolClient = await this.#pool.connect();
    let failure: unknown;
    // An error of the connection also rejects the statement that it interrupts.
    const onError = (error: unknown): void => void (failure = error);
    client.on('error', onError);
    try {
      return await work(client);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      client.off('error', onError);
      client.release(failure !== undefined && isPassing(failure));
    }
  }
}

/**
 * All or nothing.
 *
 * @param maxPause ms between two statements after which the server ends it. Default: none
 */
export async function transaction<Value>(
  client: ClientBase,
  work: () => Promise<Value>,
  maxPause?: number,
): Promise<Value> {
  const limit =
    maxPause === undefined ? '' : `; SET LOCAL idle_in_transaction_session_timeout = ${Math.ceil(maxPause)}`;
  await client.query(`BEGIN${limit}`);
  try {
    const value = await work();
    await client.query('COMMIT');
    return value;
  } catch (error) {
    if (!isPassing(error)) await client.query('ROLLBACK');
    throw error;
  }
}

export function connectionOptions({ url }: PostgresSettings): PoolConfig {
  return {
    connectionString: url,
    fallback_application_name: 'handoff',
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    keepAlive: true,
  };
}
