import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { summarise } from '../../lib/report/summary.ts';
import { anyRuns, recordOf } from './records.ts';

describe('the summary of a run', () => {
  it('tells how well threads were used, and what each kind of function took', () => {
    const summary = summarise(
      recordOf(
        [
          { id: 'a1', name: 'a', at: [0, 10], cost: { cpu: 1, memory: 100 } },
          { id: 'a2', name: 'a', thread: 1, at: [0, 30], cost: { cpu: 1 } },
          { id: 'b', node: 'b', at: [0, 20] },
        ],
        40,
      ),
      new Map([
        ['a', { threads: 2, capabilities: { cpu: 2 }, peakMemoryMb: 123 }],
        ['idle', { threads: 2, capabilities: {} }],
      ]),
    );
    expect(summary).toMatchObject({
      runId: 'd',
      dagId: 'd',
      ok: true,
      durationMs: 40,
      functions: 3,
      done: 3,
      failed: 0,
      retries: 0,
      workMs: 60,
      threads: 5,
      efficiency: 60 / (40 * 5),
      nodes: { a: 2, b: 1 },
      names: [
        { name: 'a', count: 2, totalMs: 40, meanMs: 20, maxMs: 30 },
        { name: 'b', count: 1, totalMs: 20, meanMs: 20, maxMs: 20 },
      ],
      nodeUse: {
        a: { threads: 2, functions: 2, busyMs: 40, peakClaimed: { cpu: 2, memory: 100 }, peakMemoryMb: 123 },
        b: { threads: 1, functions: 1, busyMs: 20, peakClaimed: {}, peakMemoryMb: null },
        idle: { threads: 2, functions: 0, busyMs: 0 },
      },
    });
  });

  it('of a run that failed tells how far it came', () => {
    const summary = summarise(
      recordOf(
        [
          { id: 'a', at: [0, 10] },
          { id: 'bad', deps: ['a'], at: [10, 12], fails: true },
          { id: 'never', deps: ['bad'] },
        ],
        15,
        new Error('x'),
      ),
    );
    expect(summary).toMatchObject({ ok: false, functions: 3, done: 1, failed: 1, durationMs: 15, nodes: { a: 1 } });
    expect(summary.criticalPath.links.map(({ functionId }) => functionId)).toEqual(['a', 'bad']);
  });

  it('counts what went from host to host: what came here as it came, what went elsewhere once for each host', () => {
    const record = recordOf([
      { id: 'here', at: [0, 1] },
      { id: 'there', node: 'b', at: [0, 1] },
      { id: 'x', deps: ['here', 'there'], node: 'b', at: [1, 2] },
      { id: 'y', deps: ['here'], node: 'b2', at: [1, 2] },
      { id: 'z', deps: ['here', 'there'], node: 'c', at: [1, 2] },
    ]);
    record.bytes.set([1000, 100, 0, 0, 0]);
    record.record({ type: 'result:fetched', runId: 'd', dagId: 'd', at: 0, functionId: 'z', node: 'c', bytes: 7 });
    const on = (host: string): { threads: number; capabilities: {}; host: string } => ({
      threads: 1,
      capabilities: {},
      host,
    });
    expect(
      summarise(
        record,
        new Map([
          ['a', on('one')],
          ['b', on('two')],
          ['b2', on('two')],
          ['c', on('three')],
        ]),
        'one',
      ),
    ).toMatchObject({ bytesFetched: 7, bytesMoved: 1000 + 1000 + 100 + 7 });
    expect(summarise(record)).toMatchObject({ bytesMoved: 7 });
  });

  it('of a run without functions is zero', () => {
    expect(summarise(recordOf([], 0))).toMatchObject({
      ok: true,
      functions: 0,
      efficiency: null,
      names: [],
      criticalPath: { links: [], afterMs: 0 },
    });
  });

  it('counts every function once, by name and by node, and is JSON', () => {
    fc.assert(
      fc.property(anyRuns, (ran) => {
        const summary = summarise(recordOf(ran, 300));
        const ended = ran.filter(({ at }) => at !== undefined).length;
        expect(summary.names.reduce((sum, { count }) => sum + count, 0)).toBe(ended);
        expect(Object.values(summary.nodeUse).reduce((sum, { functions }) => sum + functions, 0)).toBe(ended);
        expect(JSON.parse(JSON.stringify(summary))).toEqual({ ...summary, nodes: { ...summary.nodes } });
      }),
    );
  });
});
