/**
 * The values of this host by name and id: results of runs, and values that users store. The name is the id of a run, or
 * of a DAG, which stands for its newest run.
 */
import { copyOf } from '../../core/copy.ts';
import { HandoffError } from '../../core/errors.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import { heldBytes } from './held-bytes.ts';
import type { RunResults } from './run-results.ts';

/** What a name holds besides results. */
interface Space {
  /** Values that users stored. */
  readonly values: Map<string, unknown>;
  readonly waiters: Map<string, Set<Waiter>>;
}

interface Waiter {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  readonly timer: LongTimeout;
}

/** A run whose results are here. */
interface Entry {
  readonly runId: string;
  readonly dagId: string;
  readonly results: RunResults;
  /** Bytes it holds, known once it has finished. */
  bytes: number;
}

/** How much finished runs may keep. The oldest are dropped first. */
export interface Retention {
  /** How many runs may keep their results. Default 100. */
  readonly runs?: number;
  /** Bytes of all their results. Default: no limit. */
  readonly bytes?: number;
  /** How many results they may keep in total. The last run always keeps its own. Default 1,000,000. */
  readonly results?: number;
}

/** How many runs without results are remembered by their ids. */
const maxForgotten = 1000;

export class ResultStore {
  readonly #spaces = new Map<string, Space>();
  readonly #runs = new Map<string, Entry>();
  /** By DAG id. */
  readonly #newest = new Map<string, Entry>();
  /** Oldest first. */
  readonly #finished = new Set<Entry>();
  /** Total over the finished runs. */
  #finishedResults = 0;
  #finishedBytes = 0;
  /** The ids of runs whose results are no longer here, oldest first. */
  readonly #forgotten = new Set<string>();
  readonly #retention: Required<Retention>;
  readonly #onForget: (runId: string) => void;

  /** @param onForget called for each run that is dropped to make room, or that retains nothing */
  constructor(
    { runs = 100, bytes = Infinity, results = 1_000_000 }: Retention = {},
    onForget: (runId: string) => void = () => {},
  ) {
    this.#retention = { runs, bytes, results };
    this.#onForget = onForget;
  }

  /** Stores a copy of a value, replacing an earlier one of the same name and id. */
  put(name: string, id: string, value: unknown): void {
    this.#spaceOf(name).values.set(id, copyOf(value));
    this.#settle(name, id, () => copyOf(value));
  }

  /** Passes a value that is stored elsewhere to its waiters. */
  offer(name: string, id: string, value: unknown): void {
    this.#settle(name, id, () => copyOf(value));
  }

  has(name: string, id: string): boolean {
    return this.#spaces.get(name)?.values.has(id) === true || this.#resultIndex(name, id) >= 0;
  }

  /**
   * A copy of a value, which the caller may change.
   *
   * @throws `NOT_FOUND` when no such value is here
   */
  get(name: string, id: string): unknown {
    const space = this.#spaces.get(name);
    if (space?.values.has(id) === true) return copyOf(space.values.get(id));
    const i = this.#resultIndex(name, id);
    if (i >= 0) return this.#entryOf(name)!.results.copy(i);
    throw new HandoffError('NOT_FOUND', `Run or DAG ${JSON.stringify(name)} has no value ${JSON.stringify(id)} here.`, {
      ...this.#idsOf(name),
      functionId: id,
    });
  }

  /**
   * A value as soon as it exists. Under a DAG's id, the value of the run that is newest when it arrives.
   *
   * @param timeout ms
   * @throws `RESULT_TIMEOUT` when the time is over; `RESULT_LOST` when the run of this id has ended and does not hold the
   *   result; `STOPPED` when the store closes meanwhile
   */
  wait(name: string, id: string, timeout: number): Promise<unknown> {
    if (this.has(name, id)) return Promise.resolve(this.get(name, id));
    if (this.#isReleased(name, id)) return Promise.reject(released(name, id));
    const { waiters } = this.#spaceOf(name);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setLongTimeout(() => {
      this.#forgetWaiter(name, id, waiter);
      reject(
        new HandoffError(
          'RESULT_TIMEOUT',
          `Result ${JSON.stringify(id)} of run or DAG ${JSON.stringify(name)} did not appear within ${timeout} ms. Raise the timeout, or check that its run makes and keeps it.`,
          { ...this.#idsOf(name), functionId: id, timeout },
        ),
      );
    }, timeout);
    const waiter: Waiter = { resolve, reject, timer };
    const waiting = waiters.get(id);
    if (waiting === undefined) waiters.set(id, new Set([waiter]));
    else waiting.add(waiter);
    this.#listen(this.#entryOf(name));
    return promise;
  }

  /** Begins a run: its results are found as they arrive. Values stored under its id and its DAG's id are deleted. */
  open(runId: string, dagId: string, results: RunResults): void {
    const before = this.#runs.get(runId);
    if (before !== undefined) this.#forget(before);
    for (const name of [runId, dagId]) {
      this.#spaces.get(name)?.values.clear();
      this.#tidy(name);
    }
    const entry: Entry = { runId, dagId, results, bytes: 0 };
    const older = this.#newest.get(dagId);
    this.#runs.set(runId, entry);
    this.#forgotten.delete(runId);
    this.#newest.set(dagId, entry);
    this.#listen(older);
    this.#listen(entry);
  }

  /**
   * Ends a run.
   *
   * @param retained whether its results stay, until later runs need the room
   */
  close(runId: string, retained: boolean): void {
    const entry = this.#runs.get(runId);
    if (entry === undefined) return;
    if (!retained) return this.#drop(entry);
    entry.results.detach();
    entry.bytes = heldBytes(entry.results);
    this.#finished.add(entry);
    this.#finishedResults += entry.results.index.size;
    this.#finishedBytes += entry.bytes;
    const { runs, bytes, results } = this.#retention;
    for (const oldest of this.#finished) {
      if (
        this.#finished.size <= runs &&
        this.#finishedBytes <= bytes &&
        (this.#finishedResults <= results || oldest === entry)
      )
        break;
      this.#drop(oldest);
    }
  }

  /** The results of a run; undefined when they are not here. */
  resultsOf(runId: string): RunResults | undefined {
    return this.#runs.get(runId)?.results;
  }

  /** Whether there was a run of this id, as far as that is remembered. */
  hadRun(runId: string): boolean {
    return this.#runs.has(runId) || this.#forgotten.has(runId);
  }

  /** Whether these results are still here. */
  holds(runId: string, results: RunResults): boolean {
    return this.#runs.get(runId)?.results === results;
  }

  /**
   * Deletes everything of a run, or of a DAG and its newest run. Waiters keep waiting.
   *
   * @returns the id of the run
   */
  clear(name: string): string | undefined {
    const entry = this.#entryOf(name);
    if (entry !== undefined) this.#forget(entry);
    this.#spaces.get(name)?.values.clear();
    this.#tidy(name);
    return entry?.runId;
  }

  /** Those of the given ids that are here, with their values. */
  pick(name: string, ids: readonly string[]): Record<string, unknown> {
    return Object.fromEntries(ids.filter((id) => this.has(name, id)).map((id) => [id, this.get(name, id)]));
  }

  /** Deletes everything and rejects all waiters. */
  stop(): void {
    for (const { waiters } of this.#spaces.values()) {
      for (const waiter of [...waiters.values()].flatMap((each) => [...each])) {
        waiter.timer.clear();
        waiter.reject(new HandoffError('STOPPED', 'This Handoff was stopped while a caller waited for a result.'));
      }
    }
    this.#spaces.clear();
    this.#runs.clear();
    this.#newest.clear();
    this.#finished.clear();
    this.#finishedResults = 0;
    this.#finishedBytes = 0;
  }

  /** The run of this id, or the newest run of this DAG. */
  #entryOf(name: string): Entry | undefined {
    return this.#runs.get(name) ?? this.#newest.get(name);
  }

  /** Ids for an error. An unknown name is taken for that of a DAG. */
  #idsOf(name: string): { readonly dagId: string; readonly runId?: string } {
    const entry = this.#entryOf(name);
    return entry === undefined ? { dagId: name } : { runId: entry.runId, dagId: entry.dagId };
  }

  /** Whether the run of this id has ended, and does not hold the result of this function of it. */
  #isReleased(name: string, id: string): boolean {
    const entry = this.#runs.get(name);
    if (entry === undefined) return false; // a value of this name may be stored, or the run go on, here or elsewhere
    const i = entry.results.index.indexOf(id);
    return this.#finished.has(entry) && i >= 0 && !entry.results.exists(i);
  }

  /** Drops the results of a run that has ended. */
  #drop(entry: Entry): void {
    this.#forget(entry);
    this.#onForget(entry.runId);
  }

  #forget(entry: Entry): void {
    const { runId, dagId, results } = entry;
    this.#runs.delete(runId);
    this.#forgotten.add(runId);
    if (this.#forgotten.size > maxForgotten) this.#forgotten.delete(this.#forgotten.values().next().value!);
    if (this.#newest.get(dagId) === entry) this.#newest.delete(dagId);
    results.onStored = undefined;
    results.isAwaited = undefined;
    if (!this.#finished.delete(entry)) return; // a run under way still needs them
    this.#finishedResults -= results.index.size;
    this.#finishedBytes -= entry.bytes;
    results.clear();
  }

  #spaceOf(name: string): Space {
    let space = this.#spaces.get(name);
    if (space === undefined) this.#spaces.set(name, (space = { values: new Map(), waiters: new Map() }));
    return space;
  }

  #tidy(name: string): void {
    const space = this.#spaces.get(name);
    if (space?.waiters.size === 0 && space.values.size === 0) this.#spaces.delete(name);
  }

  #resultIndex(name: string, id: string): number {
    const results = this.#entryOf(name)?.results;
    const i = results?.index.indexOf(id) ?? -1;
    return i >= 0 && results!.has(i) ? i : -1;
  }

  /** The names under which a run is found. */
  #namesOf(entry: Entry): string[] {
    return [...new Set([entry.runId, entry.dagId])].filter((name) => this.#entryOf(name) === entry);
  }

  /** Observes arriving results only while a waiter exists. */
  #listen(entry: Entry | undefined): void {
    if (entry === undefined) return;
    const { results } = entry;
    const isAwaited =
      this.#spaces.size > 0 && this.#namesOf(entry).some((name) => (this.#spaces.get(name)?.waiters.size ?? 0) > 0);
    results.isAwaited = isAwaited
      ? (id) => this.#namesOf(entry).some((name) => this.#spaces.get(name)?.waiters.has(id) === true)
      : undefined;
    results.onStored = isAwaited
      ? (id, i) => {
          for (const name of this.#namesOf(entry)) this.#settle(name, id, () => results.copy(i));
        }
      : undefined;
  }

  #settle(name: string, id: string, valueOf: () => unknown): void {
    const waiters = this.#spaces.get(name)?.waiters;
    const waiting = waiters?.get(id);
    if (waiting === undefined) return;
    waiters!.delete(id);
    this.#tidy(name);
    this.#listen(this.#entryOf(name));
    for (const { timer, resolve, reject } of waiting) {
      timer.clear();
      try {
        resolve(valueOf());
      } catch (error) {
        reject(error);
      }
    }
  }

  #forgetWaiter(name: string, id: string, waiter: Waiter): void {
    const waiters = this.#spaces.get(name)?.waiters;
    const waiting = waiters?.get(id);
    if (waiting === undefined) return;
    waiting.delete(waiter);
    if (waiting.size === 0) waiters!.delete(id);
    this.#tidy(name);
    this.#listen(this.#entryOf(name));
  }
}

function released(runId: string, functionId: string): HandoffError {
  return new HandoffError(
    'RESULT_LOST',
    `Run ${JSON.stringify(runId)} has ended, and has no result of function ${JSON.stringify(functionId)} any more. Name it in \`collect\`, raise \`retainedRuns\` or \`retainedBytes\`, or read it before the run ends.`,
    { runId, functionId },
  );
}
