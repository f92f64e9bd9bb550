/** Another host as this host's scheduler uses it: its nodes, the batches sent to them, and their reports. */
import type { Capabilities } from '../../dag/types.ts';
import { type ErrorWire, fromErrorWire, toErrorWire } from '../../core/error-wire.ts';
import { HandoffError, isHandoffError } from '../../core/errors.ts';
import type { CodeRegistry } from '../../workers/node/code-registry.ts';
import type { BatchReport, ThreadCrash, OutgoingBatch } from '../../workers/node/thread-messages.ts';
import type { NodeEvents, NodeLink, StartedBatches } from '../../workers/node/node-link.ts';
import { translate } from '../../workers/node/translate.ts';
import {
  type FailureWire,
  type ModuleDescription,
  ReportKind,
  type SourceDescription,
} from '../../workers/node/wire.ts';
import type { PayloadData } from '../../workers/store/payload.ts';
import type { ObjectDirectory } from './object-directory.ts';
import { ThreadDowns } from './thread-downs.ts';
import type { ModuleNames } from './code-identity.ts';
import { fromAnswerOfHost, fromPayloadWire } from './payload-wire.ts';
import { checkReport } from './report-check.ts';
import type { Peer } from './peer.ts';
import type { CrashWire, PartsOf, Received } from './message-parts.ts';
import { Message, type NodeCard, Unreadable } from './wire.ts';
import { protocolError } from '../../core/protocol-error.ts';

/** What a remote host needs of this one. */
export interface Orchestrator {
  readonly codes: CodeRegistry;
  readonly names: ModuleNames;
  readonly objects: ObjectDirectory;
}

interface SentBatch {
  readonly node: string;
  readonly thread: number;
  readonly size: number;
}

export class RemoteHost {
  readonly peer: Peer;
  readonly #orchestrator: Orchestrator;
  readonly #nodes = new Map<string, RemoteNode>();
  /** Code that the host knows. */
  readonly #defined = new Set<number>();
  /** Batches that were sent and are not fully reported. */
  readonly #batches = new Map<number, SentBatch>();
  /** Code that the host has confirmed to be equal there. */
  readonly #checked = new Set<number>();
  /** How many thread failures it has reported. */
  readonly #downs = new ThreadDowns();
  /** The generation of our modules that the host knows. */
  #generation = 0;

  constructor(peer: Peer, orchestrator: Orchestrator) {
    this.peer = peer;
    this.#orchestrator = orchestrator;
  }

  get nodes(): ReadonlyMap<string, RemoteNode> {
    return this.#nodes;
  }

  /**
   * Adds one of its nodes.
   *
   * @param events receives the node's events, before its threads come up
   */
  add(card: NodeCard, events: NodeEvents): RemoteNode {
    const node = new RemoteNode(this, card, events);
    this.#nodes.set(card.name, node);
    return node;
  }

  remove(name: string): void {
    for (const [id, { node }] of this.#batches) if (node === name) this.#batches.delete(id);
    this.#nodes.delete(name);
  }

  message({ type, parts }: Received): void {
    switch (type) {
      case Message.thread: {
        const [node, thread] = parts;
        return this.#threadOf(node, thread)?.events.threadUp(thread);
      }
      case Message.threadDown:
        return this.#threadDown(...parts);
      case Message.started:
        return this.#started(...parts);
      case Message.ended:
        return this.#ended(...parts);
      case Message.takenBack:
        return this.#takenBack(...parts);
      case Message.blocked: {
        const [node, thread, batch, ms] = parts;
        return this.#threadOf(node, thread)?.events.threadBlocked(thread, batch ?? undefined, ms);
      }
      case Message.log:
        return this.#log(...parts);
      case Message.progress:
        return this.#progress(...parts);
      default:
        throw protocolError(`A peer sent a message of type ${type}, which an orchestrator does not accept.`);
    }
  }

  #threadDown(name: string, thread: number, crash: CrashWire, started: StartedBatches): void {
    const node = this.#threadOf(name, thread);
    this.#downs.add(name, thread);
    const own = started.filter(({ batch }) => this.#batches.get(batch)?.node === name);
    for (const [id, batch] of this.#batches)
      if (batch.node === name && batch.thread === thread) this.#batches.delete(id);
    node?.events.threadDown(thread, crashOf(crash), own);
  }

  #started(id: number, index: number, at: number): void {
    const batch = this.#batches.get(id);
    if (batch === undefined) return; // the batch was given up
    if (index >= batch.size) throw protocolError(`A peer started function ${index} of a batch of ${batch.size}.`);
    this.#eventsOf(batch)?.started(id, index, at - this.peer.clock.offset);
  }

  #ended(...[id, first, count, exceptions, durations, spans, values]: PartsOf<typeof Message.ended>): void {
    const batch = this.#batches.get(id);
    if (batch === undefined) return; // the batch was given up
    const report =
      values instanceof Unreadable
        ? failedReport(first, count, durations, values.error, batch.size)
        : { first, count, exceptions, durations, spans, values };
    checkReport(report, batch.size);
    if (first + count === batch.size) this.#batches.delete(id);
    this.#eventsOf(batch)?.ended(id, this.#report(report));
  }

  #takenBack(id: number, limit: number): void {
    const batch = this.#batches.get(id);
    if (batch === undefined) return; // the batch was given up
    if (limit > batch.size)
      throw protocolError(`A peer returned functions of a batch of ${batch.size} from function ${limit} on.`);
    this.#batches.set(id, { ...batch, size: limit });
    this.#eventsOf(batch)?.takenBack(id, limit);
  }

  #log(...[node, runId, dagId, functionId, attempt, values]: PartsOf<typeof Message.log>): void {
    this.#nodes.get(node)?.events.log({ origin: 0, runId, dagId, functionId, attempt, values: loggedOf(values) });
  }

  #progress(...[node, runId, dagId, functionId, attempt, fraction, note]: PartsOf<typeof Message.progress>): void {
    this.#nodes.get(node)?.events.progress({ origin: 0, runId, dagId, functionId, attempt, fraction, note });
  }

  #eventsOf({ node }: SentBatch): NodeEvents | undefined {
    return this.#nodes.get(node)?.events;
  }

  /**
   * Checks that code is the same there.
   *
   * @throws `VERSION_MISMATCH` when it differs; `FUNCTION_NOT_FOUND` when it is missing there; `UNAUTHORIZED` when
   *   the host does not run source text
   */
  async check(numbers: readonly number[]): Promise<void> {
    const { codes, names } = this.#orchestrator;
    this.#refresh();
    const unknown = [...new Set(numbers)].filter((number) => !this.#checked.has(number));
    if (unknown.length === 0) return;
    await this.peer.request(
      'check',
      unknown.map((number) => names.nameOf(codes.wire(number))),
    );
    for (const number of unknown) this.#checked.add(number);
  }

  /** After a reload, modules may have other versions. */
  #refresh(): void {
    const { generation } = this.#orchestrator.codes.versions;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#defined.clear();
    this.#checked.clear();
  }

  /** Defines the code of a batch that the host does not know yet. */
  #define(program: Int32Array, values: unknown[], size: number): void {
    const { codes, names } = this.#orchestrator;
    this.#refresh();
    translate(program, values, size, {
      code: (number) => {
        if (this.#defined.has(number)) return number;
        this.peer.send(Message.code, number, names.nameOf(codes.wire(number)));
        this.#defined.add(number);
        return number;
      },
      payload: (data) => data,
    });
  }

  travelling(data: PayloadData, serial: number): PayloadData {
    return this.#orchestrator.objects.travelling(data, serial, this.peer.identity.id) as PayloadData;
  }

  prefetch(data: PayloadData, serial: number): void {
    const { objects } = this.#orchestrator;
    objects.involve(serial, this.peer.identity.id);
    try {
      const wire = this.travelling(data, serial);
      if (wire.kind === 'remote') this.peer.send(Message.prefetch, serial, wire);
    } catch (error) {
      // The function that takes it will fail with this error.
      if (!isHandoffError(error, 'NOT_SERIALIZABLE')) throw error;
    }
  }

  send(
    node: string,
    thread: number,
    { id, flags, runId, dagId, serial, size, program, values, claim }: OutgoingBatch,
  ): void {
    const { objects } = this.#orchestrator;
    objects.involve(serial, this.peer.identity.id);
    this.#define(program, values as unknown[], size);
    try {
      this.peer.send(
        Message.batch,
        node,
        thread,
        id,
        serial,
        flags,
        runId,
        dagId,
        size,
        program.slice(),
        values,
        claim,
        this.#downs.of(node, thread),
      );
      this.#batches.set(id, { node, thread, size });
    } catch (error) {
      if (isHandoffError(error, 'NOT_SERIALIZABLE')) throw new DOMException(error.message, 'DataCloneError');
      throw error;
    }
  }

  async describe(url: string): Promise<ModuleDescription> {
    const { names } = this.#orchestrator;
    return this.peer.request('describe', names.nameOf({ url, module: url, export: '' }));
  }

  /** The node in a message about one of its threads. */
  #threadOf(name: string, thread: number): RemoteNode | undefined {
    const node = this.#nodes.get(name);
    if (node !== undefined && thread >= node.settings.threads)
      throw protocolError(
        `A peer sent a message about thread ${thread} of node ${JSON.stringify(name)}, which has ${node.settings.threads}.`,
      );
    return node;
  }

  /** The report as this host has it: results of its own form, times of its own clock. */
  #report(report: BatchReport): BatchReport {
    const { first, exceptions, spans } = report;
    const values = exceptions.length === 0 ? report.values : [...report.values];
    for (let k = 0; k < exceptions.length; k += 2) {
      const at = exceptions[k]! - first;
      const kind = exceptions[k + 1];
      if (kind === ReportKind.payload) (values as unknown[])[at] = fromPayloadWire(values[at]);
      else if (kind === ReportKind.expanded) (values as unknown[])[at] = fromAnswerOfHost(values[at]);
    }
    return { ...report, values, spans: spans && spans.map((at) => at - this.peer.clock.offset) };
  }
}

export class RemoteNode implements NodeLink {
  settings: {
    readonly name: string;
    readonly capabilities: Capabilities;
    readonly threads: number;
    readonly speed: number;
    readonly concurrency: number;
  };
  readonly host: number;
  readonly hostName: string;
  readonly events: NodeEvents;
  readonly #host: RemoteHost;

  constructor(of: RemoteHost, settings: RemoteNode['settings'], events: NodeEvents) {
    this.#host = of;
    this.settings = settings;
    this.host = of.peer.number;
    this.hostName = of.peer.identity.address ?? of.peer.identity.id;
    this.events = events;
  }

  travelling(data: PayloadData, serial: number): PayloadData {
    return this.#host.travelling(data, serial);
  }

  prefetch(data: PayloadData, serial: number): void {
    this.#host.prefetch(data, serial);
  }

  send(thread: number, batch: OutgoingBatch): void {
    this.#host.send(this.settings.name, thread, batch);
  }

  takeBack(_thread: number, batch: number, count: number): undefined {
    this.#host.peer.send(Message.takeBack, batch, count);
  }

  cancel(_thread: number, batch: number, why: 'aborted' | 'timeout'): undefined {
    this.#host.peer.send(Message.cancel, batch, why);
  }

  /** Unknown here until it has ended. */
  begun(): number {
    return 0;
  }

  kill(thread: number, batch?: number): undefined {
    if (batch !== undefined) this.#host.peer.send(Message.kill, this.settings.name, thread, batch);
  }

  /** Its threads share no process with those of other nodes here. */
  connect(): void {}

  addressOf(): number {
    return -1;
  }

  describe(url: string): Promise<ModuleDescription> {
    return this.#host.describe(url);
  }

  freeVariables(source: string): Promise<SourceDescription> {
    return this.#host.peer.request('freeVariables', source);
  }
}

/** A report with unreadable values: every function in it has failed. @param size of its batch */
function failedReport(
  first: number,
  count: number,
  durations: readonly number[],
  error: HandoffError,
  size: number,
): BatchReport {
  const failure: FailureWire = { error: toErrorWire(error), retryable: false };
  const indexes = Array.from({ length: Math.min(count, size) }, (_, k) => first + k);
  return {
    first,
    count,
    exceptions: indexes.flatMap((index) => [index, ReportKind.failed]),
    durations,
    spans: null,
    values: indexes.map(() => failure),
  };
}

/** Logged values arrive as `ErrorWire`, which any value can become. */
function loggedOf(values: readonly ErrorWire[] | Unreadable): unknown[] {
  try {
    return values instanceof Unreadable ? [values.error.message] : values.map(fromErrorWire);
  } catch (cause) {
    return [new Unreadable(cause).error.message];
  }
}

function crashOf({ reason, exitCode, error, batch }: CrashWire): ThreadCrash {
  return {
    reason,
    ...(exitCode !== undefined && { exitCode }),
    ...(error !== undefined && { error: fromErrorWire(error) }),
    ...(batch !== undefined && { batch }),
  };
}
