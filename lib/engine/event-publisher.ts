/** Publishes events of runs, nodes and threads. Events without a listener are neither created, measured nor sent. */
import type { AttemptTracer } from '../events/attempt-tracer.ts';
import type { EventOf, EventType, HandoffEvent } from '../events/events.ts';
import { timestamp } from '../events/events.ts';
import type { BatchReport } from '../workers/node/thread-messages.ts';
import type { FunctionFailure } from '../scheduling/scheduler/outcome.ts';
import type { Exception } from '../scheduling/scheduler/events.ts';
import type { Batch, Run } from '../scheduling/scheduler/state.ts';
import { bytesOf, Payload } from '../workers/store/payload.ts';
import type { Restored } from '../scheduling/scheduler/events.ts';
import type { ActiveRun, Beginning } from './active-run.ts';
import { graphAt } from './grown-graph.ts';
import { causeOf } from './run-errors.ts';
import { idsOf, type RunIds } from './run-ids.ts';

/** Delivers events to listeners. */
export interface Publisher {
  /** Undefined: tracing is off. */
  readonly tracer?: AttemptTracer | undefined;
  /** Whether there is a listener for this type. */
  wants(type: EventType): boolean;
  publish(event: HandoffEvent): void;
}

const functionEvents = [
  'function:ready',
  'function:started',
  'function:finished',
  'result:stored',
] as const satisfies readonly EventType[];

export class Observer {
  readonly #publisher: Publisher;
  readonly #runOf: (runId: string) => ActiveRun;
  readonly #nodeName: (index: number) => string;
  /** Functions whose start was published, by observed batch. */
  readonly #announced = new WeakMap<Batch, Set<number>>();

  /** @param nodeName returns the name of a node by its index; empty when there is none */
  constructor(publisher: Publisher, runOf: (runId: string) => ActiveRun, nodeName: (index: number) => string) {
    this.#publisher = publisher;
    this.#runOf = runOf;
    this.#nodeName = nodeName;
  }

  /** Whether there is a listener for the readiness, start or end of functions, which need extra messages. */
  get watching(): boolean {
    return functionEvents.some((type) => this.#publisher.wants(type));
  }

  /** Whether there is a listener for the times of functions after their end. */
  get timing(): boolean {
    return this.#publisher.wants('attempts');
  }

  /** @param at ms since the epoch; default: now */
  publish<Type extends EventType>(type: Type, fields: () => Omit<EventOf<Type>, 'type' | 'at'>, at?: number): void {
    if (this.#publisher.wants(type))
      this.#publisher.publish({ type, at: at ?? timestamp(), ...fields() } as unknown as HandoffEvent);
  }

  /** Published once per attempt: a function that was taken back is not ready again. */
  ready(run: Run, i: number, at?: number): void {
    const { reportedReady: toldReady } = this.#runOf(run.id);
    if (toldReady.has(i)) return;
    toldReady.add(i);
    this.publish('function:ready', () => ofFunction(run, i), at);
  }

  /** Called before an observed batch is sent. */
  sent(batch: Batch): void {
    this.#announced.set(batch, new Set(batch.contest === null ? [] : [0])); // the start of a copy is always published
  }

  /** A function of a batch has started. Published once, with its start or its end. */
  started(batch: Batch, index: number, at: number): void {
    const announced = this.#announced.get(batch);
    if (announced === undefined || announced.has(index)) return;
    announced.add(index);
    this.ready(batch.run, batch.functions[index]!, at); // a function sent together with its producer was never queued
    this.publish('function:started', () => ofAttempt(batch, batch.functions[index]!), at);
  }

  /** Functions of a batch have ended. */
  ended(batch: Batch, report: BatchReport, exceptions: readonly Exception[]): void {
    if (this.timing) this.#spans(batch, report, exceptions);
    if (report.spans !== null && this.#announced.has(batch)) this.#each(batch, report, exceptions);
  }

  #spans({ run, thread, functions }: Batch, report: BatchReport, exceptions: readonly Exception[]): void {
    const { first, count, durations } = report;
    if (report.spans === null && durations.length === 0) return; // they never started
    const { results } = this.#runOf(run.id);
    const functionIds: string[] = [];
    const indexes: number[] = [];
    const attempts: number[] = [];
    const bytes: number[] = [];
    const failed: number[] = [];
    let next = 0;
    for (let index = first; index < first + count; index++) {
      const exception = exceptions[next]?.index === index ? exceptions[next++]! : undefined;
      if (exception?.kind === 'skipped') continue;
      const i = functions[index]!;
      if (exception?.kind === 'failed') failed.push(functionIds.length);
      const held = exception === undefined ? results.held(i) : undefined;
      functionIds.push(run.plan.entries[i]!.id);
      indexes.push(i);
      attempts.push(run.attempts[i]! + 1);
      bytes.push(held instanceof Payload ? bytesOf(held.data) : 0);
    }
    const spans = report.spans ?? spansUntil(timestamp(), functionIds.length, durations);
    this.publish('attempts', () => ({
      ...idsOf(run),
      node: thread.node.name,
      thread: thread.index,
      functionIds,
      indexes,
      attempts,
      spans,
      bytes,
      failed,
    }));
  }

  #each(batch: Batch, { first, count, spans }: BatchReport, exceptions: readonly Exception[]): void {
    const failed = new Set(exceptions.filter(({ kind }) => kind !== 'expanded').map(({ index }) => index));
    const skipped = new Set(exceptions.filter(({ kind }) => kind === 'skipped').map(({ index }) => index));
    let at = 0;
    for (let index = first; index < first + count; index++) {
      if (skipped.has(index)) continue;
      const begun = spans![at]!;
      const ended = spans![at + 1]!;
      at += 2;
      this.started(batch, index, begun);
      if (!failed.has(index)) this.#finished(batch, batch.functions[index]!, begun, ended);
    }
  }

  /** A second attempt of a slow function starts. */
  speculated(copy: Batch, i: number): void {
    this.publish('function:speculated', () => ofAttempt(copy, i));
  }

  /** A function has printed text. Without a listener it goes to stderr. */
  printed(batch: Batch | undefined, index: number, text: string): void {
    if (batch === undefined || !this.#publisher.wants('function:log')) return void process.stderr.write(text);
    this.publish('function:log', () => {
      const { thread: _, ...attempt } = ofAttempt(batch, batch.functions[index]!);
      return { ...attempt, values: [text.replace(/\n$/, '')] };
    });
  }

  /** An attempt failed and will be retried after `delayMs`. */
  retried(run: Run, failed: FunctionFailure, delayMs: number): void {
    this.#runOf(run.id).reportedReady.delete(failed.index);
    this.publish('function:retrying', () => ({ ...this.#ofFailure(run, failed), delayMs }));
  }

  /** The number of elements of a map is known, or a function answered with a graph. */
  grown(run: Run, i: number, base: number, count: number): void {
    this.publish('run:grown', () => ({ ...ofFunction(run, i), count, ...graphAt(run, i, base, count) }));
  }

  /** A function does not run. */
  skipped(run: Run, i: number): void {
    this.publish('function:skipped', () => ofFunction(run, i));
  }

  /** A function failed and has no retries left. */
  failed(run: Run, failed: FunctionFailure): void {
    this.publish('function:failed', () => this.#ofFailure(run, failed));
  }

  /** A result has arrived from another host. */
  fetched(run: Run, i: number, { data }: Payload): void {
    this.publish('result:fetched', () => ({
      ...ofFunction(run, i),
      node: this.#nodeName(run.node[i]!),
      bytes: bytesOf(data),
    }));
  }

  /** A run begins with functions that an earlier process has done. */
  resumed({ ids }: ActiveRun, { functions, done }: Beginning): void {
    this.publish('run:resumed', () => ({ ...ids, functions, restored: done.size }));
  }

  /** These functions were done before. */
  restored(run: Run, done: ReadonlyMap<number, Restored>): void {
    if (!this.#publisher.wants('function:restored')) return;
    for (const [i, { node }] of done) this.publish('function:restored', () => ({ ...ofFunction(run, i), node }));
  }

  /** Functions are done by results from the cache. */
  cached({ ids, request: { plan } }: ActiveRun, functions: readonly number[]): void {
    if (!this.#publisher.wants('function:cached')) return;
    for (const i of functions) this.publish('function:cached', () => ({ ...ids, functionId: plan.entries[i]!.id }));
  }

  /** Results are lost. */
  lost(run: Run, indexes: readonly number[]): void {
    for (const i of indexes) this.publish('result:lost', () => ofFunction(run, i));
  }

  /** Results are being recomputed. */
  recomputed(run: Run, indexes: readonly number[]): void {
    for (const i of indexes) this.publish('result:recomputing', () => ofFunction(run, i));
  }

  #finished(batch: Batch, i: number, begun: number, ended: number): void {
    const { run, thread } = batch;
    this.publish('function:finished', () => ({ ...ofAttempt(batch, i), durationMs: ended - begun }), ended);
    this.publish(
      'result:stored',
      () => {
        const held = this.#runOf(run.id).results.held(i);
        return {
          ...ofFunction(run, i),
          node: thread.node.name,
          bytes: held instanceof Payload ? bytesOf(held.data) : 0,
        };
      },
      ended,
    );
  }

  #ofFailure(
    run: Run,
    { index, attempts, node, failure }: FunctionFailure,
  ): RunIds & { functionId: string; node: string; attempt: number; error: unknown } {
    return {
      ...ofFunction(run, index),
      node: this.#nodeName(node),
      attempt: attempts,
      error: causeOf(run.plan.entries[index]!.id, failure),
    };
  }
}

/** Fields of a running attempt. */
function ofAttempt(
  { run, thread }: Batch,
  i: number,
): RunIds & { functionId: string; node: string; attempt: number; thread: number } {
  return { ...ofFunction(run, i), node: thread.node.name, attempt: run.attempts[i]! + 1, thread: thread.index };
}

function ofFunction(run: Run, i: number): RunIds & { functionId: string } {
  return { runId: run.id, dagId: run.plan.dagId, functionId: run.plan.entries[i]!.id };
}

/**
 * Batches sent before there was a listener have no times. They are estimated: one function after another until now, of
 * equal length.
 */
function spansUntil(now: number, count: number, durations: readonly number[]): number[] {
  let ms = 0;
  for (let k = 2; k < durations.length; k += 3) ms += durations[k]!;
  const spans: number[] = [];
  for (let k = count; k > 0; k--) spans.push(now - (k * ms) / count, now - ((k - 1) * ms) / count);
  return spans;
}
