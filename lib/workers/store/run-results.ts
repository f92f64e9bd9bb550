/** The results of one run, by function: plain values, or payloads in shared memory. */
import { type Composite, composed, partsOfComposite, type ResultList } from './composite.ts';
import { messageOf } from '../../core/message-of.ts';
import { copyOf } from '../../core/copy.ts';
import { HandoffError } from '../../core/errors.ts';
import { decode, decodeOwn, encode, LostResult } from './encode.ts';
import { Payload, type PayloadData } from './payload.ts';
import type { ResultMemory } from './result-memory.ts';

// Marks a missing result. A result itself may be undefined.
const absent = Symbol('absent');

/** Ids and positions of a run's functions. */
export interface ResultIndex {
  /** Grows with the run. */
  readonly size: number;
  /** The position of an id; -1: unknown. */
  indexOf(id: string): number;
  idOf(i: number): string;
}

/** Most runs that have ended are never asked for a result, so the positions are found out on demand. */
function indexOfIds(ids: readonly string[]): ResultIndex {
  let positions: Map<string, number> | undefined;
  return {
    size: ids.length,
    indexOf: (id) => (positions ??= new Map(ids.map((each, i) => [each, i]))).get(id) ?? -1,
    idOf: (i) => ids[i]!,
  };
}

export class RunResults {
  #index: ResultIndex;
  readonly #values: unknown[];
  /** The number of functions before the run grew. */
  readonly #planned: number;
  /** Results that consist of other results. */
  readonly #composites = new Map<number, Composite>();
  /** Those among them that had to be put together as one value for functions that take them. */
  readonly #made = new Map<number, unknown>();
  /** For a list that was looked at: an element that was not here. */
  readonly #absentOf = new Map<number, number>();
  /** Called with each arriving result while a caller waits for one. */
  onStored: ((id: string, i: number) => void) | undefined;
  /** Whether a caller waits for the result of a function; undefined while none waits for any. */
  isAwaited: ((id: string) => boolean) | undefined;

  readonly #memory: ResultMemory | undefined;
  /** Payloads that came from other hosts. */
  readonly #arrived = new WeakSet<Payload>();
  /** How many readers still need the results. `clear` waits for the last `unpin`. */
  #pins = 0;
  #isForgotten = false;

  /** @param memory counts them, together with those of other runs */
  constructor(index: ResultIndex, memory?: ResultMemory) {
    this.#index = index;
    this.#memory = memory;
    this.#planned = index.size;
    this.#values = new Array<unknown>(index.size).fill(absent);
  }

  get index(): ResultIndex {
    return this.#index;
  }

  /** The run has ended. Only the ids of its functions are kept, so that its arguments and errors can be forgotten. */
  detach(): void {
    this.#index = indexOfIds(Array.from({ length: this.#index.size }, (_, i) => this.#index.idOf(i)));
  }

  /** Whether the result is on this host. */
  has(i: number): boolean {
    if (i < 0) return false;
    const at = this.#home(i);
    const composite = this.#compositeAt(at);
    if (composite !== undefined) return this.#every(composite, (each) => this.has(each));
    const value = this.#values[at];
    return value !== absent && !(value instanceof Payload && value.data.kind === 'remote');
  }

  /** Whether the result is on any host. */
  exists(i: number): boolean {
    if (i < 0) return false;
    const at = this.#home(i);
    const composite = this.#compositeAt(at);
    if (composite !== undefined) return this.#every(composite, (each) => this.exists(each));
    return at < this.#values.length && this.#values[at] !== absent;
  }

  /** The run has grown to this number of functions. */
  grow(size: number): void {
    while (this.#values.length < size) this.#values.push(absent);
  }

  /** From now on the result of a function consists of other results. */
  gather(i: number, composite: Composite): void {
    this.#composites.set(i, composite);
    if (this.onStored !== undefined && this.has(i)) this.onStored(this.index.idOf(i), i);
  }

  /** Whether a result consists of others, which hold it. */
  isComposite(i: number): boolean {
    return this.#composites.has(i);
  }

  /** The results that a result is a list of; undefined if it is none. */
  listOf(i: number): ResultList | undefined {
    const composite = this.#compositeAt(this.#home(i));
    return composite?.kind === 'list' ? composite.list : undefined;
  }

  /** The results that hold a result. */
  *holders(i: number): Iterable<number> {
    const at = this.#home(i);
    const composite = this.#compositeAt(at);
    if (composite === undefined) yield at;
    else for (const part of partsOfComposite(composite)) yield* this.holders(part);
  }

  /** The function whose result is the very result of another function, which answered with a graph. */
  #home(i: number): number {
    if (this.#composites.size === 0) return i;
    let at = i;
    for (let next = this.#composites.get(at); isAlias(next); next = this.#composites.get(at)) at = next.shape;
    return at;
  }

  /** Most runs have none, and this is asked for each argument. */
  #compositeAt(i: number): Composite | undefined {
    return this.#composites.size === 0 ? undefined : this.#composites.get(i);
  }

  #every(composite: Composite, holds: (i: number) => boolean): boolean {
    for (const i of partsOfComposite(composite)) if (!holds(i)) return false;
    return true;
  }

  /** The value of a result that consists of others. */
  #composed(i: number, read: (i: number) => unknown): { readonly value: unknown } | undefined {
    const composite = this.#compositeAt(i);
    return composite && { value: composed(composite, read) };
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
    this.#arrivedOf(i);
    return true;
  }

  /** A result is here, and with it perhaps a list. */
  #arrivedOf(i: number): void {
    if (this.onStored === undefined) return;
    this.onStored(this.index.idOf(i), i);
    for (const [whole, composite] of this.#composites)
      if (this.isAwaited?.(this.index.idOf(whole)) !== false && this.#completes(i, whole, composite))
        this.onStored?.(this.index.idOf(whole), whole);
  }

  /** Whether the arrival of a result completes another one. */
  #completes(i: number, whole: number, composite: Composite): boolean {
    if (composite.kind !== 'list') return this.has(whole);
    const { base, count } = composite.list;
    return i >= base && i < base + count && this.#isComplete(whole, composite.list);
  }

  /** Like `has` of a list. Goes on where it stopped before, so that all elements of a list cost as much as one look. */
  #isComplete(i: number, { base, count }: ResultList): boolean {
    let at = this.#absentOf.get(i) ?? base;
    while (at < base + count && this.has(at)) at++;
    this.#absentOf.set(i, at);
    if (at < base + count) return false;
    this.#absentOf.delete(i);
    return this.has(i); // an element that was here may be gone again
  }

  /** The stored form: a value or a `Payload`. Requires `has`. */
  held(i: number): unknown {
    const value = this.peek(i);
    if (this.#memory !== undefined && value instanceof Payload) this.#memory.touch(value);
    return value;
  }

  /** Like `held`, but does not count as a use. */
  peek(i: number): unknown {
    const at = this.#home(i);
    const composite = this.#compositeAt(at);
    return composite === undefined ? this.#values[at] : this.#whole(at, composite);
  }

  /** A result that consists of others, as one value. */
  #whole(i: number, composite: Composite): unknown {
    if (!this.#made.has(i)) {
      const value = composed(composite, (part) => this.get(part));
      const data = encode(value);
      this.#made.set(i, data === undefined ? value : new Payload(data));
    }
    return this.#made.get(i);
  }

  /**
   * The result itself. Requires `has`.
   *
   * @throws `NOT_SERIALIZABLE` when there is not enough memory to read it; `RESULT_LOST` when its file or host is
   *   gone
   */
  get(i: number): unknown {
    const at = this.#home(i);
    const whole = this.#composed(at, (each) => this.get(each));
    if (whole !== undefined) return whole.value;
    const value = this.#values[at];
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
    const at = this.#home(i);
    const whole = this.#composed(at, (each) => this.copy(each));
    if (whole !== undefined) return whole.value;
    const value = this.#values[at];
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
    this.#made.delete(i);
    if (this.#composites.delete(i)) return;
    if (this.#memory !== undefined) this.#account(this.#values[i], absent);
    this.#values[i] = absent;
  }

  /** Keeps all results until as many calls of `unpin`, even after `clear`. */
  pin(): void {
    this.#pins++;
  }

  unpin(): void {
    this.#pins--;
    if (this.#isForgotten) this.clear();
  }

  /** Deletes all results. */
  clear(): void {
    if (this.#memory === undefined) return; // the garbage collector frees them
    this.#isForgotten = true;
    if (this.#pins > 0) return;
    this.#composites.clear();
    this.#made.clear();
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
    for (let i = 0; i < this.#planned; i++) {
      if ((kept === null || kept[i] === 1) && this.has(i)) setKey(record, this.index.idOf(i), this.#read(i));
    }
    return record;
  }

  #read(i: number): unknown {
    const at = this.#home(i);
    const whole = this.#composed(at, (each) => this.#read(each));
    if (whole !== undefined) return whole.value;
    return this.#values[at] instanceof Payload ? this.get(at) : copyOf(this.#values[at]);
  }

  /** Like `toRecord`, without results that cannot be read. */
  toReadableRecord(kept: Uint8Array | null): Record<string, unknown> {
    const record: Record<string, unknown> = {};
    for (let i = 0; i < this.#planned; i++) {
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

/** Whether a result is that of one other function. */
function isAlias(composite: Composite | undefined): composite is Composite & { readonly shape: number } {
  return (
    composite?.kind === 'shape' && typeof composite.shape === 'number' && composite.shape >= 0 && !composite.settles
  );
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
