/**
 * Another host's scheduler on the nodes of this host: its batches are translated, wait for their inputs and claims, and
 * go to the threads that it chose, where they queue with all others.
 *
 * ```
 *   batch ─► its inputs are fetched ─► its claim is granted ─► a thread ─► report
 * ```
 *
 * When that host disconnects, its functions are aborted and their claims released.
 */
import { messageOf } from '../../core/message-of.ts';
import { shortage } from '../../scheduling/resources/amounts.ts';
import type { Capabilities, Cost } from '../../dag/types.ts';
import { textOf } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import type { BatchReport, FunctionProgress, ThreadCrash, Logged } from '../../workers/node/thread-messages.ts';
import type { NodeLink, StartedBatches } from '../../workers/node/node-link.ts';
import { translate } from '../../workers/node/translate.ts';
import { type AnswerWire, BatchFlag, type FailureWire, ReportKind } from '../../workers/node/wire.ts';
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';
import type { Admission } from './admission.ts';
import type { ObjectTable } from './object-table.ts';
import type { Fetcher } from './fetcher.ts';
import { RemoteInputs } from './remote-inputs.ts';
import { fromPayloadWire, toAnswerOfHost, toPayloadWire } from './payload-wire.ts';
import type { Peer } from './peer.ts';
import { ThreadDowns } from './thread-downs.ts';
import type { MessageType, PartsOf, Received } from './message-parts.ts';
import { canTravel } from './can-travel.ts';
import { Message, toTravellingError, Unreadable } from './wire.ts';
import { protocolError } from '../../core/protocol-error.ts';

/** What a remote scheduler needs of this host. */
export interface HostParts {
  readonly objectTable: ObjectTable;
  readonly fetcher: Fetcher;
  readonly admission: Admission;
  /** ms between aborting a function and ending its thread. */
  readonly grace: number;
  node(name: string): NodeLink | undefined;
  /** The number that this host has for some code of another; an error when the code cannot run here. */
  number(code: unknown, from: Peer): number | HandoffError;
  /** How many times the modules of this host were reloaded. */
  generation(): number;
  /** A batch number that is unique on this host. */
  nextBatch(): number;
}

/** A batch of another host on a thread of this one. */
export interface RemoteWork {
  /** The id of that host. */
  readonly host: string;
  /** Its number on that host. */
  readonly batch: number;
  readonly node: string;
  readonly thread: number;
  /** Functions that have not ended. */
  readonly queue: number;
  readonly isRunning: boolean;
}

interface RemoteBatch {
  /** Its number on the other host. */
  readonly id: number;
  /** Its number on this host. */
  readonly own: number;
  readonly node: string;
  readonly thread: number;
  readonly serial: number;
  readonly claim: Cost | undefined;
  readonly claimant: string;
  size: number;
  done: number;
  sent: boolean;
  granted: boolean;
  /** Its run has ended, so its results are dropped. */
  isRunOver: boolean;
  /** Withdraws its request for a claim. */
  withdraw: () => void;
}

export class RemoteScheduler {
  readonly peer: Peer;
  readonly #host: HostParts;
  readonly #inputs: RemoteInputs;
  /** Code of the other host, by the number it has there. */
  readonly #codes = new Map<number, number | HandoffError>();
  readonly #names = new Map<number, unknown>(); // its names on the other host
  #generation = 0; // of our modules when the numbers were taken
  readonly #theirs = new Map<number, number>();
  readonly #byId = new Map<number, RemoteBatch>();
  readonly #byOwn = new Map<number, RemoteBatch>();
  /** How many thread failures were reported to it. */
  readonly #downs = new ThreadDowns();
  #gone = false;

  constructor(peer: Peer, host: HostParts) {
    this.peer = peer;
    this.#host = host;
    this.#inputs = new RemoteInputs(peer, host.objectTable, host.fetcher);
  }

  get batches(): ReadonlyMap<number, unknown> {
    return this.#byOwn;
  }

  /** The number that a batch has on the other host; undefined: it is not one of its batches. */
  numberOf(own: number): number | undefined {
    return this.#byOwn.get(own)?.id;
  }

  /** Its batches on the threads of this host. */
  *work(): Iterable<RemoteWork> {
    for (const { id, own, node, thread, sent, size, done } of this.#byOwn.values()) {
      if (sent)
        yield {
          host: this.peer.identity.id,
          batch: id,
          node,
          thread,
          queue: size - done,
          isRunning: (this.#host.node(node)?.begun(thread, own) ?? 0) > done,
        };
    }
  }

  /** Handles one of its messages. */
  message({ type, parts }: Received): void {
    switch (type) {
      case Message.code:
        return this.#define(...parts);
      case Message.batch:
        return this.#batch(...parts);
      case Message.takeBack:
        return this.#takeBack(...parts);
      case Message.cancel:
        return this.#cancel(...parts);
      case Message.kill:
        return this.#kill(...parts);
      case Message.release:
        return this.#host.objectTable.release(this.peer.identity.id, ...parts);
      case Message.endRun:
        return this.#endRun(...parts);
      case Message.prefetch:
        return this.#inputs.prefetch(...parts);
      default:
        throw protocolError(`A peer sent a message of type ${type}, which a host of nodes does not accept.`);
    }
  }

  started(own: number, index: number, at: number): void {
    const batch = this.#byOwn.get(own);
    if (batch !== undefined) this.#report(Message.started, batch.id, index, at);
  }

  ended(own: number, report: BatchReport): void {
    const batch = this.#byOwn.get(own);
    if (batch === undefined) return;
    if (this.#gone) return this.#count(batch, report.count); // no longer needed
    const { first, count, exceptions, durations, spans, values } = report;
    if (batch.isRunOver) {
      this.#count(batch, count);
      return this.#report(Message.ended, batch.id, first, count, [], [], null, []);
    }
    const reported = [...values];
    for (let k = 0; k < exceptions.length; k += 2) {
      const at = exceptions[k]! - first;
      const kind = exceptions[k + 1];
      if (kind !== ReportKind.payload && kind !== ReportKind.expanded) continue;
      try {
        reported[at] =
          kind === ReportKind.payload
            ? this.#payload(reported[at] as PayloadData, batch)
            : toAnswerOfHost(reported[at] as AnswerWire);
      } catch (error) {
        reported[at] = failureOf(error);
        (exceptions as number[])[k + 1] = ReportKind.failed;
      }
    }
    for (let k = 0; k < durations.length; k += 3) (durations as number[])[k] = this.#theirs.get(durations[k]!)!;
    this.#count(batch, count);
    this.#reportEnded(batch, first, count, exceptions, durations, spans, reported);
  }

  #count(batch: RemoteBatch, count: number): void {
    batch.done += count;
    if (batch.done >= batch.size) this.#close(batch);
  }

  /** A node has shrunk: returns batches whose claim exceeds its capacity, because they would wait forever. */
  giveBack(node: string, capabilities: Capabilities): void {
    for (const batch of [...this.#byOwn.values()]) {
      if (
        batch.node === node &&
        !batch.sent &&
        batch.claim !== undefined &&
        shortage(batch.claim, capabilities) !== undefined
      )
        this.#shorten(batch, batch.size - batch.done);
    }
  }

  threadDown(node: string, thread: number, crash: ThreadCrash, started: StartedBatches): void {
    this.#downs.add(node, thread);
    const own = started.flatMap((each) =>
      this.#byOwn.has(each.batch) ? { batch: this.#byOwn.get(each.batch)!.id, started: each.started } : [],
    );
    // Another scheduler's function is none of its batches, and then none of them is at fault.
    const culprit = crash.batch === undefined ? undefined : (this.#byOwn.get(crash.batch)?.id ?? 0);
    for (const batch of this.#byOwn.values()) if (batch.node === node && batch.thread === thread) this.#close(batch);
    this.#report(
      Message.threadDown,
      node,
      thread,
      {
        reason: crash.reason,
        exitCode: crash.exitCode,
        error: crash.error === undefined ? undefined : toTravellingError(crash.error),
        batch: culprit,
      },
      own,
    );
  }

  /** @param own the batch whose function held the thread; undefined: it is not known */
  threadBlocked(node: string, thread: number, own: number | undefined, ms: number): void {
    const batch = own === undefined ? undefined : this.#byOwn.get(own)?.id;
    const isConcerned =
      own === undefined
        ? [...this.#byOwn.values()].some((each) => each.node === node && each.thread === thread)
        : batch !== undefined;
    if (isConcerned) this.#report(Message.blocked, node, thread, batch, ms);
  }

  progress(node: string, { runId, dagId, functionId, attempt, fraction, note }: FunctionProgress): void {
    this.#report(Message.progress, node, runId, dagId, functionId, attempt, fraction, note);
  }

  log(node: string, { runId, dagId, functionId, attempt, values }: Logged): void {
    this.#report(Message.log, node, runId, dagId, functionId, attempt, values.map(toTravellingError));
  }

  /** The other host has disconnected. */
  end(): void {
    this.#gone = true;
    const { grace } = this.#host;
    this.#inputs.end();
    for (const batch of [...this.#byOwn.values()]) {
      const count = batch.sent
        ? (this.#host.node(batch.node)?.cancel(batch.thread, batch.own, 'aborted') ?? 0)
        : batch.size - batch.done;
      batch.size -= count;
      if (batch.done >= batch.size) this.#close(batch);
    }
    if (this.#byOwn.size === 0) return;
    setTimeout(() => {
      for (const batch of this.#byOwn.values())
        if (this.#isRunning(batch)) this.#host.node(batch.node)!.kill(batch.thread, batch.own);
    }, grace).unref();
  }

  /**
   * Ends the thread that runs a batch. If the batch has already ended, the thread continues, and the other host is
   * informed.
   */
  #kill(node: string, thread: number, id: number): void {
    const batch = this.#byId.get(id);
    const isEnded = batch === undefined || !batch.sent || this.#host.node(node)?.kill(thread, batch.own) === false;
    if (isEnded && (this.#host.node(node)?.addressOf(thread) ?? -1) >= 0)
      this.#report(Message.thread, node, thread, true);
  }

  #isRunning({ sent, node, thread, own, done }: RemoteBatch): boolean {
    return sent && (this.#host.node(node)?.begun(thread, own) ?? 0) > done;
  }

  #endRun(serial: number): void {
    for (const batch of this.#byOwn.values()) if (batch.serial === serial) batch.isRunOver = true;
    this.#inputs.endRun(serial);
  }

  #define(number: number, code: unknown): void {
    this.#names.set(number, code);
    const ours = this.#host.number(code, this.peer);
    this.#codes.set(number, ours);
    if (typeof ours === 'number') this.#theirs.set(ours, number);
  }

  /** After a reload, our modules may have other versions. */
  #refresh(): void {
    if (this.#generation === this.#host.generation()) return;
    this.#generation = this.#host.generation();
    for (const [number, name] of [...this.#names]) this.#define(number, name);
  }

  #batch(
    ...[node, thread, id, serial, flags, runId, dagId, size, program, values, claim, downs]: PartsOf<
      typeof Message.batch
    >
  ): void {
    // Each function takes at least two words, and its thread must exist.
    const threads = this.#host.node(node)?.settings.threads ?? Infinity;
    if (size < 1 || 2 * size > program.length || thread >= threads) {
      throw protocolError(
        `A peer sent a batch of ${size} functions in ${program.length} words for thread ${thread} of node ${JSON.stringify(node)}, which has ${threads}.`,
      );
    }
    if ((flags & BatchFlag.concurrent) !== 0 && size !== 1)
      throw new HandoffError('PROTOCOL_ERROR', `A peer sent a concurrent batch of ${size} functions instead of one.`);
    if (downs !== this.#downs.of(node, thread)) return; // the other host has requeued it meanwhile
    if (this.#byId.has(id)) throw protocolError(`A peer sent two batches with number ${id}.`);
    if (values instanceof Unreadable) return this.#refuse(id, size, values.error);
    const wanted: { readonly at: (here: PayloadData) => void; readonly data: RemoteData }[] = [];
    let broken: HandoffError | undefined;
    this.#refresh();
    const code = (number: number): number => {
      const ours = this.#codes.get(number);
      if (ours === undefined) throw protocolError(`A peer sent a batch with code ${number}, which it has not defined.`);
      if (typeof ours === 'number') return ours;
      broken ??= ours;
      return number;
    };
    const payload = (wire: unknown): PayloadData => {
      const data = fromPayloadWire(wire);
      if (data.kind !== 'remote') return data;
      const stand = { ...data };
      wanted.push({
        data,
        at: (here) => Object.assign(stand, { key: undefined, of: undefined, host: undefined }, here),
      });
      return stand;
    };
    const starts = read(() => translate(program, values as unknown[], size, { code, payload }));
    if (broken !== undefined) return this.#refuse(id, size, broken);
    const batch: RemoteBatch = {
      id,
      own: this.#host.nextBatch(),
      node,
      thread,
      serial,
      claim: claim ?? undefined,
      claimant: `${this.peer.identity.id}/${runId}`,
      size,
      done: 0,
      sent: false,
      granted: false,
      isRunOver: false,
      withdraw: () => {},
    };
    this.#byId.set(id, batch);
    this.#byOwn.set(batch.own, batch);
    const send = (): void => {
      const isWhole = batch.size === size;
      batch.sent = true;
      const link = this.#host.node(node);
      try {
        if (link === undefined) throw new HandoffError('NODE_DOWN', `Node ${node} is gone.`);
        link.send(thread, {
          id: batch.own,
          flags,
          origin: this.peer.number,
          runId,
          dagId,
          serial,
          claim: batch.claim,
          size: batch.size,
          program: isWhole ? program : program.subarray(0, starts[batch.size]),
          values,
          sources: null,
          exports: null,
        });
      } catch (cause) {
        if (link === undefined) return this.threadDown(node, thread, { reason: 'killed' }, []);
        this.#close(batch); // it would fail on every other thread too
        this.#refuse(
          id,
          batch.size,
          new HandoffError(
            'NOT_SERIALIZABLE',
            `An argument cannot be sent to a worker thread of another host: ${textOf(cause).replace(/[^.]$/, '$&.')} Pass plain data.`,
            { cause },
          ),
        );
      }
    };
    const admit = (): void => {
      if (!this.#byOwn.has(batch.own)) return;
      if (batch.claim === undefined) return send();
      batch.withdraw = this.#host.admission.claim(node, batch.claim, batch.claimant, () => {
        batch.granted = true;
        send();
      });
    };
    if (wanted.length === 0) return admit();
    // If an input cannot be fetched, the function that takes it fails.
    void Promise.all(wanted.map(({ data, at }) => this.#inputs.resolve(data, serial).then(at, () => {}))).then(admit);
  }

  /** Code that cannot run here fails permanently. */
  #refuse(id: number, size: number, error: HandoffError): void {
    const failure = failureOf(error);
    this.#report(
      Message.ended,
      id,
      0,
      size,
      Array.from({ length: size }, (_, index) => [index, ReportKind.failed]).flat(),
      [],
      null,
      Array.from({ length: size }, () => failure),
    );
  }

  #payload(data: PayloadData, batch: RemoteBatch): unknown {
    return toPayloadWire(data, (large) => this.#host.objectTable.hold(this.peer.identity.id, batch.serial, large));
  }

  #takeBack(id: number, count: number): void {
    const batch = this.#byId.get(id);
    if (batch === undefined) return;
    const max = Math.min(count, batch.size - batch.done);
    this.#shorten(batch, batch.sent ? (this.#host.node(batch.node)?.takeBack(batch.thread, batch.own, max) ?? 0) : max);
  }

  #cancel(id: number, why: 'aborted' | 'timeout'): void {
    const batch = this.#byId.get(id);
    if (batch === undefined) return;
    this.#shorten(
      batch,
      batch.sent ? (this.#host.node(batch.node)?.cancel(batch.thread, batch.own, why) ?? 0) : batch.size - batch.done,
    );
  }

  #shorten(batch: RemoteBatch, count: number): void {
    batch.size -= count;
    if (batch.done >= batch.size) this.#close(batch);
    this.#report(Message.takenBack, batch.id, batch.size);
  }

  #close(batch: RemoteBatch): void {
    this.#byId.delete(batch.id);
    this.#byOwn.delete(batch.own);
    if (batch.claim === undefined) return;
    batch.withdraw();
    if (batch.granted) this.#host.admission.releaseOther(batch.node, batch.claim, batch.claimant);
    batch.granted = false;
  }

  #report<Type extends MessageType>(type: Type, ...parts: PartsOf<Type>): void {
    if (!this.#gone && !this.peer.closed) this.peer.send(type, ...parts);
  }

  /** Values that cannot travel to another host fail their functions. */
  #reportEnded(
    batch: RemoteBatch,
    ...parts: [number, number, readonly number[], readonly number[], readonly number[] | null, unknown[]]
  ): void {
    try {
      this.#report(Message.ended, batch.id, ...parts);
    } catch (error) {
      const [first, , exceptions, durations, spans, values] = parts;
      const kinds = new Map<number, number>();
      for (let k = 0; k < exceptions.length; k += 2) kinds.set(exceptions[k]!, exceptions[k + 1]!);
      const reported = values.map((value, k) => {
        if (canTravel(value)) return value;
        kinds.set(first + k, ReportKind.failed);
        return failureOf(error);
      });
      try {
        this.#report(
          Message.ended,
          batch.id,
          first,
          values.length,
          [...kinds].sort(([x], [y]) => x - y).flat(),
          durations,
          spans,
          reported,
        );
      } catch {
        // together they exceed the maximum length
        this.#report(
          Message.ended,
          batch.id,
          first,
          values.length,
          values.flatMap((_, k) => [first + k, ReportKind.failed]),
          durations,
          spans,
          values.map(() => failureOf(error)),
        );
      }
    }
  }
}

function failureOf(error: unknown): FailureWire {
  return { error: toTravellingError(error), retryable: false };
}

function read<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof HandoffError) throw cause;
    throw protocolError(`A peer sent a malformed batch: ${messageOf(cause)}.`, { cause });
  }
}
