import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isShort, ProgramRing, WordWriter } from '../../../lib/workers/node/program.ts';

describe('ProgramRing', () => {
  it('keeps every program unchanged until it is freed, and takes any that fits an empty ring', () => {
    const move = fc.oneof(fc.constant('free' as const), fc.constant('undo' as const), fc.integer({ min: 1, max: 20 }));
    fc.assert(
      fc.property(fc.array(move, { maxLength: 200 }), (moves) => {
        const words = new Int32Array(32);
        const ring = new ProgramRing(words);
        const held: { readonly at: number; readonly program: Int32Array }[] = [];
        moves.forEach((each, stamp) => {
          if (each === 'free' || each === 'undo') {
            if (held.length === 0) return;
            if (each === 'free') held.shift();
            else held.pop();
            ring[each]();
          } else {
            const program = new Int32Array(each).fill(stamp + 1);
            const at = ring.put(program);
            if (at >= 0) held.push({ at, program });
            else expect(held).not.toEqual([]);
          }
          for (const { at, program } of held) expect(words.slice(at, at + program.length)).toEqual(program);
        });
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses a program that is larger than the ring', () => {
    const ring = new ProgramRing(new Int32Array(8));
    expect(ring.put(new Int32Array(9))).toBe(-1);
    expect(ring.put(new Int32Array(8))).toBe(0);
    expect(ring.put(new Int32Array(1))).toBe(-1);
    ring.free();
    expect(ring.put(new Int32Array(1))).toBe(0);
  });
});

describe('isShort', () => {
  it('is true exactly of numbers that survive a round trip through a word', () => {
    const number = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.constantFrom(0, -0, NaN, 2 ** 29, 2 ** 29 - 1, -(2 ** 29), -(2 ** 29) - 1, 2 ** 32, 0.5, Infinity),
    );
    fc.assert(
      fc.property(
        number,
        (value) =>
          isShort(value) === (Number.isInteger(value) && !Object.is(value, -0) && Math.abs(value + 0.5) < 2 ** 29),
      ),
    );
    fc.assert(fc.property(number.filter(isShort), (value) => Object.is(((value << 2) | 1) >> 2, value)));
    expect([isShort('1'), isShort(1n), isShort(true), isShort(null)]).toEqual([false, false, false, false]);
  });
});

it('WordWriter returns any number of words in order, and starts over', () => {
  const words = new WordWriter();
  for (const count of [3, 5000]) {
    words.begin();
    for (let i = 0; i < count; i++) words.push(i * 7);
    expect(words.written).toEqual(Int32Array.from({ length: count }, (_, i) => i * 7));
  }
});
