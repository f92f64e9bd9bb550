/**
 * A cache in the database of a journal, shared by all processes that use it. Small results stand in the table `cache`,
 * large ones among the blobs of runs, so that a result that a run records and caches is there once. Ages are judged by
 * the clock of the database. Where it cannot be reached, lookups and writes fail at once: then functions run.
 *
 * Transactions that write take locks in one order: new blobs by hash, which others cannot see yet, then results by key,
 * then blobs that were there. What they may delete afterwards is left alone when another process works on it, so that no
 * two wait for each other.
 */
import type { ClientBase } from 'pg';
import { hash } from 'node:crypto';
import { afterEviction, maxInlineBytes, maxUnwritten, rowBytes, useGrainMs } from '../cache-limits.ts';
import type { CachedResult, CacheStats, CacheStore, ResultToCache } from '../cache-store.ts';
import { withChecksum, withoutChecksum } from '../inline-bytes.ts';
import { wallClock } from '../wall-clock.ts';
import type { Blobs } from './blobs.ts';
import { type Database, transaction } from './database.ts';

/**
 * The part of the limit that a process writes before it measures all results again. Between two measurements, each
 * process may go beyond the limit by that much.
 */
const measuredAfter = 1 / 64;

const now = '(extract(epoch FROM clock_timestamp()) * 1000)::float8';

export interface PostgresCacheParts {
  readonly database: Database;
  readonly blobs: Blobs;
  /** Quoted. */
  readonly schema: string;
  /** The limit of the size of all results. */
  readonly maxBytes: number;
}

interface FoundRow {
  readonly key: string;
  /** As `toText` writes it. */
  readonly identity: string;
  readonly is_truthy: boolean;
  readonly age: number;
  readonly unused: number;
  readonly bytes: Buffer | null;
}

export class PostgresCache implements CacheStore {
  readonly #parts: PostgresCacheParts;
  /** What was found, and was used last long ago. */
  readonly #used = new Set<string>();
  /** The number of them from which on their use is written. */
  #touchFrom = maxUnwritten;
  /** What this process has written since all results were measured. */
  #unmeasured = Infinity;

  constructor(parts: PostgresCacheParts) {
    this.#parts = parts;
  }

  async find(
    keys: readonly string[],
    wantsBytes: (at: number) => boolean,
  ): Promise<readonly (CachedResult | undefined)[]> {
    const { schema } = this.#parts;
    const rows = await this.#read<FoundRow>(
      `SELECT key, identity, is_truthy, ${now} - stored_at AS age, ${now} - used_at AS unused,
         CASE WHEN wanted THEN bytes END AS bytes
       FROM unnest($1::text[], $2::boolean[]) AS asked (key, wanted) JOIN ${schema}.cache USING (key)`,
      [keys, keys.map((_, at) => wantsBytes(at))],
    );
    const found = new Map(rows.map((row) => [row.key, this.#toFound(row)]));
    if (this.#used.size >= this.#touchFrom) {
      await this.#write((client) => this.#touch(client)).catch(() => {}); // then they are written with the next ones
      this.#touchFrom = this.#used.size + maxUnwritten;
    }
    return keys.map((key) => found.get(key));
  }

  async put(results: readonly ResultToCache[]): Promise<void> {
    const { maxBytes, blobs } = this.#parts;
    // Of two results under one key the later counts. All processes lock keys in one order.
    const byKey = new Map(results.map((result) => [result.key, result]));
    const fitting = [...byKey.values()]
      .filter(({ bytes }) => bytes.length + rowBytes <= maxBytes)
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
    if (fitting.length === 0) return;
    await this.#write((client) => blobs.using(client, () => this.#insert(client, fitting)));
    this.#unmeasured += fitting.reduce((sum, { bytes }) => sum + bytes.length + rowBytes, 0);
    if (this.#unmeasured < maxBytes * measuredAfter) return;
    this.#unmeasured = 0;
    await this.#write((client) => this.#evict(client)).catch(() => {}); // the results are kept; it is tried again later
  }

  async read({ key, identity }: CachedResult): Promise<Uint8Array | undefined> {
    const { database, schema, blobs } = this.#parts;
    const [row] = await this.#read<{ readonly hash: string | null; readonly bytes: Buffer | null }>(
      `SELECT hash, bytes FROM ${schema}.cache WHERE key = $1 AND identity = $2`,
      [key, toText(identity)],
    );
    if (row === undefined) return undefined;
    const blob = row.hash;
    const bytes =
      blob === null
        ? withoutChecksum(row.bytes!)
        : await database.attemptOnce('read', (client) => blobs.getOnce(client, blob));
    if (bytes === undefined) await this.#write((client) => this.#forget(client, blob, key, identity)).catch(() => {});
    return bytes;
  }

  async stats(): Promise<CacheStats> {
    const { schema, maxBytes } = this.#parts;
    const [row] = await this.#read<{ readonly results: number; readonly bytes: number }>(
      `SELECT count(*)::float8 AS results, coalesce(sum(size), 0) AS bytes FROM ${schema}.cache`,
      [],
    );
    return { ...row!, maxBytes };
  }

  async clear(): Promise<number> {
    this.#used.clear();
    return this.#write((client) => transaction(client, () => this.#delete(client, 'true', [])));
  }

  async close(): Promise<void> {
    if (this.#used.size === 0) return;
    // If it fails, the results just seem older.
    await this.#write((client) => this.#touch(client)).catch(() => {});
  }

  #toFound({ key, identity, is_truthy: isTruthy, age, unused, bytes }: FoundRow): CachedResult {
    if (unused > useGrainMs) this.#used.add(key);
    const inline = bytes === null ? undefined : withoutChecksum(bytes);
    return { key, identity: fromText(identity), isTruthy, storedAt: wallClock() - age, bytes: inline };
  }

  async #insert(client: ClientBase, results: readonly ResultToCache[]): Promise<void> {
    const { schema, blobs } = this.#parts;
    const hashes = results.map(({ bytes, hash: known }) =>
      bytes.length <= maxInlineBytes ? null : (known ?? hash('sha256', bytes)),
    );
    const large = new Map(hashes.flatMap((name, at) => (name === null ? [] : [[name, results[at]!.bytes]])));
    for (const name of [...large.keys()].toSorted()) await blobs.add(client, name, large.get(name)!);
    const { rows } = await client.query<{ readonly hash: string }>(
      `WITH replaced AS (
         SELECT hash FROM ${schema}.cache WHERE key = ANY ($1) AND hash IS NOT NULL
       ),
       added AS (
         INSERT INTO ${schema}.cache (key, identity, is_truthy, stored_at, used_at, size, hash, bytes)
         SELECT key, identity, is_truthy, ${now}, ${now}, size, hash, bytes
         FROM unnest($1::text[], $2::text[], $3::boolean[], $4::float8[], $5::text[], $6::bytea[])
           AS new (key, identity, is_truthy, size, hash, bytes)
         ON CONFLICT (key) DO UPDATE SET identity = excluded.identity, is_truthy = excluded.is_truthy,
           stored_at = excluded.stored_at, used_at = excluded.used_at, size = excluded.size, hash = excluded.hash,
           bytes = excluded.bytes
       )
       SELECT DISTINCT hash FROM replaced`,
      [
        results.map(({ key }) => key),
        results.map(({ identity }) => toText(identity)),
        results.map(({ isTruthy }) => isTruthy),
        results.map(({ bytes }) => bytes.length + rowBytes),
        hashes,
        results.map(({ bytes }, at) => (hashes[at] === null ? withChecksum(bytes) : null)),
      ],
    );
    await blobs.deleteUnused(
      client,
      rows.map((row) => row.hash),
      'skip',
    );
  }

  /** Deletes the results that were used longest ago, while all take too much, unless another process does so. */
  async #evict(client: ClientBase): Promise<void> {
    const { schema, maxBytes } = this.#parts;
    const { rows } = await client.query<{ readonly bytes: number }>(
      `SELECT coalesce(sum(size), 0) AS bytes FROM ${schema}.cache`,
    );
    if (rows[0]!.bytes <= maxBytes) return;
    await transaction(client, async () => {
      const lock = await client.query<{ readonly mine: boolean }>(
        'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS mine',
        [`handoff cache ${schema}`],
      );
      if (!lock.rows[0]!.mine) return;
      await this.#touch(client);
      const ranked = `SELECT key, sum(size) OVER (ORDER BY used_at DESC, key) AS upTo FROM ${schema}.cache`;
      await this.#delete(client, `key IN (SELECT key FROM (${ranked}) AS ranked WHERE upTo > $1)`, [
        maxBytes * afterEviction,
      ]);
    });
  }

  /**
   * Deletes results, and the bytes that nothing else uses. Those that another process writes at the same time stay.
   *
   * @param where the condition
   * @returns how many were deleted
   */
  async #delete(client: ClientBase, where: string, values: readonly unknown[]): Promise<number> {
    const { schema, blobs } = this.#parts;
    const { rowCount } = await client.query(
      `DELETE FROM ${schema}.cache
       WHERE key IN (SELECT key FROM ${schema}.cache WHERE ${where} FOR UPDATE SKIP LOCKED)`,
      [...values],
    );
    await blobs.sweep(client);
    return rowCount ?? 0;
  }

  async #touch(client: ClientBase): Promise<void> {
    const { schema } = this.#parts;
    const keys = [...this.#used];
    // One that another process writes now has a new time anyway.
    await client.query(
      `UPDATE ${schema}.cache SET used_at = ${now}
       WHERE key IN (SELECT key FROM ${schema}.cache WHERE key = ANY ($1) FOR UPDATE SKIP LOCKED)`,
      [keys],
    );
    for (const key of keys) this.#used.delete(key);
  }

  /** Deletes a result whose bytes cannot be read, unless it was replaced, and all others with the same bytes. */
  async #forget(client: ClientBase, blob: string | null, key: string, identity: string): Promise<void> {
    const { schema, blobs } = this.#parts;
    await transaction(client, async () => {
      await client.query(
        `DELETE FROM ${schema}.cache WHERE key = $1 AND identity = $2 AND hash IS NOT DISTINCT FROM $3`,
        [key, toText(identity), blob],
      );
      if (blob !== null) await blobs.discard(client, blob);
    });
  }

  #read<Row extends object>(text: string, values: readonly unknown[]): Promise<readonly Row[]> {
    return this.#parts.database.attemptOnce(
      'read',
      async (client) => (await client.query<Row>(text, [...values])).rows,
    );
  }

  #write<Value>(work: (client: ClientBase) => Promise<Value>): Promise<Value> {
    return this.#parts.database.attemptOnce('written', work);
  }
}

/** An identity may hold characters that the database refuses or changes, such as NUL: a short value is its own text. */
function toText(identity: string): string {
  return JSON.stringify(identity);
}

function fromText(text: string): string {
  return JSON.parse(text) as string;
}
