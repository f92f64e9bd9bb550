/**
 * Shows other processes that this one lives, by a key that it writes again and again, and sees which of them do.
 *
 * All keys arrive in one order, and the key of this process among them. One that has not changed while that of this
 * process did, for the time of a lease, belongs to a process that is gone. So no two clocks are compared, and while the
 * servers are away, or this process sleeps, no process counts as gone.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { NatsConnection } from '@nats-io/transport-node';
import type { KV, KvWatchEntry } from '@nats-io/kv';

/** How many times a lease is renewed before it would end. */
const renewals = 3;

export interface LeaseEvents {
  /** A process is gone. */
  changed(): void;
  /** The servers can be reached again; messages may have been lost. */
  back(): void;
}

export class Leases {
  readonly owner: string;
  readonly #kv: KV;
  readonly #client: NatsConnection;
  readonly #lease: number;
  readonly #events: LeaseEvents;
  /** When the key of each process has changed, in ms. */
  readonly #seen = new Map<string, number>();
  #ownSeen = performance.now();
  /** Until this time, a key that has not changed says nothing: its process could not write it, as this one. */
  #judgesFrom = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #watch: { stop(): void } | undefined;
  #isUp = true;
  #isClosed = false;

  constructor(kv: KV, client: NatsConnection, lease: number, events: LeaseEvents) {
    this.#kv = kv;
    this.#client = client;
    this.#lease = lease;
    this.#events = events;
    const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, '-');
    this.owner = `${host}-${process.pid}-${randomBytes(4).toString('hex')}`;
  }

  /** @throws errors of the client */
  async start(): Promise<void> {
    await this.#renew();
    await this.#follow();
    void this.#watchConnection();
    this.#tick();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#watch?.stop();
    if (this.#isUp) await this.#kv.delete(this.owner).catch(() => {}); // it is forgotten after a time
  }

  /** Whether a process lives. The servers are asked for its key, since another process may just have begun or ended. */
  async lives(owner: string): Promise<boolean> {
    if (owner === this.owner) return true;
    const entry = await this.#kv.get(owner);
    if (performance.now() < this.#judgesFrom) return true;
    if (entry === null || entry.operation !== 'PUT') return false;
    const seen = this.#seen.get(owner);
    if (seen === undefined) this.#seen.set(owner, performance.now());
    return seen === undefined || this.#ownSeen - seen < this.#lease;
  }

  async #renew(): Promise<void> {
    await this.#kv.put(this.owner, '', { timeout: Math.max(1000, this.#interval) });
  }

  async #follow(): Promise<void> {
    this.#watch?.stop();
    this.#watch = undefined;
    const watch = await this.#kv.watch();
    if (this.#isClosed) return watch.stop();
    this.#watch = watch;
    void (async () => {
      for await (const entry of watch) if (this.#watch === watch) this.#take(entry);
    })();
  }

  #take({ key, operation }: KvWatchEntry): void {
    const now = performance.now();
    if (key === this.owner) {
      if (now - this.#ownSeen >= 2 * this.#interval) this.#judgesFrom = now + this.#lease;
      this.#ownSeen = now;
    } else if (operation === 'PUT') this.#seen.set(key, now);
    else {
      this.#seen.delete(key);
      this.#events.changed();
    }
  }

  get #interval(): number {
    return this.#lease / renewals;
  }

  /** Renews the lease until it is closed. */
  #tick(): void {
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#work(), this.#interval).unref();
  }

  async #work(): Promise<void> {
    try {
      if (this.#isUp) await this.#renew();
      // The server no longer sends what is written.
      if (this.#isUp && performance.now() - this.#ownSeen >= this.#lease) await this.#begin();
    } catch {
      // tried again at the next tick
    }
    this.#tick();
  }

  async #begin(): Promise<void> {
    await this.#follow();
    this.#events.back();
  }

  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#client.status()) {
      if (this.#isClosed) return;
      if (type === 'disconnect') this.#isUp = false;
      if (type !== 'reconnect') continue;
      this.#isUp = true;
      // Otherwise the next tick sees that nothing arrives.
      await this.#renew().catch(() => {});
      await this.#begin().catch(() => {});
    }
  }
}
