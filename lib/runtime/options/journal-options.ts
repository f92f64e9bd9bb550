/** The option `journal` of `Handoff.start`: where runs are recorded. */
import * as v from 'valibot';
import { milliseconds, number, oneOf, positiveMilliseconds, text, whole } from '../../core/option-types.ts';
import { invalidOption, option, optionSet, parseOptions, required } from '../../core/options.ts';
import type { CacheStore } from '../../journal/cache-store.ts';
import type { Journal } from '../../journal/journal.ts';
import { isPostgresUrl } from '../../journal/postgres/options.ts';

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
   * For this time, reads and writes are tried again while the database cannot be reached, in ms. After that, runs of
   * this process fail with `JOURNAL_FAILED`. Default 60,000 ms.
   */
  readonly retryTimeout?: number | undefined;
  /** The maximum size of a recorded result, in bytes. Larger ones are computed again when needed. Default 16 MiB. */
  readonly maxResultBytes?: number | undefined;
  /** How many ended runs are kept, and for how many ms: `{ runs, ms }`. Default: 1000 runs, for any time. */
  readonly retain?: { readonly runs?: number | undefined; readonly ms?: number | undefined } | undefined;
}

/** A SQLite journal in a folder, a PostgreSQL journal, or a `Journal` of the user's own. */
export type JournalOptions = SqliteJournalOptions | PostgresJournalOptions | Journal;

export interface ResolvedJournal {
  readonly maxResultBytes: number;
  open(): Promise<Journal>;
}

export const journalExpected =
  "{ type: 'sqlite', path, sync?, maxResultBytes?, retain? }, { type: 'postgres', url, schema?, lease?, retryTimeout?, maxResultBytes?, retain? }, or a Journal";

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
  lease: option(positiveMilliseconds, {
    description: 'After this time without a sign of life, other processes take over the runs of this one',
    details: 'It is renewed three times as often. A process that stops gives its runs back at once.',
    default: 3000,
  }),
  retryTimeout: option(milliseconds, {
    description: 'For this time, reads and writes are tried again while the database cannot be reached',
    details: 'After that, runs of this process fail with `JOURNAL_FAILED`.',
    default: 60_000,
  }),
  ...kept,
});

export const defaultMaxResultBytes = v.getDefault(sqliteSchema.entries.maxResultBytes);

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function resolveJournal(options: JournalOptions): ResolvedJournal {
  if (isJournal(options)) return { maxResultBytes: defaultMaxResultBytes, open: async () => options };
  if (options.type === 'postgres') return postgres(options);
  if (options.type === 'sqlite') return sqlite(options);
  throw invalidOption(where, 'type', "'sqlite' or 'postgres'", (options as { readonly type: unknown }).type);
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

const where = 'Handoff.start: journal';

const retainedByDefault = () => parseOptions('retain', retainSchema, {});

function isJournal(value: JournalOptions): value is Journal {
  return ['submit', 'claim', 'append', 'read'].every(
    (name) => typeof (value as unknown as Record<string, unknown>)[name] === 'function',
  );
}
