/** The option `journal` of `Handoff.start`: where runs are recorded. */
import * as v from 'valibot';
import { milliseconds, number, oneOf, positiveMilliseconds, text, whole } from '../../core/option-types.ts';
import { invalidOption, option, optionSet, parseOptions, required } from '../../core/options.ts';
import type { CacheStore } from '../../journal/cache-store.ts';
import type { Journal } from '../../journal/journal.ts';
import { isPostgresUrl } from '../../journal/postgres/options.ts';
import type { SharedConnection } from '../../hosts/transport/nats/shared-connection.ts';
import { natsOptions } from '../../hosts/transport/nats/schema.ts';
import { isNamespace } from '../../hosts/transport/nats/subjects.ts';
import { HandoffError } from '../../core/errors.ts';
import { natsFromEnvironment } from './transport-environment.ts';
import type { NatsTransportOptions } from './transport-options.ts';

export interface SqliteJournalOptions {
  /** `'sqlite'`. */
  readonly type: 'sqlite';
  /** The folder of the journal. It is created if it is missing. Several processes of one machine may use it. */
  readonly path: string;
  /**
   * `'normal'`: records survive the death of the process; `'full'`: also a loss of power. With `'full'`, the end of a
   * run waits for the disk. Default `'normal'`.
   */
  readonly sync?: 'normal' | 'full' | undefined;
  /** The maximum size of a recorded result, in bytes. Larger ones are computed again when needed. Default 16 MiB. */
  readonly maxResultBytes?: number | undefined;
  /** How many ended runs are kept, and for how many ms: `{ runs, ms }`. Default: 1000 runs, for any time. */
  readonly retain?: { readonly runs?: number | undefined; readonly ms?: number | undefined } | undefined;
}

export interface PostgresJournalOptions {
  /** `'postgres'`. */
  readonly type: 'postgres';
  /**
   * The database: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. What it leaves out comes from `PGUSER`, `PGPASSWORD`,
   * `PGHOST`, `PGPORT`, `PGDATABASE` and `~/.pgpass`.
   */
  readonly url: string;
  /**
   * The schema that holds the tables. It is created if it is missing. Journals in different schemas know nothing of
   * each other. Default `'handoff'`.
   */
  readonly schema?: string | undefined;
  /**
   * After this time without a sign of life, other processes take over the runs of this one, in ms. It is renewed three
   * times as often. A process that stops gives its runs back at once. Default 3,000 ms.
   */
  readonly lease?: number | undefined;
  /**
   * For this time, reads and writes are tried again while the store cannot be reached, in ms. After that, runs of this
   * process fail with `JOURNAL_FAILED`. Default 60,000 ms.
   */
  readonly retryTimeout?: number | undefined;
  /** The maximum size of a recorded result, in bytes. Larger ones are computed again when needed. Default 16 MiB. */
  readonly maxResultBytes?: number | undefined;
  /** How many ended runs are kept, and for how many ms: `{ runs, ms }`. Default: 1000 runs, for any time. */
  readonly retain?: { readonly runs?: number | undefined; readonly ms?: number | undefined } | undefined;
}

export interface NatsJournalOptions {
  /** `'nats'`. */
  readonly type: 'nats';
  /**
   * The NATS servers, as `nats://HOST:PORT` or `tls://HOST:PORT`; one of a cluster is enough. With it, the journal has
   * a connection of its own, and takes what else it needs for it from the environment: `HANDOFF_NATS_USER` and others,
   * as the transport. Default: those of `transport: { type: 'nats' }`, by its connection; without one, `HANDOFF_NATS`.
   * Environment: `HANDOFF_NATS`.
   */
  readonly servers?: string | readonly string[] | undefined;
  /**
   * Journals of different namespaces know nothing of each other. It applies to a connection of its own. Default: that
   * of the transport; without one, `HANDOFF_NATS_NAMESPACE` or `'handoff'`.
   */
  readonly namespace?: string | undefined;
  /**
   * How many servers of a cluster keep each record. It applies when the journal is created. Default: 3 in a cluster, 1
   * without one.
   */
  readonly replicas?: number | undefined;
  /**
   * After this time without a sign of life, other processes take over the runs of this one, in ms. It is renewed three
   * times as often. A process that stops gives its runs back at once. Default 3,000 ms.
   */
  readonly lease?: number | undefined;
  /**
   * For this time, reads and writes are tried again while the store cannot be reached, in ms. After that, runs of this
   * process fail with `JOURNAL_FAILED`. Default 60,000 ms.
   */
  readonly retryTimeout?: number | undefined;
  /** The maximum size of a recorded result, in bytes. Larger ones are computed again when needed. Default 16 MiB. */
  readonly maxResultBytes?: number | undefined;
  /** How many ended runs are kept, and for how many ms: `{ runs, ms }`. Default: 1000 runs, for any time. */
  readonly retain?: { readonly runs?: number | undefined; readonly ms?: number | undefined } | undefined;
}

/** A SQLite journal in a folder, a PostgreSQL journal, a journal at NATS servers, or a `Journal` of the user's own. */
export type JournalOptions = SqliteJournalOptions | PostgresJournalOptions | NatsJournalOptions | Journal;

export interface ResolvedJournal {
  readonly maxResultBytes: number;
  /** @param nats the connection of a transport over NATS */
  open(nats?: () => Promise<SharedConnection>): Promise<Journal>;
}

export const journalExpected =
  "{ type: 'sqlite', path, sync?, maxResultBytes?, retain? }, { type: 'postgres', url, schema?, lease?, retryTimeout?, maxResultBytes?, retain? }, { type: 'nats', servers?, namespace?, replicas?, lease?, retryTimeout?, maxResultBytes?, retain? }, or a Journal";

export const retainSchema = optionSet({
  runs: option(whole({ orInfinity: true }), { description: 'How many ended runs are kept.', default: 1000 }),
  ms: option(number({ unit: 'ms', min: 0, orInfinity: true }), {
    description: 'How long an ended run is kept',
    default: Infinity,
  }),
});

/** What is kept of runs. */
const kept = {
  maxResultBytes: option(number({ unit: 'bytes', min: 0, orInfinity: true }), {
    description: 'The maximum size of a recorded result',
    details: 'Larger ones are computed again when needed.',
    default: 16 * 2 ** 20,
  }),
  retain: option(retainSchema, {
    description: 'How many ended runs are kept, and for how many ms: `{ runs, ms }`.',
    otherwise: '1000 runs, for any time',
  }),
};

/** What a journal that many hosts use needs to know. */
const shared = {
  lease: option(positiveMilliseconds, {
    description: 'After this time without a sign of life, other processes take over the runs of this one',
    details: 'It is renewed three times as often. A process that stops gives its runs back at once.',
    default: 3000,
  }),
  retryTimeout: option(milliseconds, {
    description: 'For this time, reads and writes are tried again while the store cannot be reached',
    details: 'After that, runs of this process fail with `JOURNAL_FAILED`.',
    default: 60_000,
  }),
};

export const sqliteSchema = optionSet({
  type: required(oneOf('sqlite'), { description: "`'sqlite'`." }),
  path: required(text('the path of a folder'), {
    description: 'The folder of the journal.',
    details: 'It is created if it is missing. Several processes of one machine may use it.',
  }),
  sync: option(oneOf('normal', 'full'), {
    description: "`'normal'`: records survive the death of the process; `'full'`: also a loss of power.",
    details: "With `'full'`, the end of a run waits for the disk.",
    default: 'normal',
  }),
  ...kept,
});

export const postgresSchema = optionSet({
  type: required(oneOf('postgres'), { description: "`'postgres'`." }),
  url: required(text("the URL of a database, such as 'postgres://user@db.example.org:5432/app'", isPostgresUrl), {
    description: 'The database: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.',
    details: 'What it leaves out comes from `PGUSER`, `PGPASSWORD`, `PGHOST`, `PGPORT`, `PGDATABASE` and `~/.pgpass`.',
    isSecret: true,
  }),
  schema: option(
    text('a name of at most 48 letters, digits and underscores, beginning with a letter', (name) =>
      /^[A-Za-z]\w{0,47}$/.test(name),
    ),
    {
      description: 'The schema that holds the tables.',
      details: 'It is created if it is missing. Journals in different schemas know nothing of each other.',
      default: 'handoff',
    },
  ),
  ...shared,
  ...kept,
});

export const natsSchema = optionSet({
  type: required(oneOf('nats'), { description: "`'nats'`." }),
  servers: option(natsOptions.servers, {
    description: 'The NATS servers, as `nats://HOST:PORT` or `tls://HOST:PORT`; one of a cluster is enough.',
    details:
      'With it, the journal has a connection of its own, and takes what else it needs for it from the environment: `HANDOFF_NATS_USER` and others, as the transport.',
    otherwise: "those of `transport: { type: 'nats' }`, by its connection; without one, `HANDOFF_NATS`",
    isSecret: true,
  }),
  namespace: option(text("words of letters, digits, '_' and '-', separated by dots", isNamespace), {
    description: 'Journals of different namespaces know nothing of each other.',
    details: 'It applies to a connection of its own.',
    otherwise: "that of the transport; without one, `HANDOFF_NATS_NAMESPACE` or `'handoff'`",
  }),
  replicas: option(whole({ min: 1, max: 5 }), {
    description: 'How many servers of a cluster keep each record.',
    details: 'It applies when the journal is created.',
    otherwise: '3 in a cluster, 1 without one',
  }),
  ...shared,
  ...kept,
});

export const defaultMaxResultBytes = v.getDefault(sqliteSchema.entries.maxResultBytes);

/** What variables say about NATS servers, for a journal that cannot read them: the command removes them first. */
const natsVariables = Symbol('NATS variables');

interface WithVariables {
  readonly [natsVariables]?: Partial<NatsTransportOptions>;
}

/** A journal at NATS servers with what variables say about those. Other journals stay as they are. */
export function withNatsVariables(journal: JournalOptions, variables: Partial<NatsTransportOptions>): JournalOptions {
  if (isJournal(journal) || journal.type !== 'nats') return journal;
  return { ...journal, [natsVariables]: variables } as NatsJournalOptions;
}

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function resolveJournal(options: JournalOptions): ResolvedJournal {
  if (isJournal(options)) return { maxResultBytes: defaultMaxResultBytes, open: async () => options };
  if (options.type === 'postgres') return postgres(options);
  if (options.type === 'sqlite') return sqlite(options);
  if (options.type === 'nats') return nats(options);
  throw invalidOption(where, 'type', "'sqlite', 'postgres' or 'nats'", (options as { readonly type: unknown }).type);
}

function sqlite(options: SqliteJournalOptions): ResolvedJournal {
  const { path, sync, retain, ...sizes } = parseOptions(where, sqliteSchema, options);
  return {
    maxResultBytes: sizes.maxResultBytes,
    open: async () => {
      const { SqliteJournal } = await import('../../journal/sqlite/sqlite-journal.ts');
      return new SqliteJournal({ path, sync, retain: retain ?? retainedByDefault() });
    },
  };
}

/** Opens the cache in a folder. @throws `JOURNAL_FAILED` when the folder or the database cannot be used */
export async function openCacheIn(path: string, maxBytes: number): Promise<CacheStore> {
  const { SqliteCache } = await import('../../journal/sqlite/sqlite-cache.ts');
  return new SqliteCache({ path, maxBytes });
}

function postgres(options: PostgresJournalOptions): ResolvedJournal {
  const { type: _, maxResultBytes: bytes, retain, ...settings } = parseOptions(where, postgresSchema, options);
  return {
    maxResultBytes: bytes,
    open: async () => {
      const { PostgresJournal } = await import('../../journal/postgres/postgres-journal.ts');
      return PostgresJournal.open({ ...settings, retain: retain ?? retainedByDefault() });
    },
  };
}

function nats(options: NatsJournalOptions & WithVariables): ResolvedJournal {
  const { [natsVariables]: variables } = options;
  const parsed = parseOptions(where, natsSchema, options);
  const { servers, namespace, maxResultBytes: bytes, retain, replicas, lease, retryTimeout } = parsed;
  return {
    maxResultBytes: bytes,
    open: async (transport) => {
      const { NatsJournal } = await import('../../journal/nats/nats-journal.ts');
      const connection =
        transport === undefined || servers !== undefined
          ? await connect({ servers, namespace }, variables ?? natsFromEnvironment(process.env))
          : await transport();
      return NatsJournal.open(connection, { replicas, lease, retryTimeout, retain: retain ?? retainedByDefault() });
    },
  };
}

/** A connection of the journal alone, with what the environment says about the servers. */
async function connect(
  given: Pick<NatsJournalOptions, 'servers' | 'namespace'>,
  { servers, namespace, user, pass, token, nkey, creds, tls, secret }: Partial<NatsTransportOptions>,
): Promise<SharedConnection> {
  const { connectAlone } = await import('../../hosts/transport/nats/shared-connection.ts');
  const all = given.servers ?? servers;
  if (all === undefined)
    throw new HandoffError(
      'INVALID_OPTION',
      `${where}: option servers is missing. Set it, such as to 'nats://127.0.0.1:4222', or HANDOFF_NATS, or use transport: { type: 'nats' }`,
      { option: 'servers' },
    );
  return connectAlone(
    {
      servers: all,
      namespace: given.namespace ?? namespace,
      ...{ user, pass, token, nkey, creds, tls, secret },
    },
    where,
  );
}

const where = 'Handoff.start: journal';

const retainedByDefault = () => parseOptions('retain', retainSchema, {});

function isJournal(value: JournalOptions): value is Journal {
  return ['submit', 'claim', 'append', 'read'].every(
    (name) => typeof (value as unknown as Record<string, unknown>)[name] === 'function',
  );
}
