/**
 * Results that functions of a batch may take: those of the same batch by index, then imports from other threads by
 * place.
 */
import { flatCopyOf } from '../../../core/copy.ts';
import { decode } from '../../store/encode.ts';
import { cloneView, Payload } from '../../store/payload.ts';

// Marks a function without a result here.
export const nothing = Symbol('nothing');

// Marks an import that has not arrived.
export const pending = Symbol('pending');

export class LocalResults {
  readonly #size: number;
  readonly #own: unknown[] = [];
  readonly #imports: unknown[];

  /**
   * @param size how many functions the batch has
   * @param imports how many results come from other threads
   */
  constructor(size: number, imports: number) {
    this.#size = size;
    this.#imports = new Array<unknown>(imports).fill(pending);
  }

  /** Adds the result of the next function: a value, a `Payload`, or `nothing`. */
  push(value: unknown): void {
    this.#own.push(value);
  }

  /** Sets an import: a value, a `Payload`, or `nothing`. */
  import(place: number, value: unknown): void {
    this.#imports[place] = value;
  }

  /** Marks an import that has not arrived as missing. */
  giveUp(place: number): void {
    if (this.#imports[place] === pending) this.#imports[place] = nothing;
  }

  /** Whether an import has not arrived yet. */
  isPending(index: number): boolean {
    return this.get(index) === pending;
  }

  /**
   * Whether all awaited results have arrived, or one of them never will. Removes those that have arrived from
   * `awaited`.
   */
  settles(awaited: number[]): boolean {
    for (let last = awaited.at(-1); last !== undefined; last = awaited.at(-1)) {
      if (this.isPending(last)) return false;
      if (!this.has(last)) return true;
      awaited.pop();
    }
    return true;
  }

  /** Stops waiting for a result. */
  giveUpOn(index: number): void {
    this.giveUp(index - this.#size);
  }

  /** The stored form. */
  get(index: number): unknown {
    return index < this.#size ? this.#own[index] : this.#imports[index - this.#size];
  }

  has(index: number): boolean {
    const value = this.get(index);
    return value !== nothing && value !== pending;
  }

  /** A copy for a function that takes it, as if it came from another thread. Requires `has`. */
  take(index: number): unknown {
    const value = this.get(index);
    if (!(value instanceof Payload)) return takenFrom(value);
    const decoded = decode(value.data);
    // The bytes of a small Buffer are not shared memory; they belong to the payload.
    return ArrayBuffer.isView(decoded) && decoded.buffer instanceof ArrayBuffer ? cloneView(decoded) : decoded;
  }
}

/** A copy of a value that can be sent. */
function takenFrom(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return flatCopyOf(value) ?? copyOf(value);
}

/** A copy, as another thread would receive it. */
export function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer ? cloneView(value) : structuredClone(value);
}
