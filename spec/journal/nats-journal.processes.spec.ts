/** The journal at NATS servers: the contract, on a real server, and what can happen to it. */
import { createHash, randomBytes } from 'node:crypto';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectAlone } from '../../lib/hosts/transport/nats/shared-connection.ts';
import { Names } from '../../lib/journal/nats/names.ts';
import { NatsJournal } from '../../lib/journal/nats/nats-journal.ts';
import type { NatsJournalSettings } from '../../lib/journal/nats/options.ts';
import { errorOf } from '../support/handoff.ts';
import { describeNats, jetStream, NatsServer } from '../support/nats-server.ts';
import { describeJournal } from './contract.ts';

let server: NatsServer;
let namespace = '';
const opened: NatsJournal[] = [];

async function open(more: Partial<NatsJournalSettings> = {}, secret?: string): Promise<NatsJournal> {
  const retain = { runs: 1000, ms: Infinity };
  const connection = await connectAlone({ servers: server.url, namespace, secret }, 'spec');
  const settings = { replicas: 1, lease: 60_000, retryTimeout: 60_000, retain, ...more };
  const journal = await NatsJournal.open(connection, settings);
  opened.push(journal);
  return journal;
}

function newNamespace(): void {
  namespace = `spec.${randomBytes(6).toString('hex')}`;
}

async function manage<Value>(work: (jsm: JetStreamManager, names: Names) => Promise<Value>): Promise<Value> {
  const client = await connect({ servers: server.url });
  try {
    return await work(await jetstreamManager(client), new Names(namespace));
  } finally {
    await client.close();
  }
}

async function clean(): Promise<void> {
  for (const journal of opened.splice(0)) await journal.close().catch(() => {});
  await manage(async (jsm, { log, blobs, leases }) => {
    for (const name of [log, blobs, `KV_${leases}`]) await jsm.streams.delete(name).catch(() => {});
  });
}

/** It only ends what hangs. */
const patient = { timeout: 60_000 };

const chunk = (text: string): Uint8Array => Buffer.from(text);
const run = (runId: string) => ({ runId, dagId: 'etl', functions: 3 });
const textsOf = async (journal: NatsJournal, runId: string): Promise<string[]> =>
  (await journal.read(runId)).map((each) => Buffer.from(each).toString());
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describeNats('on a server', () => {
  beforeAll(async () => void (server = await NatsServer.start(jetStream)));
  afterAll(() => server.stop());

  describeJournal('NATS', {
    async open(runs = 1000) {
      newNamespace();
      return open({ retain: { runs, ms: Infinity } });
    },
    again: () => open(),
    kill: (journal) => journal.close(),
    clean,
  });

  describe('the log of a run', () => {
    beforeEach(newNamespace);
    afterEach(clean);

    it('takes chunks that are longer than a message', async () => {
      const journal = await open();
      const [first, second] = [Buffer.alloc(3_000_000, 'a'), Buffer.alloc(700_000, 'b')];
      expect(await journal.submit(run('a'), first)).toBe(true);
      expect(await journal.submit(run('a'), second)).toBe(false);
      await journal.append((await journal.claim('a'))!, second, { done: 1 });
      const [one, two, ...more] = await journal.read('a');
      expect([first.equals(one!), second.equals(two!), more]).toEqual([true, true, []]);
    });

    it('is refused when a record in the middle, or the last part of it, is gone', async () => {
      const journal = await open();
      await journal.submit(run('a'), chunk('0'));
      const claim = (await journal.claim('a'))!;
      for (const text of ['1', '2', '3']) await journal.append(claim, chunk(text), {});
      await manage(async (jsm, { log }) => jsm.streams.deleteMessage(log, 4));
      expect(await errorOf(journal.read('a'))).toMatchObject({
        code: 'JOURNAL_FAILED',
        message: expect.stringContaining('the record at position 3 of run "a" is missing'),
      });
    });

    it('accepts any id, and tells ids apart', async () => {
      const journal = await open();
      const ids = ['a.b', 'a b', 'a*', '>', 'ä', 'x'.repeat(300), '=a', 'a\nb'];
      for (const id of ids) expect(await journal.submit(run(id), chunk(id))).toBe(true);
      for (const id of ids) expect(await textsOf(journal, id)).toEqual([id]);
      expect((await journal.list()).map(({ runId }) => runId).sort()).toEqual(ids.toSorted());
    });

    it('begins anew when the id of a deleted run is used again, also for those who saw the first', async () => {
      const [journal, other] = [await open({ retain: { runs: 0, ms: Infinity } }), await open()];
      await journal.submit(run('a'), chunk('old'));
      await other.cancel('a');
      await journal.append((await journal.claim('a'))!, chunk('1'), { state: 'cancelled' });
      expect(await journal.compact()).toBe(1);
      expect(await other.list()).toEqual([]);
      expect(await textsOf(other, 'a')).toEqual([]);
      expect(await other.submit(run('a'), chunk('new'))).toBe(true);
      expect(await textsOf(journal, 'a')).toEqual(['new']);
      expect(await other.isCancelled('a')).toBe(false);
      expect(await journal.claim('a')).toMatchObject({ position: 1 });
    });
  });

  describe('a blob', () => {
    beforeEach(newNamespace);
    afterEach(clean);

    it('of several parts stays as long as a run uses it', async () => {
      const journal = await open({ retain: { runs: 0, ms: Infinity } });
      const bytes = Buffer.alloc(3_000_000, 7);
      bytes[2_000_000] = 1;
      const hash = hashOf(bytes);
      for (const id of ['a', 'b']) {
        await journal.submit(run(id), chunk('0'));
        await journal.putBlob(id, hash, bytes);
      }
      await journal.append((await journal.claim('a'))!, chunk('1'), { state: 'finished' });
      expect(await journal.compact()).toBe(1);
      expect(bytes.equals((await journal.getBlob(hash))!)).toBe(true);
      await journal.append((await journal.claim('b'))!, chunk('1'), { state: 'finished' });
      expect(await journal.compact()).toBe(1);
      const subjects = await manage(async (jsm, { blobs, parts, uses }) =>
        (await Promise.all([parts, uses].map((filter) => jsm.streams.info(blobs, { subjects_filter: filter })))).map(
          ({ state }) => Object.keys(state.subjects ?? {}),
        ),
      );
      expect(subjects).toEqual([[expect.stringMatching(/\.head$/)], []]); // the head says that it is gone
    });

    it('is not given when a part of it is damaged', async () => {
      const journal = await open();
      const bytes = Buffer.alloc(2_000_000, 7);
      await journal.submit(run('a'), chunk('0'));
      await journal.putBlob('a', hashOf(bytes), bytes);
      const client = await connect({ servers: server.url });
      client.publish(new Names(namespace).part(hashOf(bytes), 1), 'x');
      await client.drain();
      await expect.poll(() => journal.getBlob(hashOf(bytes)), patient).toBeUndefined();
    });

    it('is written again by a run that uses it after it was deleted', async () => {
      const journal = await open({ retain: { runs: 0, ms: Infinity } });
      const bytes = Buffer.alloc(2_000_000, 5);
      for (const id of ['a', 'b']) {
        await journal.submit(run(id), chunk('0'));
        await journal.putBlob(id, hashOf(bytes), bytes);
        expect(bytes.equals((await journal.getBlob(hashOf(bytes)))!)).toBe(true);
        await journal.append((await journal.claim(id))!, chunk('1'), { state: 'finished' });
        await journal.compact();
        expect(await journal.getBlob(hashOf(bytes))).toBeUndefined();
      }
    });
  });

  describe('a process that renews its lease too rarely', () => {
    beforeEach(newNamespace);
    afterEach(clean);

    it('loses its runs to the next, and is fenced off', async () => {
      const [stale, next] = [await open(), await open({ lease: 300 })];
      await stale.submit(run('a'), chunk('0'));
      const claim = (await stale.claim('a'))!;
      await stale.append(claim, chunk('1'), { done: 1 });
      await expect.poll(() => next.find('a'), patient).toMatchObject({ state: 'orphaned', done: 1 });
      expect(await next.list({ state: 'orphaned' })).toHaveLength(1);
      const taken = (await next.claim('a'))!;
      expect(taken).toMatchObject({ position: 2, term: claim.term + 1 });
      expect(await errorOf(stale.append(claim, chunk('x'), { state: 'finished' }))).toMatchObject({ code: 'FENCED' });
      await next.append(taken, chunk('2'), { state: 'finished' });
      expect(await textsOf(stale, 'a')).toEqual(['0', '1', '2']);
    });

    it('keeps its runs if no other process has taken them', async () => {
      const [stale, next] = [await open(), await open({ lease: 300 })];
      await stale.submit(run('a'), chunk('0'));
      const claim = (await stale.claim('a'))!;
      await expect.poll(() => next.find('a'), patient).toMatchObject({ state: 'orphaned' });
      await stale.append(claim, chunk('1'), { state: 'finished' });
      expect(await next.find('a')).toMatchObject({ state: 'finished' });
    });
  });

  describe('with a secret', () => {
    const secret = 'a long secret of the hosts';
    beforeEach(newNamespace);
    afterEach(clean);

    it('holds nothing at the server that can be read without it', async () => {
      const journal = await open({}, secret);
      const bytes = Buffer.from('the content of a blob '.repeat(10_000));
      await journal.submit(run('a'), chunk('the content of a chunk'));
      await journal.putBlob('a', hashOf(bytes), bytes);
      expect(await textsOf(journal, 'a')).toEqual(['the content of a chunk']);
      expect(bytes.equals((await journal.getBlob(hashOf(bytes)))!)).toBe(true);
      const stored = await manage(async (jsm, { log, blobs }) => [
        await jsm.streams.getMessage(log, { seq: 1 }),
        await jsm.streams.getMessage(blobs, { seq: 2 }),
      ]);
      for (const message of stored) expect(Buffer.from(message!.data).toString('latin1')).not.toContain('the content');
    });

    it('takes nothing that was written without it, or for another run', async () => {
      const [journal, stranger] = [await open({}, secret), await open()];
      await stranger.submit(run('foreign'), chunk('0'));
      expect(await journal.list()).toEqual([]);
      const refused = { code: 'JOURNAL_FAILED', message: expect.stringContaining('the secret of this one') };
      expect(await errorOf(journal.read('foreign'))).toMatchObject(refused);
      expect(await errorOf(journal.claim('foreign'))).toMatchObject(refused);
      await journal.submit(run('own'), chunk('0'));
      await manage(async (jsm, names) => {
        const { data, header } = (await jsm.streams.getMessage(names.log, { last_by_subj: names.run('own') }))!;
        for (const name of header.keys()) if (name.startsWith('Nats-')) header.delete(name);
        const client = await connect({ servers: server.url });
        client.publish(names.run('copy'), data, { headers: header });
        await client.drain();
      });
      expect(await errorOf(journal.read('copy'))).toMatchObject(refused);
    });
  });

  it('warns that one server keeps each record, and that an old one cannot sync each', async () => {
    newNamespace();
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await open({ replicas: undefined });
    expect(warned.mock.calls.map(([text]) => String(text)).join()).toMatch(
      /may lose records at a loss of power: one server keeps each record: use a cluster of three/,
    );
    warned.mockRestore();
    await clean();
  });
});

describeNats('a server that goes away', () => {
  beforeEach(async () => {
    newNamespace();
    server = await NatsServer.start(jetStream);
  });
  afterEach(async () => {
    for (const journal of opened.splice(0)) await journal.close().catch(() => {});
    await server.stop();
  });

  it('loses nothing, and does nothing twice, when it is killed and started again in the middle of appends', async () => {
    const [journal, other] = [await open({ lease: 3000 }), await open({ lease: 3000 })];
    await journal.submit(run('a'), chunk('0'));
    const claim = (await journal.claim('a'))!;
    let seen = '';
    const stop = other.watch(() => {
      const look = async (): Promise<void> => {
        const { state } = (await other.find('a'))!;
        if (state !== 'running') seen += state;
      };
      look().catch(() => {}); // the spec has ended
    });
    for (let i = 1; i <= 12; i++) {
      const append = journal.append(claim, chunk(String(i)), { done: i });
      if (i % 4 === 0) {
        await server.kill();
        await server.restart();
      }
      await append;
    }
    stop();
    expect(await textsOf(other, 'a')).toEqual(Array.from({ length: 13 }, (_, i) => String(i)));
    expect(await other.list()).toMatchObject([{ state: 'running', done: 12 }]);
    expect(seen).toBe('');
  });

  it('fails an append after a time, and the run goes back to the queue when it can be reached again', async () => {
    const [impatient, other] = [await open({ retryTimeout: 0, lease: 500 }), await open()];
    await impatient.submit(run('a'), chunk('0'));
    const claim = (await impatient.claim('a'))!;
    await server.kill();
    expect(await errorOf(impatient.append(claim, chunk('1'), {}))).toMatchObject({
      code: 'JOURNAL_FAILED',
      message: expect.stringContaining('cannot be written'),
    });
    await server.restart();
    await expect.poll(() => other.find('a'), patient).toMatchObject({ state: 'queued', owner: undefined });
  });
});

describeNats('a server without JetStream', () => {
  it('is named, with what enables it', async () => {
    newNamespace();
    server = await NatsServer.start();
    try {
      const error = await errorOf(open());
      expect(error).toMatchObject({
        code: 'JOURNAL_FAILED',
        message: expect.stringMatching(/at 127\.0\.0\.1:\d+ cannot be opened: .*nats-server --jetstream/),
      });
    } finally {
      await server.stop();
    }
  });
});
