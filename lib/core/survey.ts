/** The properties of a value that decide how it travels between threads and hosts. */
import { isError } from './is-error.ts';
import { isInstanceMemory } from './instance-memory.ts';

/**
 * The maximum nesting depth of a value that V8 serializes. V8 recurses with up to 620 bytes of stack a level, and the
 * main thread has less than 1 MB: it could fail to read a value that a thread with a larger stack wrote. The limit uses
 * a third of that stack.
 */
export const maxNesting = 500;

// This many objects are visited without recording them, because a set of them costs many times what the visit does.
const maxUnnoted = 4_000_000;

// Extra properties of arrays, besides their items, are looked for in this many arrays, none of them longer than this.
const maxSearched = 1000;
const maxSearchedLength = 16;

// An array with more holes than this is walked by its keys.
const maxHoles = 1_000_000;

/** The result of walking through a value. Errors are not entered. */
export interface Survey {
  /** Estimated size in bytes: 8 per item, 1 per character. */
  readonly size: number;
  /** Objects are nested deeper than `maxNesting`. The other fields then describe only a part of the value. */
  readonly deep: boolean;
  /** Contains an Error, which structured clone would change. */
  readonly errors: boolean;
  readonly sharedBuffers: boolean;
  /** Contains a Buffer, which structured clone would turn into a Uint8Array. */
  readonly buffers: boolean;
}

/**
 * Walks through all of a value, so that an Error deep inside keeps its class.
 *
 * @throws whatever a getter or a proxy's trap throws
 */
export function survey(value: object): Survey {
  const tree = new Walk(undefined);
  if (tree.into(value, 1)) return tree;
  // The value is deep, cyclic, or references few objects many times. Visiting each object once, in V8's order, decides
  // which.
  const graph = new Walk(new Set());
  graph.into(value, 1);
  return graph;
}

/** Whether structured clone or V8's serializer would lose a part of the value or fail on some thread. */
export function needsCare(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (isError(value)) return true;
  const { deep, errors } = survey(value);
  return deep || errors;
}

class Walk implements Survey {
  size = 0;
  deep = false;
  errors = false;
  sharedBuffers = false;
  buffers = false;
  readonly #seen: Set<object> | undefined;
  #left = maxUnnoted;
  #searchesLeft = maxSearched;

  /** @param seen records visited objects; undefined treats the value as a tree */
  constructor(seen: Set<object> | undefined) {
    this.#seen = seen;
  }

  /** Visits an object and its contents. Returns false when the walk ends early. */
  into(value: object, depth: number): boolean {
    if (Array.isArray(value)) return this.#enter(value, depth) ?? this.#array(value, depth);
    const proto: unknown = Object.getPrototypeOf(value);
    if (proto === Object.prototype || proto === null) return this.#enter(value, depth) ?? this.#fields(value, depth);
    if (ArrayBuffer.isView(value)) {
      this.size += value.byteLength;
      if (Buffer.isBuffer(value) || isPart(value)) this.buffers = true;
      return true;
    }
    if (value instanceof ArrayBuffer) {
      this.size += value.byteLength;
      return true;
    }
    if (value instanceof SharedArrayBuffer) {
      this.sharedBuffers = true;
      return true;
    }
    if (isError(value)) {
      this.errors = true;
      return true;
    }
    return this.#enter(value, depth) ?? this.#other(value, depth);
  }

  /** Returns the result of `into` for an object whose contents need no visit; undefined if they need one. */
  #enter(value: object, depth: number): boolean | undefined {
    if (this.#seen !== undefined) {
      if (this.#seen.has(value)) return true;
      this.#seen.add(value);
    } else if (--this.#left < 0) {
      return false;
    }
    if (depth <= maxNesting) return undefined;
    this.deep = true;
    return false;
  }

  #array(value: readonly unknown[], depth: number): boolean {
    let holes = 0;
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      this.size += 8;
      if (typeof item === 'object') {
        if (item !== null && !this.into(item, depth + 1)) return false;
      } else if (typeof item === 'string') {
        this.size += item.length;
      } else if (item === undefined && !(i in value) && ++holes > maxHoles) {
        return this.#fields(value, depth);
      }
    }
    // V8 makes a string of each index for it, which costs more than all else. Reading the value finds those of other
    // arrays.
    return value.length > maxSearchedLength || --this.#searchesLeft < 0 || this.#fields(value, depth);
  }

  #fields(value: object, depth: number): boolean {
    for (const key in value) {
      const item = (value as Record<string, unknown>)[key];
      this.size += 8 + key.length;
      if (typeof item === 'object') {
        if (item !== null && !this.into(item, depth + 1)) return false;
      } else if (typeof item === 'string') {
        this.size += item.length;
      }
    }
    return true;
  }

  #other(value: object, depth: number): boolean {
    if (value instanceof Map) {
      for (const [key, item] of value) if (!this.#item(key, depth) || !this.#item(item, depth)) return false;
      return true;
    }
    if (value instanceof Set) {
      for (const item of value) if (!this.#item(item, depth)) return false;
      return true;
    }
    return this.#fields(value, depth);
  }

  #item(item: unknown, depth: number): boolean {
    this.size += 8;
    if (typeof item === 'string') this.size += item.length;
    return typeof item !== 'object' || item === null || this.into(item, depth + 1);
  }
}

/** Whether a view covers only a part of its buffer. Structured clone would send the whole buffer. */
function isPart({ buffer, byteLength }: ArrayBufferView): boolean {
  return buffer instanceof SharedArrayBuffer ? isInstanceMemory(buffer) : byteLength < buffer.byteLength;
}
