import type { DatabaseSync, StatementSync } from 'node:sqlite';

export type SqlValue = string | number | null | Uint8Array;

/** The statements of a database, each prepared once, and its transactions. */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @param asArrays gives rows as arrays, which is faster than objects. The same for each use of a statement */
  of(sql: string, asArrays = false): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      if (asArrays) statement.setReturnArrays(true);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }

  run(sql: string, ...values: SqlValue[]): ReturnType<StatementSync['run']> {
    return this.of(sql).run(...values);
  }

  /** One transaction. Nothing of it remains when it throws. */
  write<Value>(work: () => Value): Value {
    this.run('BEGIN IMMEDIATE');
    try {
      const value = work();
      this.run('COMMIT');
      return value;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  clear(): void {
    this.#prepared.clear();
  }
}
