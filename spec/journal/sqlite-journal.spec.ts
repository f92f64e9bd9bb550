/** The journal in a folder: the contract, and what can happen to files. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteJournal } from '../../lib/journal/sqlite/sqlite-journal.ts';
import { sqlite } from '../../lib/journal/sqlite/sqlite-module.ts';
import { thrownBy } from '../support/handoff.ts';
import { describeJournal } from './contract.ts';

let path = '';
const open = (runs = 1000): SqliteJournal =>
  new SqliteJournal({ path, sync: 'normal', retain: { runs, ms: Infinity } });

describeJournal('SQLite', {
  async open(retainedRuns) {
    if (path !== '') rmSync(path, { recursive: true, force: true });
    path = mkdtempSync(join(tmpdir(), 'handoff-journal-'));
    return open(retainedRuns);
  },
  again: async () => open(),
  // The lock goes, the row stays: as after the death of a process.
  kill: (journal) => journal.close(),
  clean: async () => rmSync(path, { recursive: true, force: true }),
});

describe('the folder of a SQLite journal', () => {
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'handoff-journal-'));
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  it('is made when it is missing', async () => {
    path = join(path, 'deep', 'below');
    const journal = open();
    expect(await journal.list()).toEqual([]);
    await journal.close();
  });

  it('cannot be a file', () => {
    path = join(path, 'file');
    writeFileSync(path, '');
    expect(thrownBy(open)).toMatchObject({ code: 'JOURNAL_FAILED', message: expect.stringContaining(path) });
  });

  it.skipIf(process.getuid?.() === 0)('must be writable', () => {
    chmodSync(path, 0o500);
    expect(thrownBy(open)).toMatchObject({ code: 'JOURNAL_FAILED', message: expect.stringContaining('may write') });
    chmodSync(path, 0o700);
  });

  it('is refused when a newer version wrote it', async () => {
    await open().close();
    const database = new (sqlite().DatabaseSync)(join(path, 'journal.db'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    expect(thrownBy(open)).toMatchObject({ code: 'JOURNAL_FAILED', message: expect.stringContaining('version 99') });
  });

  it('is refused when its database is something else', () => {
    writeFileSync(join(path, 'journal.db'), 'x'.repeat(5000));
    expect(thrownBy(open)).toMatchObject({ code: 'JOURNAL_FAILED', message: expect.stringContaining('damaged') });
  });

  it('keeps every whole record when the end of its last write is cut off', async () => {
    const journal = open();
    await journal.submit({ runId: 'a', dagId: 'a', functions: 9 }, Buffer.from('0'));
    const claim = (await journal.claim('a'))!;
    for (let i = 1; i < 9; i++) await journal.append(claim, Buffer.alloc(2000, i), { done: i });
    const wal = join(path, 'journal.db-wal');
    const copy = mkdtempSync(join(tmpdir(), 'handoff-journal-'));
    for (const cut of [1, 100, 4096]) {
      for (const name of ['journal.db', 'journal.db-wal']) copyFileSync(join(path, name), join(copy, name));
      truncateSync(join(copy, 'journal.db-wal'), statSync(wal).size - cut);
      const restored = new SqliteJournal({ path: copy, sync: 'normal', retain: { runs: 9, ms: Infinity } });
      const chunks = await restored.read('a');
      expect(chunks.length).toBeGreaterThanOrEqual(8);
      expect(chunks[7]![0]).toBe(7);
      expect((await restored.find('a'))!.done).toBe(chunks.length - 1);
      await restored.close();
      rmSync(join(copy, 'journal.db-wal'), { force: true });
    }
    rmSync(copy, { recursive: true });
    await journal.close();
  });

  it('gives no bytes of a blob that was damaged', async () => {
    const journal = open();
    const bytes = Buffer.alloc(5000, 1);
    const hash = createHash('sha256').update(bytes).digest('hex');
    await journal.submit({ runId: 'a', dagId: 'a', functions: 1 }, Buffer.from('0'));
    await journal.putBlob('a', hash, bytes);
    const file = join(path, 'blobs', hash.slice(0, 2), hash);
    writeFileSync(file, Buffer.alloc(5000, 2));
    expect(await journal.getBlob(hash)).toBeUndefined();
    await journal.close();
  });

  it('holds no blob of a run that is gone, and no lock of a process that is gone', async () => {
    const journal = open(0);
    const bytes = Buffer.alloc(5000, 1);
    const hash = createHash('sha256').update(bytes).digest('hex');
    await journal.submit({ runId: 'a', dagId: 'a', functions: 1 }, Buffer.from('0'));
    await journal.putBlob('a', hash, bytes);
    expect(await journal.compact()).toBe(0);
    expect(await journal.getBlob(hash)).toBeDefined();
    await journal.append((await journal.claim('a'))!, Buffer.from('1'), { state: 'finished' });
    expect(await journal.compact()).toBe(1);
    expect(await journal.getBlob(hash)).toBeUndefined();
    await journal.close();
    expect(readdirSync(join(path, 'owners'))).toEqual([]);
  });
});
