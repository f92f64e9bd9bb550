/**
 * Values by name and id: the results of runs, and what users put there. One per host. The name is a run's id, or a
 * DAG's, which means its newest run.
 */
import { copyOf } from '../../core/copy.ts';
import { HandoffError } from '../../core/errors.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import { heldBytes } from './held-bytes.ts';
import type { RunResults } from './run-results.ts';

/** What is known under a name besides results. */
interface Space {
  /** What was put there by hand. */
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
  /** How much it holds once it has finished. */
  bytes: number;
}

/** What finished runs may hold. The oldest are forgotten first. */
export interface Retention {
  /** How many may keep their results. Default 100. */
  readonly runs?: number;
  /** Bytes of their results, all together. Default: no bound. */
  readonly bytes?: number;
  /** How many results they may have, all together; the last run keeps its own, however many. Default a million. */
  readonly results?: number;
}

export class ResultStore {
  readonly #spaces = new Map<string, Space>();
  readonly #runs = new Map<string, Entry>();
  /** By DAG. */
  readonly #newest = new Map<string, Entry>();
  /** The oldest first. */
  readonly #finished = new Set<Entry>();
  /** In all. */
  #finishedResults = 0;
  #finishedBytes = 0;
  readonly #retention: Required<Retention>;
  readonly #onForget: (runId: string) => void;

  /** @param onForget told of each run that is forgotten to make room, or that retains nothing */
  constructor(
    { runs = 100, bytes = Infinity, results = 1_000_000 }: Retention = {},
    onForget: (runId: string) => void = () => {},
  ) {
    this.#retention = { runs, bytes, results };
    this.#onForget = onForget;
  }

  /** Stores a copy of a value, replacing what was there under the same name and id. */
  put(name: string, id: string, value: unknown): void {
    this.#spaceOf(name).values.set(id, copyOf(value));
    this.#settle(name, id, () => copyOf(value));
  }

  /** Gives a value that is kept elsewhere to those who wait for it. */
  offer(name: string, id: string, value: unknown): void {
    this.#settle(name, id, () => copyOf(value));
  }

  has(name: string, id: string): boolean {
    return this.#spaces.get(name)?.values.has(id) === true || this.#resultIndex(name, id) >= 0;
  }

  /**
   * A value that the caller may keep and change.
   * @throws `NOT_FOUND`
   */
  get(name: string, id: string): unknown {
    const space = this.#spaces.get(name);
    if (space?.values.has(id) === true) return copyOf(space.values.get(id));
    const i = this.#resultIndex(name, id);
    if (i >= 0) return this.#entryOf(name)!.results.copy(i);
    throw new HandoffError(
      'NOT_FOUND',
      `There is no value ${JSON.stringify(id)} of run or DAG ${JSON.stringify(name)} here.`,
      { ...this.#idsOf(name), functionId: id },
    );
  }

  /**
   * The value as soon as it is there. By a DAG's id it is that of the run that is the newest when the value arrives.
   *
   * @param timeout ms
   * @throws `RESULT_TIMEOUT`; `STOPPED` when the store is closed meanwhile
   */
  wait(name: string, id: string, timeout: number): Promise<unknown> {
    if (this.has(name, id)) return Promise.resolve(this.get(name, id));
    const { waiters } = this.#spaceOf(name);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setLongTimeout(() => {
      this.#forgetWaiter(name, id, waiter);
      reject(
        new HandoffError(
          'RESULT_TIMEOUT',
          `Result ${JSON.stringify(id)} of run or DAG ${JSON.stringify(name)} did not appear within ${timeout} ms.`,
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

  /**
   * Begins a run: its results are found as they arrive. What was put under its id, and under that of its DAG, is gone.
   */
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
    this.#newest.set(dagId, entry);
    this.#listen(older);
    this.#listen(entry);
  }

  /**
   * Ends a run.
   *
   * @param retained whether its results stay, until others that finished after it take their room
   */
  close(runId: string, retained: boolean): void {
    const entry = this.#runs.get(runId);
    if (entry === undefined) return;
    if (!retained) {
      this.#forget(entry);
      return this.#onForget(runId);
    }
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
      this.#forget(oldest);
      this.#onForget(oldest.runId);
    }
  }

  /** Whether these results are still to be had here. */
  holds(runId: string, results: RunResults): boolean {
    return this.#runs.get(runId)?.results === results;
  }

  /**
   * Forgets everything of a run, or of a DAG and its newest run. Who waits for a value of it goes on waiting. Gives the
   * id of the run.
   */
  clear(name: string): string | undefined {
    const entry = this.#entryOf(name);
    if (entry !== undefined) this.#forget(entry);
    this.#spaces.get(name)?.values.clear();
    this.#tidy(name);
    return entry?.runId;
  }

  /** Which of some ids are here, with their values. */
  pick(name: string, ids: readonly string[]): Record<string, unknown> {
    return Object.fromEntries(ids.filter((id) => this.has(name, id)).map((id) => [id, this.get(name, id)]));
  }

  /** Forgets everything, and fails who waits. */
  stop(): void {
    for (const { waiters } of this.#spaces.values()) {
      for (const waiter of [...waiters.values()].flatMap((each) => [...each])) {
        waiter.timer.clear();
        waiter.reject(new HandoffError('STOPPED', 'This Handoff was stopped while a result was waited for.'));
      }
    }
    this.#spaces.clear();
    this.#runs.clear();
    this.#newest.clear();
    this.#finished.clear();
    this.#finishedResults = 0;
    this.#finishedBytes = 0;
  }

  /** The run of an id, or the newest of a DAG. */
  #entryOf(name: string): Entry | undefined {
    return this.#runs.get(name) ?? this.#newest.get(name);
  }

  /** What a name is, for errors: when no run has it, it is taken to be that of a DAG. */
  #idsOf(name: string): { readonly dagId: string; readonly runId?: string } {
    const entry = this.#entryOf(name);
    return entry === undefined ? { dagId: name } : { runId: entry.runId, dagId: entry.dagId };
  }

  #forget(entry: Entry): void {
    const { runId, dagId, results } = entry;
    this.#runs.delete(runId);
    if (this.#newest.get(dagId) === entry) this.#newest.delete(dagId);
    results.onStored = undefined;
    if (!this.#finished.delete(entry)) return; // a run that is under way needs them
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

  /** The names by which a run is found. */
  #namesOf(entry: Entry): string[] {
    return [...new Set([entry.runId, entry.dagId])].filter((name) => this.#entryOf(name) === entry);
  }

  /** Asks to be told of results only while somebody waits. */
  #listen(entry: Entry | undefined): void {
    if (entry === undefined) return;
    const { results } = entry;
    const isAwaited =
      this.#spaces.size > 0 && this.#namesOf(entry).some((name) => (this.#spaces.get(name)?.waiters.size ?? 0) > 0);
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
