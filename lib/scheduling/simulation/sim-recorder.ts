/**
 * Records a run in virtual time, as the engine does: one chunk at a time, and what happens while one is being written
 * goes into the next. A chunk that is under way when its orchestrator dies may still be written.
 */
import { encodeChunk } from '../../journal/codec.ts';
import type { Claim } from '../../journal/journal.ts';
import type { MemoryRuns } from '../../journal/memory/memory-runs.ts';
import { PendingRecords } from '../../journal/pending-records.ts';
import type { Ended, RunRecord } from '../../journal/record.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { Random } from '../../core/random.ts';
import { isOnce, isOwnFailure } from '../scheduler/failure/once.ts';
import type { FunctionFailure, Outcome } from '../scheduler/outcome.ts';
import type { DurabilityChecker } from './durability-checker.ts';
import type { EventQueue } from './event-queue.ts';
import type { Recording } from './simulation.ts';

export interface SimRecorderParts {
  readonly eventQueue: EventQueue;
  readonly random: Random;
  readonly log: MemoryRuns;
  readonly claim: Claim;
  readonly owner: string;
  readonly plan: CompiledDag;
  /** The maximum time that the store takes for a chunk, in ms. */
  readonly writeMs: number;
  readonly checker: DurabilityChecker;
  isDead(): boolean;
  /** The result of a function, as it is recorded. */
  resultOf(i: number): { readonly isKept: boolean; readonly value: unknown };
  /** Another orchestrator has taken over the run. */
  onFenced(): void;
}

export class SimRecorder implements Recording {
  readonly #parts: SimRecorderParts;
  readonly #pending: PendingRecords;
  #waiters: (() => void)[] = [];
  #end: Ended | undefined;
  #isWriting = false;
  #isFenced = false;

  constructor(parts: SimRecorderParts) {
    const { deps, depOffset } = parts.plan;
    this.#pending = new PendingRecords((i) => deps.subarray(depOffset[i], depOffset[i + 1]));
    this.#parts = parts;
  }

  failedAttempt({ index, failure }: FunctionFailure): void {
    const { plan } = this.#parts;
    if (isOnce(plan, index) && isOwnFailure(failure)) this.#add({ type: 'attempt-failed', function: index });
  }

  finished(functions: readonly number[], node: string, missing: ReadonlySet<number>): void {
    const values = functions.map(() => undefined);
    this.#pending.finished(functions, values, node, false, missing);
    this.#schedule();
  }

  starting(functions: readonly number[], node: string, then: () => void): void {
    const once = functions.filter((i) => isOnce(this.#parts.plan, i));
    if (once.length === 0) return then();
    this.#waiters.push(then);
    this.#add({ type: 'started', functions: once, node });
  }

  ended(outcome: Outcome | undefined): void {
    if (this.#isFenced) return;
    const how = outcome === undefined ? 'finished' : outcome.kind === 'aborted' ? 'cancelled' : 'failed';
    this.#end = { type: 'ended', outcome: how };
    this.#schedule();
  }

  #add(record: RunRecord): void {
    this.#pending.add(record);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isWriting || this.#isFenced || (this.#pending.isEmpty && this.#end === undefined)) return;
    this.#isWriting = true;
    this.#parts.eventQueue.in(0, () => this.#write()); // what else happens at this moment comes along
  }

  #write(): void {
    const { eventQueue, random, writeMs, isDead } = this.#parts;
    if (isDead()) return;
    const end = this.#pending.isEmpty ? this.#end : undefined;
    const records = end === undefined ? this.#pending.take().map((record) => this.#withResults(record)) : [end];
    const chunk = encodeChunk(records);
    eventQueue.in(random.next() * writeMs, () => {
      const isWritten = this.#append(chunk, end);
      eventQueue.in(random.next() * writeMs, () => {
        if (isDead()) return;
        if (isWritten) this.#written(end);
        else this.#fenced();
      });
    });
  }

  #append(chunk: Uint8Array, end: Ended | undefined): boolean {
    const { log, claim, owner, checker, eventQueue } = this.#parts;
    try {
      log.append(claim, owner, chunk, end === undefined ? {} : { state: end.outcome }, eventQueue.now);
    } catch {
      return false; // FENCED
    }
    checker.appended(claim.runId, owner, chunk);
    return true;
  }

  #written(end: Ended | undefined): void {
    const { checker, claim } = this.#parts;
    this.#isWriting = false;
    if (end !== undefined) return checker.settled(claim.runId);
    if (this.#pending.isEmpty) for (const then of this.#waiters.splice(0)) then();
    this.#schedule();
  }

  #fenced(): void {
    this.#isFenced = true;
    this.#waiters = [];
    this.#parts.onFenced();
  }

  #withResults(record: RunRecord): RunRecord {
    if (record.type !== 'finished') return record;
    const results = record.functions.map((i) => this.#parts.resultOf(i));
    return {
      ...record,
      values: results.map(({ isKept, value }) => (isKept ? value : undefined)),
      stored: results.flatMap(({ isKept }, at) => (isKept ? [] : [[at, { kind: 'none' }] as const])),
    };
  }
}
