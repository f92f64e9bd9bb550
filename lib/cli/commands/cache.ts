/** The commands that look after a cache: `cache stats` and `cache clear`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../runtime/options/config.ts';
import { openCacheIn, resolveJournal } from '../../runtime/options/journal-options.ts';
import { defaultMaxCacheBytes } from '../../runtime/options/handoff-options.ts';
import type { CacheStore } from '../../journal/cache-store.ts';
import { ExitCode, UsageError } from '../exit.ts';
import { defaultCacheDir, isSharedJournal, journalOf } from '../flags/flags.ts';
import { formatBytes, toJson } from '../output/output.ts';
import { print } from '../output/stdout.ts';

export interface CacheFlags {
  readonly cacheDir?: string;
  readonly journal?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Prints the number and the size of the results in a cache. */
export function cacheStats(flags: CacheFlags): Promise<number> {
  return withCache(flags, async (cache) => {
    const stats = await cache.stats();
    const { results, bytes, maxBytes } = stats;
    if (flags.json === true) print(toJson(stats));
    else print(`${countOf(results)}, ${formatBytes(bytes)} of at most ${formatBytes(maxBytes)}`);
    return ExitCode.done;
  });
}

/** Deletes all results of a cache. */
export function clearCache(flags: CacheFlags): Promise<number> {
  return withCache(flags, async (cache) => {
    process.stderr.write(`${countOf(await cache.clear())} deleted.\n`);
    return ExitCode.done;
  });
}

/** Opens the cache that the flags or the configuration file name. */
async function withCache(
  { cacheDir, journal, config }: CacheFlags,
  use: (cache: CacheStore) => Promise<number>,
): Promise<number> {
  const { options } = await readConfig(config);
  const { maxCacheBytes = defaultMaxCacheBytes } = options;
  const isShared = journal !== undefined && isSharedJournal(journal);
  const ofUser = cacheDir ?? (isShared ? undefined : journal) ?? options.cacheDir;
  const elsewhere = isShared ? journalOf(journal) : options.journal;
  if (ofUser === undefined && elsewhere !== undefined) {
    const opened = await resolveJournal(elsewhere).open();
    try {
      if (opened.openCache === undefined)
        throw new UsageError('This journal keeps no cache of results. Give the folder of one with --cache-dir DIR.');
      return await closing(await opened.openCache(maxCacheBytes), use);
    } finally {
      await opened.close();
    }
  }
  const folder = ofUser ?? defaultCacheDir;
  if (!existsSync(join(folder, 'cache.db')))
    throw new UsageError(`There is no cache in ${folder}. Give its folder with --cache-dir DIR or --journal DIR.`);
  return closing(await openCacheIn(folder, maxCacheBytes), use);
}

async function closing(cache: CacheStore, use: (cache: CacheStore) => Promise<number>): Promise<number> {
  try {
    return await use(cache);
  } finally {
    await cache.close();
  }
}

function countOf(results: number): string {
  return results === 1 ? '1 result' : `${results} results`;
}
