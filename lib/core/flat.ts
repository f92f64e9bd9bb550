/**
 * A value as a table, which is written and read without recursion, whatever its depth. It preserves structure: cycles,
 * and objects referenced twice.
 *
 * ```
 *   { a: 1, next: { a: 2, next: [] } }      row   kind     items                   links: place, row
 *                                           0     object   'a', 1, 'next', ·       3, 1
 *                                           1     object   'a', 2, 'next', ·       7, 2
 *                                           2     list
 * ```
 */
import { types } from 'node:util';
import { isError } from './is-error.ts';

/** The objects of a value, one per row. */
export interface FlatTable {
  /** By row. */
  readonly kinds: readonly number[];
  /** By row: the end of its items. */
  readonly ends: readonly number[];
  /** The items of all rows, one row after the other. */
  readonly items: readonly unknown[];
  /** `place, row, …`: the items that are objects. */
  readonly links: readonly number[];
}

const Kind = {
  /** `key, value, …` */
  object: 0,
  list: 1,
  /** An array with holes or extra properties: its length, then `key, value, …` */
  sparse: 2,
  /** `key, value, …` */
  map: 3,
  set: 4,
  /** An object without other objects in it, which V8 serializes by itself. */
  leaf: 5,
  error: 6,
} as const;

/** Writes the objects that are more than structure. */
export interface Leaves {
  /** An error as plain data. */
  error(error: Error): unknown;
  /** Any other object that V8 serializes by itself. */
  leaf?(value: object): unknown;
}

/** @throws whatever a getter or a proxy's trap throws; `TypeError` for functions and symbols */
export function flatten(root: object, { error: toError, leaf: toLeaf = (value) => value }: Leaves): FlatTable {
  const rows = new Map<object, number>([[root, 0]]);
  const objects: object[] = [root];
  const kinds: number[] = [];
  const ends: number[] = [];
  const items: unknown[] = [];
  const links: number[] = [];
  for (let next = 0; next < objects.length; next++) {
    const object = objects[next]!;
    const kind = kindOf(object);
    kinds.push(kind);
    if (kind === Kind.error) items.push(toError(object as Error));
    else if (kind === Kind.leaf) items.push(toLeaf(object));
    else addItems(object, kind, add);
    ends.push(items.length);
  }
  return { kinds, ends, items, links };

  function add(item: unknown): void {
    if (typeof item === 'function' || typeof item === 'symbol') throw new TypeError(`${String(item)} cannot be copied`);
    if (typeof item !== 'object' || item === null) return void items.push(item);
    let row = rows.get(item);
    if (row === undefined) {
      row = objects.push(item) - 1;
      rows.set(item, row);
    }
    links.push(items.push(undefined) - 1, row);
  }
}

function kindOf(object: object): number {
  if (Array.isArray(object)) return isDense(object) ? Kind.list : Kind.sparse;
  const proto: unknown = Object.getPrototypeOf(object);
  if (proto === Object.prototype || proto === null) {
    return types.isProxy(object) || types.isArgumentsObject(object) ? Kind.leaf : Kind.object;
  }
  if (types.isMap(object)) return Kind.map;
  if (types.isSet(object)) return Kind.set;
  if (isError(object)) return Kind.error;
  return isLeaf(object) ? Kind.leaf : Kind.object;
}

function isDense(list: readonly unknown[]): boolean {
  const keys = Object.keys(list);
  return keys.length === list.length && (keys.length === 0 || keys.at(-1) === String(list.length - 1));
}

function addItems(object: object, kind: number, add: (item: unknown) => void): void {
  switch (kind) {
    case Kind.list:
    case Kind.set:
      for (const item of object as Iterable<unknown>) add(item);
      return;
    case Kind.map:
      for (const [key, item] of object as Map<unknown, unknown>) {
        add(key);
        add(item);
      }
      return;
    default:
      if (kind === Kind.sparse) add((object as unknown[]).length);
      for (const key of Object.keys(object)) {
        add(key);
        add((object as Record<string, unknown>)[key]);
      }
  }
}

/**
 * Whether V8 treats the object as more than a plain object. Includes those that V8 refuses, so that V8 throws its own
 * error.
 */
function isLeaf(object: object): boolean {
  return (
    types.isDate(object) ||
    types.isRegExp(object) ||
    types.isBoxedPrimitive(object) ||
    ArrayBuffer.isView(object) ||
    types.isAnyArrayBuffer(object) ||
    types.isPromise(object) ||
    types.isWeakMap(object) ||
    types.isWeakSet(object) ||
    types.isExternal(object) ||
    types.isProxy(object) ||
    types.isModuleNamespaceObject(object) ||
    types.isKeyObject(object) ||
    types.isCryptoKey(object) ||
    (Object.prototype.toString.call(object) !== '[object Object]' && Object.keys(object).length === 0)
  ); // such as a Blob
}

/** @param fromError the reverse of `toError` */
export function unflatten({ kinds, ends, items, links }: FlatTable, fromError: (data: unknown) => unknown): unknown {
  const made = kinds.map((kind, row): unknown => {
    const first = items[row === 0 ? 0 : ends[row - 1]!];
    switch (kind) {
      case Kind.object:
        return {};
      case Kind.list:
        return [];
      case Kind.sparse:
        return new Array(first as number);
      case Kind.map:
        return new Map();
      case Kind.set:
        return new Set();
      case Kind.error:
        return fromError(first);
      default:
        return first;
    }
  });
  const whole = [...items];
  for (let k = 0; k < links.length; k += 2) whole[links[k]!] = made[links[k + 1]!];
  for (let row = 0, from = 0; row < kinds.length; from = ends[row++]!) {
    if (kinds[row]! < Kind.leaf) fill(made[row] as object, kinds[row]!, whole, from, ends[row]!);
  }
  return made[0];
}

function fill(object: object, kind: number, items: readonly unknown[], from: number, end: number): void {
  switch (kind) {
    case Kind.list:
      for (let k = from; k < end; k++) (object as unknown[]).push(items[k]);
      return;
    case Kind.set:
      for (let k = from; k < end; k++) (object as Set<unknown>).add(items[k]);
      return;
    case Kind.map:
      for (let k = from; k < end; k += 2) (object as Map<unknown, unknown>).set(items[k], items[k + 1]);
      return;
    default:
      for (let k = kind === Kind.sparse ? from + 1 : from; k < end; k += 2)
        define(object, items[k] as string, items[k + 1]);
  }
}

/** `__proto__` must become a key like any other. */
function define(object: object, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else (object as Record<string, unknown>)[key] = value;
}
