/** Values by DAG and id: the results of runs, and what users put there. One per host. */
import { copyOf } from '../../core/copy.ts';
import { HandoffError } from '../../core/errors.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import type { RunResults } from './run-results.ts';

interface Space {
  /** What was put there by hand. */
  readonly values: Map<string, unknown>;
  results: RunResults | undefined;
  readonly waiters: Map<string, Set<Waiter>>;
}

interface Waiter {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  readonly timer: LongTimeout;
}

export class ResultStore {
  readonly #spaces = new Map<string, Space>();
  /** Finished runs by id, the oldest first: how many results each has. */
  readonly #finished = new Map<string, number>();
  /** In all. */
  #finishedResults = 0;
  readonly #retain: number;
  readonly #retainResults: number;
  readonly #onForget: (dagId: string) => void;

  /**
   * @param retain how many finished runs keep their results; the oldest are forgotten first
   * @param onForget told of each run that is forgotten so
   * @param retainResults how many results they may have in all; the last run keeps its own, however many
   */
  constructor(retain = 100, onForget: (dagId: string) => void = () => {}, retainResults = 1_000_000) {
    this.#retain = retain;
    this.#retainResults = retainResults;
    this.#onForget = onForget;
  }

  /** Stores a copy of a value, replacing what was there under the same DAG and id. */
  put(dagId: string, id: string, value: unknown): void {
    this.#spaceOf(dagId).values.set(id, copyOf(value));
    this.#settle(dagId, id, () => copyOf(value));
  }

  has(dagId: string, id: string): boolean {
    const space = this.#spaces.get(dagId);
    return space !== undefined && (space.values.has(id) || this.#resultIndex(space, id) >= 0);
  }

  /**
   * A value that the caller may keep and change.
   * @throws `NOT_FOUND`
   */
  get(dagId: string, id: string): unknown {
    const space = this.#spaces.get(dagId);
    if (space?.values.has(id) === true) return copyOf(space.values.get(id));
    const i = space === undefined ? -1 : this.#resultIndex(space, id);
    if (i < 0) throw new HandoffError('NOT_FOUND', `There is no value ${JSON.stringify(id)} of DAG ${JSON.stringify(dagId)} here.`, { dagId, functionId: id });
    return space!.results!.copy(i);
  }

  /**
   * The value as soon as it is there.
   *
   * @param timeout ms
   * @throws `RESULT_TIMEOUT`; `STOPPED` when the store is closed meanwhile
   */
  wait(dagId: string, id: string, timeout: number): Promise<unknown> {
    if (this.has(dagId, id)) return Promise.resolve(this.get(dagId, id));
    const space = this.#spaceOf(dagId);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setLongTimeout(() => {
      this.#forget(dagId, id, waiter);
      reject(new HandoffError('RESULT_TIMEOUT', `Result ${JSON.stringify(id)} of DAG ${JSON.stringify(dagId)} did not appear within ${timeout} ms.`, { dagId, functionId: id, timeout }));
    }, timeout);
    const waiter: Waiter = { resolve, reject, timer };
    const waiting = space.waiters.get(id);
    if (waiting === undefined) space.waiters.set(id, new Set([waiter]));
    else waiting.add(waiter);
    this.#listen(dagId, space);
    return promise;
  }

  /** Begins a run: what was there under its id is gone, and its results are found as they arrive. */
  open(dagId: string, results: RunResults): void {
    const space = this.#spaceOf(dagId);
    space.values.clear();
    space.results?.clear();
    space.results = results;
    this.#forgetFinished(dagId);
    this.#listen(dagId, space);
  }

  /** Ends a run: its results stay, until too many runs have finished after it. */
  close(dagId: string): void {
    const space = this.#spaces.get(dagId);
    if (space === undefined) return;
    const own = space.results?.index.size ?? 0;
    this.#forgetFinished(dagId);
    this.#finished.set(dagId, own);
    this.#finishedResults += own;
    for (const oldest of this.#finished.keys()) {
      if (this.#finished.size <= this.#retain && (this.#finishedResults <= this.#retainResults || oldest === dagId)) break;
      this.clear(oldest);
      this.#onForget(oldest);
    }
  }

  /** Whether these results are still to be had here. */
  holds(dagId: string, results: RunResults): boolean {
    return this.#spaces.get(dagId)?.results === results;
  }

  /** Forgets everything of a DAG. Who waits for a value of it goes on waiting. */
  clear(dagId: string): void {
    const space = this.#spaces.get(dagId);
    const isFinished = this.#finished.has(dagId);
    this.#forgetFinished(dagId);
    if (space === undefined) return;
    space.values.clear();
    if (space.results !== undefined) space.results.onStored = undefined;
    if (isFinished) space.results?.clear(); // a run that is under way needs them
    space.results = undefined;
    if (space.waiters.size === 0) this.#spaces.delete(dagId);
  }

  /** Which of some ids are here, with their values. */
  pick(dagId: string, ids: readonly string[]): Record<string, unknown> {
    return Object.fromEntries(ids.filter((id) => this.has(dagId, id)).map((id) => [id, this.get(dagId, id)]));
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
    this.#finished.clear();
    this.#finishedResults = 0;
  }

  #forgetFinished(dagId: string): void {
    this.#finishedResults -= this.#finished.get(dagId) ?? 0;
    this.#finished.delete(dagId);
  }

  #spaceOf(dagId: string): Space {
    let space = this.#spaces.get(dagId);
    if (space === undefined) this.#spaces.set(dagId, (space = { values: new Map(), results: undefined, waiters: new Map() }));
    return space;
  }

  #resultIndex({ results }: Space, id: string): number {
    const i = results?.index.indexOf(id) ?? -1;
    return i >= 0 && results!.has(i) ? i : -1;
  }

  /** Asks to be told of results only while somebody waits. */
  #listen(dagId: string, { results, waiters }: Space): void {
    if (results === undefined) return;
    results.onStored = waiters.size === 0 ? undefined : (id, i) => this.#settle(dagId, id, () => results.copy(i));
  }

  #settle(dagId: string, id: string, valueOf: () => unknown): void {
    const space = this.#spaces.get(dagId);
    const waiting = space?.waiters.get(id);
    if (space === undefined || waiting === undefined) return;
    space.waiters.delete(id);
    this.#listen(dagId, space);
    for (const { timer, resolve, reject } of waiting) {
      timer.clear();
      try {
        resolve(valueOf());
      } catch (error) {
        reject(error);
      }
    }
  }

  #forget(dagId: string, id: string, waiter: Waiter): void {
    const space = this.#spaces.get(dagId);
    const waiting = space?.waiters.get(id);
    if (space === undefined || waiting === undefined) return;
    waiting.delete(waiter);
    if (waiting.size === 0) space.waiters.delete(id);
    this.#listen(dagId, space);
    if (space.waiters.size === 0 && space.values.size === 0 && space.results === undefined) this.#spaces.delete(dagId);
  }
}
