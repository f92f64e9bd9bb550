/**
 * Records of a run that wait until they are written. What happens in one turn becomes one chunk, and so does what happens
 * while a chunk is being written. Pure.
 *
 * A function is recorded after the functions whose results it took. Threads may hand results to each other, so a function
 * may be reported before such an input; it is held back until then.
 */
import type { Finished, RunRecord, Timed } from './record.ts';

/** The maximum number of functions in one record. */
const maxFunctions = 4096;

/** Functions that have ended, while others of their node may still join them. */
type Open = Finished & { readonly functions: number[]; readonly values: unknown[] };

/** Attempts that ended on one thread, one after the other. */
export interface TimedAttempts extends Pick<Timed, 'node' | 'thread' | 'functions' | 'begun' | 'failed'> {
  /** `count, duration, …`, in µs: the next `count` functions together. */
  readonly durations: readonly number[];
}

/** The times of attempts, which others of their thread may still join. */
type OpenTimes = Timed & { readonly functions: number[]; readonly groups: number[]; readonly failed: number[] };

/** A function that has ended, and is not recorded yet. */
interface Held {
  readonly value: unknown;
  readonly node: string;
  readonly isCached: boolean;
  /** The inputs that are recorded before it. */
  readonly inputs: Set<number>;
}

const none: ReadonlySet<number> = new Set();

export class PendingRecords {
  readonly #inputsOf: (i: number) => Iterable<number>;
  #records: RunRecord[] = [];
  /** The last record, if more functions may join it. */
  #open: Open | undefined;
  readonly #held = new Map<number, Held>();
  /** The times of attempts, by thread. */
  readonly #times = new Map<string, OpenTimes>();

  /** @param inputsOf the functions whose results a function takes */
  constructor(inputsOf: (i: number) => Iterable<number>) {
    this.#inputsOf = inputsOf;
  }

  get isEmpty(): boolean {
    return this.#records.length === 0 && this.#times.size === 0;
  }

  add(record: RunRecord): void {
    this.#records.push(record);
    this.#open = undefined;
  }

  /**
   * Functions have ended on a node, or are done by results from the cache.
   *
   * @param values the result of each
   * @param missing functions that are not reported yet, and whose results these may have taken. Default none
   */
  finished(
    functions: readonly number[],
    values: readonly unknown[],
    node: string,
    isCached: boolean,
    missing: ReadonlySet<number> = none,
  ): void {
    if (missing.size === 0 && this.#held.size === 0) return this.#append(functions, values, node, isCached);
    for (const [at, i] of functions.entries()) {
      // It may be held already, and come again with the bytes of its result.
      const before = this.#held.get(i)?.inputs ?? none;
      const isAwaited = (dep: number): boolean => missing.has(dep) || this.#held.has(dep) || before.has(dep);
      const inputs = [...this.#inputsOf(i)].filter(isAwaited);
      if (inputs.length > 0) this.#held.set(i, { value: values[at], node, isCached, inputs: new Set(inputs) });
      else this.#appendOne(i, values[at], node, isCached);
    }
  }

  /** It is known when attempts ran. */
  timed({ node, thread, functions, begun, durations, failed }: TimedAttempts): void {
    const key = `${thread}:${node}`;
    let open = this.#times.get(key);
    if (open === undefined) {
      open = { type: 'timed', node, thread, functions: [], begun, groups: [], failed: [] };
      this.#times.set(key, open);
    }
    let start = Math.round((begun - open.begun) * 1000);
    for (let k = 0; k < durations.length; k += 2) {
      open.groups.push(start, durations[k]!, durations[k + 1]!);
      start += durations[k + 1]!;
    }
    for (const at of failed) open.failed.push(open.functions.length + at);
    for (const i of functions) open.functions.push(i);
  }

  /** The records so far, in order. They no longer wait. */
  take(): RunRecord[] {
    const records = this.#records;
    for (const times of this.#times.values()) records.push(times);
    this.#records = [];
    this.#open = undefined;
    this.#times.clear();
    return records;
  }

  #append(functions: readonly number[], values: readonly unknown[], node: string, isCached: boolean): void {
    const open = this.#open;
    const isSame = open !== undefined && open.node === node && (open.isCached === true) === isCached;
    if (isSame && open.functions.length < maxFunctions) {
      for (const i of functions) open.functions.push(i);
      for (const value of values) open.values.push(value);
      return;
    }
    const record: Open = {
      type: 'finished',
      functions: [...functions],
      node,
      values: [...values],
      stored: [],
      ...(isCached && { isCached }),
    };
    this.add(record);
    this.#open = record;
  }

  /** Records a function, and those that were held back for it. */
  #appendOne(first: number, value: unknown, node: string, isCached: boolean): void {
    this.#append([first], [value], node, isCached);
    const recorded = [first];
    for (let i = recorded.pop(); i !== undefined; i = recorded.pop()) {
      for (const [next, held] of this.#held) {
        if (!held.inputs.delete(i) || held.inputs.size > 0) continue;
        this.#held.delete(next);
        this.#append([next], [held.value], held.node, held.isCached);
        recorded.push(next);
      }
    }
  }
}
