/**
 * Appends chunks of several runs in one statement. While one is under way the next collects. A run waits for its append
 * before it makes another, so the queue holds at most one chunk per run.
 */
import type { ClientBase } from 'pg';
import { fenced } from '../fenced.ts';
import type { Change, Claim } from '../journal.ts';
import type { Database } from './database.ts';

const maxBatch = 256;
const maxBatchBytes = 8 * 2 ** 20;

interface Waiting {
  readonly claim: Claim;
  readonly chunk: Uint8Array;
  readonly change: Change;
  resolve(): void;
  reject(error: unknown): void;
}

export interface AppendParts {
  readonly database: Database;
  readonly owner: string;
  /** Quoted. */
  readonly schema: string;
  readonly channel: string;
}

export class AppendQueue {
  readonly #parts: AppendParts;
  #waiting: Waiting[] = [];
  #isWriting = false;

  constructor(parts: AppendParts) {
    this.#parts = parts;
  }

  /** @throws `FENCED`, `JOURNAL_FAILED` */
  add(claim: Claim, chunk: Uint8Array, change: Change): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ claim, chunk, change, resolve, reject });
      if (!this.#isWriting) void this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    await new Promise(setImmediate); // what else happens in this turn comes along
    while (this.#waiting.length > 0) await this.#write(this.#take());
    this.#isWriting = false;
  }

  /** As much as one statement takes, and of each run one chunk. */
  #take(): Waiting[] {
    const batch: Waiting[] = [];
    const rest: Waiting[] = [];
    const runs = new Set<string>();
    let bytes = 0;
    for (const each of this.#waiting) {
      const fits = batch.length === 0 || (batch.length < maxBatch && bytes + each.chunk.length <= maxBatchBytes);
      if (!fits || runs.has(each.claim.runId)) {
        rest.push(each);
        continue;
      }
      runs.add(each.claim.runId);
      bytes += each.chunk.length;
      batch.push(each);
    }
    this.#waiting = rest;
    return batch;
  }

  /** Never throws. */
  async #write(batch: readonly Waiting[]): Promise<void> {
    try {
      const written = await this.#parts.database.run('written', (client, attempt) =>
        this.#append(client, batch, attempt > 0),
      );
      for (const { claim, resolve, reject } of batch) {
        if (!written.has(claim.runId)) {
          reject(fenced(claim.runId));
          continue;
        }
        claim.position++;
        resolve();
      }
    } catch (error) {
      if (batch.length === 1) batch[0]!.reject(error);
      else for (const each of batch) await this.#write([each]); // the chunk of one must not fail the others
    }
  }

  /** @returns the runs whose chunk is in the log now */
  async #append(client: ClientBase, batch: readonly Waiting[], isRetry: boolean): Promise<Set<string>> {
    const { owner, schema, channel } = this.#parts;
    const values: unknown[] = [owner, channel];
    const place = (value: unknown, type: string): string => `$${values.push(value)}::${type}`;
    const given = batch.map(({ claim, chunk, change }) => {
      const { functions, done, cached, failed, state } = change;
      return `(${[
        place(claim.runId, 'text'),
        place(claim.term, 'int'),
        place(claim.position, 'int'),
        place(chunk, 'bytea'),
        place(functions ?? null, 'int'),
        place(done ?? null, 'int'),
        place(cached ?? null, 'int'),
        place(failed ?? null, 'int'),
        place(state ?? null, 'text'),
      ].join(', ')})`;
    });
    const { rows } = await client.query<{ run_id: string }>(
      `WITH given (run_id, term, position, chunk, functions, done, cached, failed, state) AS (VALUES ${given.join(', ')}),
       moved AS (
         UPDATE ${schema}.runs AS run SET
           position = run.position + 1, functions = coalesce(given.functions, run.functions),
           done = coalesce(given.done, run.done), cached = coalesce(given.cached, run.cached),
           failed = coalesce(given.failed, run.failed), state = coalesce(given.state, run.state),
           ended_at = CASE WHEN given.state IS NOT NULL THEN extract(epoch FROM clock_timestamp()) * 1000 END,
           owner = CASE WHEN given.state IS NULL THEN run.owner END
         FROM given
         WHERE run.run_id = given.run_id AND run.owner = $1 AND run.term = given.term
           AND run.position = given.position AND run.ended_at IS NULL
         RETURNING run.run_id, given.term, given.position, given.chunk, given.state
       ),
       added AS (
         INSERT INTO ${schema}.log (run_id, term, position, chunk) SELECT run_id, term, position, chunk FROM moved
       )
       SELECT run_id, CASE WHEN state IS NOT NULL THEN pg_notify($2, '')::text END FROM moved`,
      values,
    );
    const written = new Set(rows.map(({ run_id: runId }) => runId));
    if (isRetry)
      for (const each of batch) if (!written.has(each.claim.runId)) await this.#findEarlier(client, each, written);
    return written;
  }

  /** An attempt whose answer was lost may have written the chunk. */
  async #findEarlier(client: ClientBase, { claim, chunk }: Waiting, written: Set<string>): Promise<void> {
    const { rowCount } = await client.query(
      `SELECT 1 FROM ${this.#parts.schema}.log WHERE run_id = $1 AND position = $2 AND term = $3 AND chunk = $4`,
      [claim.runId, claim.position, claim.term, chunk],
    );
    if (rowCount === 1) written.add(claim.runId);
  }
}
