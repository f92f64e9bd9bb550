/** The journal in a database: the contract, on a real server, and what can happen to it. */
import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { Client } from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PostgresSettings } from '../../lib/journal/postgres/options.ts';
import { PostgresJournal } from '../../lib/journal/postgres/postgres-journal.ts';
import { errorOf } from '../support/handoff.ts';
import { LossyProxy } from '../support/postgres/lossy-proxy.ts';
import { describePostgres, newSchema, sharedPostgres } from '../support/postgres/shared.ts';
import { describeJournal } from './contract.ts';

let url = '';
let schema = '';
const opened: PostgresJournal[] = [];

async function open(more: Partial<PostgresSettings> = {}): Promise<PostgresJournal> {
  const retain = { runs: 1000, ms: Infinity };
  const journal = await PostgresJournal.open({ url, schema, lease: 60_000, retryTimeout: 60_000, retain, ...more });
  opened.push(journal);
  return journal;
}

/** @param text in which `$$` is the schema */
async function sql(text: string, ...values: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text.replaceAll('$$', `"${schema}"`), values)).rows;
  } finally {
    await client.end();
  }
}

async function clean(): Promise<void> {
  for (const journal of opened.splice(0)) await journal.close().catch(() => {});
  await sql('DROP SCHEMA IF EXISTS $$ CASCADE');
}

/** It only ends what hangs. */
const patient = { timeout: 60_000 };

const chunk = (text: string): Uint8Array => Buffer.from(text);
const run = (runId: string) => ({ runId, dagId: 'etl', functions: 3 });
const textsOf = async (journal: PostgresJournal, runId: string): Promise<string[]> =>
  (await journal.read(runId)).map((each) => Buffer.from(each).toString());
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describePostgres('on a server', () => {
  beforeAll(async () => void (url = await sharedPostgres()));

  describeJournal('PostgreSQL', {
    async open(runs = 1000) {
      schema = newSchema();
      return open({ retain: { runs, ms: Infinity } });
    },
    again: () => open(),
    kill: (journal) => journal.close(),
    clean,
  });

  describe('the database of a journal', () => {
    beforeEach(() => {
      schema = newSchema();
    });
    afterEach(clean);

    it('gets its tables once, when several processes open it at the same time', async () => {
      const journals = await Promise.all([open(), open(), open()]);
      await journals[0].submit(run('a'), chunk('0'));
      for (const journal of journals) expect(await textsOf(journal, 'a')).toEqual(['0']);
    });

    it('is refused when a newer version wrote it', async () => {
      await open();
      await sql('UPDATE $$.version SET version = 99');
      expect(await errorOf(open())).toMatchObject({
        code: 'JOURNAL_FAILED',
        message: expect.stringMatching(/schema spec_\w+, has version 99, .* Update Handoff/),
      });
    });

    it('is named without the password when it cannot be opened', async () => {
      const { host } = new URL(url);
      const missing = `postgres://handoff:pa55word@${host}/missing`;
      const gone = 'postgres://handoff:pa55word@127.0.0.1:1/missing?password=pa55word';
      for (const [given, text] of [
        [
          missing,
          /The journal at 127\.0\.0\.1:\d+\/missing cannot be opened: .*does not exist\. Create the database\./,
        ],
        [gone, /The journal at 127\.0\.0\.1:1\/missing cannot be opened: .*Check that the server runs/],
      ] as const) {
        const error = await errorOf(open({ url: given }));
        expect(error).toMatchObject({ code: 'JOURNAL_FAILED', message: expect.stringMatching(text) });
        expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('pa55word');
      }
    });

    it('takes what several runs append in one turn in one transaction, and refuses only what is stale', async () => {
      const journal = await open();
      const ids = Array.from({ length: 20 }, (_, i) => `r${i}`);
      for (const id of ids) await journal.submit(run(id), chunk('0'));
      const claims = await Promise.all(ids.map(async (id) => (await journal.claim(id))!));
      claims[7] = { ...claims[7]!, term: 0 };
      const outcomes = await Promise.allSettled(claims.map((claim) => journal.append(claim, chunk('1'), { done: 1 })));
      expect(outcomes.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).toEqual([7]);
      expect((outcomes[7] as PromiseRejectedResult).reason).toMatchObject({ code: 'FENCED', runId: 'r7' });
      const [written] = await sql(
        'SELECT count(*)::int AS chunks, count(DISTINCT xmin::text)::int AS transactions FROM $$.log WHERE position = 1',
      );
      expect(written).toEqual({ chunks: 19, transactions: 1 });
    });

    it('keeps a blob of several parts, as long as a run uses it, and gives no damaged one', async () => {
      const journal = await open({ retain: { runs: 0, ms: Infinity } });
      const bytes = Buffer.alloc(9 * 2 ** 20, 7);
      bytes[5_000_000] = 1;
      const hash = hashOf(bytes);
      for (const id of ['a', 'b']) {
        await journal.submit(run(id), chunk('0'));
        await journal.putBlob(id, hash, bytes);
      }
      expect(bytes.equals((await journal.getBlob(hash))!)).toBe(true);
      await journal.append((await journal.claim('a'))!, chunk('1'), { state: 'finished' });
      expect(await journal.compact()).toBe(1);
      expect(await journal.getBlob(hash)).toBeDefined();
      await sql(`UPDATE $$.blob_parts SET bytes = 'x' WHERE part = 1`);
      expect(await journal.getBlob(hash)).toBeUndefined();
      await journal.append((await journal.claim('b'))!, chunk('1'), { state: 'finished' });
      expect(await journal.compact()).toBe(1);
      expect(await sql('SELECT FROM $$.blob_parts')).toEqual([]);
    });
  });

  describe('a process whose lease has ended', () => {
    beforeEach(() => {
      schema = newSchema();
    });
    afterEach(clean);

    const endLease = (owner: string) =>
      sql(`UPDATE $$.owners SET expires_at = now() - interval '1 s' WHERE owner = $1`, owner);

    it('loses its runs to the next, and is fenced off', async () => {
      const [stale, next] = [await open(), await open({ lease: 100 })];
      await stale.submit(run('a'), chunk('0'));
      const claim = (await stale.claim('a'))!;
      await stale.append(claim, chunk('1'), { done: 1 });
      expect(await next.claim('a')).toBeUndefined();
      await endLease(stale.owner);
      await expect.poll(() => next.find('a'), patient).toMatchObject({ state: 'orphaned', done: 1 });
      const taken = (await next.claim('a'))!;
      expect(taken).toMatchObject({ position: 2, term: claim.term + 1 });
      expect(await errorOf(stale.append(claim, chunk('x'), { state: 'finished' }))).toMatchObject({ code: 'FENCED' });
      await next.append(taken, chunk('2'), { state: 'finished' });
      expect(await textsOf(stale, 'a')).toEqual(['0', '1', '2']);
    });

    it('keeps them if nobody has taken them', async () => {
      const stale = await open();
      await stale.submit(run('a'), chunk('0'));
      const claim = (await stale.claim('a'))!;
      await endLease(stale.owner);
      await stale.append(claim, chunk('1'), { state: 'finished' });
      expect(await stale.find('a')).toMatchObject({ state: 'finished' });
    });

    it('is not taken for dead by one that could not reach the database either', async () => {
      const proxy = await LossyProxy.start(Number(new URL(url).port));
      try {
        const stale = await open();
        const judge = await open({ url: url.replace(/:\d+/, `:${proxy.port}`), lease: 60_000 });
        await stale.submit(run('a'), chunk('0'));
        await stale.claim('a');
        await proxy.close();
        await endLease(stale.owner);
        await proxy.open();
        expect(await judge.find('a')).toMatchObject({ state: 'running' });
        expect(await judge.claim('a')).toBeUndefined();
      } finally {
        await clean();
        await proxy.close();
      }
    });
  });

  describe('limits that processes share', () => {
    beforeEach(() => {
      schema = newSchema();
    });
    afterEach(clean);

    const rules = {
      api: { concurrency: 3, perSecond: Infinity, burst: 1 },
      db: { concurrency: 1, perSecond: Infinity, burst: 1 },
      rate: { concurrency: Infinity, perSecond: 0.001, burst: 2 },
    };

    it('are taken whole or not at all, and never beyond what they allow, by any number at the same time', async () => {
      const journals = await Promise.all(Array.from({ length: 4 }, () => open()));
      const taken = await Promise.all(
        journals.map(({ limits }) => limits.take(rules, { api: 1, db: 1 }, { api: 0, db: 0 })),
      );
      expect(taken.toSorted()).toEqual([0, Infinity, Infinity, Infinity]);
      const owner = journals[taken.indexOf(0)]!;
      const other = journals[taken.indexOf(Infinity)]!;
      expect(await other.limits.take(rules, { api: 2 }, { api: 0 }), 'nothing of what was refused is held').toBe(0);
      expect(await other.limits.take(rules, { api: 1 }, { api: 2 })).toBe(Infinity);
      const freed = Promise.withResolvers<void>();
      const stop = other.limits.watch(freed.resolve);
      await owner.limits.giveBack(rules, { api: 0, db: 0 }, {});
      await freed.promise;
      stop();
      expect(await other.limits.take(rules, { api: 1, db: 1 }, { api: 2, db: 0 })).toBe(0);
    });

    it('have one rate, of which what has not started is given back', async () => {
      const [one, two] = [await open(), await open()];
      expect(await one.limits.take(rules, { rate: 1 }, { rate: 0 })).toBe(0);
      expect(await two.limits.take(rules, { rate: 1 }, { rate: 0 })).toBe(0);
      const wait = await one.limits.take(rules, { rate: 1 }, { rate: 1 });
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(1_000_000);
      await two.limits.giveBack(rules, { rate: 0 }, { rate: 1 });
      expect(await one.limits.take(rules, { rate: 1 }, { rate: 1 })).toBe(0);
    });

    it('return from a process whose lease has ended', async () => {
      const [dead, alive] = [await open(), await open({ lease: 100 })];
      expect(await dead.limits.take(rules, { db: 1 }, { db: 0 })).toBe(0);
      expect(await alive.limits.take(rules, { db: 1 }, { db: 0 })).toBe(Infinity);
      await sql(`UPDATE $$.owners SET expires_at = now() - interval '1 s' WHERE owner = $1`, dead.owner);
      await expect.poll(() => alive.limits.take(rules, { db: 1 }, { db: 0 }), patient).toBe(0);
    });

    it('are not kept from others by a process that sleeps while it takes them', async () => {
      const proxy = await LossyProxy.start(Number(new URL(url).port));
      try {
        const [asleep, awake] = [await open({ url: url.replace(/:\d+/, `:${proxy.port}`), lease: 100 }), await open()];
        proxy.holdAnswerTo('FOR UPDATE');
        const taking = asleep.limits.take(rules, { db: 1 }, { db: 0 });
        await expect
          .poll(() => sql(`SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in tr%'`), patient)
          .not.toEqual([]);
        await awake.limits.take(rules, { db: 1 }, { db: 0 });
        expect(await taking, 'it goes on when it wakes').toBe(Infinity);
      } finally {
        await clean();
        await proxy.close();
      }
    });

    it('are taken once when the answer is lost', async () => {
      const proxy = await LossyProxy.start(Number(new URL(url).port));
      try {
        const journal = await open({ url: url.replace(/:\d+/, `:${proxy.port}`) });
        proxy.loseAnswerTo('COMMIT');
        expect(await journal.limits.take(rules, { api: 2 }, { api: 0 })).toBe(0);
        expect(await sql('SELECT amount FROM $$.limit_uses')).toEqual([{ amount: 2 }]);
      } finally {
        await clean();
        await proxy.close();
      }
    });
  });

  describe('a connection that is lost', () => {
    let proxy: LossyProxy;
    let journal: PostgresJournal;
    beforeEach(async () => {
      schema = newSchema();
      proxy = await LossyProxy.start(Number(new URL(url).port));
      journal = await open({ url: url.replace(/:\d+/, `:${proxy.port}`) });
    });
    afterEach(async () => {
      await clean();
      await proxy.close();
    });

    it('loses nothing, and does nothing twice, when what it did was not answered', async () => {
      proxy.loseAnswerTo("'queued'");
      expect(await journal.submit(run('a'), chunk('0'))).toBe(true);
      proxy.loseAnswerTo('SKIP LOCKED');
      const claim = (await journal.claim('a'))!;
      expect(claim).toMatchObject({ position: 1, term: 2 });
      proxy.loseAnswerTo('position + 1');
      await journal.append(claim, chunk('1'), { done: 1 });
      await journal.append(claim, chunk('2'), { done: 2 });
      expect(await textsOf(journal, 'a')).toEqual(['0', '1', '2']);
    });

    it('is made again when the server closes it, in the middle of appends', async () => {
      await journal.submit(run('a'), chunk('0'));
      const claim = (await journal.claim('a'))!;
      for (let i = 1; i <= 20; i++) {
        const append = journal.append(claim, chunk(String(i)), { done: i });
        if (i % 4 === 0)
          await sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = ANY($1)', proxy.ports);
        await append;
      }
      expect(await textsOf(journal, 'a')).toEqual(Array.from({ length: 21 }, (_, i) => String(i)));
      const woken = Promise.withResolvers<void>();
      const stop = journal.watch(woken.resolve);
      await woken.promise;
      stop();
    });

    it('fails the append after a time, and gives the run back when the database can be reached again', async () => {
      const impatient = await open({ url: url.replace(/:\d+/, `:${proxy.port}`), retryTimeout: 0 });
      await impatient.submit(run('a'), chunk('0'));
      const claim = (await impatient.claim('a'))!;
      await proxy.close();
      expect(await errorOf(impatient.append(claim, chunk('1'), {}))).toMatchObject({
        code: 'JOURNAL_FAILED',
        message: expect.stringContaining('cannot be written'),
      });
      await proxy.open();
      await expect.poll(() => journal.find('a'), patient).toMatchObject({ state: 'queued', owner: undefined });
    });

    it('ends with the journal, whether or not the database is there', async () => {
      await proxy.close();
      await journal.close();
      expect(await errorOf(journal.submit(run('a'), chunk('0')))).toMatchObject({ code: 'JOURNAL_FAILED' });
      await proxy.open();
    });
  });
});
