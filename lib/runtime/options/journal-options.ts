/** The option `journal` of `Handoff.start`: where runs are recorded. */
import * as v from 'valibot';
import { number, oneOf, text, whole } from '../../core/option-types.ts';
import { option, optionSet, parseOptions, required } from '../../core/options.ts';
import type { CacheStore } from '../../journal/cache-store.ts';
import type { Journal } from '../../journal/journal.ts';

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

/** A SQLite journal in a folder, or a `Journal` of the user's own. */
export type JournalOptions = SqliteJournalOptions | Journal;

export interface ResolvedJournal {
  readonly maxResultBytes: number;
  open(): Promise<Journal>;
}

export const journalExpected = "{ type: 'sqlite', path, sync?, maxResultBytes?, retain? }, or a Journal";

export const retainSchema = optionSet({
  runs: option(whole({ orInfinity: true }), { description: 'How many ended runs are kept.', default: 1000 }),
  ms: option(number({ unit: 'ms', min: 0, orInfinity: true }), {
    description: 'How long an ended run is kept',
    default: Infinity,
  }),
});

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
  maxResultBytes: option(number({ unit: 'bytes', min: 0, orInfinity: true }), {
    description: 'The maximum size of a recorded result',
    details: 'Larger ones are computed again when needed.',
    default: 16 * 2 ** 20,
  }),
  retain: option(retainSchema, {
    description: 'How many ended runs are kept, and for how many ms: `{ runs, ms }`.',
    otherwise: '1000 runs, for any time',
  }),
});

export const defaultMaxResultBytes = v.getDefault(sqliteSchema.entries.maxResultBytes);

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function resolveJournal(options: JournalOptions): ResolvedJournal {
  if (isJournal(options)) return { maxResultBytes: defaultMaxResultBytes, open: async () => options };
  const { path, sync, retain, ...sizes } = parseOptions('Handoff.start: journal', sqliteSchema, options);
  return {
    maxResultBytes: sizes.maxResultBytes,
    open: async () => {
      const { SqliteJournal } = await import('../../journal/sqlite/sqlite-journal.ts');
      return new SqliteJournal({ path, sync, retain: retain ?? parseOptions('retain', retainSchema, {}) });
    },
  };
}

/** Opens the cache in a folder. @throws `JOURNAL_FAILED` when the folder or the database cannot be used */
export async function openCacheIn(path: string, maxBytes: number): Promise<CacheStore> {
  const { SqliteCache } = await import('../../journal/sqlite/sqlite-cache.ts');
  return new SqliteCache({ path, maxBytes });
}

function isJournal(value: JournalOptions): value is Journal {
  return ['submit', 'claim', 'append', 'read'].every(
    (name) => typeof (value as unknown as Record<string, unknown>)[name] === 'function',
  );
}
