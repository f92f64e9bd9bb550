/** When attempts of a recorded run ran. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attemptTimes, only } from '../../lib/journal/attempt-times.ts';
import { PendingRecords } from '../../lib/journal/pending-records.ts';
import type { Timed } from '../../lib/journal/record.ts';

const timed: Timed = {
  type: 'timed',
  node: 'a',
  thread: 1,
  functions: [4, 0, 2],
  begun: 1000,
  groups: [0, 2, 3000, 5000, 1, 250],
  failed: [1],
};

describe('the times of attempts', () => {
  it('are those of their group, in equal parts', () => {
    expect(attemptTimes([timed], 5)).toMatchObject([
      { node: 'a', thread: 1, functions: [4, 0, 2], failed: [1], spans: [1000, 1001.5, 1001.5, 1003, 1005, 1005.25] },
    ]);
  });

  it('of functions that a run had grown by are gone when growth is discarded, as their numbers are', () => {
    const discarded = { type: 'discarded', functions: [1] } as const;
    expect(
      attemptTimes([timed, discarded, timed], 3).map(({ functions, spans, failed }) => [functions, spans, failed]),
    ).toEqual([
      [[0, 2], [1001.5, 1003, 1005, 1005.25], [0]],
      [[4, 0, 2], [1000, 1001.5, 1001.5, 1003, 1005, 1005.25], [1]],
    ]);
  });

  it('can be had of some functions only', () => {
    const [all] = attemptTimes([timed], 5);
    expect(only(all!, (_, hasFailed) => hasFailed)).toMatchObject({
      functions: [0],
      spans: [1001.5, 1003],
      failed: [0],
    });
  });

  it('come back as they were recorded, to a microsecond', () => {
    const report = fc.record({
      begun: fc.integer({ min: 0, max: 10_000 }),
      micros: fc.array(fc.nat(1e6), { minLength: 1 }),
    });
    fc.assert(
      fc.property(fc.array(report, { minLength: 1 }), (reports) => {
        const pending = new PendingRecords(() => []);
        const expected: number[] = [];
        for (const { begun, micros } of reports) {
          let at = begun;
          for (const each of micros) expected.push(at, (at += each / 1000));
          const functions = micros.map((_, i) => i);
          const durations = micros.flatMap((each) => [1, each]);
          pending.timed({ node: 'a', thread: 0, functions, begun, durations, failed: [] });
        }
        const [times] = attemptTimes(pending.take(), Infinity);
        for (const [k, at] of times!.spans.entries()) expect(at).toBeCloseTo(expected[k]!, 3);
        expect(times!.spans.length).toBe(expected.length);
      }),
    );
  });
});
