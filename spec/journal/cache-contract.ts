/** What every cache must do, however it stores results. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CacheStore, ResultToCache } from '../../lib/journal/cache-store.ts';

export interface CacheKind {
  open(maxBytes?: number): Promise<CacheStore>;
  /** Lets time pass for what is kept. Default: by the clock of this process, which is a fake. */
  pass?(ms: number): Promise<void>;
  clean(): Promise<void>;
}

/** More than a cache keeps beside the key. */
export const largeBytes = 100_000;

export const result = (key: string, bytes = 8): ResultToCache => ({
  key,
  identity: `of ${key}`,
  isTruthy: true,
  bytes: Buffer.alloc(bytes, key),
});

export function describeCache(name: string, kind: CacheKind): void {
  describe(`the ${name} cache`, () => {
    let cache: CacheStore;
    beforeEach(async () => {
      cache = await kind.open();
    });
    afterEach(async () => {
      vi.useRealTimers();
      await cache.close();
      await kind.clean();
    });

    const find = async (...keys: string[]) => cache.find(keys, () => false);
    const keysOf = async (...keys: string[]): Promise<string[]> =>
      (await find(...keys)).flatMap((found) => found?.key ?? []);

    it('finds what was put, and nothing else', async () => {
      await cache.put([{ ...result('a'), isTruthy: false }, result('b')]);
      const [a, x, b] = await find('a', 'x', 'b');
      expect(a).toMatchObject({ key: 'a', identity: 'of a', isTruthy: false });
      expect(a!.bytes).toBeUndefined();
      expect(x).toBeUndefined();
      expect(b).toMatchObject({ identity: 'of b', isTruthy: true });
      expect(Math.abs(Date.now() - b!.storedAt)).toBeLessThan(60_000);
    });

    it.each(['a\0b', '"\\u0000"'])('gives the identity %j back, and takes what is put with it', async (identity) => {
      await cache.put([{ ...result('a'), identity }, result('b')]);
      const [a, b] = await find('a', 'b');
      expect(a!.identity).toBe(identity);
      expect(await cache.read(a!)).toHaveLength(8);
      expect(b).toMatchObject({ identity: 'of b' });
    });

    it.each([0, 8, largeBytes])('gives %i bytes back', async (bytes) => {
      await cache.put([result('a', bytes)]);
      const [found] = await find('a');
      expect(Buffer.from((await cache.read(found!))!)).toEqual(Buffer.alloc(bytes, 'a'));
    });

    it('gives few bytes at once where they are wanted', async () => {
      await cache.put([result('a'), result('b')]);
      const found = await cache.find(['a', 'b'], (at) => at === 1);
      expect(found[0]!.bytes).toBeUndefined();
      expect(Buffer.from(found[1]!.bytes!)).toEqual(Buffer.alloc(8, 'b'));
    });

    it('takes the later of two results that are put under one key', async () => {
      await cache.put([result('a'), { ...result('a'), identity: 'later', bytes: Buffer.from('later') }]);
      const [found] = await find('a');
      expect(found).toMatchObject({ identity: 'later' });
      expect(Buffer.from((await cache.read(found!))!).toString()).toBe('later');
    });

    it('replaces what has the same key, and does not give the new bytes for the old result', async () => {
      await cache.put([result('a')]);
      const [old] = await find('a');
      await cache.put([{ ...result('a'), identity: 'new', bytes: Buffer.from('new') }]);
      expect(await find('a')).toMatchObject([{ identity: 'new' }]);
      expect(await cache.read(old!)).toBeUndefined();
      expect(await cache.stats()).toMatchObject({ results: 1 });
    });

    it('deletes what was used longest ago when it is full, and refuses what does not fit at all', async () => {
      await cache.close();
      await kind.clean();
      vi.useFakeTimers({ toFake: ['Date'] });
      cache = await kind.open(5 * largeBytes);
      for (const key of ['a', 'b', 'c', 'd']) {
        await cache.put([result(key, largeBytes)]);
        if (kind.pass === undefined) vi.setSystemTime(Date.now() + 3_600_000);
        else await kind.pass(3_600_000);
      }
      await find('a');
      await cache.put([result('e', largeBytes)]);
      expect(await keysOf('a', 'b', 'c', 'd', 'e')).toEqual(['a', 'c', 'd', 'e']);
      await cache.put([result('huge', 6 * largeBytes)]);
      expect(await keysOf('a', 'c', 'd', 'e', 'huge')).toEqual(['a', 'c', 'd', 'e']);
      const { bytes, maxBytes } = await cache.stats();
      expect(bytes).toBeLessThanOrEqual(maxBytes);
    });

    it('counts and clears its results', async () => {
      await cache.put([result('a'), result('b', largeBytes)]);
      expect((await cache.stats()).bytes).toBeGreaterThanOrEqual(largeBytes + 8);
      expect(await cache.clear()).toBe(2);
      expect(await cache.stats()).toMatchObject({ results: 0, bytes: 0 });
      expect(await keysOf('a', 'b')).toEqual([]);
      await cache.put([result('b', largeBytes)]);
      expect(await cache.read((await find('b'))[0]!)).toHaveLength(largeBytes);
    });
  });
}
