import { describe, expect, it } from 'vitest';
import {
  createTypical,
  learnTypical,
  overdueAfter,
} from '../../../../lib/scheduling/scheduler/speculation/straggler-threshold.ts';

function learned(...ms: readonly number[]): ReturnType<typeof createTypical> {
  const known = createTypical();
  ms.forEach((each, k) => learnTypical(known, each, 1 / (k + 1)));
  return known;
}

const often = (count: number, ms: number): number[] => new Array<number>(count).fill(ms);
const plainly = { factor: 2, minMs: 0 };

describe('what is typical', () => {
  it('is not known before five functions were measured', () => {
    expect(overdueAfter(learned(...often(4, 10)), 0, 1, plainly)).toBe(Infinity);
    expect(overdueAfter(learned(...often(5, 10)), 0, 1, plainly)).toBe(20);
  });

  it('starts from a median, so that early stragglers do not matter', () => {
    expect(learned(1000, 10, 2000, 12, 11)).toMatchObject({ typical: 12, deviation: 2 });
  });

  it('hardly moves when one in a hundred takes a hundred times as long', () => {
    const ms = Array.from({ length: 1000 }, (_, k) => (k % 100 === 99 ? 1000 : 10));
    const { typical, deviation } = learned(...ms);
    expect(typical).toBeCloseTo(10.2, 1);
    expect(deviation).toBeLessThan(0.5);
  });

  it('follows when functions become slower', () => {
    const known = learned(...often(5, 10));
    for (let k = 0; k < 2000; k++) learnTypical(known, 40, 1 / 256);
    expect(known.typical).toBeCloseTo(40, 0);
  });

  it('is known once functions take any time at all', () => {
    const known = learned(...often(5, 0), ...often(5, 10));
    expect(known.typical).toBe(10);
  });
});

describe('a function is overdue', () => {
  const known = { typical: 10, deviation: 1, first: [] };

  it('after a multiple of the typical duration on its node', () => {
    expect(overdueAfter(known, 0, 1, { factor: 2, minMs: 5 })).toBe(20);
    expect(overdueAfter(known, 0, 0.5, { factor: 2, minMs: 5 })).toBe(40);
  });

  it('not before its duration is unusual, when durations vary', () => {
    expect(overdueAfter({ ...known, deviation: 8 }, 0, 1, { factor: 2, minMs: 5 })).toBe(50);
  });

  it('not before the minimum of some ms', () => {
    expect(overdueAfter(known, 0, 4, { factor: 2, minMs: 300 })).toBe(300);
  });

  it('not before it has taken as long as it did before', () => {
    expect(overdueAfter(known, 100, 1, { factor: 2, minMs: 5 })).toBe(200);
  });
});
