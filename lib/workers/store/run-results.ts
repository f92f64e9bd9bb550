/** The results of one run, by function: as they are, or as payloads in shared memory. */
import { copyOf } from '../../core/copy.ts';
import { HandoffError } from '../../core/errors.ts';
import { decode, decodeOwn, LostResult } from './encode.ts';
import { Payload, type PayloadData } from './payload.ts';
import type { ResultMemory } from './result-memory.ts';

// Stands where a result is not, or no longer. A result may itself be undefined.
const absent = Symbol('absent');

/** What the results of a run need to know of its plan. */
export interface ResultIndex {
  readonly size: number;
  /** The function of an id; -1 when there is none. */
  indexOf(id: string): number;
  idOf(i: number): string;
}

export class RunResults {
  readonly index: ResultIndex;
  readonly #values: unknown[];
  /** Called with each result that arrives, while somebody waits for one. */
  onStored: ((id: string, i: number) => void) | undefined;

  readonly #memory: ResultMemory | undefined;
  /** What came from other hosts. */
  readonly #arrived = new WeakSet<Payload>();
  /** Somebody has yet to read them; they are then forgotten, if that was asked for meanwhile. */
  #isPinned = false;
  #isForgotten = false;

  /** @param memory what bounds them, with those of other runs */
  constructor(index: ResultIndex, memory?: ResultMemory) {
    this.index = index;
    this.#memory = memory;
    this.#values = new Array<unknown>(index.size).fill(absent);
  }

  /** Whether it is here. */
  has(i: number): boolean {
    if (i < 0) return false;
    const value = this.#values[i];
    return value !== absent && !(value instanceof Payload && value.data.kind === 'remote');
  }

  /** Whether it is anywhere. */
  exists(i: number): boolean {
    return i >= 0 && this.#values[i] !== absent;
  }

  /** A result that was on another host is here from now on; false when that is known, or it was lost on its way. */
  arrived(i: number, payload: Payload): boolean {
    if (this.#values[i] !== payload || this.#arrived.has(payload)) return false;
    this.#arrived.add(payload);
    this.#memory?.add(payload);
    this.onStored?.(this.index.idOf(i), i);
    return true;
  }

  /** The result as it is held: a value, or a `Payload`. Only when `has`. */
  held(i: number): unknown {
    const value = this.#values[i];
    if (this.#memory !== undefined && value instanceof Payload) this.#memory.touch(value);
    return value;
  }

  /** The same, without being a use of it. */
  peek(i: number): unknown {
    return this.#values[i];
  }

  /**
   * The result itself. Only when `has`.
   *
   * @throws `NOT_SERIALIZABLE` when there is no memory left to read it; `RESULT_LOST` when its file or its host is gone
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
        `The result of function ${JSON.stringify(functionId)} cannot be read here: ${cause instanceof Error ? cause.message : String(cause)}`,
        { functionId, path: 'result', cause },
      );
    }
  }

  /** The result with memory of its own, so that a change of it shows nowhere else. Only when `has`. */
  copy(i: number): unknown {
    const value = this.#values[i];
    return value instanceof Payload ? this.#decoded(i, value, decodeOwn) : copyOf(value);
  }

  put(i: number, value: unknown): void {
    if (this.#memory !== undefined) this.#account(this.#values[i], value);
    this.#values[i] = value;
    if (this.onStored !== undefined && this.has(i)) this.onStored(this.index.idOf(i), i);
  }

  /** The results that lie in a file, or on another host under a key; there is at most one. */
  inFile(file: string): number[] {
    const i = this.#values.findIndex((value) => value instanceof Payload && placeOf(value) === file);
    return i < 0 ? [] : [i];
  }

  /** Forgets a result. */
  release(i: number): void {
    if (this.#memory !== undefined) this.#account(this.#values[i], absent);
    this.#values[i] = absent;
  }

  /** Keeps all until `unpin`, whoever forgets them. */
  pin(): void {
    this.#isPinned = true;
  }

  unpin(): void {
    this.#isPinned = false;
    if (this.#isForgotten) this.clear();
  }

  /** Forgets all. */
  clear(): void {
    if (this.#memory === undefined) return; // whoever held them lets go
    this.#isForgotten = true;
    if (this.#isPinned) return;
    for (let i = 0; i < this.#values.length; i++) this.release(i);
  }

  #account(before: unknown, after: unknown): void {
    if (before instanceof Payload) this.#memory!.remove(before);
    if (after instanceof Payload) this.#memory!.add(after);
  }

  /**
   * The results that exist, by id, of all functions or of those in `kept`. Objects are copies, because the store may
   * keep what is held here; large views are the shared memory itself.
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

  /** As `toRecord`, without those that cannot be read. */
  toReadableRecord(kept: Uint8Array | null): Record<string, unknown> {
    const record: Record<string, unknown> = {};
    for (let i = 0; i < this.index.size; i++) {
      if ((kept !== null && kept[i] === 0) || !this.has(i)) continue;
      try {
        setKey(record, this.index.idOf(i), this.#read(i));
      } catch {
        // the run has failed already, and for another reason
      }
    }
    return record;
  }
}

function placeOf({ data }: Payload): string | undefined {
  return data.kind === 'spilled' ? data.file : data.kind === 'remote' ? data.key : undefined;
}

/** Sets a key that is anyone's: `__proto__` must become a key like any other. */
export function setKey(record: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
  else record[key] = value;
}
