import { describe, expect, it } from 'vitest';
import { candidatesOf, isSlot, leavesOf, mapLeaves, mapSlots, slotsOf } from '../../lib/core/output-shape.ts';

const choice = { anyOf: [2, 3] };

describe('the shape of outputs', () => {
  it.each([
    ['one result', 1, [1]],
    ['a choice', choice, [2, 3]],
    ['a list', [1, choice, 1], [1, 2, 3]],
    ['a record', { a: 1, b: choice }, [1, 2, 3]],
    ['a record with a field called anyOf', { anyOf: 4 }, [4]],
    ['an empty list', [], []],
  ])('%s names its results, each once', (_, shape, leaves) => {
    expect(leavesOf<number>(shape)).toEqual(leaves);
  });

  it('is kept when its results are replaced', () => {
    const plus = (i: number): number => i + 10;
    expect(mapLeaves(1, plus)).toBe(11);
    expect(mapLeaves(choice, plus)).toEqual({ anyOf: [12, 13] });
    expect(mapLeaves<number, number>([1, choice], plus)).toEqual([11, { anyOf: [12, 13] }]);
    expect(mapLeaves<number, number>({ a: 1, b: choice }, plus)).toEqual({ a: 11, b: { anyOf: [12, 13] } });
    expect(mapSlots<number, string>({ a: 1, b: choice }, String)).toEqual({ a: '1', b: '[object Object]' });
  });

  it('tells a choice from a record', () => {
    expect(isSlot(choice)).toBe(true);
    expect(isSlot<number>({ anyOf: 4 })).toBe(false);
    expect(slotsOf<number>({ anyOf: 4 })).toEqual([4]);
    expect(candidatesOf(choice)).toEqual([2, 3]);
  });
});
