/** Finds the part of a value that cannot travel to another thread. */
import { EventEmitter } from 'node:events';
import { types } from 'node:util';
import { isError } from './is-error.ts';
import { messageOf } from './message-of.ts';
import { eachItem } from './items.ts';

/**
 * Key of a description that classes of this library carry when a copy of an instance would be useless. A registered
 * symbol, so that it also works for other copies of the package.
 */
export const notData: unique symbol = Symbol.for('handoffjs.notData') as never;

export interface Obstacle {
  /** Where it is, such as `[2].options.go`. */
  readonly path: string;
  /** A description of the part. */
  readonly what: string;
}

/**
 * A limit for the depth of values, which no real one reaches. It ends the search of a value whose getters make new
 * objects without end.
 */
export const maxDepth = 1_000_000;

export const tooDeep = `nested more than ${maxDepth.toLocaleString('en')} levels deep`;

// How many characters of a long path an error shows at each end.
const pathEnd = 100;

interface Step {
  readonly value: unknown;
  readonly path: string;
  readonly depth: number;
}

/** The first part of a value that structured clone refuses; undefined if there is none. */
export function findObstacle(value: unknown): Obstacle | undefined {
  if (isPlain(value)) return undefined;
  const seen = new Set<unknown>();
  const stack: Step[] = [{ value, path: '', depth: 0 }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    try {
      if (next.depth > maxDepth) return { path: '', what: tooDeep };
      const what = refusal(next.value);
      if (what !== undefined) return { path: shortened(next.path), what };
      if (typeof next.value !== 'object' || next.value === null || seen.has(next.value)) continue;
      seen.add(next.value);
      pushChildren(next.value, next, stack);
    } catch (error) {
      // A getter or a proxy's trap threw. Cloning would throw the same error.
      return {
        path: shortened(next.path),
        what: `an object that throws when it is read (${messageOf(error)})`,
      };
    }
  }
  return undefined;
}

function shortened(path: string): string {
  return path.length <= 2 * pathEnd ? path : `${path.slice(0, pathEnd)}…${path.slice(-pathEnd)}`;
}

/** Whether the value holds no other values. */
function isPlain(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol');
}

function refusal(value: unknown): string | undefined {
  if (typeof value === 'function')
    return notData in value ? String(value[notData]) : `the function ${value.name || '(anonymous)'}`;
  if (typeof value === 'symbol') return String(value);
  if (typeof value !== 'object' || value === null) return undefined;
  if (notData in value) return String(value[notData]);
  if (value instanceof Promise) return 'a promise';
  if (value instanceof AbortSignal || value instanceof AbortController) {
    return `an ${value.constructor.name} (inside a function, context().signal is its own)`;
  }
  if (value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef)
    return `a ${value.constructor.name}`;
  if (value instanceof ArrayBuffer && value.detached) return 'an ArrayBuffer that was transferred away';
  if (mayBeNative(value) && !canBeCloned(value)) return `an object of type ${typeName(value)}`;
  return undefined;
}

/**
 * Whether an object may be one of Node's own that no copy can stand for, such as a stream, an iterator or a URL. They
 * have no fields, or are emitters.
 */
function mayBeNative(value: object): boolean {
  const proto: unknown = Object.getPrototypeOf(value);
  if (proto === Object.prototype) return Symbol.iterator in value && types.isArgumentsObject(value);
  if (proto === null || Array.isArray(value) || types.isProxy(value)) return false;
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) || isError(value)) return false;
  if (types.isMap(value) || types.isSet(value) || types.isDate(value)) return false;
  // The fields of others are looked at one by one: cloning each object with all inside it would cost depth squared.
  return value instanceof EventEmitter || Object.keys(value).length === 0;
}

function canBeCloned(value: object): boolean {
  if (types.isArgumentsObject(value)) return false;
  try {
    const clone: unknown = structuredClone(value);
    const isEmptied = Object.getPrototypeOf(clone) === Object.prototype && Object.keys(clone as object).length === 0;
    return !isEmptied || tagOf(value) === 'Object';
  } catch {
    return false;
  }
}

function typeName(value: object): string {
  const tag = tagOf(value);
  // A MessagePort has the tag of the class that it extends.
  return tag === 'Object' || tag === 'EventTarget' ? (value.constructor?.name ?? tag) : tag;
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

function pushChildren(value: object, { path, depth }: Step, stack: Step[]): void {
  const push = (child: unknown, childPath: string): void => {
    if (!isPlain(child)) stack.push({ value: child, path: childPath, depth: depth + 1 });
  };
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return;
  if (Array.isArray(value)) {
    eachItem(value, (item, i) => push(item, isPlain(item) ? path : `${path}[${i}]`));
  } else if (value instanceof Map) {
    for (const [key, item] of value) {
      push(key, `${path}.keys()`);
      push(item, isPlain(item) ? path : `${path}.get(${isPlain(key) || typeof key === 'symbol' ? String(key) : '…'})`);
    }
  } else if (value instanceof Set) {
    for (const item of value) push(item, `${path}.values()`);
  } else {
    for (const key of Object.keys(value)) {
      const item = (value as Record<string, unknown>)[key];
      push(item, isPlain(item) ? path : `${path}.${key}`);
    }
  }
}
