/** The streams of a journal at NATS servers. What a lost server has interrupted is done again, within a time limit. */
import { setTimeout as wait } from 'node:timers/promises';
import { nanoid } from 'nanoid';
import type { JetStreamClient, JetStreamManager, JsMsg, StoredMsg, StreamConfig } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { loadClients } from './client.ts';
import { isConflict, isPassing, journalFailed } from './failures.ts';
import type { Names } from './names.ts';
import type { JournalConnection, NatsJournalSettings } from './options.ts';

/** ms for an answer. A leader that is gone is found out by it, so it is a part of each failover. */
const answerTimeoutMs = 2000;
const firstPauseMs = 50;
const maxPauseMs = 1000;
/** ms for the servers to be ready when the journal is opened. */
const openTimeoutMs = 10_000;
/** For this many ms, the servers know a message that is sent again. */
const knownMs = 5 * 60_000;
/** ms after which the lease of a process that is gone is forgotten. */
const forgottenMs = 10 * 60_000;
/** Where records are on this many servers, the loss of one loses nothing. */
const safeReplicas = 3;
/** Room for headers beside the body of a message. */
const headerBytes = 16 * 1024;
const maxBodyBytes = 512 * 1024;

const idHeader = 'Nats-Msg-Id';
const rollupHeader = 'Nats-Rollup';

interface WriteOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** The sequence of the last message of the subject; 0: it must have none. Without it, that does not matter. */
  readonly expected?: number;
  /** Whether earlier messages of the subject are deleted. */
  readonly replaces?: boolean;
}

type NewHeaders = typeof import('@nats-io/transport-node').headers;

/** Ends what follows a stream. */
export type Unfollow = () => void;

export class Servers {
  readonly place: string;
  readonly #connection: JournalConnection;
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #headers: NewHeaders;
  readonly #retryTimeout: number;
  readonly #closing = new AbortController();

  private constructor(
    connection: JournalConnection,
    js: JetStreamClient,
    jsm: JetStreamManager,
    headers: NewHeaders,
    retryTimeout: number,
  ) {
    this.#connection = connection;
    this.place = connection.place;
    this.#js = js;
    this.#jsm = jsm;
    this.#headers = headers;
    this.#retryTimeout = retryTimeout;
  }

  /**
   * Creates the streams and the bucket if they are missing.
   *
   * @throws `INVALID_OPTION` when a package is missing; `JOURNAL_FAILED` when the servers cannot be used
   */
  static async open(
    connection: JournalConnection,
    names: Names,
    settings: NatsJournalSettings,
  ): Promise<{ readonly servers: Servers; readonly leases: KV }> {
    const { client, place, namespace } = connection;
    const { jetstream, kv } = await loadClients();
    const { headers } = await import('@nats-io/transport-node');
    const js = jetstream.jetstream(client, { timeout: answerTimeoutMs, watcherPrefix: `${namespace}.inbox` });
    const jsm = await js.jetstreamManager(false);
    const servers = new Servers(connection, js, jsm, headers, settings.retryTimeout);
    const replicas = settings.replicas ?? (client.info?.cluster === undefined ? 1 : safeReplicas);
    try {
      const { jetstream: hasStreams, cluster } = client.info ?? {};
      // In a cluster another server may have it.
      if (hasStreams !== true && cluster === undefined) throw new Error('JetStream is not enabled');
      const leases = await servers.#patiently(openTimeoutMs, async () => {
        const kept = await servers.#create(names.log, [names.runs, names.cancellations], replicas, {
          allow_rollup_hdrs: true,
        });
        warnOf(client, settings.replicas === undefined ? kept : safeReplicas);
        await servers.#create(names.blobs, [names.parts, names.uses], replicas, {
          max_msgs_per_subject: 1,
          allow_direct: true,
        });
        return new kv.Kvm(js).create(names.leases, {
          replicas,
          history: 1,
          ttl: Math.max(forgottenMs, settings.lease * 10),
          allow_direct: false, // an answer of a server that is behind would be taken for the death of a process
        });
      });
      return { servers, leases };
    } catch (error) {
      throw journalFailed(place, 'opened', error);
    }
  }

  /** The longest body of a message, in bytes. */
  get maxBodyBytes(): number {
    const { max_payload: max = 2 ** 20 } = this.#connection.client.info ?? {};
    return Math.max(1024, Math.min(maxBodyBytes, max - headerBytes));
  }

  /** @throws `JOURNAL_FAILED` when the servers refuse, or cannot be reached within the time limit */
  async run<Value>(what: 'read' | 'written', work: (attempt: number) => Promise<Value>): Promise<Value> {
    try {
      return await this.#patiently(this.#retryTimeout, work);
    } catch (error) {
      throw journalFailed(this.place, what, error);
    }
  }

  /**
   * Writes a message, also when an answer is lost: the servers know it by its id.
   *
   * @returns its sequence; undefined when another process has written to the subject since
   * @throws `JOURNAL_FAILED`
   */
  async write(
    stream: string,
    subject: string,
    body: Uint8Array,
    options: WriteOptions = {},
  ): Promise<number | undefined> {
    const { headers = {}, expected, replaces = false } = options;
    const id = nanoid();
    return this.run('written', async (attempt) => {
      const sent = this.#headers();
      for (const [name, value] of Object.entries(headers)) sent.set(name, value);
      if (replaces) sent.set(rollupHeader, 'sub');
      try {
        const { seq } = await this.#js.publish(subject, body, {
          headers: sent,
          msgID: id,
          ...(expected !== undefined && { expect: { lastSubjectSequence: expected } }),
        });
        return seq;
      } catch (error) {
        if (!isConflict(error)) throw error;
        if (attempt === 0) return undefined;
        // An attempt whose answer was lost may have written it.
        const last = await this.#last(stream, subject);
        return last?.header.get(idHeader) === id ? last.seq : undefined;
      }
    });
  }

  /** The last message of a subject; undefined without one. It comes from the leader, never from a server that is behind. */
  last(stream: string, subject: string): Promise<StoredMsg | undefined> {
    return this.run('read', () => this.#last(stream, subject));
  }

  async #last(stream: string, subject: string): Promise<StoredMsg | undefined> {
    return (await this.#jsm.streams.getMessage(stream, { last_by_subj: subject })) ?? undefined;
  }

  /**
   * The body of the last message of a subject whose content never changes. It may come from any server, and as it is;
   * the leader would encode it as text.
   */
  async body(stream: string, subject: string): Promise<Uint8Array | undefined> {
    const found = await this.run('read', () => this.#jsm.direct.getMessage(stream, { last_by_subj: subject }));
    return (found ?? (await this.last(stream, subject)))?.data;
  }

  /** The sequence of the last message of a stream; 0 without one. */
  lastSequence(stream: string): Promise<number> {
    return this.run('read', async () => (await this.#jsm.streams.info(stream)).state.last_seq);
  }

  /** The subjects of a stream that have messages. */
  subjects(stream: string, filter: string): Promise<readonly string[]> {
    return this.run('read', async () => {
      const { state } = await this.#jsm.streams.info(stream, { subjects_filter: filter });
      return Object.keys(state.subjects ?? {});
    });
  }

  /** Deletes messages of some subjects before a sequence. */
  async delete(stream: string, filter: string, before: number): Promise<void> {
    await this.run('written', () => this.#jsm.streams.purge(stream, { filter, seq: before }));
  }

  /**
   * Receives messages of a stream in order, those that are there and those to come.
   *
   * @param which `last`: at first only the last of each subject, and no bodies; `all`: everything
   */
  async follow(
    stream: string,
    which: 'last' | 'all',
    filter: string | undefined,
    take: (message: JsMsg) => void,
  ): Promise<Unfollow> {
    const consumer = await this.#js.consumers.getPushConsumer(stream, {
      deliver_policy: which === 'last' ? 'last_per_subject' : 'all',
      headers_only: which === 'last',
      ...(filter !== undefined && { filter_subject: filter }),
    });
    const messages = await consumer.consume({ callback: take });
    return () => {
      messages.stop();
      consumer.delete().catch(() => {}); // the server forgets it by itself
    };
  }

  /** Ends what is tried again. */
  close(): void {
    this.#closing.abort();
  }

  async #patiently<Value>(timeout: number, work: (attempt: number) => Promise<Value>): Promise<Value> {
    const until = performance.now() + timeout;
    const { signal } = this.#closing;
    for (let attempt = 0; ; attempt++) {
      try {
        if (signal.aborted) throw new Error('it is closed');
        return await work(attempt);
      } catch (error) {
        if (!isPassing(error) || performance.now() >= until || signal.aborted) throw error;
        await wait(Math.min(maxPauseMs, firstPauseMs * 2 ** attempt), undefined, { signal }).catch(() => {});
      }
    }
  }

  async #create(name: string, subjects: string[], replicas: number, more: Partial<StreamConfig>): Promise<number> {
    try {
      return (await this.#jsm.streams.info(name)).config.num_replicas;
    } catch (error) {
      if ((error as Error).name !== 'StreamNotFoundError') throw error;
      const { config } = await this.#jsm.streams.add({
        name,
        subjects,
        num_replicas: replicas,
        storage: 'file',
        retention: 'limits',
        discard: 'old',
        allow_direct: false,
        duplicate_window: knownMs * 1e6, // ns
        ...more,
      });
      return config.num_replicas;
    }
  }
}

/**
 * Warns, once in a process, of what would lose records. How often a server writes to its disk cannot be seen from here,
 * only that an old one cannot be configured to do it for each record.
 */
function warnOf(client: JournalConnection['client'], replicas: number): void {
  const { version = '' } = client.info ?? {};
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const missing = [
    ...(replicas < safeReplicas
      ? [`${replicas === 1 ? 'one server keeps' : `${replicas} servers keep`} each record: use a cluster of three`]
      : []),
    ...(major < 2 || (major === 2 && minor < 10)
      ? [
          `server ${version} cannot write each record to disk before it acknowledges it: use 2.10 or newer, and sync_interval: always`,
        ]
      : []),
  ];
  const text = missing.join('; ');
  if (text === '' || warned.has(text)) return;
  warned.add(text);
  process.emitWarning(`The NATS journal may lose records at a loss of power: ${text}.`, 'HandoffWarning');
}

const warned = new Set<string>();
