/** The option `journal` of `Handoff.start`: where runs are recorded. */
import { checkOptions, invalidOption, isAmount, isRecord, rules, type Schema } from '../../core/schema.ts';
import type { Journal } from '../../journal/journal.ts';

export interface SqliteJournalOptions {
  readonly type: 'sqlite';
  /** The folder of the journal. It is created if it is missing. Several processes of one machine may use it. */
  readonly path: string;
  /**
   * `'normal'` (default): what is recorded survives the death of the process. `'full'`: also a loss of power; the end of
   * a run then waits for the disk.
   */
  readonly sync?: 'normal' | 'full' | undefined;
  /** Results up to this size in bytes are kept; larger ones are computed again when needed. Default 16 MiB. */
  readonly maxResultBytes?: number | undefined;
  /** How many ended runs are kept (default 1000), and for how many ms (default: any time). */
  readonly retain?: { readonly runs?: number | undefined; readonly ms?: number | undefined } | undefined;
}

/** A SQLite journal in a folder, or a `Journal` of the user's own. */
export type JournalOptions = SqliteJournalOptions | Journal;

export interface ResolvedJournal {
  readonly maxResultBytes: number;
  open(): Promise<Journal>;
}

export const journalExpected = "{ type: 'sqlite', path, sync?, maxResultBytes?, retain? }, or a Journal";

const maxResultBytes = 16 * 2 ** 20;

const schema: Schema<SqliteJournalOptions> = {
  type: { expected: "'sqlite'", holds: (value) => value === 'sqlite' },
  path: { expected: 'the path of a folder', holds: (value) => typeof value === 'string' && value !== '' },
  sync: { expected: "'normal' or 'full'", holds: (value) => value === 'normal' || value === 'full' },
  maxResultBytes: {
    expected: 'a number of bytes, at least 0',
    holds: (value) => value === Infinity || isAmount(value),
  },
  retain: { expected: '{ runs?, ms? }', holds: isRecord },
};

const retainSchema: Schema<NonNullable<SqliteJournalOptions['retain']>> = {
  runs: rules.wholeOrInfinity,
  ms: { expected: 'ms, at least 0, or Infinity', holds: (value) => value === Infinity || isAmount(value) },
};

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function resolveJournal(options: JournalOptions): ResolvedJournal {
  if (isJournal(options)) return { maxResultBytes, open: async () => options };
  const where = 'Handoff.start: journal';
  checkOptions(where, schema, options);
  for (const required of ['type', 'path'] as const)
    if (options[required] === undefined) throw invalidOption(where, required, schema[required].expected, undefined);
  const { retain = {}, path, sync = 'normal' } = options;
  checkOptions(`${where}: retain`, retainSchema, retain);
  return {
    maxResultBytes: options.maxResultBytes ?? maxResultBytes,
    open: async () => {
      const { SqliteJournal } = await import('../../journal/sqlite/sqlite-journal.ts');
      return new SqliteJournal({ path, sync, retain: { runs: retain.runs ?? 1000, ms: retain.ms ?? Infinity } });
    },
  };
}

function isJournal(value: JournalOptions): value is Journal {
  return ['submit', 'claim', 'append', 'read'].every(
    (name) => typeof (value as unknown as Record<string, unknown>)[name] === 'function',
  );
}
