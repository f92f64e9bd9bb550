/**
 * What the functions of a batch may take of each other, and of other workers: own results by index, then what is handed
 * over by place.
 */
import { decode } from '../../store/encode.ts';
import { cloneView, Payload } from '../../store/payload.ts';

// Stands for a function that gave no result, and never will here.
export const nothing = Symbol('nothing');

// Stands for what another worker has not handed over yet.
export const pending = Symbol('pending');

export class Held {
  readonly #size: number;
  readonly #own: unknown[] = [];
  readonly #imports: unknown[];

  /**
   * @param size how many functions the batch has
   * @param imports how many results other workers hand over
   */
  constructor(size: number, imports: number) {
    this.#size = size;
    this.#imports = new Array<unknown>(imports).fill(pending);
  }

  /** The result of the next function: itself, a `Payload`, or `nothing`. */
  push(value: unknown): void {
    this.#own.push(value);
  }

  /** What another worker has handed over, or `nothing`. */
  import(place: number, value: unknown): void {
    this.#imports[place] = value;
  }

  /** What has not been handed over will not be. */
  giveUp(place: number): void {
    if (this.#imports[place] === pending) this.#imports[place] = nothing;
  }

  /** Whether it is for another worker to hand over, and has not been. */
  isPending(index: number): boolean {
    return this.get(index) === pending;
  }

  /** Whether all of some that were awaited have come, or one of them never will. Takes out those that have come. */
  settles(awaited: number[]): boolean {
    for (let last = awaited.at(-1); last !== undefined; last = awaited.at(-1)) {
      if (this.isPending(last)) return false;
      if (!this.has(last)) return true;
      awaited.pop();
    }
    return true;
  }

  /** Takes it for what will not come in time. */
  giveUpOn(index: number): void {
    this.giveUp(index - this.#size);
  }

  /** As it was pushed or imported. */
  get(index: number): unknown {
    return index < this.#size ? this.#own[index] : this.#imports[index - this.#size];
  }

  has(index: number): boolean {
    const value = this.get(index);
    return value !== nothing && value !== pending;
  }

  /** What `has` says is there, as a consumer receives it: a copy of its own, as it would be from any other thread. */
  take(index: number): unknown {
    const value = this.get(index);
    if (!(value instanceof Payload)) return copyOf(value);
    const decoded = decode(value.data);
    // The bytes of a small Buffer are no shared memory, and travel with it.
    return ArrayBuffer.isView(decoded) && decoded.buffer instanceof ArrayBuffer ? cloneView(decoded) : decoded;
  }
}

/** A copy as another thread would get it. */
export function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer ? cloneView(value) : structuredClone(value);
}
