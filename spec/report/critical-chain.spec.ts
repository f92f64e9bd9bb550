import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bounds, criticalChain } from '../../lib/report/critical-chain.ts';
import { anyRuns, type Ran, recordOf } from './records.ts';

const short = ({ functionId, since, waitMs, durationMs }: ReturnType<typeof criticalChain>['links'][number]) => [
  functionId,
  since,
  waitMs,
  durationMs,
];

describe('the critical chain', () => {
  it('goes back from the last function to whose result it took', () => {
    const { links, afterMs } = criticalChain(
      recordOf(
        [
          { id: 'a', at: [1, 11] },
          { id: 'side', thread: 1, at: [1, 5] },
          { id: 'b', deps: ['a', 'side'], thread: 1, at: [13, 30] },
        ],
        32,
      ),
    );
    expect(links.map(short)).toEqual([
      ['a', 'start', 1, 10],
      ['b', 'result', 2, 17],
    ]);
    expect(afterMs).toBe(2);
  });

  it('goes back to what had the thread, when that ended later than all that it needs', () => {
    const { links } = criticalChain(
      recordOf(
        [
          { id: 'a', at: [0, 5] },
          { id: 'long', at: [5, 25] },
          { id: 'b', deps: ['a'], at: [26, 30] },
        ],
        30,
      ),
    );
    expect(links.map(short)).toEqual([
      ['a', 'start', 0, 5],
      ['long', 'thread', 0, 20],
      ['b', 'thread', 1, 4],
    ]);
  });

  it('goes back to what had the resources, when there were too few', () => {
    const ran: Ran[] = [
      { id: 'big', cost: { memory: 700 }, at: [0, 50] },
      { id: 'other', thread: 1, at: [0, 3] },
      { id: 'also', cost: { memory: 500 }, thread: 1, at: [51, 60] },
    ];
    const enough = new Map([['a', { memory: 2000 }]]);
    const few = new Map([['a', { memory: 1000 }]]);
    expect(criticalChain(recordOf(ran, 60), few).links.map(short)).toEqual([
      ['big', 'start', 0, 50],
      ['also', 'resource', 1, 9],
    ]);
    expect(criticalChain(recordOf(ran, 60), enough).links.map(short)).toEqual([
      ['other', 'start', 0, 3],
      ['also', 'thread', 48, 9],
    ]);
  });

  it('counts earlier attempts of a function as its wait', () => {
    const { links } = criticalChain(
      recordOf(
        [
          { id: 'a', at: [0, 5] },
          { id: 'b', deps: ['a'], attempts: 3, at: [40, 50] },
        ],
        50,
      ),
    );
    expect(links.map(short)).toEqual([
      ['a', 'start', 0, 5],
      ['b', 'retry', 35, 10],
    ]);
  });

  it('of a run that failed leads to the function that did, though others ended later', () => {
    const { links, afterMs } = criticalChain(
      recordOf(
        [
          { id: 'a', at: [0, 5] },
          { id: 'bad', deps: ['a'], at: [5, 9], fails: true },
          { id: 'later', thread: 1, at: [0, 20] },
        ],
        21,
        new Error('x'),
      ),
    );
    expect(links.map(short)).toEqual([
      ['a', 'start', 0, 5],
      ['bad', 'result', 0, 4],
    ]);
    expect(afterMs).toBe(12);
  });

  it('of a run of which nothing has ended is empty', () => {
    expect(criticalChain(recordOf([{ id: 'a' }], 7, new Error('x')))).toEqual({ links: [], afterMs: 7 });
  });

  it('always adds up to the length of the run, with nothing below zero and no function twice', () => {
    fc.assert(
      fc.property(anyRuns, fc.boolean(), fc.integer({ min: 0, max: 300 }), (ran, isOver, end) => {
        const record = recordOf(ran, isOver ? end : undefined);
        const [from, to] = bounds(record);
        const { links, afterMs } = criticalChain(
          record,
          new Map([
            ['a', { cpu: 1, memory: 1000 }],
            ['b', { cpu: 2 }],
          ]),
        );
        expect(links.reduce((sum, { waitMs, durationMs }) => sum + waitMs + durationMs, afterMs)).toBeCloseTo(
          to - from,
          6,
        );
        expect(Math.min(0, afterMs, ...links.flatMap(({ waitMs, durationMs }) => [waitMs, durationMs]))).toBe(0);
        expect(new Set(links.map(({ functionId }) => functionId)).size).toBe(links.length);
      }),
    );
  });
});
