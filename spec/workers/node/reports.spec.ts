/** When a worker reports what its functions gave, by a clock that the functions move. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { headBits, WordWriter } from '../../../lib/workers/node/program.ts';
import { BatchFlag, FromThread, newCursor, ToThread } from '../../../lib/workers/node/wire.ts';
import { Executor } from '../../../lib/workers/node/worker/executor.ts';

let now = 0;

beforeEach(() => {
  now = 1;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

/**
 * Runs batches of functions, and gives how many functions each report is about.
 *
 * @param lengths ms that each function of a batch takes, by batch
 */
async function reported(
  lengths: readonly (readonly number[])[],
  { flags = BatchFlag.patient as number, urgentFrom = Infinity, endsAt = Infinity } = {},
): Promise<number[]> {
  const counts: number[] = [];
  const cursors = new Int32Array(new SharedArrayBuffer(4));
  const reportFrom = Float64Array.of(performance.timeOrigin + urgentFrom);
  const ending = new Int32Array(1);
  const parts = { node: 'n', cursors, programs: new Int32Array(0), reportFrom, ending, prints: { flush() {} } };
  const executor = new Executor(parts, (message) => {
    if (message[0] === FromThread.ended) counts.push(message[2] as number);
  });
  executor.codes.functions[0] = (ms) => {
    now += ms as number;
    if (now >= endsAt) ending[0] = 1;
    return now;
  };
  for (const [id, batch] of lengths.entries()) {
    const words = new WordWriter();
    words.begin();
    for (const _ of batch) {
      words.push(0);
      words.push(1 << headBits);
      words.push(0);
    }
    cursors[0] = newCursor(batch.length);
    executor.accept([
      ToThread.batch,
      id,
      0,
      flags,
      0,
      'run',
      'dag',
      batch.length,
      words.written.slice(),
      [...batch],
      null,
      null,
    ]);
    await Promise.resolve();
  }
  return counts;
}

describe('a patient batch', () => {
  it('is reported once, when all of it is done', async () => {
    expect(await reported([[1], [1, 1, 1, 1]])).toEqual([1, 4]);
  });

  it('is reported function by function as soon as a thread may run out of work', async () => {
    expect(await reported([[1], [1, 1, 1, 1]], { urgentFrom: 4.5 })).toEqual([1, 2, 1, 1]);
  });

  it('is reported before its first end becomes too old', async () => {
    expect(await reported([[5], [5, 5, 5, 5]])).toEqual([1, 2, 2]);
  });
});

describe('any other batch', () => {
  it('is reported before each function that takes long', async () => {
    expect(await reported([[1], [1, 1, 1]], { flags: 0 })).toEqual([1, 1, 1, 1]);
  });
});

describe('a thread that is being ended', () => {
  it('reports nothing more, because its functions fail for no fault of theirs', async () => {
    expect(await reported([[1], [1], [1]], { flags: 0, endsAt: 3 })).toEqual([1]);
  });
});
