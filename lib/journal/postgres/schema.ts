/**
 * The tables of a PostgreSQL journal, and the changes from each version to the next. A version that was released never
 * changes.
 */
import type { ClientBase } from 'pg';
import { HandoffError } from '../../core/errors.ts';

/** Each gets the schema, quoted. */
const migrations: readonly ((schema: string) => string)[] = [
  (schema) => `
    CREATE TABLE ${schema}.owners (
      owner text PRIMARY KEY,
      expires_at timestamptz NOT NULL
    );
    CREATE TABLE ${schema}.runs (
      run_id text PRIMARY KEY,
      dag_id text NOT NULL,
      state text NOT NULL,
      submitted_at double precision NOT NULL,
      ended_at double precision,
      functions integer NOT NULL,
      done integer NOT NULL DEFAULT 0,
      cached integer NOT NULL DEFAULT 0,
      failed integer NOT NULL DEFAULT 0,
      owner text,
      term integer NOT NULL DEFAULT 0,
      position integer NOT NULL,
      is_cancelled boolean NOT NULL DEFAULT false
    ) WITH (fillfactor = 70);
    CREATE INDEX runs_by_time ON ${schema}.runs (submitted_at);
    CREATE INDEX runs_by_state ON ${schema}.runs (state, submitted_at);
    CREATE INDEX runs_by_end ON ${schema}.runs (ended_at) WHERE ended_at IS NOT NULL;
    CREATE TABLE ${schema}.log (
      run_id text NOT NULL,
      position integer NOT NULL,
      term integer NOT NULL,
      chunk bytea NOT NULL,
      PRIMARY KEY (run_id, position)
    );
    CREATE TABLE ${schema}.blobs (
      hash text PRIMARY KEY,
      parts integer NOT NULL
    );
    CREATE TABLE ${schema}.blob_parts (
      hash text NOT NULL REFERENCES ${schema}.blobs ON DELETE CASCADE,
      part integer NOT NULL,
      bytes bytea NOT NULL,
      PRIMARY KEY (hash, part)
    );
    ALTER TABLE ${schema}.blob_parts ALTER bytes SET STORAGE EXTERNAL;
    CREATE TABLE ${schema}.blob_uses (
      run_id text NOT NULL,
      hash text NOT NULL REFERENCES ${schema}.blobs,
      PRIMARY KEY (run_id, hash)
    );
    CREATE INDEX blob_uses_by_hash ON ${schema}.blob_uses (hash);`,
  (schema) => `
    CREATE TABLE ${schema}.limits (
      name text PRIMARY KEY,
      tokens double precision NOT NULL,
      at double precision NOT NULL
    );
    CREATE TABLE ${schema}.limit_uses (
      name text NOT NULL,
      owner text NOT NULL,
      amount double precision NOT NULL,
      PRIMARY KEY (name, owner)
    );`,
  (schema) => `
    CREATE TABLE ${schema}.cache (
      key text PRIMARY KEY,
      identity text NOT NULL,
      is_truthy boolean NOT NULL,
      stored_at double precision NOT NULL,
      used_at double precision NOT NULL,
      size double precision NOT NULL,
      hash text REFERENCES ${schema}.blobs,
      bytes bytea
    );
    CREATE INDEX cache_by_use ON ${schema}.cache (used_at) INCLUDE (size);
    CREATE INDEX cache_by_hash ON ${schema}.cache (hash) WHERE hash IS NOT NULL;`,
];

/**
 * Creates the tables, or brings them to the version that this code knows. Processes that start at the same time wait
 * for each other.
 *
 * @param client in a transaction of its own
 * @param place names the database, for error texts
 * @throws `JOURNAL_FAILED` when a newer version has written the tables
 */
export async function migrate(client: ClientBase, schema: string, place: string): Promise<void> {
  const quoted = `"${schema}"`;
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`handoff journal ${schema}`]);
  const { rows } = await client.query<{ hasSchema: boolean; hasVersion: boolean }>(
    `SELECT to_regnamespace($1) IS NOT NULL AS "hasSchema", to_regclass($2) IS NOT NULL AS "hasVersion"`,
    [quoted, `${quoted}.version`],
  );
  const { hasSchema, hasVersion } = rows[0]!;
  // Where the schema is there, the right to make one is not needed.
  if (!hasSchema) await client.query(`CREATE SCHEMA ${quoted}`);
  if (!hasVersion)
    await client.query(
      `CREATE TABLE ${quoted}.version (version integer NOT NULL); INSERT INTO ${quoted}.version VALUES (0)`,
    );
  const version = (await client.query<{ version: number }>(`SELECT version FROM ${quoted}.version`)).rows[0]!.version;
  if (version > migrations.length)
    throw new HandoffError(
      'JOURNAL_FAILED',
      `The journal at ${place}, schema ${schema}, has version ${version}, and this version of Handoff reads up to ${migrations.length}. Update Handoff, or use another schema.`,
    );
  if (version === migrations.length) return;
  for (const migration of migrations.slice(version)) await client.query(migration(quoted));
  await client.query(`UPDATE ${quoted}.version SET version = ${migrations.length}`);
}
