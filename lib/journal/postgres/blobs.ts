/** Large results, by the hash of their bytes, in parts of a few MiB. They stay as long as a run uses them. */
import { createHash } from 'node:crypto';
import type { ClientBase } from 'pg';
import { type Database, transaction } from './database.ts';

const partBytes = 4 * 2 ** 20;

/** A foreign key does not hold: the blob was deleted at the same time. */
const foreignKeyViolation = '23503';

export class Blobs {
  readonly #database: Database;
  readonly #schema: string;

  /** @param schema quoted */
  constructor(database: Database, schema: string) {
    this.#database = database;
    this.#schema = schema;
  }

  async put(runId: string, hash: string, bytes: Uint8Array): Promise<void> {
    await this.#database.run('written', async (client) => {
      for (;;) {
        try {
          return await transaction(client, () => this.#put(client, runId, hash, bytes));
        } catch (error) {
          if ((error as { readonly code?: string }).code !== foreignKeyViolation) throw error;
        }
      }
    });
  }

  async #put(client: ClientBase, runId: string, hash: string, bytes: Uint8Array): Promise<void> {
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
    await client.query(`INSERT INTO ${this.#schema}.blob_uses (run_id, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
      runId,
      hash,
    ]);
  }

  /** Undefined when the bytes are gone or damaged. */
  async get(hash: string): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    for (let part = 0, count = 1; part < count; part++) {
      const [row] = await this.#database.rows<{ parts: number; bytes: Buffer }>(
        'read',
        `SELECT blob.parts, part.bytes FROM ${this.#schema}.blobs AS blob
         JOIN ${this.#schema}.blob_parts AS part ON part.hash = blob.hash
         WHERE blob.hash = $1 AND part.part = $2`,
        [hash, part],
      );
      if (row === undefined) return undefined;
      parts.push(row.bytes);
      count = row.parts;
    }
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    return createHash('sha256').update(bytes).digest('hex') === hash ? bytes : undefined;
  }

  /** Deletes those of some blobs that no run uses any more. */
  async deleteUnused(client: ClientBase, hashes: readonly string[]): Promise<void> {
    if (hashes.length === 0) return;
    // A lock keeps others from beginning to use them. The next statement sees every use that began before.
    await client.query(`SELECT 1 FROM ${this.#schema}.blobs WHERE hash = ANY ($1) ORDER BY hash FOR UPDATE`, [hashes]);
    await client.query(
      `DELETE FROM ${this.#schema}.blobs AS blob WHERE hash = ANY ($1)
         AND NOT EXISTS (SELECT FROM ${this.#schema}.blob_uses AS used WHERE used.hash = blob.hash)`,
      [hashes],
    );
  }
}
