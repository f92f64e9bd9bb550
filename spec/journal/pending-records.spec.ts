/** Records that wait until they are written. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PendingRecords } from '../../lib/journal/pending-records.ts';
import type { RunRecord } from '../../lib/journal/record.ts';

const ended = (record: RunRecord): readonly (readonly [number, unknown, string, boolean])[] =>
  record.type === 'finished'
    ? record.functions.map((i, at) => [i, record.values[at], record.node, record.isCached === true])
    : [];

describe('pending records', () => {
  it('end with the times of attempts, one record per thread, and wait for those alone, too', () => {
    const pending = new PendingRecords(() => []);
    const of = { node: 'a', thread: 0, failed: [] };
    pending.timed({ ...of, functions: [0, 1], begun: 1000, durations: [2, 600] });
    expect(pending.isEmpty).toBe(false);
    pending.timed({ ...of, functions: [2], begun: 1001.5, durations: [1, 250], failed: [0] });
    pending.timed({ ...of, thread: 1, functions: [3], begun: 1001, durations: [1, 50] });
    pending.finished([0, 1, 3], ['x', 'y', 'z'], 'a', false);
    expect(pending.take()).toEqual([
      expect.objectContaining({ type: 'finished', functions: [0, 1, 3] }),
      {
        ...of,
        type: 'timed',
        begun: 1000,
        functions: [0, 1, 2],
        groups: [0, 2, 600, 1500, 1, 250],
        failed: [2],
      },
      { ...of, type: 'timed', thread: 1, begun: 1001, functions: [3], groups: [0, 1, 50] },
    ]);
    expect(pending.isEmpty).toBe(true);
  });

  it('are those since the last were taken, in order', () => {
    const pending = new PendingRecords(() => []);
    expect(pending.isEmpty).toBe(true);
    pending.add({ type: 'started', functions: [1], node: 'a' });
    pending.finished([1], ['x'], 'a', false);
    expect(pending.isEmpty).toBe(false);
    expect(pending.take().map(({ type }) => type)).toEqual(['started', 'finished']);
    expect(pending.isEmpty).toBe(true);
    pending.finished([2], ['y'], 'a', false);
    expect(pending.take()).toMatchObject([{ functions: [2], values: ['y'] }]);
    expect(pending.take()).toEqual([]);
  });

  it('hold the newer value of a function that ends again while it is held back', () => {
    const pending = new PendingRecords((i) => (i === 1 ? [0] : []));
    pending.finished([1], ['unread'], 'a', false, new Set([0]));
    pending.finished([1], ['bytes'], 'b', false);
    expect(pending.isEmpty).toBe(true);
    pending.finished([0], ['x'], 'a', false);
    expect(pending.take().flatMap(ended)).toEqual([
      [0, 'x', 'a', false],
      [1, 'bytes', 'b', false],
    ]);
  });

  it('leave what was taken as it was, although more functions end on the same node', () => {
    const pending = new PendingRecords(() => []);
    pending.finished([1], ['x'], 'a', false);
    const [taken] = pending.take();
    pending.finished([2], ['y'], 'a', false);
    expect(taken).toMatchObject({ functions: [1], values: ['x'] });
  });

  it('hold each function once, with its value and node, in the order in which they ended', () => {
    const batch = fc.record({
      count: fc.integer({ min: 1, max: 5 }),
      node: fc.constantFrom('a', 'b'),
      isCached: fc.boolean(),
      takes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(batch), (batches) => {
        const pending = new PendingRecords(() => []);
        const expected: unknown[] = [];
        const taken: RunRecord[] = [];
        for (const { count, node, isCached, takes } of batches) {
          const functions = Array.from({ length: count }, (_, k) => expected.length + k);
          expected.push(...functions.map((i) => [i, `v${i}`, node, isCached]));
          pending.finished(
            functions,
            functions.map((i) => `v${i}`),
            node,
            isCached,
          );
          if (takes) taken.push(...pending.take());
        }
        taken.push(...pending.take());
        expect(taken.flatMap(ended)).toEqual(expected);
      }),
    );
  });

  it('hold a function back that was reported before the functions whose results it took', () => {
    // 0 ──► 1 ──► 2, and 3 alone; other threads had handed over the results of 0 and 1
    const inputs = [[], [0], [1], []];
    const pending = new PendingRecords((i) => inputs[i]!);
    pending.finished([2], ['c'], 'b', false, new Set([1]));
    expect(pending.isEmpty).toBe(true);
    pending.finished([1], ['b'], 'a', false, new Set([0]));
    pending.finished([3], ['d'], 'a', false);
    expect(pending.take().flatMap(ended)).toEqual([[3, 'd', 'a', false]]);
    pending.finished([0], ['a'], 'a', false);
    expect(pending.take().flatMap(ended)).toEqual([
      [0, 'a', 'a', false],
      [1, 'b', 'a', false],
      [2, 'c', 'b', false],
    ]);
  });
});
