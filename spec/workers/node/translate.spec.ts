import { describe, expect, it } from 'vitest';
import { Head, headBits, isShort, Word, WordWriter } from '../../../lib/workers/node/program.ts';
import { translate } from '../../../lib/workers/node/translate.ts';
import { ArgTag } from '../../../lib/workers/node/wire.ts';

const words = (...list: number[]): Int32Array => {
  const writer = new WordWriter();
  writer.begin();
  list.forEach((word) => writer.push(word));
  return writer.written.slice();
};
const tagged = (tag: number): number => (tag << 2) | Word.tagged;
const other = { code: (number: number) => number + 100, payload: (data: unknown) => `here: ${String(data)}` };

describe('a batch of another host', () => {
  it('has its code renumbered, of functions, of predicates and of inline calls', () => {
    const program = words(
      1,
      2 << headBits,
      (7 << 2) | Word.integer,
      (0 << 2) | Word.local,
      2,
      (1 << headBits) | Head.named | Head.hasRetryIf,
      1,
      3,
      tagged(ArgTag.call),
    );
    const values: unknown[] = ['id', [4, ArgTag.value, 'x', ArgTag.call, [5]]];
    const starts = translate(program, values, 2, other);
    expect([...starts]).toEqual([0, 4]);
    expect([program[0], program[4], program[7]]).toEqual([101, 102, 103]);
    expect(values).toEqual(['id', [104, ArgTag.value, 'x', ArgTag.call, [105]]]);
    expect(isShort(7)).toBe(true);
  });

  it('is read correctly past the names of functions and their places in a trace', () => {
    const program = words(
      1,
      (1 << headBits) | Head.named | Head.hasRetryIf | Head.traced,
      1,
      3,
      tagged(ArgTag.payload),
      2,
      (1 << headBits) | Head.named,
      2,
      tagged(ArgTag.payload),
    );
    const values: unknown[] = ['id', '00-trace-span-01', 'a', 'other id', 'b'];
    expect([...translate(program, values, 2, other)]).toEqual([0, 5]);
    expect([program[0], program[3], program[5]]).toEqual([101, 103, 102]);
    expect(values).toEqual(['id', '00-trace-span-01', 'here: a', 'other id', 'here: b']);
  });

  it('has its payloads inserted at every position', () => {
    const program = words(0, 3 << headBits, tagged(ArgTag.payload), Word.value, tagged(ArgTag.list));
    const values: unknown[] = [
      'a',
      'plain',
      [ArgTag.value, 1, ArgTag.payload, 'b', ArgTag.list, [ArgTag.payload, 'c']],
    ];
    translate(program, values, 1, other);
    expect(values).toEqual([
      'here: a',
      'plain',
      [ArgTag.value, 1, ArgTag.payload, 'here: b', ArgTag.list, [ArgTag.payload, 'here: c']],
    ]);
  });

  it.each([
    ['ends too early', words(0, 2 << headBits, 4), []],
    ['goes on too long', words(0, 0, 0), []],
    ['has too few values', words(0, 1 << headBits, Word.value), []],
    ['has too many values', words(0, 0), ['x']],
    ['has a list that is none', words(0, 1 << headBits, tagged(ArgTag.list)), ['x']],
  ])('is refused when it %s', (_, program, values) => {
    expect(() => translate(program, values as unknown[], 1, other)).toThrow(RangeError);
  });
});
