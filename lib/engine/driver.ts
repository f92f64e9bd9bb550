/**
 * The scheduler's shell: turns reports of nodes, timers and callers into events, and carries out the resulting
 * commands. All decisions are made by the state machine.
 */
import type { ResourceTracker } from '../scheduling/resources/resource-tracker.ts';
import type { LimitRule } from '../scheduling/resources/limits.ts';
import type { Capabilities, Uses } from '../dag/types.ts';
import { HandoffError } from '../core/errors.ts';
import type { BatchReport, Question } from '../workers/node/thread-messages.ts';
import type { NodeEvents, NodeLink } from '../workers/node/node-link.ts';
import { isCancellable } from '../scheduling/scheduler/failure/cancellation.ts';
import type { Command } from '../scheduling/scheduler/commands.ts';
import { isOnce } from '../scheduling/scheduler/failure/once.ts';
import { hasLost, isContested, resultsIn } from '../scheduling/scheduler/speculation/race.ts';
import type { Event, Exception } from '../scheduling/scheduler/events.ts';
import { unreportedImports } from '../scheduling/scheduler/dispatch/gang.ts';
import { handleAll } from '../scheduling/scheduler/machine.ts';
import { endOf } from '../scheduling/scheduler/dispatch/threads.ts';
import { type Batch, createState, type Run, type State, Status, type Tuning } from '../scheduling/scheduler/state.ts';
import { Payload } from '../workers/store/payload.ts';
import type { ResultMemory } from '../workers/store/result-memory.ts';
import { ActiveRun, findRun, type RunRequest } from './active-run.ts';
import { sendAhead } from './results/prefetch.ts';
import { IdleWaiters } from './idle-waiters.ts';
import { timestamp } from '../events/events.ts';
import { timesOf } from './batches/attempt-times.ts';
import { heldElsewhere, takeIn } from './batches/report-decoder.ts';
import { explain, type Explanation, runningFunction } from './explain.ts';
import { toRunError } from './run-errors.ts';
import { CostModel } from '../scheduling/costs/cost-model.ts';
import { measuredIn } from './costs/measurements.ts';
import { Observer, type Publisher } from './event-publisher.ts';
import type { CachedRun, LookedUp } from './cache/run-cache.ts';
import type { RunRecorder } from './run-recorder.ts';
import type { ResolvedCode } from './module-resolver.ts';
import { Timers } from './timers.ts';
import { type CompileAnswer, Grower, type GrowthCommand } from './grower.ts';
import { type Exchange, resultsOn, Travel } from './results/remote-results.ts';
import { idsOf, nameOfRun } from './run-ids.ts';
import { type Happening, Sender } from './batches/sender.ts';

/** What the driver is connected to. */
export interface DriverLinks {
  /** The memory limit of results. */
  readonly memory?: ResultMemory | undefined;
  /** Transfers results between hosts; undefined without a transport. */
  readonly exchange?: Exchange | undefined;
  /** Learns durations and sizes from runs. */
  readonly learned?: CostModel;
  /** Limits of the program, by name. */
  readonly limits?: Readonly<Record<string, LimitRule>>;
}

type RareCommand = GrowthCommand | Extract<Command, { readonly type: 'AskLimits' | 'WithdrawLimits' | 'ReturnLimit' }>;

/** Where limits are counted that several processes share. */
export interface LimitSharing {
  /** Asks for all of some amounts. Answered by `Driver.limitsGranted`. */
  ask(uses: Uses): void;
  /** Takes back what was asked for: no answer follows. */
  withdraw(uses: Uses): void;
  /** Gives back of a limit what functions have held, and what none has used. */
  giveBack(name: string, held: number, unused: number): void;
}

// Reports become urgent this many ms before a thread is expected to run out of work. The system may take as long to wake
// a busy machine's main thread.
const reportLeadMs = 2;

// The same as a part of the time until then, so that little work is not reported function by function.
const reportLeadPart = 3;

export class Driver {
  readonly state: State;
  readonly #observer: Observer;
  #ask: (question: Question) => void = () => {};
  #sharing: LimitSharing | undefined;
  readonly #memory: ResultMemory | undefined;
  readonly #learned: CostModel;
  readonly #travel: Travel | undefined;
  readonly #nodes = new Map<string, NodeLink>();
  /** The nodes of this host. */
  readonly #nodesHere = new Map<string, NodeLink>();
  /** How often each node has come up. */
  readonly #incarnations = new Map<string, number>();
  readonly #runs = new Map<string, ActiveRun>();
  readonly #sender: Sender;
  readonly #grower: Grower;
  readonly #timers = new Timers((timer) => this.#feed({ type: 'TimerFired', timer }));
  readonly #idle: IdleWaiters;
  /** Commands that result from commands run after them. */
  readonly #queue: Command[] = [];
  #draining = false;
  /** Events that arrive while the scheduler handles one; only a resource tracker can cause them. */
  readonly #later: Happening[] = [];
  /** Graphs that are appended once all commands so far are carried out. */
  readonly #graphs: Happening[] = [];
  #handling = false;
  /** Ends that arrived together. The scheduler handles them in one pass. Undefined: they are handled one by one. */
  #ends: Happening[] | undefined;
  /** Runs whose progress these change. */
  readonly #progressed = new Set<ActiveRun>();

  constructor(
    tracker: ResourceTracker,
    tuning: Partial<Tuning>,
    publisher: Publisher,
    { memory, exchange, learned = new CostModel(String), limits }: DriverLinks = {},
  ) {
    this.#learned = learned;
    this.#travel = exchange && new Travel(exchange);
    this.#memory = memory;
    this.state = createState(tracker, tuning, limits);
    this.#idle = new IdleWaiters(this.state);
    const nameOf = (index: number): string => this.state.nodes[index]?.name ?? '';
    this.#sender = new Sender({
      state: this.state,
      nodes: this.#nodes,
      runs: this.#runs,
      travel: this.#travel,
      timing: () => this.#observer.timing,
      tracer: () => publisher.tracer,
      onSend: (batch) => this.#observer.sent(batch),
      feed: (event) => this.#feed(event),
      bring: (active, i) => this.#bring(active, i),
      onLost: (active, indexes) => this.#lost(active, indexes),
    });
    this.#observer = new Observer(publisher, (id) => this.#runs.get(id)!, nameOf);
    this.#grower = new Grower({
      runs: this.#runs,
      observer: this.#observer,
      nameOf,
      feed: (event) => this.#feed(event),
      append: (event) => this.#append(event),
      estimate: (code) => this.#estimate(code),
      bring: (active, i) => this.#bring(active, i),
      onLost: (active, indexes) => this.#lost(active, indexes),
      release: (runId, indexes) => this.#release(runId, indexes),
    });
  }

  /** Sets who receives the questions of functions to actors. */
  onQuestion(listener: (question: Question) => void): void {
    this.#ask = listener;
  }

  /** Sets who checks and compiles the graphs that functions answer with. */
  onAnswer(compile: CompileAnswer): void {
    this.#grower.compileAnswer = compile;
  }

  get runs(): ReadonlyMap<string, ActiveRun> {
    return this.#runs;
  }

  /** The number of threads of a node, and its price per ms. */
  offerOf(node: string): { readonly threads: number; readonly price: number } {
    const { threads, price = 0 } = this.#nodes.get(node)!.settings;
    return { threads, price };
  }

  /** Adds a node. Its threads come up by its events. */
  addNode(link: NodeLink): void {
    const {
      host,
      settings: { name, capabilities, speed, concurrency },
    } = link;
    this.#nodes.set(name, link);
    if (host === 0) this.#nodesHere.set(name, link);
    const incarnation = this.#incarnations.get(name)!;
    this.#feed({ type: 'NodeUp', node: name, incarnation, capabilities, speed, host, concurrency });
  }

  /** The callbacks of a node that is added next. */
  eventsOf(node: string): NodeEvents {
    const incarnation = (this.#incarnations.get(node) ?? 0) + 1;
    this.#incarnations.set(node, incarnation);
    return {
      threadUp: (thread) => this.#feed({ type: 'ThreadUp', node, incarnation, thread }),
      threadDown: (thread, crash, started) => {
        // before the event is published, because listeners may start work
        this.#feed({ type: 'ThreadDown', node, incarnation, thread, crash, started, random: Math.random() });
        if (crash.reason !== 'killed')
          this.#observer.publish('worker:crashed', () => ({
            node,
            thread: thread,
            reason: crash.reason,
            error: crash.error,
          }));
      },
      threadRestarted: (thread) => this.#observer.publish('worker:restarted', () => ({ node, thread: thread })),
      threadBlocked: (thread, batch, ms) => this.#blocked(node, thread, batch, ms),
      // For the scheduler, a busy thread is the same as an absent one.
      threadBusy: (thread) =>
        this.#feed({
          type: 'ThreadDown',
          node,
          incarnation,
          thread,
          crash: { reason: 'killed' },
          started: [],
          random: 0,
        }),
      threadFree: (thread) => this.#feed({ type: 'ThreadUp', node, incarnation, thread }),
      takenBack: (batch, limit) => this.#feed({ type: 'TakenBack', batch, limit }),
      started: (batch, index, at) => this.#started(batch, index, at),
      ended: (batch, report) => this.#ended(batch, report),
      together: (receive) => this.#together(receive),
      ask: (question) => this.#ask(question),
      printed: (batch, index, text) => this.#observer.printed(this.state.batches.get(batch), index, text),
      progress: ({ runId, dagId, functionId, attempt, fraction, note }) =>
        this.#observer.publish('function:progress', () => ({
          runId,
          dagId,
          functionId,
          node,
          attempt,
          fraction,
          note,
        })),
      log: ({ runId, dagId, functionId, attempt, values }) =>
        this.#observer.publish('function:log', () => ({ runId, dagId, functionId, node, attempt, values })),
    };
  }

  /** @param id of the batch whose function is known to have held the thread */
  #blocked(node: string, thread: number, id: number | undefined, ms: number): void {
    const batch = id === undefined ? undefined : this.state.batches.get(id);
    if (id !== undefined && batch === undefined) return; // another host's
    const functionId = batch && batch.run.plan.entries[batch.functions[0]!]!.id;
    this.#observer.publish('worker:blocked', () => ({ node, thread, ms, functionId }));
  }

  /** @param returning whether the node restarts or may reconnect */
  nodeDown(node: string, returning: boolean, error: unknown): void {
    const { up, returning: wasReturning } = this.state.nodeByName.get(node)!;
    if (!up && wasReturning === returning) return;
    this.#feed({ type: 'NodeDown', node, returning, started: up ? this.#sender.takeAllBack(node) : undefined });
    if (up) this.#observer.publish('node:down', () => ({ node, error }));
  }

  /** A node is about to leave: no more functions are sent to it. */
  nodeDraining(node: string): void {
    this.#feed({ type: 'NodeDraining', node });
  }

  /** Another claimant has released resources of a node. */
  resourcesFreed(): void {
    this.#feed({ type: 'ResourcesFreed' });
  }

  /** Results on a lost host are lost. Its nodes are already down. */
  hostLost(host: string): void {
    for (const active of this.#runs.values()) this.#lost(active, resultsOn(host, active.results));
  }

  /** Runs that have not ended. */
  get active(): ActiveRun[] {
    return [...this.#runs.values()];
  }

  /** Resolves when no batch of this host remains on the nodes of a host, or on any node. */
  idleOn(host?: number): Promise<void> {
    return this.#idle.wait(host);
  }

  /** Fetches all results from a host. Those that cannot be fetched are lost. */
  async bringAll(host: string): Promise<void> {
    await Promise.all(
      [...this.#runs.values()].flatMap((active) =>
        resultsOn(host, active.results).map((i) => this.#bring(active, i).catch(() => this.#lost(active, [i]))),
      ),
    );
  }

  /** Fetches a result of a run that has not ended, if it is on another host. */
  bring(name: string, functionId: string): void {
    const active = findRun(this.#runs, name);
    const i = active?.results.index.indexOf(functionId) ?? -1;
    if (i < 0 || !active!.results.exists(i) || active!.results.has(i)) return;
    for (const each of active!.results.holders(i))
      if (!active!.results.has(each)) this.#bring(active!, each).catch(() => {});
  }

  /** From now on, limits are counted with those of other processes. No run has begun. */
  shareLimits(sharing: LimitSharing): void {
    this.#sharing = sharing;
    this.#feed({ type: 'LimitsShared' });
  }

  limitsGranted(uses: Uses): void {
    this.#feed({ type: 'LimitsGranted', uses });
  }

  /** Results exceed their memory limit, or no longer do. */
  memoryPressed(isPressed: boolean): void {
    this.#feed({ type: 'MemoryPressed', isPressed });
  }

  changeCapabilities(node: string, capabilities: Capabilities): void {
    this.#feed({ type: 'CapabilitiesChanged', node, capabilities });
    this.#observer.publish('node:capabilities-changed', () => ({ node, capabilities }));
  }

  /**
   * Creates a run under its id, before any work.
   *
   * @param whyStopped returns the error if the supervisor stops the run
   */
  createRun(request: RunRequest, whyStopped: () => HandoffError): ActiveRun {
    return new ActiveRun(request, (run) => this.abort(run.id, whyStopped()), this.#memory);
  }

  submit(active: ActiveRun): void {
    const { plan, settings } = active.request;
    this.#runs.set(active.id, active);
    const { beginning } = active.request;
    this.#estimate(active.request.code);
    this.#observer.publish('run:started', () => ({ ...active.ids, functions: plan.size }));
    if (beginning !== undefined) {
      this.#observer.resumed(active, beginning);
      for (const code of beginning.codes.values()) this.#estimate(code);
    }
    this.#feed({ type: 'RunSubmitted', run: active.id, plan, settings });
    active.run ??= this.state.runs.get(active.id);
    active.request.cache?.begin(this.#cachedRun(active));
  }

  #estimate({ codes }: ResolvedCode): void {
    for (const code of codes) this.state.estimates[code] ??= this.#learned.estimateOf(code);
  }

  /** What the cache of a run needs of the run. */
  #cachedRun(active: ActiveRun): CachedRun {
    return {
      results: active.results,
      isWaiting: (i) => active.run!.status[i] === Status.waiting,
      lookedUp: (found) => this.#lookedUp(active, found),
      arrived: (i) => active.request.recorder?.cachedArrived(i, active.results),
      bring: (i) => this.#bring(active, i),
    };
  }

  #lookedUp(active: ActiveRun, { hits, misses, falsy, coming }: LookedUp): void {
    if (!this.#isUnderWay(active)) return;
    const { cache, recorder } = active.request;
    this.#observer.cached(active, hits);
    recorder?.cached(hits, active.results);
    if (coming.length > 0) this.#feed({ type: 'ResultsTravelling', run: active.id, count: coming.length });
    this.#feed({ type: 'LookedUp', run: active.id, hits, misses, falsy });
    for (const i of coming) {
      void cache!
        .read(i)
        .catch(() => this.#lost(active, [i]))
        .then(() => this.#isUnderWay(active) && this.#arrived(active, i));
    }
    active.report();
  }

  /** @param gently lets running functions finish */
  abort(runId: string, reason: unknown, gently = false): void {
    if (this.#runs.has(runId)) this.#feed({ type: 'RunAborted', run: runId, reason, gently });
  }

  /**
   * Cancels one function of a run. It fails with `ABORTED`, and the run continues by its failure policy.
   *
   * @returns false when the function has ended
   * @throws `NOT_FOUND` when there is no such run or function
   */
  cancelFunction(name: string, functionId: string): boolean {
    const { run, index } = runningFunction(this.state, findRun(this.#runs, name)?.id ?? name, functionId);
    if (!isCancellable(run, index)) return false;
    const ids = idsOf(run);
    const text = `Function ${JSON.stringify(functionId)} of ${nameOfRun(ids)} was cancelled.`;
    const reason = new HandoffError('ABORTED', text, { ...ids, functionId });
    this.#feed({ type: 'FunctionCancelled', run: run.id, index, reason });
    return true;
  }

  /**
   * What a run or one of its functions waits for.
   *
   * @throws `NOT_FOUND` when there is no such run or function
   */
  explain(name: string, functionId: string | undefined): Explanation {
    return explain(this.state, findRun(this.#runs, name)?.id ?? name, functionId, (node) => this.#nodes.get(node)!);
  }

  stop(): void {
    this.#timers.stop();
  }

  /** Handles the ends among several messages together, and each run reports its progress once. */
  #together(receive: () => void): void {
    this.#ends = [];
    this.#progressed.clear();
    try {
      receive();
    } finally {
      const ends = this.#ends;
      this.#ends = undefined;
      if (ends.length > 0) this.#feedAll(ends);
      for (const active of this.#progressed) active.report();
      this.#progressed.clear();
    }
  }

  #feed(happening: Happening): void {
    if (this.#ends === undefined) return this.#feedAll([happening]);
    this.#ends.push(happening);
    if (!isPlainEnd(happening)) this.#feedEnds();
  }

  /** Handles the ends that have arrived so far: what comes next depends on them. */
  #feedEnds(): void {
    if (this.#ends === undefined || this.#ends.length === 0) return;
    this.#feedAll(this.#ends.splice(0));
  }

  #feedAll(happenings: readonly Happening[]): void {
    if (this.#handling) {
      this.#later.push(...happenings); // a resource tracker calls back: handled afterwards
      return;
    }
    this.#handle(happenings);
    if (this.#draining) return;
    this.#draining = true;
    let next = 0;
    try {
      while (next < this.#queue.length) {
        this.#carryOut(this.#queue[next++]!);
        // Graphs that arrived together are appended together, before anything else starts.
        if (next === this.#queue.length && this.#graphs.length > 0) this.#handle(this.#graphs.splice(0));
      }
    } finally {
      this.#queue.splice(0, next);
      this.#draining = false;
    }
    this.#pace();
    this.#idle.settle();
  }

  /** Lets the threads of this host hold back reports until some thread may run out of work. */
  #pace(): void {
    let end = Infinity;
    for (const name of this.#nodesHere.keys()) {
      for (const thread of this.state.nodeByName.get(name)!.threads) {
        if (thread.up && !thread.killing) end = Math.min(end, endOf(thread));
      }
    }
    const lead = Math.min(reportLeadMs, Math.max(0, end - performance.now()) / reportLeadPart);
    for (const link of this.#nodesHere.values()) link.reportFrom?.(end - lead);
  }

  /** Handles these, and what arrives while the scheduler does. */
  #handle(happenings: readonly Happening[]): void {
    this.#handleOnce(happenings);
    for (let next = this.#later.shift(); next !== undefined; next = this.#later.shift()) this.#handleOnce([next]);
  }

  #handleOnce(happenings: readonly Happening[]): void {
    this.state.observed = this.#observer.watching;
    this.#handling = true;
    try {
      const now = performance.now();
      const events = happenings.map((each) => ({ ...each, now }) as Event);
      for (const command of handleAll(this.state, events)) this.#queue.push(command);
    } finally {
      this.#handling = false;
    }
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case 'Start':
        return this.#sender.send(command.batch);
      case 'TakeBack':
        return this.#sender.takeBack(command.batch, command.count);
      case 'Cancel':
        return this.#sender.cancel(command.batch, command.why);
      case 'Kill':
        return this.#sender.kill(command);
      case 'SetTimer':
        return this.#timers.set(command.timer, command.ms);
      case 'ClearTimer':
        return this.#timers.clear(command.timer);
      case 'Release':
        return this.#release(command.run.id, command.indexes);
      case 'Recompute':
        return this.#recompute(command);
      case 'Ready':
        return this.#observer.ready(command.run, command.index);
      case 'Retry':
        this.#recorderOf(command.run)?.failedAttempt(command.failed);
        return this.#observer.retried(command.run, command.failed, command.delay);
      case 'Speculated':
        return this.#observer.speculated(command.batch, command.index);
      case 'Skipped':
        this.#runs.get(command.run.id)!.request.cache?.skipped(command.index);
        return this.#observer.skipped(command.run, command.index);
      case 'Failed':
        this.#recorderOf(command.run)?.failedForGood(command.failed);
        return this.#observer.failed(command.run, command.failed);
      case 'FinishRun':
        return this.#finish(command.run);
      case 'FailRun': {
        const active = this.#runs.get(command.run.id)!;
        return this.#fail(
          active,
          toRunError(this.state, command.run, command.outcome, () =>
            active.results.toReadableRecord(command.run.settings.kept),
          ),
        );
      }
      default:
        return this.#carryOutRare(command);
    }
  }

  /** Carries out what concerns limits that processes share, or growth. */
  #carryOutRare(command: RareCommand): void {
    if (command.type === 'AskLimits') return this.#sharing!.ask(command.uses);
    if (command.type === 'WithdrawLimits') return this.#sharing!.withdraw(command.uses);
    if (command.type === 'ReturnLimit') return this.#sharing!.giveBack(command.name, command.held, command.unused);
    return this.#grower.carryOut(command);
  }

  /** Has a graph appended: together with others that have just arrived, if there are any. */
  #append(grown: Happening): void {
    if (this.#draining) this.#graphs.push(grown);
    else this.#feed(grown);
  }

  #recompute({ run, indexes }: Extract<Command, { type: 'Recompute' }>): void {
    const active = this.#runs.get(run.id)!;
    active.request.cache?.remade(indexes);
    for (const i of indexes) active.awaited.delete(i);
    this.#release(run.id, indexes);
    this.#observer.recomputed(run, indexes);
  }

  #release(runId: string, indexes: readonly number[]): void {
    const { serial, results, awaited } = this.#runs.get(runId)!;
    for (const i of indexes) {
      const coming = awaited.get(i);
      if (coming !== undefined) {
        coming.isReleased = true; // once it is here
        continue;
      }
      if (this.#travel !== undefined && !results.isComposite(i) && results.exists(i))
        this.#travel.release(serial, results.held(i));
      results.release(i);
    }
  }

  #started(id: number, index: number, at: number): void {
    const batch = this.state.batches.get(id);
    if (batch === undefined) return;
    this.#observer.started(batch, index, at);
    if (batch.exclusive) this.#feed({ type: 'FunctionStarted', batch: id, index });
  }

  #ended(id: number, report: BatchReport): void {
    const batch = this.state.batches.get(id);
    if (batch === undefined) return; // its thread was given up before it had reported everything
    if (hasPartners(batch)) this.#feedEnds(); // one of them may be that of a partner
    if (hasLost(batch)) return this.#drop(batch, report);
    const { run } = batch;
    const active = this.#runs.get(run.id)!;
    const { exceptions, lost, remote, large, falsy, answers } = takeIn(
      batch,
      active.results,
      report,
      active.request.others,
      this.#memory?.budget,
    );
    for (const [i, answer] of answers) active.answers.set(i, answer);
    const isTold = exceptions.length === 0 || !isContested(batch); // otherwise the function continues elsewhere
    if (!batch.timedOut && isTold) this.#observer.ended(batch, report, exceptions);
    if (!batch.timedOut) keep(active, batch, report, exceptions);
    const durations = measuredIn(batch, report, { exceptions, large }, this.#learned);
    active.price += this.#priceOf(batch, report);
    const isKept = (i: number): boolean => run.settings.kept === null || run.settings.kept[i] === 1;
    if (remote.length > 0) this.#expect(active, remote, isKept);
    this.#feed({
      type: 'FunctionsEnded',
      batch: id,
      first: report.first,
      count: report.count,
      exceptions,
      durations,
      random: exceptions.length === 0 ? 0 : Math.random(),
      ...((this.state.isSpread || run.settings.allocator !== undefined) && large.length > 0 && { large }),
      ...(falsy.length > 0 && { falsy }),
    });
    if (run.sequence !== null && this.state.isSpread)
      sendAhead(this.state, this.#nodes, active, batch, large, (i) => void this.#bring(active, i).catch(() => {}));
    for (const i of remote) this.#fetchNow(active, i, isKept(i));
    this.#lost(active, lost);
    if (this.#ends === undefined) active.report();
    else this.#progressed.add(active);
  }

  /** What the functions of a report cost on the node of their batch. */
  #priceOf({ thread }: Batch, { durations }: BatchReport): number {
    const { price } = this.#nodes.get(thread.node.name)!.settings;
    if (price === undefined) return 0;
    let ms = 0;
    for (let k = 2; k < durations.length; k += 3) ms += durations[k]!;
    return price * ms;
  }

  /**
   * The report of a batch that lost against a copy: its results are discarded. Its run may have ended, and another may
   * have its id.
   */
  #drop({ id, run }: Batch, report: BatchReport): void {
    const active = this.#runs.get(run.id);
    if (active?.run === run) for (const payload of heldElsewhere(report)) this.#travel!.release(active.serial, payload);
    this.#feed({
      type: 'FunctionsEnded',
      batch: id,
      first: report.first,
      count: report.count,
      exceptions: [],
      durations: [],
      random: 0,
    });
  }

  /**
   * Notes the results on another host that are about to be fetched: the run keeps them, or a caller waits for them. The
   * scheduler must not hear first that they are there, because it may release one at once.
   */
  #expect(active: ActiveRun, remote: readonly number[], isKept: (i: number) => boolean): void {
    for (const i of remote) if (!isKept(i) && isAwaited(active, i)) active.awaited.set(i, { isReleased: false });
    const { length } = remote.filter((i) => isKept(i) || active.awaited.has(i));
    if (length > 0) this.#feed({ type: 'ResultsTravelling', run: active.id, count: length });
  }

  /** Fetches a result from another host that just appeared, if it must not stay there. */
  #fetchNow(active: ActiveRun, i: number, isKept: boolean): void {
    const { plan } = active;
    if (isKept) {
      void this.#bringOrLose(active, i).then(() => this.#isUnderWay(active) && this.#arrived(active, i));
    } else if (active.awaited.has(i)) {
      void this.#bringAwaited(active, i);
    } else if (isOnce(plan, i)) {
      // It cannot be recomputed, so it must survive the loss of its host.
      void this.#bringOrLose(active, i);
    }
  }

  /** Fetches a result that a caller asked for before it existed. Until then the run neither releases it nor ends. */
  async #bringAwaited(active: ActiveRun, i: number): Promise<void> {
    const { awaited } = active;
    const coming = awaited.get(i)!;
    await this.#bring(active, i).catch(() => isOnce(active.plan, i) && this.#lost(active, [i]));
    if (!this.#isUnderWay(active)) return;
    // Otherwise it is made again.
    if (awaited.get(i) === coming) {
      awaited.delete(i);
      if (coming.isReleased) this.#release(active.id, [i]);
    }
    this.#arrived(active, i);
  }

  /** A result on another host that the run waits for is here, or cannot be brought. */
  #arrived({ id, results }: ActiveRun, i: number): void {
    const here = results.exists(i) && results.has(i) ? [i] : [];
    this.#feed({ type: 'ResultsArrived', run: id, count: 1, here });
  }

  #recorderOf(run: Run): RunRecorder | undefined {
    return this.#runs.get(run.id)?.request.recorder;
  }

  /** The run may have ended during a transfer, and another may have its id. */
  #isUnderWay(active: ActiveRun): boolean {
    return this.#runs.get(active.id) === active;
  }

  async #bring(active: ActiveRun, i: number): Promise<void> {
    const { results } = active;
    const payload = results.held(i) as Payload;
    try {
      await this.#travel!.bring(payload, active.serial);
    } catch (error) {
      if (results.exists(i) && results.held(i) === payload) throw error; // otherwise it is already being recomputed
    }
    if (!results.arrived(i, payload) || !this.#isUnderWay(active)) return;
    const run = this.state.runs.get(active.id)!;
    active.request.recorder?.arrived(i, this.state.nodes[run.node[i]!]!.name, results);
    this.#observer.fetched(run, i, payload);
  }

  async #bringOrLose(active: ActiveRun, i: number): Promise<void> {
    return this.#bring(active, i).catch(() => this.#lost(active, [i]));
  }

  #lost(active: ActiveRun, indexes: readonly number[]): void {
    const run = this.state.runs.get(active.id);
    if (indexes.length === 0 || run === undefined || !this.#isUnderWay(active)) return;
    this.#observer.lost(run, indexes);
    this.#feed({ type: 'ResultsLost', run: active.id, indexes });
  }

  #finish(run: Run): void {
    const active = this.#runs.get(run.id)!;
    active.run = run;
    this.#runs.delete(run.id);
    active.request.cache?.end();
    this.#travel?.endRun(active.serial);
    const durationMs = performance.now() - active.startedAt;
    this.#observer.publish('run:finished', () => ({
      ...active.ids,
      functions: run.plan.size,
      retries: run.retries,
      durationMs,
    }));
    active.finish();
  }

  #fail(active: ActiveRun, error: unknown): void {
    this.#runs.delete(active.id);
    active.request.cache?.end();
    this.#travel?.endRun(active.serial);
    this.#observer.publish('run:failed', () => ({
      ...active.ids,
      error,
      durationMs: performance.now() - active.startedAt,
    }));
    active.fail(error);
  }
}

/** Whether an end gives results and nothing else, so that it does not change what other ends mean. */
function isPlainEnd(happening: Happening): boolean {
  return happening.type === 'FunctionsEnded' && happening.exceptions.length === 0;
}

/** Whether a batch has a rival, or takes results from batches of other threads that are not reported yet. */
function hasPartners({ contest, gang }: Batch): boolean {
  return contest !== null || gang !== null;
}

/** Whether a caller waits for a result. */
function isAwaited({ results, plan }: ActiveRun, i: number): boolean {
  return results.isAwaited?.(plan.entries[i]!.id) === true;
}

/** Records the results of a report in the journal and in the cache, where the run has them. */
function keep(
  { request, results }: ActiveRun,
  batch: Batch,
  report: BatchReport,
  exceptions: readonly Exception[],
): void {
  const { recorder, cache } = request;
  if (recorder === undefined && cache === undefined) return;
  const functions = resultsIn(batch, report, exceptions);
  recorder?.finished(functions, batch.thread.node.name, results, unreportedImports(batch));
  const times = recorder && timesOf(batch, report, exceptions, timestamp());
  if (times !== undefined) recorder!.timed(times);
  cache?.ended(functions);
}
