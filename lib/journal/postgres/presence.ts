/**
 * Shows other processes that this one lives, by a lease that it renews, and hears what they change. It has a connection
 * of its own, so that large results never delay the lease. The clock of the database judges all leases.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Client } from 'pg';
import { loadClient } from './client.ts';
import { connectionOptions } from './database.ts';
import { freed } from './limits.ts';
import type { PostgresSettings } from './options.ts';

/** How many times a lease is renewed before it would end. */
const renewals = 3;
const reconnectMs = 250;

/** Methods that the types of the client lack. */
type WithRef = Client & { ref(): void; unref(): void };

export interface PresenceEvents {
  /** Another process, or this one, has changed something. */
  changed(): void;
  /** Another process, or this one, has given back a part of a limit. */
  freed(): void;
  /** The database can be reached again. */
  back(): void;
}

export class Presence {
  readonly owner = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  readonly #settings: PostgresSettings;
  readonly #channel: string;
  readonly #events: PresenceEvents;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** From this time on, leases that have ended mean that processes are gone. */
  #judgesFrom = -Infinity;

  /** @param channel on which changes are announced */
  constructor(settings: PostgresSettings, channel: string, events: PresenceEvents) {
    this.#settings = settings;
    this.#channel = channel;
    this.#events = events;
  }

  /**
   * Whether this process may take others for dead. While the database was away no process could renew its lease, so all get
   * the time of one.
   */
  get judges(): boolean {
    return this.#client !== undefined && performance.now() >= this.#judgesFrom;
  }

  /** @throws errors of the client */
  async start(): Promise<void> {
    await this.#connect();
    this.#tick();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    (client as WithRef).ref(); // what follows is done before the process ends
    const { schema } = this.#settings;
    await client.query(`DELETE FROM "${schema}".owners WHERE owner = $1`, [this.owner]).catch(() => {});
    await client.query(`SELECT pg_notify($1, ''), pg_notify($1, $2)`, [this.#channel, freed]).catch(() => {});
    await client.end().catch(() => {});
  }

  async #connect(): Promise<void> {
    const { Client: PgClient } = await loadClient();
    const { lease } = this.#settings;
    const client = new PgClient({ ...connectionOptions(this.#settings), query_timeout: Math.max(1000, lease) });
    client.on('error', () => this.#lost(client));
    client.on('end', () => this.#lost(client));
    client.on('notification', ({ payload }) => (payload === freed ? this.#events.freed() : this.#events.changed()));
    try {
      await client.connect();
      await this.#renew(client);
      await client.query(`LISTEN "${this.#channel}"`);
    } catch (error) {
      void client.end().catch(() => {});
      throw error;
    }
    (client as WithRef).unref(); // it does not keep the process alive
    if (this.#isClosed) await client.end();
    else this.#client = client;
  }

  async #renew(client: Client): Promise<void> {
    const { schema, lease } = this.#settings;
    await client.query(
      `INSERT INTO "${schema}".owners (owner, expires_at) VALUES ($1, clock_timestamp() + $2 * interval '1 ms')
       ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at`,
      [this.owner, lease],
    );
  }

  /** Renews the lease, or connects again, until it is closed. */
  #tick(): void {
    if (this.#isClosed) return;
    const { lease } = this.#settings;
    const pause = this.#client === undefined ? Math.min(reconnectMs, lease / renewals) : lease / renewals;
    this.#timer = setTimeout(() => void this.#work(), pause).unref();
  }

  async #work(): Promise<void> {
    this.#timer = undefined;
    const client = this.#client;
    try {
      if (client !== undefined) await this.#renew(client);
      else await this.#reconnect();
    } catch {
      if (client !== undefined) this.#lost(client);
    }
    this.#tick();
  }

  async #reconnect(): Promise<void> {
    await this.#connect();
    if (this.#isClosed) return;
    this.#judgesFrom = performance.now() + this.#settings.lease;
    this.#events.back();
    this.#events.changed(); // what happened in the meantime was not heard
  }

  #lost(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    void client.end().catch(() => {});
    if (this.#timer === undefined) return; // it is at work, and goes on by itself
    clearTimeout(this.#timer);
    this.#tick();
  }
}
