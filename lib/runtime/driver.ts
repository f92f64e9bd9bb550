/**
 * The scheduler's shell: turns what nodes, timers and callers tell into events, and carries out the commands that follow. All decisions
 * are the machine's.
 */
import type { ResourceTracker } from '../allocation/resource-tracker.ts';
import type { Capabilities } from '../dag/types.ts';
import { HandoffError } from '../errors.ts';
import { type LongTimeout, setLongTimeout } from '../long-timeout.ts';
import type { BatchReport, Question } from '../node/lane-events.ts';
import type { NodeActor, NodeEvents } from '../node/node-actor.ts';
import type { Command } from '../scheduler/commands.ts';
import type { Event, Exception, Measured } from '../scheduler/events.ts';
import { handle } from '../scheduler/machine.ts';
import { type Batch, createState, type GangPart, type Run, type State, type Tuning } from '../scheduler/state.ts';
import { toErrorWire } from '../error-wire.ts';
import type { ResultMemory } from '../store/result-memory.ts';
import { ActiveRun, type RunRequest } from './active-run.ts';
import { takeIn } from './intake.ts';
import { type MessageSource, toOutgoing } from './batch-message.ts';
import { type BegunOf, type Explanation, explainOne, explainRun } from './explain.ts';
import { toRunError } from './failures.ts';
import { Observer, type Publisher } from './observer.ts';

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

/** What the driver hands on to, and takes from. */
export interface DriverLinks {
  /** Where functions' questions for actors go. */
  readonly ask?: (question: Question) => void;
  /** What bounds the results of runs. */
  readonly memory?: ResultMemory | undefined;
}

export class Driver {
  readonly state: State;
  readonly #observer: Observer;
  readonly #ask: (question: Question) => void;
  readonly #memory: ResultMemory | undefined;
  readonly #nodes = new Map<string, NodeActor>();
  /** How often each node has come up. */
  readonly #incarnations = new Map<string, number>();
  readonly #runs = new Map<string, ActiveRun>();
  readonly #timers = new Map<number, LongTimeout>();
  /** Commands that follow from commands are carried out after them. */
  readonly #queue: Command[] = [];
  #draining = false;
  /** What happens while the scheduler is at work, which only a resource tracker can cause. */
  readonly #later: Happening[] = [];
  #handling = false;

  constructor(tracker: ResourceTracker, tuning: Partial<Tuning>, publisher: Publisher, { ask = () => {}, memory }: DriverLinks = {}) {
    this.#ask = ask;
    this.#memory = memory;
    this.state = createState(tracker, tuning);
    this.#observer = new Observer(publisher, (id) => this.#runs.get(id)!, (index) => this.state.nodes[index]?.name ?? '');
  }

  get runs(): ReadonlyMap<string, ActiveRun> {
    return this.#runs;
  }

  /** Takes a node in. Its lanes come up by its events. */
  addNode(actor: NodeActor): void {
    const { name, capabilities, speed } = actor.settings;
    this.#nodes.set(name, actor);
    this.#feed({ type: 'NodeUp', node: name, incarnation: this.#incarnations.get(name)!, capabilities, speed });
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
      started: (batch, index, at) => this.#started(batch, index, at),
      ended: (batch, report) => this.#ended(batch, report),
      ask: (question) => this.#ask(question),
      log: (dagId, functionId, attempt, values) => this.#observer.publish('function:log', () => ({ dagId, functionId, node, attempt, values })),
    };
  }

  /** @param returning whether it is being started again */
  nodeDown(node: string, returning: boolean, error: unknown): void {
    const { up, returning: wasReturning } = this.state.nodeByName.get(node)!;
    if (!up && wasReturning === returning) return;
    this.#feed({ type: 'NodeDown', node, returning });
    if (up) this.#observer.publish('node:down', () => ({ node, error }));
  }

  /** Results hold more memory than they may, or no longer. */
  memoryPressed(isPressed: boolean): void {
    this.#feed({ type: 'MemoryPressed', isPressed });
  }

  changeCapabilities(node: string, capabilities: Capabilities): void {
    this.#feed({ type: 'CapabilitiesChanged', node, capabilities });
    this.#observer.publish('node:capabilities', () => ({ node, capabilities }));
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
    for (const code of settings.codes) this.state.estimates[code] ??= { mean: 0, count: 0 };
    this.#observer.publish('run:started', () => ({ dagId: active.id, functions: plan.size }));
    this.#feed({ type: 'RunSubmitted', run: active.id, plan, settings });
    active.run ??= this.state.runs.get(active.id);
  }

  /** @param gently lets the functions that run finish */
  abort(dagId: string, reason: unknown, gently = false): void {
    if (this.#runs.has(dagId)) this.#feed({ type: 'RunAborted', run: dagId, reason, gently });
  }

  /**
   * What a run, or a function of it, waits for.
   *
   * @throws `NOT_FOUND` when there is no such run under way, or no such function in it
   */
  explain(dagId: string, functionId: string | undefined): Explanation {
    const active = this.#runs.get(dagId);
    const run = this.state.runs.get(dagId);
    if (active === undefined || run === undefined) throw new HandoffError('NOT_FOUND', `No run of DAG ${JSON.stringify(dagId)} is under way.`, { dagId });
    const begunOf: BegunOf = (node, lane, batch) => this.#nodes.get(node)!.begun(lane, batch);
    if (functionId === undefined) return explainRun(this.state, run, begunOf);
    const i = run.plan.indexOf(functionId);
    if (i < 0) throw new HandoffError('NOT_FOUND', `Run ${JSON.stringify(dagId)} has no function ${JSON.stringify(functionId)}, or it is inline and runs as part of others.`, { dagId, functionId });
    return explainOne(this.state, run, i, begunOf);
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.clear();
    this.#timers.clear();
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
      case 'Start': return this.#send(command.batch);
      case 'TakeBack': {
        const { batch } = command;
        const count = this.#nodes.get(batch.lane.node.name)!.takeBack(batch.lane.index, batch.id, command.count);
        return this.#takenBack(batch, count);
      }
      case 'Cancel': {
        const { batch } = command;
        const count = this.#nodes.get(batch.lane.node.name)!.cancel(batch.lane.index, batch.id, command.why);
        return this.#takenBack(batch, count);
      }
      case 'Kill': return this.#nodes.get(command.node.name)!.kill(command.lane);
      case 'SetTimer': return this.#setTimer(command.timer, command.ms);
      case 'ClearTimer': return this.#clearTimer(command.timer);
      case 'Release': {
        const { results } = this.#runs.get(command.run.id)!;
        for (const i of command.indexes) results.release(i);
        return;
      }
      case 'Recompute': {
        const { results } = this.#runs.get(command.run.id)!;
        for (const i of command.indexes) results.release(i);
        return this.#observer.recomputed(command.run, command.indexes);
      }
      case 'Ready': return this.#observer.ready(command.run, command.index);
      case 'Retry': return this.#observer.retried(command.run, command.failed, command.delay);
      case 'Failed': return this.#observer.failed(command.run, command.failed);
      case 'FinishRun': return this.#finish(command.run);
      case 'FailRun': {
        const active = this.#runs.get(command.run.id)!;
        return this.#fail(active, toRunError(this.state, command.run, command.outcome, () => active.results.toRecord(command.run.settings.kept)));
      }
    }
  }

  #takenBack({ id, size }: Batch, count: number): void {
    this.#feed({ type: 'TakenBack', batch: id, limit: size - count });
  }

  #send(batch: Batch): void {
    const active = this.#runs.get(batch.run.id)!;
    const source: MessageSource = {
      results: active.results, literals: active.literals, code: active.request.code,
      nodeName: (index) => this.state.nodes[index]!.name,
      addressOf: ({ node, index }) => this.#nodes.get(node.name)!.addressOf(index),
    };
    if (batch.gang !== null) this.#connect(batch, batch.gang);
    const outgoing = toOutgoing(batch, source, this.state.observed);
    if (this.state.observed) this.#observer.sent(batch);
    try {
      this.#nodes.get(batch.lane.node.name)!.send(batch.lane.index, outgoing);
    } catch (cause) {
      if (cause instanceof DOMException) return this.#unsendable(batch, cause);
      this.#nodes.get(batch.lane.node.name)!.kill(batch.lane.index); // not the batch's fault: it is put back when the thread is gone
    }
  }

  /** The workers of a gang must be able to reach each other. */
  #connect({ lane }: Batch, { sources, exports }: GangPart): void {
    const actor = this.#nodes.get(lane.node.name)!;
    for (const { lane: other } of new Set([...sources, ...exports.map(({ to }) => to)])) {
      actor.connect(lane.index, this.#nodes.get(other.node.name)!, other.index);
    }
  }

  /** A literal that only showed itself as unsendable now: they are checked beforehand, but only as far as the language can see. */
  #unsendable(batch: Batch, cause: unknown): void {
    const { plan } = batch.run;
    const guilty = batch.functions.filter((i) => !canBeCloned([plan.entries[i]!.extraArgs, plan.calls.get(i)]));
    const exceptions = batch.functions.map((i, index): Exception => {
      if (guilty.length > 0 && !guilty.includes(i)) return { index, kind: 'skipped' };
      const text = `An argument of function ${JSON.stringify(plan.entries[i]!.id)} cannot be sent to a worker thread: ${cause instanceof Error ? cause.message : String(cause)}`;
      return { index, kind: 'failed', error: toErrorWire(new HandoffError('NOT_SERIALIZABLE', text, { cause })), retryable: false };
    });
    this.#feed({ type: 'FunctionsEnded', batch: batch.id, first: 0, count: batch.size, exceptions, durations: [], random: 0 });
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
    const { run } = batch;
    const active = this.#runs.get(run.id)!;
    const { exceptions, lost } = takeIn(batch, active.results, report, this.#memory?.budget);
    if (report.spans !== null && !batch.timedOut) this.#observer.ended(batch, report, exceptions);
    const durations: Measured[] = [];
    for (let k = 0; k < report.durations.length; k += 3) {
      durations.push({ code: report.durations[k]!, count: report.durations[k + 1]!, ms: report.durations[k + 2]! });
    }
    this.#feed({ type: 'FunctionsEnded', batch: id, first: report.first, count: report.count, exceptions, durations, random: exceptions.length === 0 ? 0 : Math.random() });
    if (lost.length > 0) {
      this.#observer.lost(run, lost);
      this.#feed({ type: 'ResultsLost', run: run.id, indexes: lost });
    }
    this.#progress(active);
  }

  #progress(active: ActiveRun): void {
    try {
      active.report();
    } catch (error) {
      queueMicrotask(() => { throw error; }); // a listener's fault is not the run's
    }
  }

  #finish(run: Run): void {
    const active = this.#runs.get(run.id)!;
    active.run = run;
    this.#runs.delete(run.id);
    const durationMs = performance.now() - active.startedAt;
    this.#observer.publish('run:finished', () => ({ dagId: run.id, functions: run.plan.size, retries: run.retries, durationMs }));
    active.finish();
  }

  #fail(active: ActiveRun, error: unknown): void {
    this.#runs.delete(active.id);
    this.#observer.publish('run:failed', () => ({ dagId: active.id, error, durationMs: performance.now() - active.startedAt }));
    active.fail(error);
  }

  #setTimer(timer: number, ms: number): void {
    this.#timers.set(timer, setLongTimeout(() => {
      this.#timers.delete(timer);
      this.#feed({ type: 'TimerFired', timer });
    }, ms));
  }

  #clearTimer(timer: number): void {
    this.#timers.get(timer)?.clear();
    this.#timers.delete(timer);
  }
}

function canBeCloned(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
