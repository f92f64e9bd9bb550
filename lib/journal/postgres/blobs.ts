/** Large results, by the hash of their bytes, in parts of a few MiB. They stay as long as a run or the cache uses them. */
import { createHash } from 'node:crypto';
import type { ClientBase } from 'pg';
import { type Database, transaction } from './database.ts';

const partBytes = 4 * 2 ** 20;

/** A foreign key does not hold: the blob was deleted at the same time. */
const foreignKeyViolation = '23503';

interface PartRow {
  /** Of the whole blob. */
  readonly parts: number;
  readonly bytes: Buffer;
}

export class Blobs {
  readonly #database: Database;
  readonly #schema: string;

  /** @param schema quoted */
  constructor(database: Database, schema: string) {
    this.#database = database;
    this.#schema = schema;
  }

  /** Keeps bytes for a run. */
  async put(runId: string, hash: string, bytes: Uint8Array): Promise<void> {
    await this.#database.run('written', (client) =>
      this.using(client, async () => {
        await this.add(client, hash, bytes);
        await client.query(
          `INSERT INTO ${this.#schema}.blob_uses (run_id, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
          [runId, hash],
        );
      }),
    );
  }

  /** A transaction that adds blobs and their uses. Where one is deleted at the same time, it is done again. */
  async using(client: ClientBase, work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await transaction(client, work);
      } catch (error) {
        if ((error as { readonly code?: string }).code !== foreignKeyViolation) throw error;
      }
    }
  }

  /** Keeps bytes, unless they are there. */
  async add(client: ClientBase, hash: string, bytes: Uint8Array): Promise<void> {
    const count = Math.ceil(bytes.length / partBytes);
    const { rowCount } = await client.query(
      `INSERT INTO ${this.#schema}.blobs (hash, parts) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`,
      [hash, count],
    );
    if (rowCount === 1)
      for (let part = 0; part < count; part++)
        await client.query(`INSERT INTO ${this.#schema}.blob_parts (hash, part, bytes) VALUES ($1, $2, $3)`, [
          hash,
          part,
          bytes.subarray(part * partBytes, (part + 1) * partBytes),
        ]);
  }

  /** Undefined when the bytes are gone or damaged. */
  get(hash: string): Promise<Uint8Array | undefined> {
    return toBytes(hash, (part) => this.#database.run('read', (client) => this.#part(client, hash, part)));
  }

  /** Like `get`, but fails at once when the connection is lost. */
  getOnce(client: ClientBase, hash: string): Promise<Uint8Array | undefined> {
    return toBytes(hash, (part) => this.#part(client, hash, part));
  }

  async #part(client: ClientBase, hash: string, part: number): Promise<PartRow | undefined> {
    const { rows } = await client.query<PartRow>(
      `SELECT blob.parts, part.bytes FROM ${this.#schema}.blobs AS blob
       JOIN ${this.#schema}.blob_parts AS part ON part.hash = blob.hash
       WHERE blob.hash = $1 AND part.part = $2`,
      [hash, part],
    );
    return rows[0];
  }

  /**
   * Deletes those of some blobs that nothing uses any more.
   *
   * @param others whether to wait for blobs that another process works on, or to leave them to `sweep`
   */
  async deleteUnused(client: ClientBase, hashes: readonly string[], others: 'wait' | 'skip' = 'wait'): Promise<void> {
    if (hashes.length === 0) return;
    // A lock keeps others from beginning to use them. The next statement sees every use that began before.
    const locked = await client.query<{ hash: string }>(
      `SELECT hash FROM ${this.#schema}.blobs WHERE hash = ANY ($1)
       ORDER BY hash FOR UPDATE ${others === 'skip' ? 'SKIP LOCKED' : ''}`,
      [hashes],
    );
    await client.query(`DELETE FROM ${this.#schema}.blobs AS blob WHERE hash = ANY ($1) AND ${this.#isUnused}`, [
      locked.rows.map(({ hash }) => hash),
    ]);
  }

  /** Deletes all blobs that nothing uses, except those that another process works on. */
  async sweep(client: ClientBase): Promise<void> {
    const { rows } = await client.query<{ hash: string }>(
      `SELECT hash FROM ${this.#schema}.blobs AS blob WHERE ${this.#isUnused}`,
    );
    await this.deleteUnused(
      client,
      rows.map(({ hash }) => hash),
      'skip',
    );
  }

  get #isUnused(): string {
    return ['blob_uses', 'cache']
      .map((table) => `NOT EXISTS (SELECT FROM ${this.#schema}.${table} AS used WHERE used.hash = blob.hash)`)
      .join(' AND ');
  }

  /**
   * Deletes a blob if its bytes are damaged or incomplete, with everything that refers to it: it is of no use. Otherwise,
   * another process has stored it again, and it stays while something uses it. What refers to it stays, too, while
   * another process works on that.
   *
   * @param client in a transaction
   */
  async discard(client: ClientBase, hash: string): Promise<void> {
    // From here on, processes that begin to use it wait, so this must not wait for others any more.
    const { rowCount } = await client.query(`SELECT FROM ${this.#schema}.blobs WHERE hash = $1 FOR UPDATE`, [hash]);
    if (rowCount === 0) return;
    if ((await this.getOnce(client, hash)) === undefined)
      for (const table of ['cache', 'blob_uses'])
        await client.query(
          `DELETE FROM ${this.#schema}.${table} WHERE ctid = ANY (ARRAY
             (SELECT ctid FROM ${this.#schema}.${table} WHERE hash = $1 FOR UPDATE SKIP LOCKED))`,
          [hash],
        );
    await client.query(`DELETE FROM ${this.#schema}.blobs AS blob WHERE hash = $1 AND ${this.#isUnused}`, [hash]);
  }
}

async function toBytes(
  hash: string,
  read: (part: number) => Promise<PartRow | undefined>,
): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  for (let part = 0, count = 1; part < count; part++) {
    const row = await read(part);
    if (row === undefined) return undefined;
    parts.push(row.bytes);
    count = row.parts;
  }
  const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  return createHash('sha256').update(bytes).digest('hex') === hash ? bytes : undefined;
}
