import { describe, expect, it } from 'vitest';
import { remainingOf } from '../../lib/report/eta.ts';
import type { RunRecord } from '../../lib/report/run-record.ts';
import { summarise } from '../../lib/report/summary.ts';
import { ProgressMeter } from '../../lib/report/progress.ts';
import { origin, type Ran, recordOf } from './records.ts';

const later = origin + 1000;

describe('the remaining time of a run', () => {
  it('is unknown before the first measurement', () => {
    expect(remainingOf(recordOf([{ id: 'a' }, { id: 'b' }]), later)).toBeUndefined();
  });

  it('is the longest path of what functions declare', () => {
    const ran: Ran[] = [
      { id: 'a', declared: 10 },
      { id: 'b', deps: ['a'], declared: 30 },
      { id: 'c', deps: ['a'], declared: 5 },
    ];
    expect(remainingOf(recordOf(ran), later, [{ threads: 8 }])).toBe(40);
  });

  it('is all of the work where threads are too few', () => {
    const ran: Ran[] = Array.from({ length: 10 }, (_, i) => ({ id: `f${i}`, declared: 10 }));
    expect(remainingOf(recordOf(ran), later, [{ threads: 2 }, { threads: 1, speed: 2 }])).toBe(25);
    expect(remainingOf(recordOf(ran), later)).toBe(10);
  });

  it('is what resources allow where those are too few', () => {
    const ran: Ran[] = Array.from({ length: 10 }, (_, i) => ({ id: `f${i}`, declared: 10, cost: { gpu: 1 } }));
    expect(
      remainingOf(recordOf(ran), later, [
        { threads: 8, capabilities: { gpu: 2 } },
        { threads: 8, capabilities: {} },
      ]),
    ).toBe(50);
  });

  it('goes by how long functions of the same name took', () => {
    const ran: Ran[] = [
      { id: 'a1', name: 'a', at: [0, 20] },
      { id: 'a2', name: 'a' },
      { id: 'a3', name: 'a', deps: ['a2'] },
    ];
    expect(remainingOf(recordOf(ran), later)).toBe(40);
  });

  it('takes those of a name that has not run yet to be like the others', () => {
    expect(remainingOf(recordOf([{ id: 'a', at: [0, 20] }, { id: 'b', at: [20, 60] }, { id: 'new' }]), later)).toBe(30);
  });

  it('corrects what is declared by how far it was off', () => {
    expect(
      remainingOf(
        recordOf([
          { id: 'a1', name: 'a', declared: 10, at: [0, 20] },
          { id: 'a2', name: 'a', declared: 100 },
        ]),
        later,
      ),
    ).toBe(200);
  });

  it('counts off what has been running for a while, and no more than it takes', () => {
    const ran: Ran[] = [
      { id: 'a', declared: 100 },
      { id: 'b', deps: ['a'], declared: 50 },
    ];
    expect(remainingOf(recordOf(ran), later, [], new Map([[0, later - 40]]))).toBe(110);
    expect(remainingOf(recordOf(ran), later, [], new Map([[0, later - 400]]))).toBe(50);
  });

  it('is nothing once all is done, or the run is over', () => {
    expect(remainingOf(recordOf([{ id: 'a', at: [0, 1] }]), later)).toBe(0);
    expect(remainingOf(recordOf([{ id: 'a', declared: 5 }], 3, new Error('x')), later)).toBe(0);
  });

  it('includes what is to be made again', () => {
    const record = recordOf([
      { id: 'a', name: 'n', at: [0, 20] },
      { id: 'like a', name: 'n', at: [20, 40] },
      { id: 'b', name: 'n', deps: ['a'] },
    ]);
    const before = remainingOf(record, later)!;
    record.record({ type: 'result:recomputing', at: later, runId: 'd', dagId: 'd', functionId: 'a' });
    expect(remainingOf(record, later)! - before).toBe(20);
  });
});

/** The record of a run whose map, or whose function that answers with a graph, becomes so many functions. */
function grew(record: RunRecord, functionId: string, count: number, deps?: readonly (readonly number[])[]): void {
  record.record({
    type: 'run:grown',
    at: later,
    runId: 'd',
    dagId: 'd',
    functionId,
    count,
    ...(deps && { graph: { ids: deps.map((_, k) => `part#${k}`), names: deps.map(() => 'part'), deps } }),
  });
}

function ended(record: RunRecord, functionId: string, from: number, to: number): void {
  record.record({
    type: 'attempts',
    at: later,
    runId: 'd',
    dagId: 'd',
    node: 'a',
    thread: 0,
    functionIds: [functionId],
    attempts: [1],
    spans: [origin + from, origin + to],
    bytes: [0],
    failed: [],
  });
}

describe('the remaining time of a run that grows', () => {
  const one = [{ threads: 1 }];

  it('counts the elements of a map as they become known, and what comes after them', () => {
    const record = recordOf([
      { id: 'list', at: [0, 10] },
      { id: 'm', deps: ['list'], declared: 10 },
      { id: 'sum', deps: ['m'], declared: 5 },
    ]);
    expect(remainingOf(record, later, one)).toBe(15);
    grew(record, 'm', 4);
    expect(remainingOf(record, later, one)).toBe(45);
    expect(remainingOf(record, later, [{ threads: 8 }])).toBe(15);
    ended(record, 'm[0]', 10, 20);
    ended(record, 'm[1]', 20, 30);
    expect(remainingOf(record, later, one)).toBe(25);
  });

  it('is known beside maps that are done, which have no time of their own', () => {
    const record = recordOf([
      { id: 'list', at: [0, 10] },
      { id: 'm', name: 'work', deps: ['list'] },
      { id: 'n', name: 'work', deps: ['m'] },
    ]);
    grew(record, 'm', 2);
    ended(record, 'm[0]', 10, 40);
    ended(record, 'm[1]', 40, 70);
    expect(remainingOf(record, later, one)).toBe(30);
    grew(record, 'n', 0);
    expect(remainingOf(record, later, one)).toBe(0);
  });

  it('is known beside functions whose results were recorded', () => {
    const record = recordOf([
      { id: 'a', name: 'n' },
      { id: 'b', name: 'n', at: [0, 20] },
      { id: 'c', name: 'n' },
    ]);
    record.record({ type: 'function:restored', at: later, runId: 'd', dagId: 'd', node: 'a', functionId: 'a' });
    expect(remainingOf(record, later, one)).toBe(20);
  });

  it('counts the graph that a function answered with before what waits for its result', () => {
    const record = recordOf([
      { id: 'split', at: [0, 10] },
      { id: 'end', deps: ['split'], declared: 7 },
    ]);
    expect(remainingOf(record, later)).toBe(7);
    grew(record, 'split', 3, [[], [], [0, 1]]);
    // Two parts at once, the third, and the end.
    expect(remainingOf(record, later)).toBe(27);
    ended(record, 'split/part#0', 10, 20);
    ended(record, 'split/part#1', 10, 20);
    ended(record, 'split/part#2', 20, 30);
    expect(remainingOf(record, later)).toBe(7);
  });
});

describe('progress', () => {
  it('counts elements instead of their map as soon as they are known', () => {
    const record = recordOf([
      { id: 'list', at: [0, 500] },
      { id: 'm', deps: ['list'] },
    ]);
    const meter = new ProgressMeter(record);
    expect(meter.state(later, [{ threads: 1 }])).toMatchObject({ total: 2, done: 1, remaining: 500 });
    grew(record, 'm', 3);
    expect(meter.state(later, [{ threads: 1 }])).toMatchObject({ total: 4, done: 1, remaining: 1500 });
    ended(record, 'm[1]', 500, 1000);
    expect(meter.state(later, [{ threads: 1 }])).toMatchObject({ total: 4, done: 2, remaining: 1000 });
  });

  it('tells counts, the time so far, the rate and what is left', () => {
    const record = recordOf([
      { id: 'a1', name: 'a', at: [0, 500] },
      { id: 'a2', name: 'a', at: [500, 1000] },
      { id: 'a3', name: 'a' },
    ]);
    expect(new ProgressMeter(record).state(later, [{ threads: 1 }])).toEqual({
      dagId: 'd',
      total: 3,
      done: 2,
      failed: 0,
      skipped: 0,
      retries: 0,
      elapsed: 1000,
      rate: 2,
      remaining: 500,
    });
  });

  it('counts skipped functions apart, and expects nothing of them', () => {
    const record = recordOf([
      { id: 'a1', name: 'a', at: [0, 500] },
      { id: 'a2', name: 'a' },
    ]);
    for (const functionId of ['a2', 'a2'])
      record.record({ type: 'function:skipped', at: later, runId: 'd', dagId: 'd', functionId });
    const { done, skipped, remaining } = new ProgressMeter(record).state(later, [{ threads: 1 }]);
    expect({ done, skipped, remaining }).toEqual({ done: 1, skipped: 1, remaining: 0 });
    expect(summarise(record)).toMatchObject({ done: 1, skipped: 1 });
  });

  it('reports the recent rate', () => {
    const all: Ran[] = Array.from({ length: 100 }, (_, i) => ({ id: `f${i}`, name: 'f', at: [i, i + 1] as const }));
    const meter = new ProgressMeter(recordOf([...all, { id: 'last' }]));
    for (let ms = 1000; ms <= 20_000; ms += 1000) meter.state(origin + ms);
    expect(meter.state(origin + 21_000).rate).toBe(0);
  });

  it('stands still when the run is over', () => {
    const meter = new ProgressMeter(recordOf([{ id: 'a', at: [0, 400] }], 500));
    expect(meter.state(later + 60_000)).toMatchObject({ elapsed: 500, remaining: 0, rate: 2 });
  });
});
