/**
 * Errors as plain data, so that they cross threads and hosts whole.
 *
 * Structured clone keeps only the name (of the seven built-in classes), message, stack and cause of an error. Here also the
 * class's name, `code` and every other own field, `AggregateError.errors`, and causes of any kind survive; on arrival an
 * error is an instance of the built-in class it extends, under a class of the original's name.
 */
import { type ErrorDetails, HandoffError } from './errors.ts';

/** An error, or any other thrown value, as data that structured clone copies faithfully. */
export type ErrorWire =
  | { readonly kind: 'value'; readonly value: unknown }
  | {
      readonly kind: 'error';
      /** The nearest built-in class, or `HandoffError`. */
      readonly base: string;
      readonly className: string;
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
      readonly fields: Readonly<Record<string, ErrorWire>>;
      readonly cause: ErrorWire | undefined;
      readonly errors: readonly ErrorWire[] | undefined;
    };

const builtIn: Readonly<Record<string, ErrorConstructor>> = {
  Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError,
};
const maxDepth = 16;
const carried = new Set(['name', 'message', 'stack', 'cause', 'errors']);

/** Whether the value is an error of this or another realm. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

/**
 * Turns a thrown value into data. Never throws: what cannot be copied is replaced by its text.
 *
 * @param thrown anything that was thrown
 */
export function toErrorWire(thrown: unknown, depth = 0): ErrorWire {
  if (!isError(thrown)) return { kind: 'value', value: copyable(thrown) };
  if (depth >= maxDepth) return { kind: 'value', value: `[${thrown.name}: ${thrown.message}]` };
  try {
    return errorToWire(thrown, depth);
  } catch (unreadable) { // a getter of the error threw
    return { kind: 'value', value: `[an error that cannot be read: ${String(unreadable)}]` };
  }
}

function errorToWire(error: Error, depth: number): ErrorWire {
  const fields: Record<string, ErrorWire> = {};
  for (const key of Object.keys(error)) {
    if (!carried.has(key)) fields[key] = toErrorWire((error as unknown as Record<string, unknown>)[key], depth + 1);
  }
  const className = String(error.constructor?.name || error.name || 'Error');
  // A class that never set `name` would arrive as plain "Error": its own name says more.
  const name = error.name in builtIn && !(className in builtIn) ? className : String(error.name);
  const errors = (error as Partial<AggregateError>).errors;
  return {
    kind: 'error',
    base: baseOf(error),
    className,
    name,
    message: String(error.message),
    stack: error.stack === undefined ? undefined : withName(String(error.stack), error.name, name),
    fields,
    cause: 'cause' in error ? toErrorWire(error.cause, depth + 1) : undefined,
    errors: Array.isArray(errors) ? errors.map((inner) => toErrorWire(inner, depth + 1)) : undefined,
  };
}

/** The first line of a stack begins with the error's name. */
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

/** A value that structured clone takes: itself, or its text. */
function copyable(value: unknown): unknown {
  switch (typeof value) {
    case 'function':
    case 'symbol':
      return String(value);
    case 'object':
      try {
        return value === null ? null : structuredClone(value);
      } catch {
        return String(value);
      }
    default:
      return value;
  }
}

/** The reverse of `toErrorWire`: the thrown value, as near to the original as another thread can have it. */
export function fromErrorWire(wire: ErrorWire): unknown {
  if (wire.kind === 'value') return wire.value;
  const error = construct(wire);
  for (const [key, value] of Object.entries(wire.fields)) define(error, key, fromErrorWire(value), true);
  if (wire.cause !== undefined) define(error, 'cause', fromErrorWire(wire.cause), false);
  if (error.name !== wire.name) define(error, 'name', wire.name, false);
  if (wire.stack !== undefined) define(error, 'stack', wire.stack, false);
  return error;
}

function construct(wire: ErrorWire & { kind: 'error' }): Error {
  if (wire.base === 'HandoffError') {
    const code = wire.fields['code'];
    const known = code?.kind === 'value' ? (code.value as HandoffError['code']) : 'FUNCTION_FAILED';
    return new HandoffError(known, wire.message, {} satisfies ErrorDetails);
  }
  if (wire.base === 'AggregateError') return new AggregateError((wire.errors ?? []).map(fromErrorWire), wire.message);
  const base = builtIn[wire.base] ?? Error;
  if (wire.className === wire.base) return new base(wire.message);
  return Reflect.construct(base, [wire.message], classNamed(wire.className, base)) as Error;
}

const classes = new Map<string, ErrorConstructor>();

/** A stand-in class, so that `error.constructor.name` reads as where it was thrown. Bounded, as names come from user code. */
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
