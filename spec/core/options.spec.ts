/** Options as data: what is refused, with which words, and what comes out. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HandoffError } from '../../lib/core/errors.ts';
import {
  amounts,
  callback,
  boolean,
  listOf,
  milliseconds,
  number,
  oneOf,
  portNumber,
  positiveMilliseconds,
  abortSignal,
  text,
  whole,
} from '../../lib/core/option-types.ts';
import { aboutOf, option, optionSet, parseOptions, required, type Type } from '../../lib/core/options.ts';
import { thrownBy } from '../support/handoff.ts';

const about = { description: 'What it is.' };
const node = optionSet({
  name: required(text(), about),
  threads: option(whole({ min: 1 }), about),
  color: option(oneOf('red', 'blue', false), { ...about, default: 'red' as const }),
});
const schema = optionSet({
  retries: option(whole(), { ...about, default: 3 }),
  pause: option(positiveMilliseconds, about),
  nodes: option(listOf(node, 'a list of nodes'), about),
  main: option(node, about),
  token: option(
    text('8 letters', (token) => token.length === 8),
    { ...about, isSecret: true },
  ),
});
const refusal = (given: unknown): HandoffError => thrownBy(() => parseOptions('f', schema, given));

describe('checked options', () => {
  it('have the defaults of what is not given, also of what is undefined', () => {
    expect(parseOptions('f', schema, {})).toEqual({ retries: 3 });
    expect(parseOptions('f', schema, { retries: undefined, pause: undefined, main: undefined })).toEqual({
      retries: 3,
    });
    expect(
      parseOptions('f', schema, { retries: 0, main: { name: 'a' }, nodes: [{ name: 'b', color: false }] }),
    ).toEqual({
      retries: 0,
      main: { name: 'a', color: 'red' },
      nodes: [{ name: 'b', color: false }],
    });
  });

  it('are a new object, so that a later change does not reach them', () => {
    const given = { retries: 1, main: { name: 'a' } };
    const checked = parseOptions('f', schema, given);
    given.main.name = 'b';
    expect(checked.main?.name).toBe('a');
  });

  it.each<[string, unknown, string, object]>([
    ['no object', 5, 'f: options must be an object, got 5.', { option: 'options' }],
    ['null', null, 'f: options must be an object, got null.', { option: 'options' }],
    ['a list', [], 'f: options must be an object, got [].', { option: 'options' }],
    [
      'a bad value',
      { retries: -1 },
      'f: option retries must be a whole number of at least 0, got -1.',
      { option: 'retries' },
    ],
    [
      'a value of another type',
      { pause: '5' },
      'f: option pause must be a finite number of ms, above 0, got "5".',
      { option: 'pause' },
    ],
    [
      'a misspelt name',
      { retires: 1 },
      'f: there is no option "retires". Did you mean "retries"?',
      { option: 'retires', suggestion: 'retries' },
    ],
    ['a name like nothing', { zebra: 1 }, 'f: there is no option "zebra".', { option: 'zebra' }],
    [
      'a name that every object has',
      { constructor: 1 },
      'f: there is no option "constructor".',
      { option: 'constructor' },
    ],
    [
      'a set of options that is none',
      { main: 5 },
      'f: option main must be { name, threads?, color? }, got 5.',
      { option: 'main' },
    ],
    [
      'a missing one',
      { main: {} },
      'f: main: option name must be a string that is not empty, got undefined.',
      { option: 'name' },
    ],
    [
      'a missing one that is misspelt',
      { main: { nme: 'a' } },
      'f: main: there is no option "nme". Did you mean "name"?',
      { option: 'nme', suggestion: 'name' },
    ],
    ['a list that is none', { nodes: 'a' }, 'f: option nodes must be a list of nodes, got "a".', { option: 'nodes' }],
    [
      'a bad value in a list',
      { nodes: [{ name: 'a' }, { name: 'b', threads: 0 }] },
      'f: nodes[1]: option threads must be a whole number of at least 1, got 0.',
      { option: 'threads' },
    ],
    [
      'an entry of a list that is no object',
      { nodes: [7] },
      'f: nodes[0] must be { name, threads?, color? }, got 7.',
      { option: 'nodes' },
    ],
    [
      'one of several values',
      { main: { name: 'a', color: 'green' } },
      "f: main: option color must be 'red', 'blue' or false, got \"green\".",
      { option: 'color' },
    ],
  ])('refuse %s', (_, given, message, details) => {
    expect(refusal(given)).toMatchObject({ code: 'INVALID_OPTION', message, ...details });
  });

  it('accept an unknown name whose value is undefined', () => {
    expect(parseOptions('f', schema, { zebra: undefined })).toEqual({ retries: 3 });
  });

  it('never show a secret', () => {
    expect(refusal({ token: 'hunter2' }).message).toBe('f: option token must be 8 letters, got a string of 7.');
    expect(refusal({ token: { deep: 'hunter2' } }).message).toBe('f: option token must be 8 letters, got object.');
  });

  it('know what is said about them', () => {
    expect(aboutOf(schema.entries.pause)).toEqual({ description: 'What it is.', unit: 'ms' });
    expect(aboutOf(schema.entries.token)).toEqual({ description: 'What it is.', isSecret: true });
  });
});

describe('types of values', () => {
  const takes = (type: Type<any>, value: unknown): boolean => {
    try {
      parseOptions('f', optionSet({ value: required(type, about) }), { value });
      return true;
    } catch {
      return false;
    }
  };
  const expected = (type: Type<any>): string =>
    /must be (.*), got/.exec(
      thrownBy(() => parseOptions('f', optionSet({ value: required(type, about) }), { value: Symbol('none') })).message,
    )![1]!;

  it.each<[Type<any>, string, unknown[], unknown[]]>([
    [whole(), 'a whole number of at least 0', [0, 7], [-1, 0.5, NaN, Infinity, '1', 1n]],
    [
      whole({ min: 1, orInfinity: true }),
      'a whole number of at least 1, or Infinity',
      [1, Infinity],
      [0, 1.5, -Infinity, NaN],
    ],
    [whole({ unit: 'bytes', min: 5, max: 9 }), 'a whole number of bytes, from 5 to 9', [5, 9], [4, 10, Infinity]],
    [number({ above: 0 }), 'a finite number above 0', [0.1], [0, Infinity]],
    [
      number({ unit: 'ms', above: 0, orInfinity: true }),
      'a number of ms, above 0, or Infinity',
      [1, Infinity],
      [0, NaN],
    ],
    [milliseconds, 'a finite number of ms, at least 0', [0, 0.5], [-1, Infinity]],
    [portNumber, 'a port, 0 to 65535', [0, 65_535], [-1, 65_536, 1.5]],
    [text(), 'a string that is not empty', ['a'], ['', 5]],
    [boolean, 'true or false', [true, false], [0, 'true']],
    [oneOf('a', 'b'), "'a' or 'b'", ['a'], ['c', true]],
    [callback(), 'a function', [() => 1], ['f']],
    [
      amounts,
      'amounts by resource, each a finite number of at least 0',
      [{}, { cpu: 1, constructor: 2 }],
      [[], { cpu: -1 }],
    ],
    [abortSignal, 'an AbortSignal', [new AbortController().signal], [{ aborted: false }]],
  ])('%#: %s', (type, message, good, bad) => {
    expect(expected(type)).toBe(message);
    for (const value of good) expect(takes(type, value), String(value)).toBe(true);
    for (const value of bad) expect(takes(type, value), String(value)).toBe(false);
  });

  it('a number is accepted if and only if it is within its bounds', () => {
    const bound = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true, min: -100, max: 100 }), {
      nil: undefined,
    });
    fc.assert(
      fc.property(
        bound,
        bound,
        fc.boolean(),
        fc.boolean(),
        fc.oneof(fc.double(), fc.integer()),
        (min, max, isWhole, orInfinity, value) => {
          const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }), isWhole, orInfinity };
          const isInside =
            (Number.isFinite(value) &&
              (!isWhole || value % 1 === 0) &&
              !(value < (min ?? -Infinity)) &&
              !(value > (max ?? Infinity))) ||
            (orInfinity && value === Infinity);
          expect(takes(number(bounds), value)).toBe(isInside);
        },
      ),
    );
  });
});
