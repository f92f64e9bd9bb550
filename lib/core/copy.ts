/** Deep copies, so that a later change of the original has no effect. */
import { types } from 'node:util';
import { fromErrorWire, toErrorWire } from './error-wire.ts';
import { isError } from './is-error.ts';
import { eachItem } from './items.ts';
import { maxDepth, tooDeep } from './serializable.ts';

type Enter = (value: unknown) => unknown;

/**
 * A deep copy of a value of any depth. It preserves structure: cycles, objects referenced twice, holes, and the classes
 * of errors and views. A view gets its own memory with only its own bytes. Functions, shared memory and sockets cannot
 * be copied, so they are kept as they are.
 *
 * @param isKept returns true for further objects that are kept as they are
 * @throws RangeError when getters of the value make new objects without end; what getters and traps of proxies throw
 */
export function copyOf<Value>(value: Value, isKept?: (value: object) => boolean): Value {
  return isPrimitive(value) ? value : (copyObject(value, isKept) as Value);
}

/**
 * What structured clone gives for a list or a plain object of primitive values, at a fraction of its cost; undefined
 * for any other value.
 */
export function flatCopyOf(value: object): object | undefined {
  const proto: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) {
    if (proto !== Array.prototype) return undefined;
    for (let i = 0; i < value.length; i++)
      if (!isSendablePrimitive(value[i]) || (value[i] === undefined && !(i in value))) return undefined;
    return Object.keys(value).length === value.length ? value.slice() : undefined; // it has no further properties
  }
  if (proto !== Object.prototype) return undefined;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    if (!isSendablePrimitive(item) || key === '__proto__') return undefined;
    copy[key] = item;
  }
  return copy;
}

function isSendablePrimitive(value: unknown): boolean {
  switch (typeof value) {
    case 'object':
      return value === null;
    case 'function':
    case 'symbol':
      return false;
    default:
      return true;
  }
}

export function isPrimitive(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

function copyObject(value: unknown, isKept: ((value: object) => boolean) | undefined): unknown {
  const copies = new Map<unknown, unknown>();
  const unfilled: (() => void)[] = [];
  const depths: number[] = [];
  let depth = 0;
  const enter: Enter = (each) => {
    if (isPrimitive(each)) return each;
    let copy = copies.get(each);
    if (copy === undefined) {
      const made = isKept?.(each as object) === true ? { copy: each } : begin(each as object, enter);
      copy = made.copy;
      copies.set(each, copy);
      if (made.fill !== undefined) {
        unfilled.push(made.fill);
        depths.push(depth);
      }
    }
    return copy;
  };
  const copy = enter(value);
  for (let fill = unfilled.pop(); fill !== undefined; fill = unfilled.pop()) {
    depth = depths.pop()! + 1;
    if (depth > maxDepth) throw new RangeError(tooDeep);
    fill();
  }
  return copy;
}

interface Begun {
  readonly copy: unknown;
  /** Copies the contents. Runs later, so that depth costs no stack. */
  readonly fill?: () => void;
}

function begin(value: object, enter: Enter): Begun {
  if (Array.isArray(value)) {
    const copy: unknown[] = [];
    copy.length = value.length;
    return {
      copy,
      fill: () => {
        eachItem(value, (item, i) => (copy[i] = enter(item)));
        copyFurther(value, copy, enter);
      },
    };
  }
  if (ArrayBuffer.isView(value)) return { copy: copyView(value) };
  if (value instanceof ArrayBuffer) return { copy: value.slice(0) };
  if (value instanceof Map) {
    const copy = new Map<unknown, unknown>();
    return { copy, fill: () => value.forEach((item, key) => copy.set(enter(key), enter(item))) };
  }
  if (value instanceof Set) {
    const copy = new Set<unknown>();
    return { copy, fill: () => value.forEach((item) => copy.add(enter(item))) };
  }
  if (types.isArgumentsObject(value)) return { copy: value }; // sending it is refused
  if (isError(value)) return { copy: fromErrorWire(toErrorWire(value)) };
  const cloned = isPlainObject(value) ? undefined : cloneWhole(value);
  if (cloned !== undefined) return { copy: cloned };
  const copy = Object.create(Object.getPrototypeOf(value)) as Record<string, unknown>;
  return { copy, fill: () => copyFields(value as Record<string, unknown>, copy, enter) };
}

/** Copies properties of an array besides its items, which structured clone keeps. */
function copyFurther(from: readonly unknown[], to: unknown[], enter: Enter): void {
  const keys = Object.keys(from);
  if (keys.length === 0 || keys.at(-1) === String(from.length - 1)) return; // properties come last
  for (const key of keys) {
    if (!(key in to))
      (to as unknown as Record<string, unknown>)[key] = enter((from as unknown as Record<string, unknown>)[key]);
  }
}

function copyFields(from: Record<string, unknown>, to: Record<string, unknown>, enter: Enter): void {
  for (const key of Object.keys(from)) {
    const value = enter(from[key]);
    if (key === '__proto__')
      Object.defineProperty(to, key, { value, enumerable: true, writable: true, configurable: true });
    else to[key] = value;
  }
}

/** Whether the value is a plain object, not an instance of a class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

/**
 * A clone of a Date, a KeyObject or the like. Undefined for an instance of a user's class, which is copied field by
 * field.
 */
function cloneWhole(value: object): unknown {
  try {
    const copy: unknown = structuredClone(value);
    const proto: unknown = Object.getPrototypeOf(copy);
    return proto === Object.prototype ? undefined : copy;
  } catch {
    return value;
  }
}

function copyView(view: ArrayBufferView): ArrayBufferView {
  const { buffer, byteOffset, byteLength } = view;
  if (buffer instanceof SharedArrayBuffer) return view;
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  if (Buffer.isBuffer(view)) return Buffer.from(bytes);
  if (view instanceof DataView) return new DataView(bytes);
  const Class = viewClasses[view[Symbol.toStringTag as never] as string]!;
  return new Class(bytes);
}

type ViewClass = new (bytes: ArrayBuffer) => ArrayBufferView;

const viewClasses = Object.fromEntries(
  [
    'Int8',
    'Uint8',
    'Uint8Clamped',
    'Int16',
    'Uint16',
    'Int32',
    'Uint32',
    'Float16',
    'Float32',
    'Float64',
    'BigInt64',
    'BigUint64',
  ].map((type) => [`${type}Array`, (globalThis as unknown as Record<string, ViewClass>)[`${type}Array`]!]),
);

/**
 * Whether a copy still equals its original. May return false for equal errors and class instances. Visits each object
 * once, in order.
 */
export function isStillCopy(copy: unknown, original: unknown): boolean {
  const partners = new Map<object, object>();
  const stack: [copy: unknown, original: unknown][] = [[copy, original]];
  const pair = (a: unknown, b: unknown): boolean =>
    Object.is(a, b) || (!isPrimitive(a) && !isPrimitive(b) && stack.push([a, b]) > 0);
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [a, b] = next as [object, object];
    if (Object.is(a, b)) continue;
    const partner = partners.get(b);
    if (partner === a) continue;
    if (partner !== undefined || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b) || !haveSameParts(a, b, pair))
      return false;
    partners.set(b, a);
  }
  return true;
}

type Pair = (a: unknown, b: unknown) => boolean;

/** Whether two objects of one class have the same primitive parts. `pair` compares the objects in them. */
function haveSameParts(a: object, b: object, pair: Pair): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && haveSameItems(a, b, pair);
  if (ArrayBuffer.isView(a)) return Buffer.compare(bytesOf(a), bytesOf(b as ArrayBufferView)) === 0;
  if (a instanceof ArrayBuffer) return Buffer.compare(new Uint8Array(a), new Uint8Array(b as ArrayBuffer)) === 0;
  if (a instanceof Map)
    return a.size === (b as typeof a).size && haveSameItems([...a].flat(), [...(b as typeof a)].flat(), pair);
  if (a instanceof Set) return a.size === (b as typeof a).size && haveSameItems([...a], [...(b as typeof a)], pair);
  if (a instanceof Date) return a.getTime() === (b as Date).getTime();
  if (!isPlainObject(a)) return false;
  const keys = Object.keys(a);
  const others = Object.keys(b);
  return (
    keys.length === others.length &&
    keys.every(
      (key, k) => key === others[k] && pair((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
    )
  );
}

function haveSameItems(a: readonly unknown[], b: readonly unknown[], pair: Pair): boolean {
  let same = a.length === b.length;
  if (!same) return false;
  eachItem(a, (item, i) => (same &&= i in b && pair(item, b[i])));
  if (same) eachItem(b, (_, i) => (same &&= i in a));
  return same;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
