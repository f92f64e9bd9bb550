/** Sends batches to their threads, and takes them back. */
import type { NodeLink } from '../../workers/node/node-link.ts';
import { toErrorWire } from '../../core/error-wire.ts';
import { type HandoffError, isHandoffError } from '../../core/errors.ts';
import type { Command } from '../../scheduling/scheduler/commands.ts';
import type { Event, Exception, StartedCount } from '../../scheduling/scheduler/events.ts';
import type { AttemptTracer } from '../../events/attempt-tracer.ts';
import type { Batch, GangPart, State } from '../../scheduling/scheduler/state.ts';
import type { ActiveRun } from '../active-run.ts';
import { type MessageSource, toOutgoing } from './batch-encoder.ts';
import { listOf } from '../results/map-lists.ts';
import { absentLists, isComplete, takenBy, type Travel } from '../results/remote-results.ts';
import { blame } from './unsendable.ts';
import { isOnce } from '../../scheduling/scheduler/failure/once.ts';
import { batchesOn } from '../../scheduling/scheduler/dispatch/seats.ts';

/** An event without its time. */
export type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

export interface SenderParts {
  readonly state: State;
  readonly nodes: ReadonlyMap<string, NodeLink>;
  readonly runs: ReadonlyMap<string, ActiveRun>;
  readonly travel: Travel | undefined;
  /** Whether times of functions are requested by observers. */
  timing(): boolean;
  /** Undefined: tracing is off. */
  tracer(): AttemptTracer | undefined;
  /** Called before an observed batch is sent. */
  onSend(batch: Batch): void;
  /** Fetches a result to this host. */
  bring(active: ActiveRun, i: number): Promise<void>;
  onLost(active: ActiveRun, indexes: readonly number[]): void;
  feed(happening: Happening): void;
}

export class Sender {
  readonly #parts: SenderParts;
  /** Batches that wait for inputs from other hosts. */
  readonly #waiting = new Set<Batch>();

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  send(batch: Batch): void {
    if (this.#parts.state.batches.get(batch.id) !== batch) return; // its thread has gone down since the decision
    const absent = this.#absentOf(batch);
    const recording = this.#recordStart(batch);
    if (absent.length === 0 && recording === undefined) this.#sendNow(batch);
    else void this.#sendWhenThere(batch, absent, recording);
  }

  /** The inputs of a batch that are on other hosts, or only in the cache. */
  #absentOf(batch: Batch): readonly number[] {
    const { state, runs, travel } = this.#parts;
    const active = runs.get(batch.run.id)!;
    const { results, request } = active;
    const isHere = batch.thread.node.host === 0;
    const elsewhere = !state.isSpread ? none : isHere ? travel!.absent(batch, results) : absentLists(batch, active);
    if (request.cache === undefined) return elsewhere;
    const taken = batch.functions.flatMap((i) => [...takenBy(batch.run, i)]);
    return [...elsewhere, ...request.cache.absent(taken)];
  }

  takeBack(batch: Batch, count: number): void {
    if (this.#waiting.delete(batch)) return this.#takenBack(batch, batch.size);
    this.#takenBack(batch, this.#linkOf(batch).takeBack(batch.thread.index, batch.id, count));
  }

  cancel(batch: Batch, why: 'aborted' | 'timeout'): void {
    if (this.#waiting.delete(batch)) return this.#takenBack(batch, batch.size);
    this.#takenBack(batch, this.#linkOf(batch).cancel(batch.thread.index, batch.id, why));
  }

  /** Ends the thread that runs a batch, unless the batch has just ended. */
  kill({ node: { name, incarnation }, thread, batch }: Extract<Command, { readonly type: 'Kill' }>): void {
    if (this.#parts.nodes.get(name)!.kill(thread, batch) === false)
      this.#parts.feed({ type: 'ThreadUp', node: name, incarnation, thread });
  }

  /**
   * Takes back what has not started on a node of this host, and returns what has; undefined for a remote node, where
   * this is unknown.
   */
  takeAllBack(node: string): StartedCount[] | undefined {
    const link = this.#parts.nodes.get(node)!;
    if (link.host !== 0) return undefined;
    return this.#parts.state.nodeByName.get(node)!.threads.flatMap((thread) =>
      batchesOn(thread).map(({ id, functions }) => {
        link.takeBack(thread.index, id, functions.length);
        return { batch: id, started: link.begun(thread.index, id) };
      }),
    );
  }

  /** @param count undefined: reported later */
  #takenBack({ id, size }: Batch, count: number | undefined): void {
    if (count !== undefined) this.#parts.feed({ type: 'TakenBack', batch: id, limit: size - count });
  }

  #linkOf({ thread }: Batch): NodeLink {
    return this.#parts.nodes.get(thread.node.name)!;
  }

  /** A function that is not idempotent starts only when that is recorded, so that a resumed run knows of it. */
  #recordStart({ run, functions, thread }: Batch): Promise<void> | undefined {
    const { recorder } = this.#parts.runs.get(run.id)!.request;
    if (recorder === undefined) return undefined;
    const once = functions.filter((i) => isOnce(run.plan, i));
    return once.length === 0 ? undefined : recorder.starting(once, thread.node.name);
  }

  /** Fetches the inputs from other hosts first. Inputs that cannot be fetched are lost. */
  async #sendWhenThere(batch: Batch, absent: readonly number[], recording: Promise<void> | undefined): Promise<void> {
    const { state, runs, bring, onLost } = this.#parts;
    const active = runs.get(batch.run.id)!;
    this.#waiting.add(batch);
    const ends = await Promise.allSettled(
      absent.map((i) => (active.results.exists(i) ? bring(active, i) : readCached(active, i))),
    );
    // When it cannot be recorded, the run ends, and with it the batch.
    if ((await recording?.then(isOk, isNotOk)) === false) return;
    const failed = absent.filter((_, k) => ends[k]!.status === 'rejected');
    const isWanted = this.#waiting.delete(batch) && state.batches.get(batch.id) === batch;
    // Inputs that were lost meanwhile and are being recomputed are missing, too.
    if (isWanted && isComplete(batch, active.results)) return this.#sendNow(batch);
    if (isWanted) this.#takenBack(batch, batch.size);
    onLost(active, failed);
  }

  #sendNow(batch: Batch): void {
    const { state, nodes, runs } = this.#parts;
    const { serial, results, literals, lists, code, request } = runs.get(batch.run.id)!;
    const { others } = request;
    const link = this.#linkOf(batch);
    const source: MessageSource = {
      serial,
      results,
      literals,
      others,
      listOf: (owner) => {
        // An element may be made again after its map was done.
        let list = lists.get(owner);
        if (list === undefined) lists.set(owner, (list = listOf(batch.run, owner, results, others)));
        return list;
      },
      code,
      tracer: this.#parts.tracer(),
      hostName: link.hostName,
      travelling: (data) => link.travelling(data, serial),
      nodeName: (index) => state.nodes[index]!.name,
      addressOf: ({ node, index }) => nodes.get(node.name)!.addressOf(index),
    };
    if (batch.gang !== null) this.#connect(batch, batch.gang);
    try {
      const outgoing = toOutgoing(batch, source, {
        starts: state.observed,
        spans: state.observed || this.#parts.timing(),
      });
      if (state.observed) this.#parts.onSend(batch);
      link.send(batch.thread.index, outgoing);
    } catch (cause) {
      if (isHandoffError(cause) && !isHandoffError(cause, 'NOT_SERIALIZABLE')) return this.#refused(batch, cause);
      // V8 has several errors for this, and every other thread would fail in the same way.
      this.#ended(batch, blame(batch, { results, others }, cause));
    }
  }

  /** Connects the workers of a gang with each other. */
  #connect({ thread }: Batch, { sources, exports }: GangPart): void {
    const { nodes } = this.#parts;
    for (const { thread: other } of new Set([...sources, ...exports.map(({ to }) => to)])) {
      nodes.get(thread.node.name)!.connect(thread.index, nodes.get(other.node.name)!, other.index);
    }
  }

  /** The other host could not find the code. */
  #refused(batch: Batch, cause: HandoffError): void {
    this.#ended(
      batch,
      batch.functions.map((_, index) => ({ index, kind: 'failed', error: toErrorWire(cause), retryable: false })),
    );
  }

  #ended(batch: Batch, exceptions: readonly Exception[]): void {
    this.#parts.feed({
      type: 'FunctionsEnded',
      batch: batch.id,
      first: 0,
      count: batch.size,
      exceptions,
      durations: [],
      random: 0,
    });
  }
}

/** Rejects when the result is neither here nor in the cache. */
async function readCached({ request: { cache } }: ActiveRun, i: number): Promise<void> {
  await cache!.read(i);
}

const none: readonly number[] = [];
const isOk = (): boolean => true;
const isNotOk = (): boolean => false;
