/** The newest entry of every run, and the requests to cancel runs, as they change. */
import type { JsMsg } from '@nats-io/jetstream';
import type { Entry } from './entry.ts';
import type { LastEntry, RunLog } from './run-log.ts';
import { lastTokenOf, type Names } from './names.ts';
import type { Servers, Unfollow } from './servers.ts';

/** ms until messages that the servers have sent must be here. */
const arrivalTimeoutMs = 2000;

export const cancelHeader = 'Handoff-Cancel';

/** The list is behind, so what it says must not be used. */
export class BehindError extends Error {
  override readonly name = 'TimeoutError';
}

export class RunList {
  readonly #servers: Servers;
  readonly #names: Names;
  readonly #log: RunLog;
  readonly #changed: () => void;
  #entries = new Map<string, LastEntry>();
  #cancelled = new Set<string>();
  /** The newest message that is here. */
  #sequence = 0;
  #generation = 0;
  #unfollow: Promise<Unfollow> | undefined;
  readonly #waiters = new Set<() => void>();

  /** @param changed called when a run begins, ends, or changes hands */
  constructor(servers: Servers, names: Names, log: RunLog, changed: () => void) {
    this.#servers = servers;
    this.#names = names;
    this.#log = log;
    this.#changed = changed;
  }

  /** Reads everything, at the start and after messages may have been lost. */
  async follow(): Promise<void> {
    this.stop();
    const generation = ++this.#generation;
    [this.#entries, this.#cancelled, this.#sequence] = [new Map(), new Set(), 0];
    this.#unfollow = this.#servers.follow(this.#names.log, 'last', undefined, (message) => {
      if (generation === this.#generation) this.#take(message);
    });
    await this.#unfollow;
  }

  stop(): void {
    this.#generation++;
    this.#unfollow?.then((unfollow) => unfollow()).catch(() => {});
    this.#unfollow = undefined;
  }

  /** The entries of all runs, with everything that was written before the call. */
  async all(): Promise<LastEntry[]> {
    return this.#servers.run('read', async () => {
      await this.#reach(await this.#servers.lastSequence(this.#names.log));
      return [...this.#entries.values()];
    });
  }

  isCancelled(token: string): boolean {
    return this.#cancelled.has(token);
  }

  /** Nothing says any more that the run was deleted. */
  forget(token: string, sequence: number): void {
    if (this.#entries.get(token)?.sequence === sequence) this.#entries.delete(token);
  }

  /** This process has cancelled a run, or has put it back into the queue. */
  cancelled(token: string, isCancelled: boolean): void {
    if (isCancelled) this.#cancelled.add(token);
    else this.#cancelled.delete(token);
  }

  #take(message: JsMsg): void {
    this.#sequence = message.seq;
    const { subject, headers } = message;
    const token = lastTokenOf(subject);
    if (subject === this.#names.cancellation(token)) {
      this.cancelled(token, headers?.get(cancelHeader) === '1');
      this.#changed();
    } else this.#takeEntry(token, message.seq, this.#log.entryOf(subject, headers));
    for (const wake of this.#waiters) wake();
  }

  #takeEntry(token: string, sequence: number, entry: Entry | undefined): void {
    const before = this.#entries.get(token)?.entry;
    if (entry === undefined) this.#entries.delete(token);
    else this.#entries.set(token, { entry, sequence });
    if (entry?.state === 'deleted') this.#cancelled.delete(token);
    if (before?.state !== entry?.state || before?.owner !== entry?.owner) this.#changed();
  }

  /** @throws `BehindError` when a message does not arrive: then everything is read again */
  async #reach(sequence: number): Promise<void> {
    if (this.#sequence >= sequence) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wake = (): void => {
      if (this.#sequence >= sequence) resolve();
    };
    const timer = setTimeout(() => reject(new BehindError('the server does not send all records')), arrivalTimeoutMs);
    this.#waiters.add(wake);
    try {
      await promise;
    } catch (error) {
      await this.follow();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(wake);
    }
  }
}
