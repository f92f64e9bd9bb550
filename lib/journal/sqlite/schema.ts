/** The tables of a SQLite journal. */

/** The version of the tables, in `PRAGMA user_version`. */
export const schemaVersion = 2;

/** The changes from each version to the next. */
export const migrations: readonly string[] = [
  `
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY,
  dag_id TEXT NOT NULL,
  state TEXT NOT NULL,
  submitted_at REAL NOT NULL,
  ended_at REAL,
  functions INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  owner TEXT,
  term INTEGER NOT NULL DEFAULT 0,
  position INTEGER NOT NULL,
  is_cancelled INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_time ON runs (submitted_at);
CREATE INDEX runs_by_state ON runs (state, submitted_at);
CREATE TABLE log (
  run_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  chunk BLOB NOT NULL,
  PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE blobs (
  hash TEXT NOT NULL,
  run_id TEXT NOT NULL,
  PRIMARY KEY (hash, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_by_run ON blobs (run_id);
`,
  `ALTER TABLE runs ADD COLUMN cached INTEGER NOT NULL DEFAULT 0`,
];
