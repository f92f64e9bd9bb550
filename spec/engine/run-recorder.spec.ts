/** What a run records, and when. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { compile } from '../../lib/dag/compile/compile.ts';
import { RunRecorder } from '../../lib/engine/run-recorder.ts';
import { decodeChunk, encodeChunk } from '../../lib/journal/codec.ts';
import type { Journal } from '../../lib/journal/journal.ts';
import { MemoryJournal } from '../../lib/journal/memory/memory-journal.ts';
import type { RunRecord } from '../../lib/journal/record.ts';
import { replay } from '../../lib/journal/replay.ts';
import { regrown } from '../../lib/scheduling/scheduler/growth/regrown.ts';
import type { Failure } from '../../lib/scheduling/scheduler/outcome.ts';
import { RunResults } from '../../lib/workers/store/run-results.ts';
import { dagOf, t } from '../support/handoff.ts';

const plan = compile(
  dagOf({ id: 'pay', code: t.one, idempotent: false }, { id: 'a', code: t.one }, { id: 'b', code: t.one }),
);
const none: ReadonlySet<number> = new Set();

function resultsWith(...indexes: number[]): RunResults {
  const { size, entries } = plan;
  const results = new RunResults({ size, indexOf: (id) => plan.indexOf(id), idOf: (i) => entries[i]!.id });
  for (const i of indexes) results.put(i, i);
  return results;
}

async function recorderOf(journal: Journal): Promise<RunRecorder> {
  const submitted = encodeChunk([{ type: 'submitted', dag: { id: 'd', functions: [] }, options: {} }]);
  await journal.submit({ runId: 'r', dagId: 'd', functions: plan.size }, submitted);
  const onFailure = (error: unknown): never => {
    throw error;
  };
  const claim = (await journal.claim('r'))!;
  return new RunRecorder({
    journal,
    claim,
    run: regrown(plan, [], null),
    modules: {},
    functions: plan.size,
    maxResultBytes: 1e6,
    done: [],
    cached: 0,
    onFailure,
  });
}

async function chunksOf(journal: Journal): Promise<RunRecord[][]> {
  return (await journal.read('r')).slice(1).map((chunk) => decodeChunk(chunk, 'r'));
}

afterEach(() => {
  vi.useRealTimers();
});

describe('functions that end', () => {
  it('are recorded as one chunk while no caller waits', async () => {
    const journal = new MemoryJournal();
    const recorder = await recorderOf(journal);
    const results = resultsWith(1, 2);
    recorder.finished([1], 'n', results, none);
    await new Promise(setImmediate);
    recorder.finished([2], 'n', results, none);
    await recorder.flush();
    expect(await chunksOf(journal)).toMatchObject([[{ type: 'finished', functions: [1, 2] }]]);
  });

  it('are recorded at once when a caller waits, without a pause after the previous chunk', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] }); // a pause would never end
    const journal = new MemoryJournal();
    const recorder = await recorderOf(journal);
    const results = resultsWith(1, 2);
    const { promise: isWritten, resolve: write } = Promise.withResolvers<void>();
    const append = journal.append.bind(journal);
    const { promise: begins, resolve: begin } = Promise.withResolvers<void>();
    journal.append = async (...args) => {
      begin();
      await isWritten;
      return append(...args);
    };
    recorder.finished([1], 'n', results, none);
    const first = recorder.flush();
    await begins;
    recorder.finished([2], 'n', results, none);
    write();
    await first;
    await recorder.end({ type: 'ended', outcome: 'finished' });
    expect(await chunksOf(journal)).toMatchObject([
      [{ type: 'finished', functions: [1] }],
      [{ type: 'finished', functions: [2] }],
      [{ type: 'ended' }],
    ]);
  });
});

describe('the start of a function that is not idempotent', () => {
  it('waits only for its own record, also while other functions keep ending', async () => {
    const journal = new MemoryJournal();
    const recorder = await recorderOf(journal);
    const results = resultsWith(1);
    const append = journal.append.bind(journal);
    let appends = 0;
    journal.append = async (...args) => {
      if (++appends < 100) recorder.finished([1], 'n', results, none);
      await new Promise(setImmediate);
      return append(...args);
    };
    await recorder.starting([0], 'n');
    expect(appends).toBeLessThanOrEqual(2);
  });
});

describe('the end of a function that is not idempotent', () => {
  it('is recorded without a pause, because a crash before would leave it in doubt', async () => {
    const journal = new MemoryJournal();
    const recorder = await recorderOf(journal);
    await recorder.starting([0], 'n');
    vi.useFakeTimers({ toFake: ['setTimeout'] }); // a pause would never end
    const append = journal.append.bind(journal);
    const { promise: isWritten, resolve } = Promise.withResolvers<void>();
    journal.append = async (...args) => {
      await append(...args);
      resolve();
    };
    recorder.finished([0], 'n', resultsWith(0), none);
    await isWritten;
    expect((await chunksOf(journal)).at(-1)).toMatchObject([{ type: 'finished', functions: [0] }]);
  });
});

/** The functions that are in doubt after the one attempt of a function that is not idempotent has ended. */
async function inDoubtAfter(failure: Failure): Promise<readonly number[]> {
  const journal = new MemoryJournal();
  const recorder = await recorderOf(journal);
  await recorder.starting([0], 'n');
  recorder.failedForGood({ index: 0, attempts: 1, node: 0, failure });
  await recorder.flush();
  const chunks = await journal.read('r');
  return [...replay(chunks.flatMap((chunk) => decodeChunk(chunk, 'r'))).inDoubt.keys()];
}

describe('a function that is not idempotent', () => {
  it('is not in doubt once its attempt has failed by itself', async () => {
    expect(await inDoubtAfter({ kind: 'thrown', error: undefined })).toEqual([]);
    expect(await inDoubtAfter({ kind: 'timeout', ms: 5 })).toEqual([]);
  });

  it('stays in doubt when its attempt was lost, because it may have taken effect', async () => {
    expect(await inDoubtAfter({ kind: 'begun', node: 'n', ended: false })).toEqual([0]);
    expect(await inDoubtAfter({ kind: 'node-down', node: 'n' })).toEqual([0]);
    expect(await inDoubtAfter({ kind: 'aborted', reason: undefined })).toEqual([0]);
  });
});
