/** The results of one run, by function: plain values, or payloads in shared memory. */
import { messageOf } from '../../core/message-of.ts';
import { copyOf } from '../../core/copy.ts';
import { HandoffError } from '../../core/errors.ts';
import { decode, decodeOwn, LostResult } from './encode.ts';
import { Payload, type PayloadData } from './payload.ts';
import type { ResultMemory } from './result-memory.ts';

// Marks a missing result. A result itself may be undefined.
const absent = Symbol('absent');

/** Ids and positions of a run's functions. */
export interface ResultIndex {
  readonly size: number;
  /** The position of an id; -1: unknown. */
  indexOf(id: string): number;
  idOf(i: number): string;
}

export class RunResults {
  readonly index: ResultIndex;
  readonly #values: unknown[];
  /** Called with each arriving result while a caller waits for one. */
  onStored: ((id: string, i: number) => void) | undefined;
  /** Whether a caller waits for the result of a function; undefined while none waits for any. */
  isAwaited: ((id: string) => boolean) | undefined;

  readonly #memory: ResultMemory | undefined;
  /** Payloads that came from other hosts. */
  readonly #arrived = new WeakSet<Payload>();
  /** A reader still needs the results, so `clear` waits for `unpin`. */
  #isPinned = false;
  #isForgotten = false;

  /** @param memory counts them, together with those of other runs */
  constructor(index: ResultIndex, memory?: ResultMemory) {
    this.index = index;
    this.#memory = memory;
    this.#values = new Array<unknown>(index.size).fill(absent);
  }

  /** Whether the result is on this host. */
  has(i: number): boolean {
    if (i < 0) return false;
    const value = this.#values[i];
    return value !== absent && !(value instanceof Payload && value.data.kind === 'remote');
  }

  /** Whether the result is on any host. */
  exists(i: number): boolean {
    return i >= 0 && this.#values[i] !== absent;
  }

  /**
   * A result from another host is here now.
   *
   * @returns false when it was here already, or was released meanwhile
   */
  arrived(i: number, payload: Payload): boolean {
    if (this.#values[i] !== payload || this.#arrived.has(payload)) return false;
    this.#arrived.add(payload);
    this.#memory?.add(payload);
    this.onStored?.(this.index.idOf(i), i);
    return true;
  }

  /** The stored form: a value or a `Payload`. Requires `has`. */
  held(i: number): unknown {
    const value = this.#values[i];
    if (this.#memory !== undefined && value instanceof Payload) this.#memory.touch(value);
    return value;
  }

  /** Like `held`, but does not count as a use. */
  peek(i: number): unknown {
    return this.#values[i];
  }

  /**
   * The result itself. Requires `has`.
   *
   * @throws `NOT_SERIALIZABLE` when there is not enough memory to read it; `RESULT_LOST` when its file or host is
   *   gone
   */
  get(i: number): unknown {
    const value = this.#values[i];
    return value instanceof Payload ? this.#decoded(i, value, decode) : value;
  }

  #decoded(i: number, { data }: Payload, how: (data: PayloadData) => unknown): unknown {
    try {
      return how(data);
    } catch (cause) {
      const functionId = this.index.idOf(i);
      if (cause instanceof LostResult) {
        throw new HandoffError(
          'RESULT_LOST',
          `The result of function ${JSON.stringify(functionId)} is gone: ${cause.message}. Run its DAG again.`,
          { functionId, cause: cause.cause ?? cause },
        );
      }
      throw new HandoffError(
        'NOT_SERIALIZABLE',
        `The result of function ${JSON.stringify(functionId)} cannot be read here: ${messageOf(cause)}`,
        { functionId, path: 'result', cause },
      );
    }
  }

  /** The result with memory of its own, so that changes stay private. Requires `has`. */
  copy(i: number): unknown {
    const value = this.#values[i];
    return value instanceof Payload ? this.#decoded(i, value, decodeOwn) : copyOf(value);
  }

  put(i: number, value: unknown): void {
    if (this.#memory !== undefined) this.#account(this.#values[i], value);
    this.#values[i] = value;
    if (this.onStored !== undefined && this.has(i)) this.onStored(this.index.idOf(i), i);
  }

  /** Positions of the results in a file, or on another host under a key; at most one. */
  inFile(file: string): number[] {
    const i = this.#values.findIndex((value) => value instanceof Payload && placeOf(value) === file);
    return i < 0 ? [] : [i];
  }

  /** Deletes a result. */
  release(i: number): void {
    if (this.#memory !== undefined) this.#account(this.#values[i], absent);
    this.#values[i] = absent;
  }

  /** Keeps all results until `unpin`, even after `clear`. */
  pin(): void {
    this.#isPinned = true;
  }

  unpin(): void {
    this.#isPinned = false;
    if (this.#isForgotten) this.clear();
  }

  /** Deletes all results. */
  clear(): void {
    if (this.#memory === undefined) return; // the garbage collector frees them
    this.#isForgotten = true;
    if (this.#isPinned) return;
    for (let i = 0; i < this.#values.length; i++) this.release(i);
  }

  #account(before: unknown, after: unknown): void {
    if (before instanceof Payload) this.#memory!.remove(before);
    if (after instanceof Payload) this.#memory!.add(after);
  }

  /**
   * The existing results by id: of all functions, or of those in `kept`. Objects are copies, because the store may keep
   * the originals; large views are the shared memory itself.
   *
   * @throws as `get`
   */
  toRecord(kept: Uint8Array | null): Record<string, unknown> {
    const record: Record<string, unknown> = {};
    for (let i = 0; i < this.index.size; i++) {
      if ((kept === null || kept[i] === 1) && this.has(i)) setKey(record, this.index.idOf(i), this.#read(i));
    }
    return record;
  }

  #read(i: number): unknown {
    return this.#values[i] instanceof Payload ? this.get(i) : copyOf(this.#values[i]);
  }

  /** Like `toRecord`, without results that cannot be read. */
  toReadableRecord(kept: Uint8Array | null): Record<string, unknown> {
    const record: Record<string, unknown> = {};
    for (let i = 0; i < this.index.size; i++) {
      if ((kept !== null && kept[i] === 0) || !this.has(i)) continue;
      try {
        setKey(record, this.index.idOf(i), this.#read(i));
      } catch {
        // the run has already failed for another reason
      }
    }
    return record;
  }
}

function placeOf({ data }: Payload): string | undefined {
  return data.kind === 'spilled' ? data.file : data.kind === 'remote' ? data.key : undefined;
}

/** Sets any key, also `__proto__`, as an ordinary property. */
export function setKey(record: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
  else record[key] = value;
}
