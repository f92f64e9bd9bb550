/** What a value holds that decides how it travels between threads and hosts. */
import { isError } from './is-error.ts';
import { isInstanceMemory } from './instance-memory.ts';

/**
 * How many objects may lie within each other in what V8 serializes. V8 recurses, 620 bytes of stack a level at most, and a main thread has less
 * than 1 MB: a value that a thread could write with its larger stack may be one that the main thread cannot read. This is a third of that.
 */
export const maxNesting = 500;

// So many objects are visited without noting which: a set of them costs many times what the visit does.
const maxUnnoted = 4_000_000;

// An array with so many holes is walked by its keys.
const maxHoles = 1_000_000;

/** A value, looked through. Errors are not looked into. */
export interface Survey {
  /** An estimate, in bytes: 8 an item, one a character. */
  readonly size: number;
  /** Objects lie deeper within each other than `maxNesting`. What else is said is then about a part of the value. */
  readonly deep: boolean;
  /** It holds an Error, which structured clone would change. */
  readonly errors: boolean;
  readonly sharedBuffers: boolean;
  /** It holds a Buffer, which structured clone would make a Uint8Array. */
  readonly buffers: boolean;
}

/**
 * Looks through all of a value: an Error deep inside must not lose its class.
 *
 * @throws what a getter or a proxy's trap throws
 */
export function survey(value: object): Survey {
  const tree = new Walk(undefined);
  if (tree.into(value, 1)) return tree;
  // It is deep, or has cycles, or few objects in many places: each object once, in V8's order, tells.
  const graph = new Walk(new Set());
  graph.into(value, 1);
  return graph;
}

/** Whether a value holds what structured clone and V8's serializer do not carry whole to every thread. */
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

  /** @param seen notes what was visited; undefined: the value is taken for a tree */
  constructor(seen: Set<object> | undefined) {
    this.#seen = seen;
  }

  /** Visits an object and what it holds. False when the walk has ended early. */
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

  /** What is to be returned at once; undefined: what the object holds is to be visited. */
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
    // Those of a long array are not looked for, as that would cost more than all else: who reads the value finds out.
    return value.length > 16 || this.#fields(value, depth);
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

/** Whether a view is only a part of its memory, all of which structured clone would send. */
function isPart({ buffer, byteLength }: ArrayBufferView): boolean {
  return buffer instanceof SharedArrayBuffer ? isInstanceMemory(buffer) : byteLength < buffer.byteLength;
}
