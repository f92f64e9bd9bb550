/**
 * Records a run in virtual time, as the engine does: one chunk at a time, and what happens while one is being written
 * goes into the next. A chunk that is under way when its orchestrator dies may still be written.
 */
import { encodeChunk } from '../../journal/codec.ts';
import type { Claim } from '../../journal/journal.ts';
import type { MemoryRuns } from '../../journal/memory/memory-runs.ts';
import { PendingRecords } from '../../journal/pending-records.ts';
import type { Ended, Expanded, Finished, RunRecord } from '../../journal/record.ts';
import type { Random } from '../../core/random.ts';
import { isOnce, isOwnFailure } from '../scheduler/failure/once.ts';
import { elementsOf, expansionOfOwner, holdersOf, inputsOf } from '../scheduler/growth/growth.ts';
import type { FunctionFailure, Outcome } from '../scheduler/outcome.ts';
import type { Run } from '../scheduler/state.ts';
import type { DurabilityChecker } from './durability-checker.ts';
import type { EventQueue } from './event-queue.ts';
import type { GrownBy, Recording } from './simulation.ts';

export interface SimRecorderParts {
  readonly eventQueue: EventQueue;
  readonly random: Random;
  readonly log: MemoryRuns;
  readonly claim: Claim;
  readonly owner: string;
  /** The functions of the run as it begins, with what it has grown by before. */
  readonly run: Run;
  /** The maximum time that the store takes for a chunk, in ms. */
  readonly writeMs: number;
  /** The probability that the bytes of a result or of a graph are not kept. */
  readonly unkept: number;
  readonly checker: DurabilityChecker;
  isDead(): boolean;
  isFalsy(run: Run, i: number): boolean;
  /** Another orchestrator has taken over the run. */
  onFenced(): void;
}

export class SimRecorder implements Recording {
  readonly #parts: SimRecorderParts;
  readonly #pending: PendingRecords;
  /** The functions of the run, with everything that it has grown by. */
  #run: Run;
  /** Callers that wait until this number of chunks is written. */
  #waiters: { readonly chunks: number; readonly go: () => void }[] = [];
  /** How many chunks were taken to be written, and how many are written. */
  #taken = 0;
  #written = 0;
  #end: Ended | undefined;
  #isWriting = false;
  #isFenced = false;

  constructor(parts: SimRecorderParts) {
    this.#pending = new PendingRecords((i) => inputsOf(this.#run, i).flatMap((dep) => [...holdersOf(this.#run, dep)]));
    this.#parts = parts;
    this.#run = parts.run;
  }

  failedAttempt({ index, failure }: FunctionFailure): void {
    if (isOnce(this.#run.plan, index) && isOwnFailure(failure)) this.#add({ type: 'attempt-failed', function: index });
  }

  finished(functions: readonly number[], node: string, missing: ReadonlySet<number>): void {
    const values = functions.map(() => undefined);
    this.#pending.finished(functions, values, node, false, missing);
    this.#schedule();
  }

  grown({ run, index, base, count }: GrownBy): void {
    this.#run = run;
    this.#add({ type: 'expanded', function: index, base, count });
  }

  starting(functions: readonly number[], node: string, then: () => void): void {
    const once = functions.filter((i) => isOnce(this.#run.plan, i));
    if (once.length === 0) return then();
    // Only up to here: other functions may go on ending while this is written.
    this.#waiters.push({ chunks: this.#taken + 1, go: then });
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
    const records = end === undefined ? this.#pending.take().map((record) => this.#withBytes(record)) : [end];
    this.#taken++;
    const chunk = encodeChunk(records);
    eventQueue.in(random.next() * writeMs, () => {
      const isWritten = this.#append(chunk, end);
      eventQueue.in(random.next() * writeMs, () => {
        if (isDead()) return;
        if (isWritten) this.#onWritten(end);
        else this.#onFenced();
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
    checker.appended(claim.runId, owner, chunk, this.#run);
    return true;
  }

  #onWritten(end: Ended | undefined): void {
    const { checker, claim } = this.#parts;
    this.#isWriting = false;
    this.#written++;
    if (end !== undefined) return checker.settled(claim.runId);
    const ready = this.#waiters.filter(({ chunks }) => chunks <= this.#written);
    this.#waiters = this.#waiters.filter(({ chunks }) => chunks > this.#written);
    for (const { go } of ready) go();
    this.#schedule();
  }

  #onFenced(): void {
    this.#isFenced = true;
    this.#waiters = [];
    this.#parts.onFenced();
  }

  /** Some bytes are not kept. */
  #withBytes(record: RunRecord): RunRecord {
    if (record.type === 'finished') return this.#withResults(record);
    if (record.type === 'expanded') return this.#withGraph(record);
    return record;
  }

  #withResults(record: Finished): Finished {
    const { random, unkept, isFalsy } = this.#parts;
    const results = record.functions.map((i) => {
      const falsy = isFalsy(this.#run, i);
      return { isKept: !random.chance(unkept) || falsy, value: !falsy }; // what is falsy is small
    });
    return {
      ...record,
      values: results.map(({ isKept, value }) => (isKept ? value : undefined)),
      stored: results.flatMap(({ isKept }, at) => (isKept ? [] : [[at, { kind: 'none' }] as const])),
    };
  }

  /** A graph is recorded as the id of the function that answered with it. */
  #withGraph(record: Expanded): Expanded {
    const { random, unkept } = this.#parts;
    const { plan } = this.#run;
    const { function: owner } = record;
    if (expansionOfOwner(this.#run, owner) === undefined) return record; // a map
    const mustBeKept = [owner, ...elementsOf(record)].some((i) => isOnce(plan, i));
    if (!mustBeKept && random.chance(unkept)) return { ...record, graph: { kind: 'none' } };
    return { ...record, graph: { kind: 'inline', bytes: Buffer.from(plan.entries[owner]!.id) } };
  }
}
