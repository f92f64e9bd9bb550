/**
 * The scheduler's shell: turns what nodes, timers and callers tell into events, and carries out the commands that follow. All decisions
 * are the machine's.
 */
import type { ResourceTracker } from '../scheduling/resources/resource-tracker.ts';
import type { Capabilities } from '../dag/types.ts';
import { HandoffError } from '../core/errors.ts';
import type { BatchReport, Question } from '../workers/node/lane-messages.ts';
import type { NodeEvents, NodeLink } from '../workers/node/node-link.ts';
import type { Command } from '../scheduling/scheduler/commands.ts';
import { isOnce } from '../scheduling/scheduler/once.ts';
import { hasLost, isContested } from '../scheduling/scheduler/race.ts';
import type { Event } from '../scheduling/scheduler/events.ts';
import { handle } from '../scheduling/scheduler/machine.ts';
import { type Batch, createState, type Run, type State, type Tuning } from '../scheduling/scheduler/state.ts';
import type { Payload } from '../workers/store/payload.ts';
import type { ResultMemory } from '../workers/store/result-memory.ts';
import { ActiveRun, findRun, type RunRequest } from './active-run.ts';
import { sendAhead } from './prefetch.ts';
import { IdleWaiters } from './idle-waiters.ts';
import { heldElsewhere, takeIn } from './report-decoder.ts';
import { explain, type Explanation } from './explain.ts';
import { toRunError } from './run-errors.ts';
import { CostModel } from '../scheduling/costs/cost-model.ts';
import { measuredIn } from './measurements.ts';
import { Observer, type Publisher } from './event-publisher.ts';
import { Timers } from './timers.ts';
import { type Exchange, resultsOn, Travel } from './remote-results.ts';
import { type Happening, Sender } from './sender.ts';

/** What the driver hands on to, and takes from. */
export interface DriverLinks {
  /** Where functions' questions for actors go. */
  readonly ask?: (question: Question) => void;
  /** What bounds the results of runs. */
  readonly memory?: ResultMemory | undefined;
  /** How results get here from other hosts; undefined: there are none. */
  readonly exchange?: Exchange | undefined;
  /** Where what runs show of functions goes. */
  readonly learned?: CostModel;
}

export class Driver {
  readonly state: State;
  readonly #observer: Observer;
  readonly #ask: (question: Question) => void;
  readonly #memory: ResultMemory | undefined;
  readonly #learned: CostModel;
  readonly #travel: Travel | undefined;
  readonly #nodes = new Map<string, NodeLink>();
  /** How often each node has come up. */
  readonly #incarnations = new Map<string, number>();
  readonly #runs = new Map<string, ActiveRun>();
  readonly #sender: Sender;
  readonly #timers = new Timers((timer) => this.#feed({ type: 'TimerFired', timer }));
  readonly #idle: IdleWaiters;
  /** Commands that follow from commands are carried out after them. */
  readonly #queue: Command[] = [];
  #draining = false;
  /** What happens while the scheduler is at work, which only a resource tracker can cause. */
  readonly #later: Happening[] = [];
  #handling = false;

  constructor(tracker: ResourceTracker, tuning: Partial<Tuning>, publisher: Publisher, { ask = () => {}, memory, exchange, learned = new CostModel(String) }: DriverLinks = {}) {
    this.#learned = learned;
    this.#ask = ask;
    this.#travel = exchange && new Travel(exchange);
    this.#memory = memory;
    this.state = createState(tracker, tuning);
    this.#idle = new IdleWaiters(this.state);
    this.#sender = new Sender({ state: this.state, nodes: this.#nodes, runs: this.#runs, travel: this.#travel, timing: () => this.#observer.timing, tracer: () => publisher.tracer, onSend: (batch) => this.#observer.sent(batch), feed: (event) => this.#feed(event), bring: (active, i) => this.#bring(active, i), onLost: (active, indexes) => this.#lost(active, indexes) });
    this.#observer = new Observer(publisher, (id) => this.#runs.get(id)!, (index) => this.state.nodes[index]?.name ?? '');
  }

  get runs(): ReadonlyMap<string, ActiveRun> {
    return this.#runs;
  }

  /** The threads that a node is to have, and what each ms on it costs. */
  offerOf(node: string): { readonly threads: number; readonly price: number } {
    const { threads, price = 0 } = this.#nodes.get(node)!.settings;
    return { threads, price };
  }

  /** Takes a node in. Its lanes come up by its events. */
  addNode(link: NodeLink): void {
    const { host, settings: { name, capabilities, speed } } = link;
    this.#nodes.set(name, link);
    this.#feed({ type: 'NodeUp', node: name, incarnation: this.#incarnations.get(name)!, capabilities, speed, host });
  }

  /** What a node is to tell: one that is to be taken in next. */
  eventsOf(node: string): NodeEvents {
    const incarnation = (this.#incarnations.get(node) ?? 0) + 1;
    this.#incarnations.set(node, incarnation);
    return {
      laneUp: (lane) => this.#feed({ type: 'LaneUp', node, incarnation, lane }),
      laneDown: (lane, crash, started) => {
        this.#feed({ type: 'LaneDown', node, incarnation, lane, crash, started, random: Math.random() }); // before anybody hears of it, who may start something
        if (crash.reason !== 'killed') this.#observer.publish('worker:crashed', () => ({ node, thread: lane, reason: crash.reason, error: crash.error }));
      },
      laneRestarted: (lane) => this.#observer.publish('worker:restarted', () => ({ node, thread: lane })),
      // To the scheduler it is as if the thread were away.
      laneBusy: (lane) => this.#feed({ type: 'LaneDown', node, incarnation, lane, crash: { reason: 'killed' }, started: [], random: 0 }),
      laneFree: (lane) => this.#feed({ type: 'LaneUp', node, incarnation, lane }),
      takenBack: (batch, limit) => this.#feed({ type: 'TakenBack', batch, limit }),
      started: (batch, index, at) => this.#started(batch, index, at),
      ended: (batch, report) => this.#ended(batch, report),
      ask: (question) => this.#ask(question),
      printed: (batch, index, text) => this.#observer.printed(this.state.batches.get(batch), index, text),
      log: ({ runId, dagId, functionId, attempt, values }) => this.#observer.publish('function:log', () => ({ runId, dagId, functionId, node, attempt, values })),
    };
  }

  /** @param returning whether it is being started again */
  nodeDown(node: string, returning: boolean, error: unknown): void {
    const { up, returning: wasReturning } = this.state.nodeByName.get(node)!;
    if (!up && wasReturning === returning) return;
    this.#feed({ type: 'NodeDown', node, returning, started: up ? this.#sender.takeAllBack(node) : undefined });
    if (up) this.#observer.publish('node:down', () => ({ node, error }));
  }

  /** A node is about to go: nothing more is sent to it. */
  nodeDraining(node: string): void {
    this.#feed({ type: 'NodeDraining', node });
  }

  /** Somebody else gave back what was claimed of a node. */
  resourcesFreed(): void {
    this.#feed({ type: 'ResourcesFreed' });
  }

  /** What lies on a host is gone with it. Its nodes are down already. */
  hostLost(host: string): void {
    for (const active of this.#runs.values()) this.#lost(active, resultsOn(host, active.results));
  }

  /** The runs that are under way. */
  get active(): ActiveRun[] {
    return [...this.#runs.values()];
  }

  /** Resolves when nothing of ours is on the nodes of a host any more; of any, when none is given. */
  idleOn(host?: number): Promise<void> {
    return this.#idle.wait(host);
  }

  /** Has every result come here that lies on a host; what cannot is lost. */
  async bringAll(host: string): Promise<void> {
    await Promise.all([...this.#runs.values()].flatMap((active) => resultsOn(host, active.results).map((i) => this.#bring(active, i).catch(() => this.#lost(active, [i])))));
  }

  /** Has a result of a run that is under way come here, if it is elsewhere. */
  bring(name: string, functionId: string): void {
    const active = findRun(this.#runs, name);
    const i = active?.results.index.indexOf(functionId) ?? -1;
    if (i >= 0 && active!.results.exists(i) && !active!.results.has(i)) this.#bring(active!, i).catch(() => {}); // it is waited for, and may be made again
  }

  /** Results hold more memory than they may, or no longer. */
  memoryPressed(isPressed: boolean): void {
    this.#feed({ type: 'MemoryPressed', isPressed });
  }

  changeCapabilities(node: string, capabilities: Capabilities): void {
    this.#feed({ type: 'CapabilitiesChanged', node, capabilities });
    this.#observer.publish('node:capabilities-changed', () => ({ node, capabilities }));
  }

  /**
   * Prepares a run under its id, before anything of it is done.
   *
   * @param whyStopped the error when its supervisor stops it
   */
  createRun(request: RunRequest, whyStopped: () => HandoffError): ActiveRun {
    return new ActiveRun(request, (run) => this.abort(run.id, whyStopped()), this.#memory);
  }

  submit(active: ActiveRun): void {
    const { plan, settings } = active.request;
    this.#runs.set(active.id, active);
    for (const code of settings.codes) this.state.estimates[code] ??= this.#learned.estimateOf(code);
    this.#observer.publish('run:started', () => ({ ...active.ids, functions: plan.size }));
    this.#feed({ type: 'RunSubmitted', run: active.id, plan, settings });
    active.run ??= this.state.runs.get(active.id);
  }

  /** @param gently lets the functions that run finish */
  abort(runId: string, reason: unknown, gently = false): void {
    if (this.#runs.has(runId)) this.#feed({ type: 'RunAborted', run: runId, reason, gently });
  }

  /**
   * What a run, or a function of it, waits for.
   *
   * @throws `NOT_FOUND` when there is no such run under way, or no such function in it
   */
  explain(name: string, functionId: string | undefined): Explanation {
    return explain(this.state, findRun(this.#runs, name)?.id ?? name, functionId, (node) => this.#nodes.get(node)!);
  }

  stop(): void {
    this.#timers.stop();
  }

  #feed(happening: Happening): void {
    if (this.#handling) {
      this.#later.push(happening); // a resource tracker calls back: one thing after the other
      return;
    }
    this.#handle(happening);
    for (let next = this.#later.shift(); next !== undefined; next = this.#later.shift()) this.#handle(next);
    if (this.#draining) return;
    this.#draining = true;
    let next = 0;
    try {
      while (next < this.#queue.length) this.#carryOut(this.#queue[next++]!);
    } finally {
      this.#queue.splice(0, next);
      this.#draining = false;
    }
    this.#idle.settle();
  }

  #handle(happening: Happening): void {
    this.state.observed = this.#observer.watching;
    this.#handling = true;
    try {
      for (const command of handle(this.state, { ...happening, now: performance.now() } as Event)) this.#queue.push(command);
    } finally {
      this.#handling = false;
    }
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case 'Start': return this.#sender.send(command.batch);
      case 'TakeBack': return this.#sender.takeBack(command.batch, command.count);
      case 'Cancel': return this.#sender.cancel(command.batch, command.why);
      case 'Kill': return this.#sender.kill(command);
      case 'SetTimer': return this.#timers.set(command.timer, command.ms);
      case 'ClearTimer': return this.#timers.clear(command.timer);
      case 'Release': return this.#release(command.run.id, command.indexes);
      case 'Recompute': {
        this.#release(command.run.id, command.indexes);
        return this.#observer.recomputed(command.run, command.indexes);
      }
      case 'Ready': return this.#observer.ready(command.run, command.index);
      case 'Retry': return this.#observer.retried(command.run, command.failed, command.delay);
      case 'Speculated': return this.#observer.speculated(command.batch, command.index);
      case 'Failed': return this.#observer.failed(command.run, command.failed);
      case 'FinishRun': return this.#finish(command.run);
      case 'FailRun': {
        const active = this.#runs.get(command.run.id)!;
        return this.#fail(active, toRunError(this.state, command.run, command.outcome, () => active.results.toReadableRecord(command.run.settings.kept)));
      }
    }
  }

  #release(runId: string, indexes: readonly number[]): void {
    const { serial, results } = this.#runs.get(runId)!;
    for (const i of indexes) {
      if (this.#travel !== undefined && results.exists(i)) this.#travel.release(serial, results.held(i));
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
    if (batch === undefined) return; // its lane was given up before it had told everything
    if (hasLost(batch)) return this.#drop(batch, report);
    const { run } = batch;
    const active = this.#runs.get(run.id)!;
    const { exceptions, lost, remote, large } = takeIn(batch, active.results, report, this.#memory?.budget);
    const isTold = exceptions.length === 0 || !isContested(batch); // else the function goes on elsewhere
    if (!batch.timedOut && isTold) this.#observer.ended(batch, report, exceptions);
    const durations = measuredIn(batch, report, { exceptions, large }, this.#learned);
    const { price } = this.#nodes.get(batch.lane.node.name)!.settings;
    if (price !== undefined) for (let k = 2; k < report.durations.length; k += 3) active.price += price * report.durations[k]!;
    const isKept = (i: number): boolean => run.settings.kept === null || run.settings.kept[i] === 1;
    const kept = remote.filter(isKept);
    if (kept.length > 0) this.#feed({ type: 'ResultsTravelling', run: run.id, count: kept.length });
    this.#feed({ type: 'FunctionsEnded', batch: id, first: report.first, count: report.count, exceptions, durations, random: exceptions.length === 0 ? 0 : Math.random(), ...((this.state.isSpread || run.settings.allocator !== undefined) && large.length > 0 && { large }) });
    if (run.sequence !== null && this.state.isSpread) sendAhead(this.state, this.#nodes, active, batch, large, (i) => void this.#bring(active, i).catch(() => {}));
    for (const i of kept) void this.#bring(active, i).catch(() => this.#lost(active, [i])).then(() => this.#isUnderWay(active) && this.#feed({ type: 'ResultsArrived', run: run.id, count: 1 }));
    // What cannot be made again is brought here as soon as it exists, so that the loss of a host does not cost it.
    for (const i of remote) if (!isKept(i) && isOnce(run.plan, i)) void this.#bring(active, i).catch(() => this.#lost(active, [i]));
    this.#lost(active, lost);
    active.report();
  }

  /** Another has given what this gives: there is nobody to have it. Its run may be over, and another have its id. */
  #drop({ id, run }: Batch, report: BatchReport): void {
    const active = this.#runs.get(run.id);
    if (active?.run === run) for (const payload of heldElsewhere(report)) this.#travel!.release(active.serial, payload);
    this.#feed({ type: 'FunctionsEnded', batch: id, first: report.first, count: report.count, exceptions: [], durations: [], random: 0 });
  }

  /** It may have ended while something came for it, and another may have its id now. */
  #isUnderWay(active: ActiveRun): boolean {
    return this.#runs.get(active.id) === active;
  }

  async #bring(active: ActiveRun, i: number): Promise<void> {
    const { results } = active;
    const payload = results.held(i) as Payload;
    try {
      await this.#travel!.bring(payload, active.serial);
    } catch (error) {
      if (results.exists(i) && results.held(i) === payload) throw error; // else it is being made anew already
    }
    if (results.arrived(i, payload) && this.#isUnderWay(active)) this.#observer.fetched(this.state.runs.get(active.id)!, i, payload);
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
    this.#travel?.endRun(active.serial);
    const durationMs = performance.now() - active.startedAt;
    this.#observer.publish('run:finished', () => ({ ...active.ids, functions: run.plan.size, retries: run.retries, durationMs }));
    active.finish();
  }

  #fail(active: ActiveRun, error: unknown): void {
    this.#runs.delete(active.id);
    this.#travel?.endRun(active.serial);
    this.#observer.publish('run:failed', () => ({ ...active.ids, error, durationMs: performance.now() - active.startedAt }));
    active.fail(error);
  }
}
