/** The types of values that options have in common. The message of each completes "must be …". */
import * as v from 'valibot';
import type { Type, Unit } from './options.ts';
import { idExpected, isAmounts, isId } from './values.ts';

export interface Bounds {
  /** The minimum. */
  readonly min?: number;
  /** The value must be greater than this. */
  readonly above?: number;
  readonly max?: number;
  readonly isWhole?: boolean;
  /** Whether `Infinity` is allowed, for no limit. */
  readonly orInfinity?: boolean;
  readonly unit?: Unit;
}

export function number(bounds: Bounds): Type<number> {
  const expected = expectedNumber(bounds);
  const { min = -Infinity, above = -Infinity, max = Infinity, isWhole = false, orInfinity = false, unit } = bounds;
  const isFinite = isWhole ? Number.isInteger : Number.isFinite;
  return v.pipe(
    v.number(expected),
    v.check(
      (value) =>
        (isFinite(value) && value >= min && value > above && value <= max) || (orInfinity && value === Infinity),
      expected,
    ),
    v.metadata({ unit }),
  );
}

export function whole(bounds: Omit<Bounds, 'isWhole'> = {}): Type<number> {
  return number({ min: 0, ...bounds, isWhole: true });
}

/** "a whole number of at least 1, or Infinity", "a number of ms, above 0", "a whole number of bytes, from 0 to 9" */
function expectedNumber({ min, above, max, isWhole, orInfinity, unit }: Bounds): string {
  const noun = isWhole === true ? 'a whole number' : orInfinity === true ? 'a number' : 'a finite number';
  const [of, separator] = unit === undefined ? ['', ' '] : [` of ${unit}`, ', '];
  const bound =
    max !== undefined
      ? `${separator}from ${min} to ${max}`
      : above !== undefined
        ? `${separator}above ${above}`
        : min !== undefined
          ? `${separator}${unit === undefined ? 'of ' : ''}at least ${min}`
          : '';
  return `${noun}${of}${bound}${orInfinity === true ? ', or Infinity' : ''}`;
}

/** A time in ms, at least 0. */
export const milliseconds = number({ unit: 'ms', min: 0 });

/** A time in ms, more than 0. */
export const positiveMilliseconds = number({ unit: 'ms', above: 0 });

/** A port to listen on. */
export const portNumber = v.pipe(
  v.number('a port, 0 to 65535'),
  v.check((value) => Number.isInteger(value) && value >= 0 && value <= 65535, 'a port, 0 to 65535'),
) as Type<number>;

/** A string that satisfies a test. */
export function text(
  expected = 'a string that is not empty',
  holds: (value: string) => boolean = (value) => value !== '',
): Type<string> {
  return v.pipe(v.string(expected), v.check(holds, expected));
}

/** The id or the name of something that other hosts know, too. */
export const idText = text(idExpected, isId);

export const boolean: Type<boolean> = v.boolean('true or false');

/** One of a few values. */
export function oneOf<const Values extends readonly (string | boolean)[]>(...values: Values): Type<Values[number]> {
  const shown = values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value)));
  const last = shown.at(-1)!;
  return special(
    (value) => values.includes(value as Values[number]),
    [shown.slice(0, -1).join(', '), last].join(' or '),
  );
}

/** A value of a type that only a function can check. */
export function special<Value>(holds: (value: unknown) => boolean, expected: string): Type<Value> {
  return v.custom<Value>(holds, expected);
}

export function callback<Fn extends (...args: never[]) => unknown>(): Type<Fn> {
  return special<Fn>((value) => typeof value === 'function', 'a function');
}

/** A list of sets of options. */
export function listOf<Value, Resolved>(
  item: Type<Value, Resolved>,
  expected: string,
): Type<readonly Value[], Resolved[]> {
  return v.array(item, expected) as unknown as Type<readonly Value[], Resolved[]>;
}

export const amounts: Type<Readonly<Record<string, number>>> = special(
  isAmounts,
  'amounts by resource, each a finite number of at least 0',
);

export const abortSignal: Type<AbortSignal> = special((value) => value instanceof AbortSignal, 'an AbortSignal');
