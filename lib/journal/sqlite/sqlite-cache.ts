/**
 * A cache in a folder: `cache.db` (SQLite, in WAL mode) and `cache/` for large results. Several processes of one machine
 * may use it. A damaged database is replaced by an empty one.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { CachedResult, CacheStats, CacheStore, ResultToCache } from '../cache-store.ts';
import { afterEviction, maxInlineBytes, maxUnwritten, rowBytes, useGrainMs } from '../cache-limits.ts';
import { withChecksum, withoutChecksum } from '../inline-bytes.ts';
import { wallClock } from '../wall-clock.ts';
import { BlobFiles } from './blob-files.ts';
import { sqlite } from './sqlite-module.ts';
import { isDamage, newerVersion, storeFailed } from './store-error.ts';
import { Statements } from './statements.ts';

export interface SqliteCacheOptions {
  /** The folder. It is created if it is missing. */
  readonly path: string;
  /** The limit of the size of all results. */
  readonly maxBytes: number;
}

const schemaVersion = 1;

const tables = `
CREATE TABLE results (
  key TEXT PRIMARY KEY,
  identity TEXT NOT NULL,
  is_truthy INTEGER NOT NULL,
  stored_at REAL NOT NULL,
  used_at REAL NOT NULL,
  size INTEGER NOT NULL,
  blob TEXT,
  bytes BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX results_by_use ON results (used_at);
CREATE INDEX results_by_blob ON results (blob) WHERE blob IS NOT NULL;
PRAGMA user_version = ${schemaVersion};
`;

/** How long a write waits for another process that writes, in ms. */
const busyTimeoutMs = 1000;

type Columns = readonly [
  identity: string,
  isTruthy: number,
  storedAt: number,
  usedAt: number,
  inline?: Uint8Array | null,
];

const selectMeta = 'SELECT identity, is_truthy, stored_at, used_at FROM results WHERE key = ?';
const selectWithBytes = 'SELECT identity, is_truthy, stored_at, used_at, bytes FROM results WHERE key = ?';

export class SqliteCache implements CacheStore {
  readonly #options: SqliteCacheOptions;
  readonly #database: DatabaseSync;
  readonly #blobs: BlobFiles;
  readonly #statements: Statements;
  readonly #used = new Set<string>();
  /** The size of all results, as far as this process knows. */
  #bytes = 0;
  #dataVersion = 0;

  /** @throws `JOURNAL_FAILED` when the folder or the database cannot be used */
  constructor(options: SqliteCacheOptions) {
    this.#options = options;
    const { path } = options;
    try {
      mkdirSync(path, { recursive: true });
      try {
        this.#database = openDatabase(path);
      } catch (error) {
        if (!isDamage(error)) throw error;
        for (const suffix of ['', '-wal', '-shm']) rmSync(join(path, `cache.db${suffix}`), { force: true });
        this.#database = openDatabase(path);
      }
    } catch (error) {
      throw storeFailed('cache', path, 'opened', error);
    }
    this.#statements = new Statements(this.#database);
    this.#blobs = new BlobFiles(join(path, 'cache'), false);
    this.#bytes = this.#sum();
  }

  async find(
    keys: readonly string[],
    wantsBytes: (at: number) => boolean,
  ): Promise<readonly (CachedResult | undefined)[]> {
    try {
      this.#beginReading();
      const before = wallClock() - useGrainMs;
      const found = keys.map((key, at) => {
        const row = this.#columns(wantsBytes(at) ? selectWithBytes : selectMeta, key);
        if (row === undefined) return undefined;
        const [identity, isTruthy, storedAt, usedAt, inline] = row;
        if (usedAt < before) this.#used.add(key);
        const bytes = inline ? withoutChecksum(inline) : undefined;
        return { key, identity, isTruthy: isTruthy === 1, storedAt, bytes };
      });
      if (this.#used.size >= maxUnwritten) this.#writeUse();
      return found;
    } catch (error) {
      throw this.#failed('read', error);
    }
  }

  async put(results: readonly ResultToCache[]): Promise<void> {
    const { maxBytes } = this.#options;
    const fitting = results.filter(({ bytes }) => bytes.length + rowBytes <= maxBytes);
    try {
      const rows: (readonly [result: ResultToCache, blob: string | null])[] = [];
      for (const result of fitting) rows.push([result, await this.#blobOf(result)]);
      const free = this.#write(() => {
        this.#touch();
        const now = wallClock();
        for (const [{ key, identity, isTruthy, bytes }, blob] of rows) {
          const size = bytes.length + rowBytes;
          this.#statements.run(
            `INSERT OR REPLACE INTO results (key, identity, is_truthy, stored_at, used_at, size, blob, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
            key,
            identity,
            isTruthy ? 1 : 0,
            now,
            now,
            size,
            blob,
            blob === null ? withChecksum(bytes) : null,
          );
          this.#bytes += size;
        }
        return this.#evict();
      });
      for (const blob of free) await this.#blobs.delete(blob);
    } catch (error) {
      throw this.#failed('written', error);
    }
  }

  async read({ key, identity }: CachedResult): Promise<Uint8Array | undefined> {
    try {
      const row = this.#statements
        .of('SELECT blob, bytes FROM results WHERE key = ? AND identity = ?')
        .get(key, identity);
      if (row === undefined) return undefined;
      const blob = row['blob'] as string | null;
      const bytes = blob === null ? withoutChecksum(row['bytes'] as Uint8Array) : await this.#blobs.get(blob);
      if (bytes === undefined) await this.#forget(key, blob);
      return bytes;
    } catch (error) {
      throw this.#failed('read', error);
    }
  }

  async stats(): Promise<CacheStats> {
    try {
      const { results, bytes } = this.#statements
        .of('SELECT count(*) AS results, coalesce(sum(size), 0) AS bytes FROM results')
        .get() as {
        results: number;
        bytes: number;
      };
      return { results, bytes, maxBytes: this.#options.maxBytes };
    } catch (error) {
      throw this.#failed('read', error);
    }
  }

  async clear(): Promise<number> {
    try {
      const count = this.#write(() => Number(this.#statements.run('DELETE FROM results').changes));
      this.#bytes = 0;
      this.#used.clear();
      await rm(join(this.#options.path, 'cache'), { recursive: true, force: true });
      try {
        this.#endReading();
        this.#database.exec('VACUUM');
      } catch {
        // Another process uses the file; its space is used again later.
      }
      return count;
    } catch (error) {
      throw this.#failed('written', error);
    }
  }

  async close(): Promise<void> {
    try {
      if (this.#used.size > 0) this.#writeUse();
    } catch {
      // then the results just seem older
    }
    this.#statements.clear();
    this.#database.close();
  }

  /** Writes the bytes of a large result, and gives their name. */
  async #blobOf({ bytes, hash: known }: ResultToCache): Promise<string | null> {
    if (bytes.length <= maxInlineBytes) return null;
    const name = known ?? hash('sha256', bytes);
    await this.#blobs.put(name, bytes);
    return name;
  }

  /** Deletes the results that were used longest ago, while all take too much. Returns files that no result needs. */
  #evict(): string[] {
    const { maxBytes } = this.#options;
    if (this.#hasChangedElsewhere()) this.#bytes = this.#sum();
    if (this.#bytes <= maxBytes) return [];
    let bytes = this.#sum(); // what was replaced counts no more
    const old: string[] = [];
    const blobs = new Set<string>();
    for (const row of this.#statements.of('SELECT key, size, blob FROM results ORDER BY used_at').iterate()) {
      if (bytes <= maxBytes * afterEviction) break;
      bytes -= row['size'] as number;
      old.push(row['key'] as string);
      if (row['blob'] !== null) blobs.add(row['blob'] as string);
    }
    for (const key of old) this.#statements.run('DELETE FROM results WHERE key = ?', key);
    this.#bytes = bytes;
    return [...blobs].filter((blob) => !this.#isUsed(blob));
  }

  #isUsed(blob: string): boolean {
    return this.#statements.of('SELECT 1 FROM results WHERE blob = ? LIMIT 1').get(blob) !== undefined;
  }

  #hasChangedElsewhere(): boolean {
    const version = Number(this.#statements.of('PRAGMA data_version').get()!['data_version']);
    if (version === this.#dataVersion) return false;
    this.#dataVersion = version;
    return true;
  }

  #sum(): number {
    return Number(this.#statements.of('SELECT coalesce(sum(size), 0) AS bytes FROM results').get()!['bytes']);
  }

  #writeUse(): void {
    this.#write(() => this.#touch());
  }

  #touch(): void {
    const now = wallClock();
    for (const key of this.#used) this.#statements.run('UPDATE results SET used_at = ? WHERE key = ?', now, key);
    this.#used.clear();
  }

  /** Deletes a result whose bytes cannot be read, and all others with the same bytes. */
  async #forget(key: string, blob: string | null): Promise<void> {
    this.#write(() => {
      if (blob === null) this.#statements.run('DELETE FROM results WHERE key = ?', key);
      else this.#statements.run('DELETE FROM results WHERE blob = ?', blob);
    });
    // Awaited, so that the caller may put the result again.
    if (blob !== null) await this.#blobs.delete(blob).catch(() => {});
  }

  /** Lookups of one turn of the event loop share a transaction, which costs as much as several of them. */
  #beginReading(): void {
    if (this.#database.isTransaction) return;
    this.#database.exec('BEGIN');
    setImmediate(() => this.#endReading());
  }

  #endReading(): void {
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('COMMIT');
  }

  #columns(sql: string, key: string): Columns | undefined {
    return this.#statements.of(sql, true).get(key) as unknown as Columns | undefined;
  }

  #write<Value>(work: () => Value): Value {
    this.#endReading();
    return this.#statements.write(work);
  }

  #failed(what: string, error: unknown): Error {
    return storeFailed('cache', this.#options.path, what, error);
  }
}

function openDatabase(path: string): DatabaseSync {
  const database = new (sqlite().DatabaseSync)(join(path, 'cache.db'));
  try {
    // A loss of power may cost the last results, which are then computed again.
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL`);
    const versionOf = (): number => Number(database.prepare('PRAGMA user_version').get()!['user_version']);
    if (versionOf() === 0) {
      database.exec('BEGIN IMMEDIATE');
      if (versionOf() === 0) database.exec(tables); // another process may have been first
      database.exec('COMMIT');
    }
    if (versionOf() > schemaVersion) throw newerVersion('cache', path, versionOf(), schemaVersion);
    database.prepare('SELECT count(*) FROM (SELECT 1 FROM results LIMIT 1)').get(); // fails when it is damaged
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
