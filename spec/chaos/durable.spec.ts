/**
 * The process of a durable run is killed at random moments, again and again, until the run has ended; the end of its
 * journal is cut off in between, or its disk is full for a while.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  watch,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteJournal } from '../../lib/journal/sqlite/sqlite-journal.ts';
import { randomDag, resultsOf } from '../fixtures/durable-dag.ts';
import { comparable, randomProgram, resultsOf as resultsOfProgram } from '../support/growing-programs.ts';
import { recordedIds } from '../support/recorded.ts';

const rounds = process.env['CHAOS'] === 'full' ? 100 : 3;
const races = process.env['CHAOS'] === 'full' ? 50 : 3;
const program = new URL('../fixtures/durable-program.ts', import.meta.url).pathname;
const growing = new URL('../fixtures/durable-growth-program.ts', import.meta.url).pathname;
const random = new URL('../fixtures/durable-random-program.ts', import.meta.url).pathname;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-kill-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const marksOf = (): string[] => {
  const file = join(folder, 'marks');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};

/**
 * Runs the program until it ends by itself, or this many more marks exist. Returns what it printed.
 *
 * @param then is called when the marks exist; default: the process is killed
 * @param file the program
 */
async function runUntil(
  marks: number,
  seed: number,
  share: number,
  then?: () => void,
  file = program,
): Promise<string | undefined> {
  const child = spawn(
    process.execPath,
    [file, join(folder, 'journal'), join(folder, 'marks'), String(seed), String(share)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exited = once(child, 'exit');
  let printed = '';
  child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
  const target = marksOf().length + marks;
  const watcher = watch(folder, () => {
    if (marksOf().length < target) return;
    if (then === undefined) child.kill('SIGKILL');
    else then();
  });
  const [, signal] = (await exited) as [number | null, string | null];
  watcher.close();
  return signal === 'SIGKILL' ? undefined : printed;
}

/** The functions whose results the journal has. */
async function recorded(): Promise<Set<string>> {
  const journal = new SqliteJournal({
    path: join(folder, 'journal'),
    sync: 'normal',
    retain: { runs: 9, ms: Infinity },
  });
  const ids = await recordedIds(journal, 'r');
  await journal.close();
  return ids;
}

const countOf = (list: readonly string[], id: string): number => list.filter((each) => each === id).length;

describe('a run whose process is killed', () => {
  it.each(Array.from({ length: rounds }, (_, seed) => seed))('goes on where it was (seed %i)', async (seed) => {
    const functions = randomDag(seed, 0);
    let printed: string | undefined;
    for (let kills = 0; printed === undefined; kills++) {
      const before = await recorded();
      const started = marksOf();
      printed = await runUntil(1 + ((seed + kills * 7) % 23), seed, 0);
      for (const id of before)
        expect(countOf(marksOf(), `+${id}`), `${id} is recorded and does not start again`).toBe(
          countOf(started, `+${id}`),
        );
    }
    expect(JSON.parse(printed).results).toEqual(resultsOf(functions));
  });

  it.each(Array.from({ length: rounds }, (_, seed) => seed))(
    'never starts a function twice that is not idempotent (seed %i)',
    async (seed) => {
      const functions = randomDag(seed, 0.3);
      let printed: string | undefined;
      for (let kills = 0; printed === undefined; kills++)
        printed = await runUntil(2 + ((seed + kills * 5) % 17), seed, 0.3);
      for (const { id, isOnce } of functions)
        if (isOnce) expect(countOf(marksOf(), `+${id}`), id).toBeLessThanOrEqual(1);
      const outcome = JSON.parse(printed) as { code?: string; results?: Record<string, number> };
      if (outcome.code === undefined) expect(outcome.results).toEqual(resultsOf(functions));
      else expect(outcome.code).toBe('FUNCTION_IN_DOUBT');
    },
  );
});

/** Seeds of programs of which more than a few functions run. */
const programs = Array.from({ length: 10 * rounds }, (_, seed) => seed)
  .filter((seed) => resultsOfProgram(randomProgram(seed)).size >= 5)
  .slice(0, rounds);

describe('a random program that grows and whose process is killed', () => {
  it.each(programs)('goes on as it had grown (seed %i)', async (seed) => {
    const expected = comparable(resultsOfProgram(randomProgram(seed)));
    let printed: string | undefined;
    for (let kills = 0; printed === undefined; kills++) {
      const before = await recorded();
      const started = marksOf();
      printed = await runUntil(1 + ((seed * 5 + kills * 11) % 29), seed, 0, undefined, random);
      for (const id of before)
        expect(countOf(marksOf(), `+${id}`), `${id} is recorded and does not start again`).toBe(
          countOf(started, `+${id}`),
        );
    }
    expect(JSON.parse(printed)).toEqual({ results: expected });
  });
});

/** What the growing program gives, computed one after the other. */
function grownResults(seed: number): Record<string, number> {
  const size = 3 + (seed % 5);
  const numbers = Array.from({ length: size }, (_, k) => k);
  const total = (of: (x: number) => number): number => numbers.reduce((sum, x) => sum + of(x), 0);
  return {
    twice: total((x) => 4 * x),
    doubled: total((x) => x * (x - 1)),
    halved: total((x) => (x % 2 === 0 ? x / 2 : 3 * x)),
    tree: size * (2 * size - 1),
  };
}

describe('a run that grows and whose process is killed', () => {
  it.each(Array.from({ length: rounds }, (_, seed) => seed))(
    'goes on as it had grown, in maps and in graphs (seed %i)',
    async (seed) => {
      let printed: string | undefined;
      for (let kills = 0; printed === undefined; kills++) {
        const before = await recorded();
        const started = marksOf();
        printed = await runUntil(3 + ((seed * 5 + kills * 11) % 37), seed, 0, undefined, growing);
        for (const id of before)
          expect(countOf(marksOf(), `+${id}`), `${id} is recorded and does not start again`).toBe(
            countOf(started, `+${id}`),
          );
      }
      expect(JSON.parse(printed)).toEqual({ results: grownResults(seed) });
    },
  );
});

describe('two processes that ask for the same run at once', () => {
  it.each(Array.from({ length: races }, (_, seed) => seed))(
    'get the same results, and one of them runs each function once (seed %i)',
    async (seed) => {
      const functions = randomDag(seed, 0.2);
      const printed = await Promise.all([runUntil(Infinity, seed, 0.2), runUntil(Infinity, seed, 0.2)]);
      for (const each of printed) expect(JSON.parse(each!).results).toEqual(resultsOf(functions));
      for (const { id } of functions) expect(countOf(marksOf(), `+${id}`), id).toBe(1);
    },
  );
});

describe('a run whose journal loses its end', () => {
  it.each(Array.from({ length: rounds }, (_, seed) => seed))(
    'goes on from what remains, and gives the right results (seed %i)',
    async (seed) => {
      const functions = randomDag(seed, 0);
      let printed: string | undefined;
      for (let kills = 0; printed === undefined; kills++) {
        const wal = join(folder, 'journal', 'journal.db-wal');
        const size = statSync(wal, { throwIfNoEntry: false })?.size ?? 0;
        if (size > 0) truncateSync(wal, Math.max(0, size - 1 - ((seed * 1009 + kills * 331) % 4096)));
        const before = await recorded();
        const started = marksOf();
        printed = await runUntil(3 + ((seed + kills * 7) % 23), seed, 0);
        for (const id of before)
          expect(countOf(marksOf(), `+${id}`), `${id} is recorded and does not start again`).toBe(
            countOf(started, `+${id}`),
          );
      }
      expect(JSON.parse(printed).results).toEqual(resultsOf(functions));
    },
  );
});

/** A small file system of its own, for root. */
function mountAt(path: string): boolean {
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Takes all the room that is left. */
function fill(path: string): void {
  const file = openSync(join(path, 'ballast'), 'a');
  try {
    for (let bytes = 65_536; bytes >= 1; bytes = bytes >> 1) {
      try {
        for (;;) writeSync(file, Buffer.alloc(bytes));
      } catch {
        // less may still fit
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Mounts it, or skips the spec where that is not possible. */
function mountOrSkip(path: string, skip: (note: string) => void): void {
  if (mountAt(path)) return;
  if (process.env['CI'] !== undefined) throw new Error('CI must be able to mount a small file system (as root)');
  skip('only root can mount a small file system');
}

describe('a journal on a file system that has become read-only', () => {
  it('is JOURNAL_FAILED with advice, and is whole when it can be written again', async ({ skip }) => {
    const path = join(folder, 'journal');
    mountOrSkip(path, skip);
    try {
      const first = JSON.parse((await runUntil(Infinity, 1, 0))!) as { results: object };
      execFileSync('mount', ['-o', 'remount,ro', path]);
      await expect(recorded()).rejects.toMatchObject({
        code: 'JOURNAL_FAILED',
        message: expect.stringContaining('may write'),
      });
      execFileSync('mount', ['-o', 'remount,rw', path]);
      expect((await recorded()).size).toBe(Object.keys(first.results).length);
    } finally {
      execFileSync('umount', [path]);
    }
  });
});

describe('a run whose disk is full', () => {
  let failed = 0;
  afterAll(() => expect(failed, 'runs that failed').toBeGreaterThan(rounds / 2));

  it.for(Array.from({ length: rounds }, (_, seed) => seed))(
    'fails with JOURNAL_FAILED, and goes on where it was when there is room again (seed %i)',
    async (seed, { skip }) => {
      const path = join(folder, 'journal');
      mountOrSkip(path, skip);
      try {
        const functions = randomDag(seed, 0);
        let isFull = false;
        const printed = await runUntil(1 + (seed % 17), seed, 0, () => {
          if (!isFull) fill(path);
          isFull = true;
        });
        const outcome = JSON.parse(printed!) as { code?: string; message: string; results?: object };
        if (outcome.code !== undefined) {
          expect(outcome).toMatchObject({ code: 'JOURNAL_FAILED', message: expect.stringContaining('disk is full') });
          expect(isFull).toBe(true);
          failed++;
        }
        rmSync(join(path, 'ballast'), { force: true });
        const before = await recorded();
        const started = marksOf();
        const again = JSON.parse((await runUntil(Infinity, seed, 0))!) as { results: object };
        expect(again.results).toEqual(resultsOf(functions));
        for (const id of before) expect(countOf(marksOf(), `+${id}`), id).toBe(countOf(started, `+${id}`));
      } finally {
        execFileSync('umount', [path]);
      }
    },
  );
});
