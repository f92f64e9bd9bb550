/**
 * Errors as plain data, so that they cross threads and hosts complete.
 *
 * Structured clone keeps only the name (of the seven built-in classes), message, stack and cause of an error. This form
 * also keeps the class name, `code` and every other own field, `AggregateError.errors`, and causes of any kind. The
 * receiver gets an instance of the built-in class that the error extends, under a class with the original name.
 */
import { inspect } from 'node:util';
import { type ErrorDetails, HandoffError } from './errors.ts';
import { flatten, type FlatTable, unflatten } from './flat.ts';
import { isError } from './is-error.ts';
import { needsCare } from './survey.ts';

/**
 * An error or any other thrown value, as data that structured clone copies faithfully. Like the errors, it may be
 * cyclic: each error occurs in it once.
 */
export type ErrorWire =
  | { readonly kind: 'value'; readonly value: unknown }
  /** A Buffer, which structured clone would make a Uint8Array. */
  | { readonly kind: 'buffer'; readonly bytes: Uint8Array }
  /** A value that is too deep for structured clone, or that holds errors. */
  | { readonly kind: 'flat'; readonly table: FlatTable }
  | WireOfError;

/** The fields of every error. */
export interface ErrorHead {
  /** The nearest built-in class, or `HandoffError`. */
  base: string;
  className: string;
  name: string;
  message: string;
  stack: string | undefined;
}

interface WireOfError extends ErrorHead {
  readonly kind: 'error';
  readonly fields: Record<string, ErrorWire>;
  cause: ErrorWire | undefined;
  errors: readonly ErrorWire[] | undefined;
}

// Without a prototype, because names such as 'constructor' are looked up in it.
const builtIn: Readonly<Record<string, ErrorConstructor>> = Object.assign(Object.create(null), {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
});
// Beyond these limits, a nested error is sent as its text only.
const maxDepth = 16;
const maxErrors = 1000;
const carried = new Set(['name', 'message', 'stack', 'cause', 'errors']);

/**
 * Converts a thrown value to data. Never throws: a part that cannot be copied is replaced by its text.
 *
 * @param thrown any thrown value
 */
export function toErrorWire(thrown: unknown): ErrorWire {
  return toWire(thrown, new Map(), 0);
}

/** @param made the errors converted so far, so that each is converted once and cycles end */
function toWire(thrown: unknown, made: Map<object, WireOfError>, depth: number): ErrorWire {
  try {
    if (Buffer.isBuffer(thrown)) return { kind: 'buffer', bytes: new Uint8Array(thrown) };
    if (!isError(thrown)) return toValue(thrown, (error) => toWire(error, made, depth + 1));
    const known = made.get(thrown);
    if (known !== undefined) return known;
    if (depth >= maxDepth || made.size >= maxErrors)
      return { kind: 'value', value: `[${thrown.name}: ${thrown.message}]` };
    const wire: WireOfError = {
      kind: 'error',
      base: 'Error',
      className: 'Error',
      name: 'Error',
      message: '',
      stack: undefined,
      fields: {},
      cause: undefined,
      errors: undefined,
    };
    made.set(thrown, wire);
    fill(wire, thrown, (inner) => toWire(inner, made, depth + 1));
    return wire;
  } catch (unreadable) {
    // a proxy's trap or a getter threw
    return { kind: 'value', value: `[an error that cannot be read: ${textOf(unreadable)}]` };
  }
}

function fill(wire: WireOfError, error: Error, inner: (value: unknown) => ErrorWire): void {
  Object.assign(wire, headOf(error));
  for (const key of Object.keys(error)) {
    if (carried.has(key)) continue;
    try {
      wire.fields[key] = inner((error as unknown as Record<string, unknown>)[key]);
    } catch (unreadable) {
      wire.fields[key] = { kind: 'value', value: `[cannot be read: ${textOf(unreadable)}]` };
    }
  }
  if ('cause' in error) wire.cause = inner(error.cause);
  const { errors } = error as Partial<AggregateError>;
  if (Array.isArray(errors)) wire.errors = errors.map(inner);
}

/** @throws what a getter of the error throws */
export function headOf(error: Error): ErrorHead {
  const className = String(error.constructor?.name || error.name || 'Error');
  // An error whose class never set `name` would arrive as plain "Error". Its class name says more.
  const name = error.name in builtIn && !(className in builtIn) ? className : String(error.name);
  const stack = error.stack === undefined ? undefined : withName(String(error.stack), error.name, name);
  return { base: baseOf(error), className, name, message: String(error.message), stack };
}

/** Replaces the error's name, with which its stack begins. */
function withName(stack: string, written: string, name: string): string {
  return written !== name && stack.startsWith(written) ? name + stack.slice(written.length) : stack;
}

function baseOf(error: Error): string {
  if (error instanceof HandoffError) return 'HandoffError';
  if (error instanceof AggregateError) return 'AggregateError';
  for (let proto = Object.getPrototypeOf(error); proto !== null; proto = Object.getPrototypeOf(proto)) {
    const name = proto.constructor?.name;
    if (typeof name === 'string' && name in builtIn) return name;
  }
  return 'Error';
}

/** A value that structured clone accepts: the value itself, its parts that can be copied, or its text. */
function toValue(value: unknown, toError: (error: Error) => ErrorWire): ErrorWire {
  if (typeof value === 'function' || typeof value === 'symbol') return { kind: 'value', value: String(value) };
  if (typeof value !== 'object' || value === null) return { kind: 'value', value };
  try {
    if (!needsCare(value)) return { kind: 'value', value: structuredClone(value) };
    return { kind: 'flat', table: flatten(value, { error: toError, leaf: (leaf) => structuredClone(leaf) }) };
  } catch {
    return { kind: 'value', value: withoutFunctions(value, 0) };
  }
}

/** Plain objects and arrays without the parts that cannot be copied, such as callbacks in a request's options. */
function withoutFunctions(value: unknown, depth: number): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value) && depth < 4) return value.map((item) => withoutFunctions(item, depth + 1));
  const proto: unknown = Object.getPrototypeOf(value);
  if ((proto === Object.prototype || proto === null) && depth < 4) {
    const kept = Object.entries(value).map(([key, item]) => [key, withoutFunctions(item, depth + 1)] as const);
    return Object.fromEntries(kept.filter(([, item]) => item !== undefined));
  }
  try {
    return needsCare(value) ? textOf(value) : structuredClone(value);
  } catch {
    return textOf(value);
  }
}

/** Any thrown value as text: an error's message, a string as it is, and any other value as `inspect` shows it. */
export function textOf(value: unknown): string {
  try {
    if (isError(value)) return value.message;
    const text = String(value);
    const isBare = /^\[object \w+\]$/.test(text) || Array.isArray(value);
    return isBare
      ? inspect(value, { depth: 2, breakLength: Infinity, maxArrayLength: 20, maxStringLength: 500 })
      : text;
  } catch {
    return 'a value without a text';
  }
}

/** The reverse of `toErrorWire`: the thrown value, as close to the original as another thread can have it. */
export function fromErrorWire(wire: ErrorWire): unknown {
  return fromWire(wire, new Map());
}

function fromWire(wire: ErrorWire, made: Map<ErrorWire, Error>): unknown {
  if (wire.kind === 'value') return wire.value;
  if (wire.kind === 'buffer') return Buffer.from(wire.bytes);
  if (wire.kind === 'flat') return unflatten(wire.table, (inner) => fromWire(inner as ErrorWire, made));
  const known = made.get(wire);
  if (known !== undefined) return known;
  const error = construct(wire);
  made.set(wire, error);
  for (const [key, value] of Object.entries(wire.fields)) define(error, key, fromWire(value, made), true);
  if (wire.cause !== undefined) define(error, 'cause', fromWire(wire.cause, made), false);
  if (wire.errors !== undefined)
    define(
      error,
      'errors',
      wire.errors.map((inner) => fromWire(inner, made)),
      false,
    );
  if (error.name !== wire.name) define(error, 'name', wire.name, false);
  if (wire.stack !== undefined) define(error, 'stack', wire.stack, false);
  return error;
}

function construct(wire: WireOfError): Error {
  if (wire.base === 'HandoffError') {
    const code = wire.fields['code'];
    const known = code?.kind === 'value' ? (code.value as HandoffError['code']) : 'FUNCTION_FAILED';
    return new HandoffError(known, wire.message, {} satisfies ErrorDetails);
  }
  if (wire.base === 'AggregateError') return new AggregateError([], wire.message);
  const base = builtIn[wire.base] ?? Error;
  if (wire.className === wire.base) return new base(wire.message);
  return Reflect.construct(base, [wire.message], classNamed(wire.className, base)) as Error;
}

const classes = new Map<string, ErrorConstructor>();

/**
 * A stand-in class, so that `error.constructor.name` is the original name. The name comes from user code, so its length
 * is limited.
 */
function classNamed(name: string, base: ErrorConstructor): ErrorConstructor {
  const key = `${base.name}:${name}`;
  let known = classes.get(key);
  if (known === undefined) {
    if (classes.size >= 1000) classes.clear();
    known = class extends base {} as unknown as ErrorConstructor;
    Object.defineProperty(known, 'name', { value: name });
    classes.set(key, known);
  }
  return known;
}

function define(target: Error, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true });
}
