/** What every journal must do, however it stores runs. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../lib/journal/journal.ts';
import { errorOf } from '../support/handoff.ts';

export interface JournalKind {
  /** A journal over a new store. */
  open(retainedRuns?: number): Promise<Journal>;
  /** One more owner of the same store. */
  again(): Promise<Journal>;
  /** The owner is gone without a word, as when its process is killed. */
  kill(journal: Journal): Promise<void>;
  clean(): Promise<void>;
}

const chunk = (text: string): Uint8Array => Buffer.from(text);
const run = (runId: string, functions = 3) => ({ runId, dagId: 'etl', functions });

export function describeJournal(name: string, kind: JournalKind): void {
  describe(`the ${name} journal`, () => {
    let journal: Journal;
    beforeEach(async () => {
      journal = await kind.open();
    });
    afterEach(async () => {
      await journal.close().catch(() => {});
      await kind.clean();
    });

    it('gives the chunks of a run back, in order', async () => {
      await journal.submit(run('a'), chunk('0'));
      const claim = await journal.claim('a');
      for (const text of ['1', '2', '3']) await journal.append(claim!, chunk(text), {});
      expect((await journal.read('a')).map((each) => Buffer.from(each).toString())).toEqual(['0', '1', '2', '3']);
      expect(claim!.position).toBe(4);
    });

    it('knows nothing of a run that was never submitted', async () => {
      expect(await journal.read('x')).toEqual([]);
      expect(await journal.find('x')).toBeUndefined();
      expect(await journal.claim('x')).toBeUndefined();
      expect(await journal.cancel('x')).toBe(false);
      expect(await journal.isCancelled('x')).toBe(false);
      expect(await journal.reopen('x', chunk('1'))).toBe(false);
    });

    it('takes an id once', async () => {
      expect(await journal.submit(run('a'), chunk('first'))).toBe(true);
      expect(await journal.submit(run('a'), chunk('second'))).toBe(false);
      expect((await journal.read('a')).map((each) => Buffer.from(each).toString())).toEqual(['first']);
    });

    it('lists runs, the newest first, by state, before a time, and up to a limit', async () => {
      for (const id of ['a', 'b', 'c']) await journal.submit(run(id), chunk('0'));
      const claim = await journal.claim('b');
      await journal.append(claim!, chunk('1'), { done: 3, state: 'finished' });
      const idsOf = async (filter?: Parameters<Journal['list']>[0]): Promise<string[]> =>
        (await journal.list(filter)).map(({ runId }) => runId).sort();
      expect(await idsOf()).toEqual(['a', 'b', 'c']);
      expect(await idsOf({ state: 'finished' })).toEqual(['b']);
      expect(await idsOf({ state: 'queued' })).toEqual(['a', 'c']);
      expect(await idsOf({ before: (await journal.find('a'))!.submittedAt })).toEqual([]);
      expect(await journal.list({ limit: 2 })).toHaveLength(2);
    });

    it('keeps counts and the end of a run', async () => {
      await journal.submit(run('a'), chunk('0'));
      expect(await journal.find('a')).toMatchObject({ state: 'queued', functions: 3, done: 0, owner: undefined });
      const claim = (await journal.claim('a'))!;
      expect(await journal.find('a')).toMatchObject({ state: 'running', owner: journal.owner, endedAt: undefined });
      await journal.append(claim, chunk('1'), { done: 2 });
      expect(await journal.find('a')).toMatchObject({ state: 'running', done: 2, failed: 0 });
      await journal.append(claim, chunk('2'), { functions: 12, done: 7 });
      expect(await journal.find('a')).toMatchObject({ functions: 12, done: 7 });
      await journal.append(claim, chunk('3'), { failed: 1, state: 'failed' });
      const ended = (await journal.find('a'))!;
      expect(ended).toMatchObject({ state: 'failed', functions: 12, done: 7, failed: 1, owner: undefined });
      expect(ended.endedAt).toBeGreaterThanOrEqual(ended.submittedAt - 1);
    });

    it('lets one owner claim a run, and nobody while that lives', async () => {
      const other = await kind.again();
      await journal.submit(run('a'), chunk('0'));
      const claims = await Promise.all([journal.claim('a'), other.claim('a'), journal.claim('a')]);
      expect(claims.filter((each) => each !== undefined)).toHaveLength(1);
      await other.close();
    });

    it('lets another owner claim the run of a dead one, and fences that off', async () => {
      const other = await kind.again();
      await journal.submit(run('a'), chunk('0'));
      const stale = (await other.claim('a'))!;
      await other.append(stale, chunk('1'), { done: 1 });
      await kind.kill(other);
      expect(await journal.find('a')).toMatchObject({ state: 'orphaned', done: 1 });
      expect(await journal.list({ state: 'orphaned' })).toHaveLength(1);
      const claim = (await journal.claim('a'))!;
      expect(claim.position).toBe(2);
      expect(claim.term).toBeGreaterThan(stale.term);
      await journal.append(claim, chunk('2'), { done: 2 });
      expect(await journal.find('a')).toMatchObject({ state: 'running', owner: journal.owner });
    });

    it('refuses what a stale owner appends, and writes nothing of it', async () => {
      const other = await kind.again();
      await journal.submit(run('a'), chunk('0'));
      const stale = { ...(await other.claim('a'))! };
      await other.release(stale);
      const claim = (await journal.claim('a'))!;
      expect(await errorOf(other.append(stale, chunk('x'), { done: 9 }))).toMatchObject({ code: 'FENCED' });
      await journal.append(claim, chunk('1'), { done: 1 });
      expect(await errorOf(other.append(stale, chunk('x'), { state: 'finished' }))).toMatchObject({ code: 'FENCED' });
      expect((await journal.read('a')).map((each) => Buffer.from(each).toString())).toEqual(['0', '1']);
      expect(await journal.find('a')).toMatchObject({ state: 'running', done: 1 });
      await other.close();
    });

    it('refuses a chunk at a position that is taken', async () => {
      await journal.submit(run('a'), chunk('0'));
      const claim = (await journal.claim('a'))!;
      const twin = { ...claim };
      await journal.append(claim, chunk('1'), {});
      expect(await errorOf(journal.append(twin, chunk('2'), {}))).toMatchObject({ code: 'FENCED' });
    });

    it('gives a released run to the next claimer', async () => {
      const other = await kind.again();
      await journal.submit(run('a'), chunk('0'));
      await journal.release((await journal.claim('a'))!);
      expect(await journal.find('a')).toMatchObject({ state: 'queued', owner: undefined });
      expect(await other.claim('a')).toBeDefined();
      await other.close();
    });

    it('does not let a run that has ended be claimed, unless it is reopened', async () => {
      await journal.submit(run('a'), chunk('0'));
      await journal.append((await journal.claim('a'))!, chunk('1'), { state: 'failed' });
      expect(await journal.claim('a')).toBeUndefined();
      expect(await journal.reopen('a', chunk('2'))).toBe(true);
      expect(await journal.find('a')).toMatchObject({ state: 'queued', endedAt: undefined });
      expect((await journal.claim('a'))!.position).toBe(3);
    });

    it('notes that a run is to be cancelled, until it has ended', async () => {
      await journal.submit(run('a'), chunk('0'));
      expect(await journal.cancel('a')).toBe(true);
      expect(await journal.isCancelled('a')).toBe(true);
      await journal.append((await journal.claim('a'))!, chunk('1'), { state: 'cancelled' });
      expect(await journal.cancel('a')).toBe(false);
    });

    it('keeps bytes under their hash', async () => {
      const bytes = Buffer.alloc(100_000, 7);
      const hash = createHash('sha256').update(bytes).digest('hex');
      await journal.submit(run('a'), chunk('0'));
      await journal.putBlob('a', hash, bytes);
      await journal.putBlob('a', hash, bytes);
      expect(Buffer.from((await journal.getBlob(hash))!).equals(bytes)).toBe(true);
      expect(await journal.getBlob('0'.repeat(64))).toBeUndefined();
    });

    it('tells watchers of changes by other owners', async () => {
      const other = await kind.again();
      const { promise, resolve } = Promise.withResolvers<void>();
      const stop = journal.watch(resolve);
      await other.submit(run('a'), chunk('0'));
      await promise;
      stop();
      await other.close();
    });

    it('deletes the oldest ended runs, and keeps those that have not ended', async () => {
      await journal.close();
      journal = await kind.open(2);
      for (const id of ['a', 'b', 'c', 'd']) {
        await journal.submit(run(id), chunk('0'));
        if (id !== 'a') await journal.append((await journal.claim(id))!, chunk('1'), { state: 'finished' });
      }
      expect(await journal.compact()).toBe(1);
      const left = (await journal.list()).map(({ runId }) => runId);
      expect(left).toHaveLength(3);
      expect(left).toContain('a');
    });
  });
}
