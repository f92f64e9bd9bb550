/** The cache in a database: the contract, on a real server, and what processes that share it can do to each other. */
import { createHash } from 'node:crypto';
import { Client } from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { maxUnwritten } from '../../lib/journal/cache-limits.ts';
import type { CacheStore } from '../../lib/journal/cache-store.ts';
import { Blobs } from '../../lib/journal/postgres/blobs.ts';
import { Database } from '../../lib/journal/postgres/database.ts';
import { PostgresCache } from '../../lib/journal/postgres/postgres-cache.ts';
import { PostgresJournal } from '../../lib/journal/postgres/postgres-journal.ts';
import { errorOf } from '../support/handoff.ts';
import { LossyProxy } from '../support/postgres/lossy-proxy.ts';
import { describePostgres, newSchema, sharedPostgres } from '../support/postgres/shared.ts';
import { describeCache, largeBytes, result } from './cache-contract.ts';

let url = '';
let schema = '';
const journals: Pick<PostgresJournal, 'close'>[] = [];

/** A process of its own, as far as the database sees. */
async function open(maxBytes = 2 ** 30, at = url): Promise<CacheStore> {
  return (await openJournal(at)).openCache(maxBytes);
}

async function openJournal(at = url): Promise<PostgresJournal> {
  const retain = { runs: 0, ms: Infinity };
  const journal = await PostgresJournal.open({ url: at, schema, lease: 60_000, retryTimeout: 60_000, retain });
  journals.push(journal);
  return journal;
}

/** A process in which something happens once, around its first reading of large bytes. */
async function openReading(reading: (read: () => Promise<void>) => Promise<void>): Promise<CacheStore> {
  await openJournal();
  const retain = { runs: 0, ms: Infinity };
  const database = await Database.create({ url, schema, lease: 60_000, retryTimeout: 60_000, retain });
  journals.push(database);
  const blobs = new Blobs(database, `"${schema}"`);
  const { getOnce } = blobs;
  blobs.getOnce = async (...asked) => {
    blobs.getOnce = getOnce;
    let bytes: Uint8Array | undefined;
    await reading(async () => void (bytes = await blobs.getOnce(...asked)));
    return bytes;
  };
  return new PostgresCache({ database, blobs, schema: `"${schema}"`, maxBytes: 2 ** 30 });
}

/** @param text in which `$$` is the schema */
async function sql(text: string): Promise<Record<string, unknown>[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text.replaceAll('$$', `"${schema}"`))).rows;
  } finally {
    await client.end();
  }
}

async function pass(ms: number): Promise<void> {
  await sql(`UPDATE $$.cache SET used_at = used_at - ${ms}, stored_at = stored_at - ${ms}`);
}

async function clean(): Promise<void> {
  for (const journal of journals.splice(0)) await journal.close().catch(() => {});
  await sql('DROP SCHEMA IF EXISTS $$ CASCADE');
}

describePostgres('on a server', () => {
  beforeAll(async () => void (url = await sharedPostgres()));

  describeCache('PostgreSQL', {
    async open(maxBytes) {
      schema = newSchema();
      return open(maxBytes);
    },
    pass,
    clean,
  });

  describe('the cache that processes share', () => {
    beforeEach(() => void (schema = newSchema()));
    afterEach(clean);

    const find = async (cache: CacheStore, key: string) => (await cache.find([key], () => true))[0];
    const blobs = async (): Promise<number> => (await sql('SELECT FROM $$.blobs')).length;

    it('gives each the results of the others, small and large', async () => {
      const [one, two] = [await open(), await open()];
      await one.put([result('small'), result('large', largeBytes)]);
      expect(Buffer.from((await find(two, 'small'))!.bytes!)).toEqual(Buffer.alloc(8, 'small'));
      const large = (await find(two, 'large'))!;
      expect(large.bytes).toBeUndefined();
      expect(Buffer.from((await two.read(large))!)).toEqual(Buffer.alloc(largeBytes, 'large'));
    });

    it('takes the same results from all of them at once, in any order, and stays within its limit', async () => {
      const processes = await Promise.all(Array.from({ length: 4 }, () => open(20 * largeBytes)));
      const all = Array.from({ length: 30 }, (_, k) => result(`${k}`, k % 2 === 0 ? largeBytes : 8));
      await Promise.all(
        processes.map(async (cache, at) => {
          for (let k = 0; k < all.length; k += 3) {
            const some = all.slice(k, k + 3);
            await cache.put(at % 2 === 0 ? some : some.toReversed());
            await cache.find(
              all.map(({ key }) => key),
              () => true,
            );
          }
        }),
      );
      await processes[0]!.put([result('last', largeBytes)]);
      const { bytes, maxBytes, results } = await processes[1]!.stats();
      expect(bytes).toBeLessThanOrEqual(maxBytes);
      expect(results).toBeGreaterThan(0);
      expect((await sql('SELECT FROM $$.blobs')).length).toBe(
        (await sql('SELECT DISTINCT hash FROM $$.cache WHERE hash IS NOT NULL')).length,
      );
    });

    it('keeps bytes once that a run and several results have, until nothing uses them', async () => {
      const journal = await openJournal();
      const cache = await journal.openCache(2 ** 30);
      const bytes = Buffer.alloc(largeBytes, 'x');
      const hash = createHash('sha256').update(bytes).digest('hex');
      await journal.submit({ runId: 'r', dagId: 'd', functions: 1 }, Buffer.from('0'));
      await journal.putBlob('r', hash, bytes);
      await cache.put([
        { ...result('a'), bytes, hash },
        { ...result('b'), bytes },
      ]);
      expect(await blobs()).toBe(1);
      await cache.put([result('a'), result('b')]);
      expect(await journal.getBlob(hash), 'the run has it').toBeDefined();
      await cache.put([{ ...result('a'), bytes, hash }]);
      await journal.append((await journal.claim('r'))!, Buffer.from('1'), { state: 'finished' });
      expect(await journal.compact()).toBe(1);
      expect(await cache.read((await find(cache, 'a'))!), 'the cache has it').toHaveLength(largeBytes);
      expect(await cache.clear()).toBe(2);
      expect(await blobs()).toBe(0);
    });

    it('forgets results whose bytes are damaged or gone, and takes them again', async () => {
      const cache = await open();
      for (const damage of [`UPDATE $$.blob_parts SET bytes = 'x'`, 'DELETE FROM $$.blob_parts']) {
        await cache.put([result('a', largeBytes)]);
        const found = (await find(cache, 'a'))!;
        await sql(damage);
        expect(await cache.read(found)).toBeUndefined();
        expect(await find(cache, 'a')).toBeUndefined();
      }
      await cache.put([result('a', largeBytes), result('small')]);
      expect(await cache.read((await find(cache, 'a'))!)).toHaveLength(largeBytes);
      await sql(`UPDATE $$.cache SET bytes = 'damaged' WHERE key = 'small'`);
      const small = (await find(cache, 'small'))!;
      expect(small.bytes).toBeUndefined();
      expect(await cache.read(small)).toBeUndefined();
      expect(await find(cache, 'small')).toBeUndefined();
    });

    it('leaves what others have stored anew since it found that bytes are gone', async () => {
      const run = await openJournal();
      const bytes = Buffer.alloc(largeBytes, 'a');
      const hash = createHash('sha256').update(bytes).digest('hex');
      const cache = await openReading(async (read) => {
        await sql('DELETE FROM $$.cache; DELETE FROM $$.blobs');
        await read();
        await run.putBlob('r', hash, bytes);
        await cache.put([
          { ...result('a'), identity: 'new', bytes, hash },
          { ...result('b'), bytes, hash },
        ]);
      });
      await cache.put([{ ...result('a'), bytes, hash }]);
      expect(await cache.read((await find(cache, 'a'))!)).toBeUndefined();
      expect(await run.getBlob(hash)).toEqual(bytes);
      expect(await sql('SELECT run_id FROM $$.blob_uses')).toEqual([{ run_id: 'r' }]);
      expect((await cache.find(['a', 'b'], () => false)).map((found) => found?.identity)).toEqual(['new', 'of b']);
    });

    it('waits for no process that waits for it, when bytes are damaged', async () => {
      const bytes = Buffer.alloc(largeBytes, 'a');
      const hash = createHash('sha256').update(bytes).digest('hex');
      const [cache, run] = [await open(), await openJournal()];
      await run.putBlob('r', hash, bytes);
      await cache.put(['a', 'b', 'c'].map((key) => ({ ...result(key), bytes, hash })));
      const found = (await find(cache, 'a'))!;
      await sql(`UPDATE $$.blob_parts SET bytes = 'x'`);
      const other = new Client(url);
      await other.connect();
      try {
        await other.query(`BEGIN; SELECT FROM "${schema}".cache WHERE key = 'b' FOR UPDATE`);
        await other.query(`DELETE FROM "${schema}".blob_uses`);
        expect(await cache.read(found)).toBeUndefined();
        expect(await cache.find(['a', 'b', 'c'], () => false)).toMatchObject([undefined, { key: 'b' }, undefined]);
        await other.query('COMMIT');
      } finally {
        await other.end();
      }
      expect(await cache.read((await find(cache, 'b'))!)).toBeUndefined();
      expect(await find(cache, 'b')).toBeUndefined();
      expect(await blobs()).toBe(0);
    });

    it('judges the age of a result by the clock of the database, and remembers its use', async () => {
      const cache = await open();
      await cache.put([result('a')]);
      await pass(3_600_000);
      expect(Date.now() - (await find(cache, 'a'))!.storedAt).toBeGreaterThanOrEqual(3_500_000);
      await cache.close();
      expect(await sql('SELECT FROM $$.cache WHERE used_at > stored_at + 3500000')).toHaveLength(1);
    });

    it('finds and keeps results although their use cannot be written, nor old ones be deleted', async () => {
      const cache = await open(2_000_000);
      const keys = Array.from({ length: maxUnwritten }, (_, k) => `${k}`);
      await cache.put(keys.map((key) => result(key)));
      await pass(3_600_000);
      await sql(`CREATE FUNCTION $$.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''refused''; END';
        CREATE TRIGGER refuse BEFORE DELETE OR UPDATE ON $$.cache FOR EACH ROW EXECUTE FUNCTION $$.refuse()`);
      expect(await cache.find(keys, () => false)).not.toContain(undefined);
      await cache.put(Array.from({ length: 20 }, (_, k) => result(`large ${k}`, largeBytes)));
      expect(await find(cache, 'large 19')).toBeDefined();
      await sql('DROP TRIGGER refuse ON $$.cache');
      const used = 'SELECT FROM $$.cache WHERE used_at > stored_at + 3500000';
      expect(await sql(used)).toHaveLength(0);
      await cache.close();
      expect(await sql(used)).toHaveLength(maxUnwritten);
      const other = await open(2_000_000);
      await other.put([result('last', largeBytes)]);
      const { bytes, maxBytes } = await other.stats();
      expect(bytes).toBeLessThanOrEqual(maxBytes);
    });

    it('is JOURNAL_FAILED while the database cannot be reached, without waiting for it', async () => {
      const proxy = await LossyProxy.start(Number(new URL(url).port));
      try {
        const cache = await open(2 ** 30, url.replace(/:\d+/, `:${proxy.port}`));
        await cache.put([result('a')]);
        await proxy.close();
        for (const failing of [
          () => find(cache, 'a'),
          () => cache.put([result('b')]),
          () => cache.stats(),
          () => cache.clear(),
        ])
          expect(await errorOf(failing())).toMatchObject({ code: 'JOURNAL_FAILED' });
        await proxy.open();
        expect(await find(cache, 'a')).toMatchObject({ identity: 'of a' });
      } finally {
        await clean();
        await proxy.close();
      }
    });
  });
});
