/**
 * Records what happens to a run in its journal. What happens within a few ms becomes one chunk, and while a chunk is
 * being written the next one collects. Only the end of a run, and the start of a function that is not idempotent, wait
 * until they are recorded.
 */
import { hash } from 'node:crypto';
import { encodeChunk } from '../journal/codec.ts';
import type { Change, Claim, Journal } from '../journal/journal.ts';
import { PendingRecords, type TimedAttempts } from '../journal/pending-records.ts';
import type { Ended, Expanded, Finished, RunRecord, StoredValue } from '../journal/record.ts';
import { extended } from '../scheduling/scheduler/columns.ts';
import { holdersOf, inputsOf } from '../scheduling/scheduler/growth/growth.ts';
import { isOnce, isOwnFailure } from '../scheduling/scheduler/failure/once.ts';
import type { FunctionFailure } from '../scheduling/scheduler/outcome.ts';
import type { Run } from '../scheduling/scheduler/state.ts';
import { Payload } from '../workers/store/payload.ts';
import type { RunResults } from '../workers/store/run-results.ts';
import type { AnswerWire } from '../workers/node/wire.ts';
import { plainToBytes, toBytes } from './results/stored-values.ts';

/** Results up to this size, in bytes, are part of the log; larger ones have their own file. */
const maxInlineBytes = 64 * 1024;

/**
 * Between two chunks, in ms. A chunk that took long is followed by a pause that is `restFactor` times as long, so that
 * writing takes no more than a few percent of the time of this thread. Waiting callers end a pause.
 */
const minRestMs = 20;
const maxRestMs = 100;
const restFactor = 30;

/** What a run has grown by. */
export interface Grown {
  readonly owner: number;
  readonly base: number;
  readonly count: number;
  /** Undefined for a map. */
  readonly answer: AnsweredGraph | undefined;
}

/** A graph that a function answered with. */
export interface AnsweredGraph {
  readonly wire: AnswerWire;
  /** The hash of each of its modules, with everything that it imports. */
  readonly modules: Readonly<Record<string, string>>;
}

/** Stands for a result whose bytes were not read. */
const unread = Symbol('unread');

const none: StoredValue = { kind: 'none' };

export interface RecorderParts {
  readonly journal: Journal;
  readonly claim: Claim;
  /** The functions of the run as it begins, with what it has grown by before. */
  readonly run: Run;
  /** Modules whose hashes are recorded. */
  readonly modules: Readonly<Record<string, string>>;
  /** How many functions there are, without maps whose elements are known. */
  readonly functions: number;
  /** The maximum size of a recorded result in bytes. Larger ones are computed again when needed. */
  readonly maxResultBytes: number;
  /** Functions that were recorded as done before. */
  readonly done: readonly number[];
  /** How many of them came from the cache. */
  readonly cached: number;
  /** Called once, when the journal fails or another process has taken over the run. */
  readonly onFailure: (error: unknown) => void;
}

export class RunRecorder {
  readonly #parts: RecorderParts;
  readonly #pending: PendingRecords;
  /** The functions of the run, with everything that it has grown by. */
  #run: Run;
  /** The graphs of records that wait to be written. */
  readonly #answers = new WeakMap<Expanded, AnsweredGraph>();
  #modules: Readonly<Record<string, string>>;
  #functions: number;
  /** 1 for each function that is done, whether its result was recorded once or, after a loss, again. */
  #isDone: Uint8Array;
  #done = 0;
  #cached: number;
  #failed = 0;
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Ends the pause before the next chunk. */
  #hurry: (() => void) | undefined;
  /** How many callers wait for a record. */
  #waiting = 0;
  /** How many chunks were taken to be written, and how many are written. */
  #taken = 0;
  #written = 0;
  #restMs = minRestMs;
  /** Whether the next chunk is written without a pause. */
  #isUrgent = false;

  constructor(parts: RecorderParts) {
    // The result of a map or of a graph is that of its parts.
    this.#pending = new PendingRecords((i) =>
      [...inputsOf(this.#run, i)].flatMap((dep) => [...holdersOf(this.#run, dep)]),
    );
    this.#parts = parts;
    this.#run = parts.run;
    this.#modules = parts.modules;
    this.#functions = parts.functions;
    this.#isDone = new Uint8Array(parts.run.plan.size);
    this.#count(parts.done);
    this.#cached = parts.cached;
  }

  /**
   * Functions of one batch have ended with results, which `results` holds now.
   *
   * @param missing functions that are not reported yet, and whose results these may have taken. Default: none
   */
  finished(functions: readonly number[], node: string, results: RunResults, missing?: ReadonlySet<number>): void {
    if (functions.length === 0) return;
    this.#count(functions);
    this.#add(functions, node, results, false, missing);
  }

  /** Attempts have ended. When they ran is recorded for those who look at the run later. */
  timed(attempts: TimedAttempts): void {
    if (this.#failure !== undefined) return;
    this.#pending.timed(attempts);
    this.#schedule();
  }

  /** The run has grown. */
  grown({ owner, base, count, answer }: Grown, run: Run): void {
    this.#run = run;
    this.#isDone = extended(this.#isDone, base, base + count, 0);
    // A map gives way to its elements, which run in its place.
    this.#functions += answer === undefined ? count - 1 : count;
    const record: Expanded = { type: 'expanded', function: owner, base, count };
    if (answer !== undefined) this.#answers.set(record, answer);
    this.#pending.add(record);
    this.#schedule();
  }

  /** The graph that a function answered with is done, and with it the function. */
  gathered(i: number): void {
    this.#count([i]);
  }

  /** A result that another host held is here now, so its bytes can be recorded. */
  arrived(i: number, node: string, results: RunResults): void {
    this.#add([i], node, results);
  }

  /** Functions are done by results from the cache. `results` holds those that were read. */
  cached(functions: readonly number[], results: RunResults): void {
    if (functions.length === 0) return;
    this.#count(functions);
    this.#cached += functions.length;
    this.#add(functions, '', results, true);
  }

  /** A result from the cache was read. */
  cachedArrived(i: number, results: RunResults): void {
    this.#add([i], '', results, true);
  }

  #add(
    functions: readonly number[],
    node: string,
    results: RunResults,
    isCached = false,
    missing?: ReadonlySet<number>,
  ): void {
    if (this.#failure !== undefined) return;
    const values = functions.map((i) => (results.exists(i) ? results.peek(i) : unread));
    this.#pending.finished(functions, values, node, isCached, missing);
    this.#schedule();
    // Until it is recorded, a crash leaves such a function in doubt, and a person has to decide.
    if (!functions.some((i) => isOnce(this.#run.plan, i))) return;
    this.#isUrgent = true;
    this.#hurry?.();
  }

  /** An attempt of a function has failed. One that was lost may have taken effect, so that stays in doubt. */
  failedAttempt({ index, failure }: FunctionFailure): void {
    if (!isOnce(this.#run.plan, index) || !isOwnFailure(failure)) return;
    this.#pending.add({ type: 'attempt-failed', function: index });
    this.#schedule();
  }

  /** A function has failed for good. */
  failedForGood(failed: FunctionFailure): void {
    this.#failed++;
    this.failedAttempt(failed);
  }

  /**
   * Functions that are not idempotent are about to start.
   *
   * @returns resolves when that is recorded; rejects when it cannot be
   */
  async starting(functions: readonly number[], node: string): Promise<void> {
    this.#pending.add({ type: 'started', functions, node });
    // Only up to here: other functions may go on ending while this is written.
    await this.#waitUntil(this.#taken + 1);
  }

  /**
   * The run has ended.
   *
   * @returns resolves when that is recorded
   * @throws `JOURNAL_FAILED`, or `FENCED` when another process owns the run
   */
  async end(ended: Ended): Promise<void> {
    await this.flush();
    await this.#write([ended], { ...this.#counts(), state: ended.outcome });
  }

  /**
   * Resolves when everything so far is recorded.
   *
   * @throws `JOURNAL_FAILED`, or `FENCED` when another process owns the run
   */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || this.#hasWork())
      await this.#waitUntil(this.#pending.isEmpty ? this.#taken : this.#taken + 1);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Resolves when this number of chunks is written. */
  async #waitUntil(chunks: number): Promise<void> {
    this.#waiting++;
    this.#hurry?.();
    while (this.#failure === undefined && this.#written < chunks) {
      this.#schedule();
      await this.#writing;
    }
    this.#waiting--;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #count(functions: readonly number[]): void {
    for (const i of functions) {
      if (this.#isDone[i] === 1) continue;
      this.#isDone[i] = 1;
      this.#done++;
    }
  }

  #counts(): Change {
    return { functions: this.#functions, done: this.#done, cached: this.#cached, failed: this.#failed };
  }

  #hasWork(): boolean {
    return this.#failure === undefined && !this.#pending.isEmpty;
  }

  #schedule(): void {
    if (this.#writing !== undefined || !this.#hasWork()) return;
    this.#writing = this.#writeChunk().finally(() => {
      this.#writing = undefined;
      this.#schedule();
    });
  }

  async #writeChunk(): Promise<void> {
    await this.#rest(); // what else happens until then comes along
    const begun = performance.now();
    const records = this.#pending.take();
    this.#taken++;
    this.#isUrgent = false;
    try {
      for (const [at, record] of records.entries())
        if (record.type === 'finished') records[at] = await this.#withStored(record);
        else if (record.type === 'expanded') records[at] = await this.#withGraph(record);
      await this.#write(records, this.#counts());
      this.#written++;
    } catch (error) {
      this.#failure = { error };
      this.#parts.onFailure(error);
    }
    this.#restMs = Math.min(maxRestMs, Math.max(minRestMs, (performance.now() - begun) * restFactor));
  }

  /** Resolves after the pause that the last chunk needs, or as soon as a caller waits. */
  async #rest(): Promise<void> {
    if (this.#waiting > 0 || this.#isUrgent) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#restMs);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#hurry = undefined;
  }

  async #write(records: RunRecord[], change: Change): Promise<void> {
    const { journal, claim } = this.#parts;
    await journal.append(claim, encodeSafely(records), change);
  }

  /** Stores results that are not plain small values. */
  async #withStored(record: Finished): Promise<Finished> {
    const values = [...record.values];
    const stored: [number, StoredValue][] = [];
    for (const [at, value] of values.entries()) {
      if (value !== unread && !(value instanceof Payload)) continue;
      values[at] = undefined;
      const kept = value instanceof Payload ? await this.#store([record.functions[at]!], value) : none;
      stored.push([at, kept]);
    }
    return { ...record, values, stored };
  }

  /** Stores the graph that a function answered with. */
  async #withGraph(record: Expanded): Promise<Expanded> {
    const answer = this.#answers.get(record);
    if (answer === undefined) return record; // a map
    const { wire, modules } = answer;
    const added = Object.entries(modules).filter(([module]) => !(module in this.#modules));
    if (added.length > 0) this.#modules = { ...this.#modules, ...Object.fromEntries(added) };
    const value = 'data' in wire ? new Payload(wire.data) : wire.graph;
    // Without the graph, the function runs again, and so does everything inside.
    const own = Array.from({ length: record.count }, (_, k) => record.base + k);
    const graph = await this.#store([record.function, ...own], value);
    return { ...record, graph, ...(added.length > 0 && { modules: Object.fromEntries(added) }) };
  }

  /** @param functions those that run again when it is lost */
  async #store(functions: readonly number[], value: unknown): Promise<StoredValue> {
    const { journal, claim, maxResultBytes } = this.#parts;
    // A function that must not run again needs its result, however large.
    const limit = functions.some((i) => isOnce(this.#run.plan, i)) ? Infinity : maxResultBytes;
    if (value instanceof Payload && value.byteLength > limit) return none;
    let bytes: Uint8Array | undefined;
    try {
      bytes = value instanceof Payload ? toBytes(value) : plainToBytes(value);
    } catch {
      bytes = undefined; // such as a result whose file is gone
    }
    if (bytes === undefined) return none;
    if (bytes.length <= maxInlineBytes) return { kind: 'inline', bytes };
    const name = hash('sha256', bytes);
    await journal.putBlob(claim.runId, name, bytes);
    return { kind: 'blob', hash: name, bytes: bytes.length };
  }
}

/** Encodes records, without the values that cannot be serialized. */
function encodeSafely(records: readonly RunRecord[]): Uint8Array {
  try {
    return encodeChunk(records);
  } catch {
    return encodeChunk(records.map((record) => (record.type === 'finished' ? withoutUnsafe(record) : record)));
  }
}

function withoutUnsafe(record: Finished): Finished {
  const values = [...record.values];
  const stored = [...record.stored];
  for (const [at, value] of values.entries()) {
    try {
      encodeChunk([{ type: 'decided', function: 0, value: { kind: 'plain', value } }]);
    } catch {
      values[at] = undefined;
      stored.push([at, none]);
    }
  }
  return { ...record, values, stored: stored.sort(([a], [b]) => a - b) };
}
