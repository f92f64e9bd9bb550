/**
 * Options declared as data: type, bounds, default, unit and description in one place. They are checked where they enter
 * the library. The tables of the documentation and the docstrings of the types come from the same declarations.
 */
import * as v from 'valibot';
import { HandoffError } from './errors.ts';
import { show } from './show.ts';
import { didYouMean, nearest } from './suggest.ts';
import { isRecord } from './values.ts';

export type Unit = 'ms' | 's' | 'bytes' | 'bytes per second' | 'MB';

/** What the documentation says about an option, beside its type and default. */
export interface About {
  /** One sentence. If the option has a unit, the documentation adds it: "Time between heartbeats, in ms." */
  readonly description: string;
  /** Further sentences, for docstrings and reference pages. */
  readonly details?: string;
  /** What applies if the option is not given and has no plain default. */
  readonly otherwise?: string;
  /** Environment variables that set the option. */
  readonly environment?: readonly string[];
  /** Flags of the command that set the option. */
  readonly flags?: readonly string[];
  /** Whether the value must not appear in errors. */
  readonly isSecret?: boolean;
}

/** The type of one value. Its message completes "must be …". */
export type Type<Value, Resolved = Value> = v.GenericSchema<Value, Resolved>;

/** A set of options: the type of an object with known names. */
export interface Options<Entries extends v.ObjectEntries = v.ObjectEntries> extends v.GenericSchema<
  v.InferInput<v.ObjectSchema<Entries, undefined>>,
  v.InferOutput<v.ObjectSchema<Entries, undefined>>
> {
  readonly entries: Entries;
}

/** An option with a default. It is never undefined in checked options. */
export function option<Value, Resolved, Default extends Value>(
  type: Type<Value, Resolved>,
  about: About & { readonly default: Default },
): v.OptionalSchema<Type<Value, Resolved>, Default>;
/** An option that may stay undefined. */
export function option<Value, Resolved>(
  type: Type<Value, Resolved>,
  about: About,
): v.OptionalSchema<Type<Value, Resolved>, undefined>;
export function option<Value, Resolved>(
  type: Type<Value, Resolved>,
  about: About & { readonly default?: Value },
): v.GenericSchema {
  return v.optional(required(type, about), about.default as never);
}

/** An option that must be given. */
export function required<Value, Resolved>(type: Type<Value, Resolved>, about: About): Type<Value, Resolved> {
  const { description, default: _, ...others } = about as About & { readonly default?: unknown };
  return v.pipe(type, v.description(description), v.metadata(others));
}

/**
 * A set of options. Unknown names are refused with a suggestion.
 *
 * @param expected completes "must be …" if the value is not an object. Default: the names
 */
export function optionSet<Entries extends v.ObjectEntries>(entries: Entries, expected?: string): Options<Entries> {
  const names = Object.entries(entries).map(([name, { type }]) => (type === 'optional' ? `${name}?` : name));
  const checked = v.pipe(
    v.custom<Record<string, unknown>>(isRecord, expected ?? `{ ${names.join(', ')} }`),
    // Before the values, because a misspelt name of a required option is both missing and unknown.
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const [key, value] of Object.entries(dataset.value)) {
        if (value === undefined || Object.hasOwn(entries, key)) continue;
        addIssue({ path: [{ type: 'unknown', origin: 'key', input: dataset.value, key, value }] });
        return;
      }
    }),
    v.object(entries),
  );
  return Object.assign(checked, { entries }) as unknown as Options<Entries>;
}

/**
 * Checks options and adds defaults. `undefined` means the default.
 *
 * @param where the call that received the options, for messages
 * @returns a new object
 * @throws `INVALID_OPTION` naming the option, the expected and the actual value
 */
export function parseOptions<Entries extends v.ObjectEntries>(
  where: string,
  schema: Options<Entries>,
  given: unknown,
): v.InferOutput<Options<Entries>> {
  const result = v.safeParse(schema, given, { abortEarly: true });
  if (result.success) return result.output;
  throw errorOf(where, schema, result.issues[0]);
}

/** @throws `INVALID_OPTION` when an argument that is no set of options has a bad value */
export function needOption(where: string, name: string, type: v.GenericSchema, value: unknown): void {
  const { success, issues } = v.safeParse(type, value, { abortEarly: true });
  if (!success) throw invalidOption(where, name, issues[0].message, value);
}

/** Whether options are valid. */
export function passes(schema: Options, given: unknown): boolean {
  return v.is(schema, given);
}

/** The error of an option with a bad value. */
export function invalidOption(where: string, name: string, expected: string, value: unknown): HandoffError {
  return refused(where, name, expected, show(value));
}

function refused(where: string, name: string, expected: string, got: string): HandoffError {
  return new HandoffError('INVALID_OPTION', `${where}: option ${name} must be ${expected}, got ${got}.`, {
    option: name,
  });
}

function errorOf(where: string, schema: Options, issue: v.BaseIssue<unknown>): HandoffError {
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  const name = path.at(-1);
  if (name === undefined)
    return new HandoffError('INVALID_OPTION', `${where}: options must be an object, got ${show(issue.input)}.`, {
      option: 'options',
    });
  const place = [where, pathText(path.slice(0, -1))].filter((part) => part !== '').join(': ');
  if (issue.type === 'raw_check') return unknownOption(place, String(name), schema, path);
  const type = typeAt(schema, path);
  // For a missing required option the issue is about the object.
  const { message, input } = type !== undefined && issue.type === 'object' ? missing(type) : issue;
  const got = type !== undefined && aboutOf(type).isSecret === true ? kindOf(input) : show(input);
  if (typeof name === 'string') return refused(place, name, message, got);
  const list = path.findLast((key) => typeof key === 'string')!;
  return new HandoffError('INVALID_OPTION', `${where}: ${pathText(path)} must be ${message}, got ${got}.`, {
    option: list as string,
  });
}

function unknownOption(place: string, name: string, schema: Options, path: readonly (string | number)[]): HandoffError {
  const parent = typeAt(schema, path.slice(0, -1));
  const suggestion = nearest(name, Object.keys((parent as Options).entries));
  return new HandoffError('INVALID_OPTION', `${place}: there is no option ${show(name)}.${didYouMean(suggestion)}`, {
    option: name,
    ...(suggestion !== undefined && { suggestion }),
  });
}

function missing(type: v.GenericSchema): v.BaseIssue<unknown> {
  return v.safeParse(type, undefined).issues![0];
}

/** `nodes[0].capabilities` for a path of keys. */
function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  );
}

/** What stands for a value that must not be shown. */
function kindOf(value: unknown): string {
  return typeof value === 'string' ? `a string of ${value.length}` : typeof value;
}

function typeAt(schema: v.GenericSchema, path: readonly (string | number)[]): v.GenericSchema | undefined {
  return path.reduce<v.GenericSchema | undefined>((type, key) => {
    const { entries, item } = (type ?? {}) as Partial<Options> & { readonly item?: v.GenericSchema };
    const found = typeof key === 'number' ? item : entries?.[key];
    return found && inner(found);
  }, schema);
}

/** The type of an option without `undefined`. */
export function inner(type: v.GenericSchema): v.GenericSchema {
  return 'wrapped' in type ? (type.wrapped as v.GenericSchema) : type;
}

/** What the documentation says about an option. */
export function aboutOf(type: v.GenericSchema): About & { readonly unit?: Unit } {
  const declared = inner(type);
  return { ...v.getMetadata(declared), description: v.getDescription(declared) ?? '' };
}
