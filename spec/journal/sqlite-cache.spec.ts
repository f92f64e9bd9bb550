import { chmodSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteCache } from '../../lib/journal/sqlite/sqlite-cache.ts';
import { thrownBy } from '../support/handoff.ts';
import { describeCache, largeBytes, result } from './cache-contract.ts';

let path = '';
const open = (maxBytes = 2 ** 30): SqliteCache => new SqliteCache({ path, maxBytes });

describeCache('SQLite', {
  async open(maxBytes) {
    path = mkdtempSync(join(tmpdir(), 'handoff-cache-'));
    return open(maxBytes);
  },
  clean: async () => rmSync(path, { recursive: true, force: true }),
});

describe('the folder of a cache', () => {
  beforeEach(() => void (path = mkdtempSync(join(tmpdir(), 'handoff-cache-'))));
  afterEach(() => {
    chmodSync(path, 0o700);
    rmSync(path, { recursive: true, force: true });
  });
  const files = (): string[] => globSync('cache/*/*', { cwd: path });
  const find = async (cache: SqliteCache, key: string) => (await cache.find([key], () => true))[0];

  it('may be used by two processes at once', async () => {
    const [one, two] = [open(), open()];
    for (let k = 0; k < 50; k++) {
      await one.put([result(`one ${k}`)]);
      await two.put([result(`two ${k}`, largeBytes)]);
      expect(await find(two, `one ${k}`)).toMatchObject({ identity: `of one ${k}` });
      expect(await find(one, `two ${k}`)).toMatchObject({ identity: `of two ${k}` });
    }
    expect((await one.stats()).results).toBe(100);
    await one.close();
    await two.close();
  });

  it('stays within its limit when two processes write', async () => {
    const [one, two] = [open(20 * largeBytes), open(20 * largeBytes)];
    for (let k = 0; k < 30; k++) await (k % 2 === 0 ? one : two).put([result(`${k}`, largeBytes)]);
    expect((await one.stats()).bytes).toBeLessThanOrEqual(20 * largeBytes);
    expect(files().length).toBe((await one.stats()).results);
    await one.close();
    await two.close();
  });

  it('keeps equal bytes once, until no result has them', async () => {
    const cache = open(4 * largeBytes);
    const bytes = Buffer.alloc(largeBytes, 'x');
    await cache.put([
      { ...result('a'), bytes },
      { ...result('b'), bytes },
    ]);
    expect(files()).toHaveLength(1);
    await cache.put([result('c', largeBytes)]);
    expect(await find(cache, 'a')).toBeDefined();
    await cache.put([result('d', largeBytes)]); // now a has to go
    expect(await find(cache, 'a')).toBeUndefined();
    expect(await cache.read((await find(cache, 'b'))!)).toHaveLength(largeBytes);
    await cache.close();
  });

  it('forgets a result whose file is damaged or gone, and takes it again', async () => {
    const cache = open();
    for (const damage of [
      () => writeFileSync(join(path, files()[0]!), Buffer.alloc(largeBytes)),
      () => rmSync(join(path, files()[0]!)),
    ]) {
      await cache.put([result('a', largeBytes)]);
      const found = (await find(cache, 'a'))!;
      damage();
      expect(await cache.read(found)).toBeUndefined();
      expect(await find(cache, 'a')).toBeUndefined();
    }
    await cache.put([result('a', largeBytes)]);
    expect(await cache.read((await find(cache, 'a'))!)).toHaveLength(largeBytes);
    await cache.close();
  });

  it('gives no small result whose bytes have changed', async () => {
    const cache = open();
    await cache.put([result('a')]);
    const database = new DatabaseSync(join(path, 'cache.db'));
    database.exec(`UPDATE results SET bytes = x'0102030405060708090a0b0c'`);
    database.close();
    const found = (await find(cache, 'a'))!;
    expect(found.bytes).toBeUndefined();
    expect(await cache.read(found)).toBeUndefined();
    expect(await find(cache, 'a')).toBeUndefined();
    await cache.close();
  });

  it('begins anew when its database is damaged', async () => {
    await open().close();
    const file = join(path, 'cache.db');
    const bytes = readFileSync(file);
    bytes.fill(0xff, 0, 4096);
    writeFileSync(file, bytes);
    const cache = open();
    await cache.put([result('a')]);
    expect(await find(cache, 'a')).toBeDefined();
    await cache.close();
  });

  it('is refused when a newer version wrote it', async () => {
    await open().close();
    const database = new DatabaseSync(join(path, 'cache.db'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    expect(thrownBy(() => open())).toMatchObject({
      code: 'JOURNAL_FAILED',
      message: expect.stringContaining('version 99'),
    });
  });

  it('must be a folder', () => {
    writeFileSync(join(path, 'file'), '');
    path = join(path, 'file');
    const error = thrownBy(() => open());
    path = join(path, '..');
    expect(error).toMatchObject({ code: 'JOURNAL_FAILED', message: expect.stringContaining('cannot be opened') });
    expect(readdirSync(path)).toEqual(['file']);
  });
});
