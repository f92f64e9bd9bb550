/**
 * Limits of the program, counted over all processes of a database. What a process holds stands in a row of its own, as a
 * total, so that an update whose answer was lost may be sent again. It counts while the lease of the process lasts.
 */
import type { ClientBase } from 'pg';
import type { Amounts, LimitStore, SharedLimit } from '../journal.ts';
import { type Database, transaction } from './database.ts';

// Amounts may be fractions.
const tolerance = 1e-6;

const now = '(extract(epoch FROM clock_timestamp()) * 1000)::float8';

export interface LimitParts {
  readonly database: Database;
  readonly owner: string;
  /** Quoted. */
  readonly schema: string;
  readonly channel: string;
  /** In ms. */
  readonly lease: number;
  /** A condition: the owner in a row lives, or that cannot be known. `judges`: a placeholder. */
  lives(row: string, judges: string): string;
  judges(): boolean;
  watch(listener: () => void): () => void;
}

/** What a notification carries when a limit has been given back. */
export const freed = 'limits';

interface Bucket {
  readonly name: string;
  readonly tokens: number;
  readonly at: number;
  readonly now: number;
}

export class PostgresLimits implements LimitStore {
  readonly #parts: LimitParts;

  constructor(parts: LimitParts) {
    this.#parts = parts;
  }

  take(limits: Readonly<Record<string, SharedLimit>>, amounts: Amounts, held: Amounts): Promise<number> {
    return this.#locked(limits, Object.keys(amounts), async (client, buckets) => {
      const others = await this.#heldByOthers(client, Object.keys(amounts));
      let wait = 0;
      for (const [name, amount] of Object.entries(amounts)) {
        const { concurrency } = limits[name]!;
        if ((others.get(name) ?? 0) + held[name]! + amount > concurrency + tolerance) wait = Infinity;
        wait = Math.max(wait, msUntil(limits[name]!, buckets.get(name)!, amount));
      }
      if (wait > 0) return wait;
      for (const [name, amount] of Object.entries(amounts)) {
        await this.#hold(client, name, held[name]! + amount);
        await this.#fill(client, limits[name]!, buckets.get(name)!, -amount);
      }
      return 0;
    });
  }

  async giveBack(limits: Readonly<Record<string, SharedLimit>>, held: Amounts, unused: Amounts): Promise<void> {
    await this.#locked(limits, Object.keys(held), async (client, buckets) => {
      for (const [name, amount] of Object.entries(held)) {
        await this.#hold(client, name, amount);
        await this.#fill(client, limits[name]!, buckets.get(name)!, unused[name] ?? 0);
      }
      await client.query('SELECT pg_notify($1, $2)', [this.#parts.channel, freed]);
    });
  }

  watch(listener: () => void): () => void {
    return this.#parts.watch(listener);
  }

  /** Works while no other process changes these limits. All lock them in one order. */
  #locked<Value>(
    limits: Readonly<Record<string, SharedLimit>>,
    names: readonly string[],
    work: (client: ClientBase, buckets: ReadonlyMap<string, Bucket>) => Promise<Value>,
  ): Promise<Value> {
    const { database, schema, lease } = this.#parts;
    const locked = async (client: ClientBase): Promise<Value> => {
      const bursts = names.map((name) => limits[name]!.burst);
      await client.query(
        `INSERT INTO ${schema}.limits (name, tokens, at)
         SELECT name, tokens, ${now} FROM unnest($1::text[], $2::float8[]) AS new (name, tokens) ORDER BY name
         ON CONFLICT DO NOTHING`,
        [names, bursts],
      );
      const { rows } = await client.query<Bucket>(
        `SELECT name, tokens, at, ${now} AS now FROM ${schema}.limits WHERE name = ANY ($1) ORDER BY name FOR UPDATE`,
        [names],
      );
      return work(client, new Map(rows.map((row) => [row.name, row])));
    };
    // A process that sleeps must not keep the limits locked.
    return database.run('written', (client) => transaction(client, () => locked(client), Math.max(1000, lease)));
  }

  /** Forgets processes that are gone. */
  async #heldByOthers(client: ClientBase, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { schema, owner, lives, judges } = this.#parts;
    await client.query(
      `DELETE FROM ${schema}.limit_uses AS used WHERE name = ANY ($1) AND owner <> $2 AND NOT ${lives('used', '$3')}`,
      [names, owner, judges()],
    );
    const { rows } = await client.query<{ name: string; amount: number }>(
      `SELECT name, sum(amount) AS amount FROM ${schema}.limit_uses WHERE name = ANY ($1) AND owner <> $2 GROUP BY name`,
      [names, owner],
    );
    return new Map(rows.map(({ name, amount }) => [name, amount]));
  }

  async #hold(client: ClientBase, name: string, amount: number): Promise<void> {
    await client.query(
      `INSERT INTO ${this.#parts.schema}.limit_uses (name, owner, amount) VALUES ($1, $2, $3)
       ON CONFLICT (name, owner) DO UPDATE SET amount = excluded.amount`,
      [name, this.#parts.owner, amount],
    );
  }

  /** @param change of the tokens that are there now */
  async #fill(client: ClientBase, limit: SharedLimit, bucket: Bucket, change: number): Promise<void> {
    if (limit.perSecond === Infinity) return;
    const tokens = Math.min(limit.burst, tokensOf(limit, bucket) + change);
    await client.query(`UPDATE ${this.#parts.schema}.limits SET tokens = $2, at = $3 WHERE name = $1`, [
      bucket.name,
      tokens,
      bucket.now,
    ]);
  }
}

function tokensOf({ perSecond, burst }: SharedLimit, { tokens, at, now: time }: Bucket): number {
  return Math.min(burst, tokens + (Math.max(0, time - at) / 1000) * perSecond);
}

/** ms until an amount may start, as far as the rate is concerned. */
function msUntil(limit: SharedLimit, bucket: Bucket, amount: number): number {
  if (limit.perSecond === Infinity) return 0;
  const missing = Math.min(amount, limit.burst) - tokensOf(limit, bucket);
  return missing <= tolerance ? 0 : (missing / limit.perSecond) * 1000;
}
