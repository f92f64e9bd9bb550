/** Options declared as data: the values each accepts, checked where they enter the library. */
import { show } from './show.ts';
import { didYouMean, nearest } from './suggest.ts';
import { HandoffError } from './errors.ts';

/** The values that an option accepts. */
export interface Rule {
  /** Completes "must be …" in messages. */
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}

export type Schema<Options> = { readonly [Name in keyof Required<Options>]: Rule };

/**
 * Checks options against their schema. `undefined` stands for the default.
 *
 * @param where the call that received the options, for messages
 * @throws `INVALID_OPTION` naming the option, the expected and the actual value
 */
export function checkOptions<Options>(where: string, schema: Schema<Options>, options: Options): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new HandoffError('INVALID_OPTION', `${where}: options must be an object, got ${show(options)}.`, {
      option: 'options',
    });
  }
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(schema, name) ? schema[name as keyof Options] : undefined;
    if (rule === undefined && value === undefined) continue;
    if (rule === undefined) {
      const suggestion = nearest(name, Object.keys(schema));
      throw new HandoffError('INVALID_OPTION', `${where}: there is no option ${show(name)}.${didYouMean(suggestion)}`, {
        option: name,
        ...(suggestion !== undefined && { suggestion }),
      });
    }
    if (value !== undefined && !rule.holds(value)) throw invalidOption(where, name, rule.expected, value);
  }
}

export function invalidOption(where: string, name: string, expected: string, value: unknown): HandoffError {
  return new HandoffError('INVALID_OPTION', `${where}: option ${name} must be ${expected}, got ${show(value)}.`, {
    option: name,
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

export const rules = {
  whole: { expected: 'a whole number of at least 0', holds: (value) => isAmount(value) && Number.isInteger(value) },
  atLeastOne: {
    expected: 'a whole number of at least 1, or Infinity',
    holds: (value) => value === Infinity || (isAmount(value) && Number.isInteger(value) && value >= 1),
  },
  wholeOrInfinity: {
    expected: 'a whole number of at least 0, or Infinity',
    holds: (value) => value === Infinity || (isAmount(value) && Number.isInteger(value)),
  },
  milliseconds: { expected: 'ms, a finite number of at least 0', holds: isAmount },
  positiveMilliseconds: { expected: 'ms, a finite number above 0', holds: (value) => isAmount(value) && value > 0 },
  drain: {
    expected: "'runs', 'functions' or false",
    holds: (value) => value === 'runs' || value === 'functions' || value === false,
  },
  fn: { expected: 'a function', holds: (value) => typeof value === 'function' },
  signal: { expected: 'an AbortSignal', holds: (value) => value instanceof AbortSignal },
  amounts: {
    expected: 'amounts by resource, each a finite number of at least 0',
    holds: (value) => isRecord(value) && Object.values(value).every(isAmount),
  },
} as const satisfies Readonly<Record<string, Rule>>;
