/**
 * Records what happens to a run in its journal. What happens in one turn of the event loop becomes one chunk, and while
 * a chunk is being written the next one collects. Only the end of a run, and the start of a function that is not
 * idempotent, wait until they are recorded.
 */
import { hash } from 'node:crypto';
import type { CompiledDag } from '../dag/compiled-dag.ts';
import { encodeChunk } from '../journal/codec.ts';
import type { Change, Claim, Journal } from '../journal/journal.ts';
import { PendingRecords } from '../journal/pending-records.ts';
import type { Ended, Finished, RunRecord, StoredValue } from '../journal/record.ts';
import { isOnce, isOwnFailure } from '../scheduling/scheduler/once.ts';
import type { FunctionFailure } from '../scheduling/scheduler/outcome.ts';
import { Payload } from '../workers/store/payload.ts';
import type { RunResults } from '../workers/store/run-results.ts';
import { toBytes } from './stored-values.ts';

/** Results up to this size, in bytes, are part of the log; larger ones have their own file. */
const maxInlineBytes = 64 * 1024;

/** After a chunk that took this many ms, the next waits `restFactor` times as long, so that writing never takes over. */
const restFactor = 4;
const maxRestMs = 50;

/** Stands for a result whose bytes were not read. */
const unread = Symbol('unread');

const none: StoredValue = { kind: 'none' };

export interface RecorderParts {
  readonly journal: Journal;
  readonly claim: Claim;
  readonly plan: CompiledDag;
  /** The maximum size of a recorded result in bytes. Larger ones are computed again when needed. */
  readonly maxResultBytes: number;
  /** How many functions have been recorded before. */
  readonly done: number;
  /** How many of them came from the cache. */
  readonly cached: number;
  /** Called once, when the journal fails or another process has taken over the run. */
  readonly onFailure: (error: unknown) => void;
}

export class RunRecorder {
  readonly #parts: RecorderParts;
  readonly #pending: PendingRecords;
  #done: number;
  #cached: number;
  #failed = 0;
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(parts: RecorderParts) {
    const { deps, depOffset } = parts.plan;
    this.#pending = new PendingRecords((i) => deps.subarray(depOffset[i], depOffset[i + 1]));
    this.#parts = parts;
    this.#done = parts.done;
    this.#cached = parts.cached;
  }

  /**
   * Functions of one batch have ended with results, which `results` holds now.
   *
   * @param missing functions that are not reported yet, and whose results these may have taken
   */
  finished(functions: readonly number[], node: string, results: RunResults, missing: ReadonlySet<number>): void {
    if (functions.length === 0) return;
    this.#done += functions.length;
    this.#add(functions, node, results, false, missing);
  }

  /** A result that another host held is here now, so its bytes can be recorded. */
  arrived(i: number, node: string, results: RunResults): void {
    this.#add([i], node, results);
  }

  /** Functions are done by results from the cache. `results` holds those that were read. */
  cached(functions: readonly number[], results: RunResults): void {
    if (functions.length === 0) return;
    this.#done += functions.length;
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
  }

  /** An attempt of a function has failed. One that was lost may have taken effect, so that stays in doubt. */
  failedAttempt({ index, failure }: FunctionFailure): void {
    if (!isOnce(this.#parts.plan, index) || !isOwnFailure(failure)) return;
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
    await this.flush();
  }

  /**
   * The run has ended.
   *
   * @returns resolves when that is recorded
   * @throws `JOURNAL_FAILED`, or `FENCED` when another process owns the run
   */
  async end(ended: Ended): Promise<void> {
    await this.flush();
    await this.#write([ended], { state: ended.outcome });
  }

  /**
   * Resolves when everything so far is recorded.
   *
   * @throws `JOURNAL_FAILED`, or `FENCED` when another process owns the run
   */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || this.#hasWork()) {
      this.#schedule(true);
      await this.#writing;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #hasWork(): boolean {
    return this.#failure === undefined && !this.#pending.isEmpty;
  }

  #schedule(isUrgent = false): void {
    if (this.#writing !== undefined || !this.#hasWork()) return;
    this.#writing = this.#writeAll(isUrgent).finally(() => (this.#writing = undefined));
  }

  async #writeAll(isUrgent: boolean): Promise<void> {
    if (!isUrgent) await new Promise(setImmediate); // what else happens in this turn comes along
    while (this.#hasWork()) {
      const begun = performance.now();
      const records = this.#pending.take();
      try {
        for (const [at, record] of records.entries())
          if (record.type === 'finished') records[at] = await this.#withStored(record);
        await this.#write(records, { done: this.#done, cached: this.#cached, failed: this.#failed });
      } catch (error) {
        this.#failure = { error };
        this.#parts.onFailure(error);
        return;
      }
      if (!this.#hasWork()) return;
      const rest = Math.min(maxRestMs, (performance.now() - begun) * restFactor);
      await new Promise<void>((resolve) => setTimeout(resolve, rest));
    }
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
      const kept = value instanceof Payload ? await this.#store(record.functions[at]!, value) : none;
      stored.push([at, kept]);
    }
    return { ...record, values, stored };
  }

  async #store(i: number, payload: Payload): Promise<StoredValue> {
    const { journal, claim, plan, maxResultBytes } = this.#parts;
    // A function that must not run again needs its result, however large.
    if (payload.byteLength > maxResultBytes && !isOnce(plan, i)) return none;
    let bytes: Uint8Array | undefined;
    try {
      bytes = toBytes(payload);
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
