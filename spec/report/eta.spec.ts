import { describe, expect, it } from 'vitest';
import { remainingOf } from '../../lib/report/eta.ts';
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

describe('progress', () => {
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
