/** The scheduler in a virtual world: nodes that fail, links that lose messages, and a clock that jumps. */
import { SimpleResourceTracker } from '../resources/resource-tracker.ts';
import type { LimitRule } from '../resources/limits.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { Command, CommandOf } from '../scheduler/commands.ts';
import { createEstimate } from '../scheduler/dispatch/estimate.ts';
import type { Event, EventOf, RunSettings } from '../scheduler/events.ts';
import { handleAll } from '../scheduler/machine.ts';
import { holdersOf, inputsOf } from '../scheduler/growth/growth.ts';
import type { Answer } from '../scheduler/growth/span.ts';
import type { FunctionFailure, Outcome } from '../scheduler/outcome.ts';
import { type Batch, createState, type Thread, type Run, type State, Status, type Tuning } from '../scheduler/state.ts';
import { unreportedImports } from '../scheduler/dispatch/gang.ts';
import { hasLost, resultsIn } from '../scheduler/speculation/race.ts';
import { validate } from '../scheduler/validate.ts';
import { EventQueue } from './event-queue.ts';
import type { ResolvedFaults } from './faults.ts';
import { Random } from '../../core/random.ts';
import { type NodeShape, SimNode } from './sim-node.ts';
import { RemoteResults } from './remote-results.ts';
import type { Happening, SentBatch, ToNode } from './wire.ts';
import { Violation, InvariantChecker } from './invariant-checker.ts';

export interface Scenario {
  readonly seed: number;
  readonly nodes: readonly NodeShape[];
  readonly faults: ResolvedFaults;
  /** ms that a message between a node and the orchestrator takes. */
  readonly latency: number;
  /** Bytes per second between nodes. Infinity: a result takes only the latency. */
  readonly bandwidth: number;
  readonly tuning: Partial<Tuning>;
  /** Limits of the program, by name. Default: none. */
  readonly limits?: Readonly<Record<string, LimitRule>>;
  /** ms on a node of speed 1. */
  durationOf(plan: CompiledDag, i: number): number;
  /** Whether the result of a condition is falsy. Default: never. */
  isFalsy?(plan: CompiledDag, i: number): boolean;
  /** The number of elements in the list of a map. Default 1. */
  widthOf?(plan: CompiledDag, i: number): number;
  /** The graph that a function answers with; undefined for a result. Default: always a result. */
  graphOf?(plan: CompiledDag, i: number): Answer | undefined;
  /** Whether all events of one moment are handled before anything starts. */
  readonly together?: boolean;
  /** Whether all invariants are checked after every event. */
  readonly checked: boolean;
}

/** The elements of a map, or the graph that a function answered with. */
export type GrownBy = Pick<CommandOf<'Grown'>, 'run' | 'index' | 'base' | 'count'>;

/** What else happens to a run that is recorded. */
export interface Recording {
  /** An attempt of a function has failed. */
  failedAttempt(failed: FunctionFailure): void;
  /** Functions have ended on a node, with results. `missing`: not reported yet, and they may have taken the results. */
  finished(functions: readonly number[], node: string, missing: ReadonlySet<number>): void;
  /** The run has grown. */
  grown(growth: GrownBy): void;
  /** Calls back once it is recorded that functions start; at once where nothing has to be recorded. */
  starting(functions: readonly number[], node: string, then: () => void): void;
  ended(outcome: Outcome | undefined): void;
}

/** What a run begins with. */
export interface Beginning {
  /** Undefined for a run that is not recorded any more. */
  readonly recording?: Recording;
  /** Results of restored functions that are there. */
  readonly needed: readonly number[];
}

/** Callbacks that observe a simulation. */
export interface Listener {
  began?(run: Run, i: number, node: string, attempt: number, at: number, batch: number): void;
  ended?(run: Run, i: number, node: string, gave: boolean, at: number, batch: number): void;
  /** The orchestrator takes in the result of a function. */
  took?(run: Run, i: number): void;
  /** An event and the commands that followed from it. */
  handled?(event: Event, commands: readonly Command[], at: number): void;
  noted?(text: string, at: number): void;
}

// More events than this per function mean an endless loop.
const manyEvents = 2000;

export class Simulation {
  readonly eventQueue: EventQueue;
  readonly outcomes = new Map<
    string,
    { readonly outcome: Outcome | undefined; readonly at: number; readonly run: Run }
  >();
  readonly #scenario: Scenario;
  readonly #random: Random;
  readonly #listener: Listener;
  readonly #state: State;
  readonly #checker: InvariantChecker;
  readonly #remote: RemoteResults;
  readonly #nodes = new Map<string, SimNode>();
  readonly #timers = new Map<number, () => void>();
  /** By thread: the number of its ends that were reported. */
  readonly #downs = new Map<string, number>();
  /** Commands that follow from commands run after them, as in the driver. */
  readonly #commands: Command[] = [];
  #carrying = false;
  /** The events of this moment that will be handled together. */
  readonly #inbox: Event[] = [];
  /** How far the orchestrator's clock is ahead, in ms. */
  #ahead = 0;
  #events = 0;
  #functions = 0;
  /** Elements of maps whose result is an error, which is never lost. */
  readonly #settled = new Set<string>();
  readonly #submitted: string[] = [];
  /** By recorded run: what it begins with. */
  readonly #beginnings = new Map<string, Beginning>();
  /** Batches that are sent once their start is recorded. */
  readonly #waiting = new Set<Batch>();
  /** Whether the orchestrator is dead. */
  #isDead = false;
  /** By planned run and function: when its result was made. */
  readonly #madeAt = new WeakMap<Run, Float64Array>();

  /** @param eventQueue the time, if other simulations share it */
  constructor(scenario: Scenario, listener: Listener = {}, eventQueue = new EventQueue()) {
    this.eventQueue = eventQueue;
    this.#scenario = scenario;
    this.#listener = listener;
    this.#random = new Random(scenario.seed);
    this.#state = createState(new SimpleResourceTracker(), scenario.tuning, scenario.limits);
    this.#checker = new InvariantChecker(this.#state, () => this.eventQueue.now);
    this.#remote = new RemoteResults(this.#state);
    const isSpread = scenario.nodes.some(({ host = 0 }) => host !== 0);
    const random = this.#random;
    const { faults, latency } = scenario;
    for (const shape of scenario.nodes) {
      const node: SimNode = new SimNode(shape, {
        eventQueue,
        random,
        faults,
        latency,
        feed: (happening) => this.#feed(happening),
        durationOf: ({ batch }, at) => scenario.durationOf(batch.run.plan, batch.functions[at]!),
        expands: ({ plan }, i) => scenario.graphOf?.(plan, i) !== undefined,
        isFalsy: ({ plan }, i) => scenario.isFalsy?.(plan, i) === true,
        bytesOf: ({ plan }, i) => (isSpread ? (plan.entries[i]!.traits.outputBytes ?? 0) : 0),
        began: (at, sent, position) => this.#began(at, sent, position),
        ended: (at, sent, position, gave) => this.#ended(at, sent, position, gave),
        handOver: (to, batch, place, gave) =>
          eventQueue.in(to.node === shape.name ? 0 : latency, () =>
            this.#nodes.get(to.node)!.import(to.thread, batch, place, gave),
          ),
        note: (text) => listener.noted?.(text, eventQueue.now),
      });
      this.#nodes.set(shape.name, node);
    }
    for (const node of this.#nodes.values()) node.start();
    const perSecond = (rate: number, happen: () => void): void => {
      if (rate > 0) eventQueue.every(() => random.exponential(rate / 1000), happen);
    };
    perSecond(faults.clockJumps, () => this.#jump());
    perSecond(faults.losses, () => this.#loseSome());
  }

  /**
   * Submits a run.
   *
   * @param at ms from now
   * @param beginning for a run that is recorded
   */
  submit(plan: CompiledDag, settings: RunSettings, at = 0, beginning?: Beginning): void {
    if (beginning !== undefined) this.#beginnings.set(plan.dagId, beginning);
    this.#submitted.push(plan.dagId);
    this.#functions += plan.size;
    for (const code of settings.codes) this.#state.estimates[code] ??= createEstimate();
    // A caller submits a run only after its nodes have come up.
    const submit = (): void => {
      if (this.#isDead) return;
      const nodesUp = this.#inbox.filter(({ type }) => type === 'NodeUp').length;
      if (this.#state.nodes.length + nodesUp < this.#nodes.size) this.eventQueue.in(10, submit);
      else this.#feed({ type: 'RunSubmitted', run: plan.dagId, plan, settings });
    };
    this.eventQueue.in(Math.max(at, this.#scenario.latency), submit);
  }

  abort(run: string, at: number, gently: boolean): void {
    this.eventQueue.in(at, () => this.#feed({ type: 'RunAborted', run, reason: 'aborted', gently }));
  }

  /** Cancels a function at a given time, if it has not ended by then. */
  cancel(run: string, index: number, at: number): void {
    this.eventQueue.in(at, () => this.#feed({ type: 'FunctionCancelled', run, index, reason: 'cancelled' }));
  }

  /** The orchestrator dies without a word. Its nodes go on until they miss it. */
  kill(): void {
    this.#isDead = true;
    this.eventQueue.in(this.#scenario.faults.silence, () => {
      for (const node of this.#nodes.values()) node.end();
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Whether every run is over. Batches that have lost a race may outlast their run. */
  get isOver(): boolean {
    return this.#isDead || (this.outcomes.size === this.#submitted.length && this.#state.batches.size === 0);
  }

  /**
   * Runs until every run is over.
   *
   * @throws `Violation` when an invariant does not hold
   */
  run(): void {
    while (!this.isOver) {
      if (!this.eventQueue.step()) break;
      if (this.#inbox.length > 0 && !this.eventQueue.isBusy) this.#takeIn(this.#inbox.splice(0));
      if (++this.#events > manyEvents * (this.#functions + 10))
        throw new Violation(`it does not end: ${this.#events} events for ${this.#functions} functions`);
    }
    this.checkEnd();
  }

  /** @throws `Violation` when the state after the last event is not as it has to be */
  checkEnd(): void {
    if (this.#isDead) return;
    if (this.#scenario.checked) this.#checker.end(this.#submitted);
    else if (this.outcomes.size < this.#submitted.length)
      throw new Violation('no event is left, but a run is not over');
  }

  #feed(happening: Happening): void {
    if (this.#isDead) return;
    // The scheduler never knew it.
    if (happening.type === 'NodeDown' && !this.#state.nodeByName.has(happening.node)) return;
    if (happening.type === 'ThreadDown') {
      const key = downsKey({ name: happening.node, incarnation: happening.incarnation }, happening.thread);
      this.#downs.set(key, (this.#downs.get(key) ?? 0) + 1);
    }
    const event = { ...happening, now: this.eventQueue.now + this.#ahead } as Event;
    if (this.#scenario.together === true) this.#inbox.push(event);
    else this.#takeIn([event]);
  }

  #takeIn(events: readonly Event[]): void {
    for (const each of events) this.#beforeHandling(each);
    const event = events.at(-1)!;
    const threadsBefore = 'node' in event ? (this.#state.nodeByName.get(event.node)?.threadsUp ?? 0) : 0;
    const ended = events.flatMap((each) => (each.type === 'FunctionsEnded' ? this.#record(each) : []));
    const commands = handleAll(this.#state, events);
    for (const { run, i } of ended) if (run.status[i] === Status.done) this.#listener.took?.(run, i);
    for (const each of events) this.#listener.handled?.(each, each === event ? commands : [], this.eventQueue.now);
    if (this.#scenario.checked) {
      validate(this.#state);
      if (event.type === 'RunSubmitted' && event.settings.restored !== undefined)
        this.#checker.restored(event.run, event.settings.restored.keys(), this.#beginnings.get(event.run)!.needed);
      this.#checker.watch(event, threadsBefore, commands);
    }
    this.#commands.push(...commands);
    if (this.#carrying) return;
    this.#carrying = true;
    for (let next = 0; next < this.#commands.length; next++) this.#carryOut(this.#commands[next]!);
    this.#commands.length = 0;
    this.#carrying = false;
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case 'Start':
        return this.#start(command.batch);
      case 'TakeBack':
        if (this.#waiting.delete(command.batch)) return this.#neverSent(command.batch);
        return this.#send(command.batch.thread, (thread) => ({
          type: 'take-back',
          thread,
          batch: command.batch.id,
          count: command.count,
        }));
      case 'Cancel':
        if (this.#waiting.delete(command.batch)) return this.#neverSent(command.batch);
        return this.#send(command.batch.thread, (thread) => ({ type: 'cancel', thread, batch: command.batch.id }));
      case 'Kill':
        return this.#send(command.node.threads[command.thread]!, (thread) => ({
          type: 'kill',
          thread,
          batch: command.batch,
        }));
      case 'SetTimer': {
        const { timer } = command;
        const clear = this.eventQueue.in(command.ms, () => {
          this.#timers.delete(timer);
          this.#feed({ type: 'TimerFired', timer });
        });
        return void this.#timers.set(timer, clear);
      }
      case 'ClearTimer':
        this.#timers.get(command.timer)?.();
        return void this.#timers.delete(command.timer);
      case 'Grow': {
        const { run, index, asked } = command;
        const count = this.#scenario.widthOf?.(run.plan, index) ?? 1;
        return void this.eventQueue.in(0, () => this.#feed({ type: 'RunGrown', run: run.id, index, asked, count }));
      }
      case 'Expand': {
        const { run, index, asked } = command;
        const answer = this.#scenario.graphOf!(run.plan, index)!;
        for (const code of answer.codes) this.#state.estimates[code] ??= createEstimate();
        return void this.eventQueue.in(0, () => this.#feed({ type: 'GraphGrown', run: run.id, index, asked, answer }));
      }
      case 'Grown':
        this.#functions += command.count;
        return this.#recordingOf(command.run)?.grown(command);
      case 'Settled':
        return this.#settle(command);
      default:
        return this.#note(command);
    }
  }

  /** The error of an element is its result. */
  #settle({ run, failed: { index, node } }: CommandOf<'Settled'>): void {
    this.#settled.add(`${run.id}/${index}`);
    this.#recordingOf(run)?.finished([index], this.#state.nodes[node]?.name ?? '', new Set());
  }

  /** Carries out what only concerns observers and the journal. */
  #note(command: Command): void {
    switch (command.type) {
      case 'Retry':
      case 'Failed':
        return this.#recordingOf(command.run)?.failedAttempt(command.failed);
      case 'FinishRun':
        return this.#over(command.run, undefined);
      case 'FailRun':
        return this.#over(command.run, command.outcome);
      default:
        return;
    }
  }

  #over(run: Run, outcome: Outcome | undefined): void {
    this.outcomes.set(run.id, { outcome, at: this.eventQueue.now, run });
    this.#recordingOf(run)?.ended(outcome);
  }

  #recordingOf({ id }: Run): Recording | undefined {
    return this.#beginnings.get(id)?.recording;
  }

  /** Records the results of a report. Returns its functions that were not done before. */
  #record(report: Extract<Event, { readonly type: 'FunctionsEnded' }>): { readonly run: Run; readonly i: number }[] {
    const batch = this.#state.batches.get(report.batch);
    const recording = batch === undefined ? undefined : this.#recordingOf(batch.run);
    if (batch === undefined || recording === undefined) return [];
    const { run, thread } = batch;
    if (!batch.timedOut && !hasLost(batch)) {
      const functions = resultsIn(batch, report, report.exceptions);
      if (functions.length > 0) recording.finished(functions, thread.node.name, unreportedImports(batch));
    }
    return batch.functions.filter((i) => run.status[i] !== Status.done).map((i) => ({ run, i }));
  }

  #start(batch: Batch): void {
    const recording = this.#recordingOf(batch.run);
    if (recording === undefined) return this.#sendBatch(batch);
    this.#waiting.add(batch);
    recording.starting(batch.functions, batch.thread.node.name, () => {
      const isWanted = this.#waiting.delete(batch) && this.#state.batches.get(batch.id) === batch;
      if (!isWanted || this.#isDead) return;
      if (isComplete(batch)) this.#sendBatch(batch);
      else this.#neverSent(batch);
    });
  }

  #neverSent({ id }: Batch): void {
    this.eventQueue.in(0, () => this.#feed({ type: 'TakenBack', batch: id, limit: 0 }));
  }

  #sendBatch(batch: Batch): void {
    this.#send(batch.thread, (thread) => ({
      type: 'start',
      thread,
      sent: this.#toSent(batch),
      downs: this.#downs.get(downsKey(batch.thread.node, thread)) ?? 0,
    }));
  }

  #send({ node, index }: Thread, message: (thread: number) => ToNode): void {
    this.#nodes.get(node.name)!.send(message(index), node.incarnation);
  }

  /** A batch with what the orchestrator knows when it sends it, and nothing that it learns later. */
  #toSent(batch: Batch): SentBatch {
    const { run, functions, gang } = batch;
    const { entries } = run.plan;
    const locals: number[][] = [];
    const imports: number[][] = [];
    const arrivals = new Float64Array(functions.length);
    for (const [at, i] of functions.entries()) {
      const [local, imported]: [number[], number[]] = [[], []];
      const taken =
        run.growth === null ? inputsOf(run, i) : inputsOf(run, i).flatMap((dep) => [...holdersOf(run, dep)]);
      for (const dep of taken) {
        const place = gang?.imports.get(dep);
        if (run.status[dep] === Status.skipped) continue;
        if (run.status[dep] === Status.done) {
          if (this.#scenario.checked) this.#checker.check(run, i, dep);
          const elsewhere = run.node[dep] !== batch.thread.node.index;
          if (elsewhere) arrivals[at] = Math.max(arrivals[at]!, this.#arrival(run, dep));
        } else if (place !== undefined) {
          imported.push(place);
        } else {
          const position = run.batch[dep] === batch.id ? run.tally[dep]! : functions.indexOf(dep);
          if (position < 0 || position >= at)
            throw new Violation(`${run.id}/${entries[i]!.id} is sent without ${entries[dep]!.id}`);
          local.push(position);
        }
      }
      locals.push(local);
      imports.push(imported);
    }
    return { batch, locals, imports, arrivals, attempts: Int32Array.from(functions, (i) => run.attempts[i]! + 1) };
  }

  /**
   * When a result is on another node, in ms. Its transfer starts when its reader is sent; in a planned run, when it was
   * made.
   */
  #arrival(run: Run, dep: number): number {
    const { latency, bandwidth } = this.#scenario;
    const bytes = run.plan.entries[dep]!.traits.outputBytes ?? 0;
    const ms = latency + (bytes === 0 ? 0 : (bytes / bandwidth) * 1000);
    const since = run.sequence === null ? undefined : this.#madeAt.get(run)?.[dep];
    return (since ?? this.eventQueue.now) + ms;
  }

  #began(node: SimNode, sent: SentBatch, at: number): void {
    if (this.#scenario.checked) this.#checker.began(node, sent, at);
    this.#listener.began?.(
      sent.batch.run,
      sent.batch.functions[at]!,
      node.shape.name,
      sent.attempts[at]!,
      Math.max(this.eventQueue.now, sent.arrivals[at]!),
      sent.batch.id,
    );
  }

  #ended(node: SimNode, sent: SentBatch, at: number, gave: boolean): void {
    if (this.#scenario.checked) this.#checker.ended(node, sent, at);
    const { run, functions } = sent.batch;
    if (run.sequence !== null) {
      let made = this.#madeAt.get(run);
      if (made === undefined || made.length < run.plan.size) {
        const longer = new Float64Array(run.plan.size);
        if (made !== undefined) longer.set(made);
        this.#madeAt.set(run, (made = longer));
      }
      made[functions[at]!] = this.eventQueue.now;
    }
    this.#listener.ended?.(
      sent.batch.run,
      sent.batch.functions[at]!,
      node.shape.name,
      gave,
      this.eventQueue.now,
      sent.batch.id,
    );
  }

  /** What the driver learns together with an event. */
  #beforeHandling(event: Event): void {
    if (event.type === 'FunctionsEnded') return this.#travel(event);
    if (event.type !== 'NodeDown' && event.type !== 'NodeUp') return;
    if (event.type === 'NodeUp' && event.incarnation <= (this.#state.nodeByName.get(event.node)?.incarnation ?? 0))
      return;
    for (const { run, indexes } of this.#remote.lostWith(event.node))
      this.#feed({ type: 'ResultsLost', run: run.id, indexes });
  }

  /** Lets the results of a report that the run keeps travel to this host. The run does not end before they are here. */
  #travel(event: EventOf<'FunctionsEnded'>): void {
    const { latency, bandwidth } = this.#scenario;
    for (const { run, index, bytes, arrive } of this.#remote.note(event)) {
      this.#feed({ type: 'ResultsTravelling', run: run.id, count: 1 });
      this.eventQueue.in(latency + (bytes / bandwidth) * 1000, () =>
        this.#feed({ type: 'ResultsArrived', run: run.id, count: 1, here: arrive() ? [index] : [] }),
      );
    }
  }

  /** Loses a random existing result. */
  #loseSome(): void {
    const there = [...this.#state.runs.values()].flatMap((run) =>
      [...run.plan.entries.keys()].flatMap((i) =>
        run.status[i] === Status.done && this.#canBeLost(run, i) ? [{ run, i }] : [],
      ),
    );
    if (there.length === 0) return;
    const { run, i } = this.#random.pick(there);
    this.#listener.noted?.(`the result of ${run.id}/${run.plan.entries[i]!.id} is lost`, this.eventQueue.now);
    this.#feed({ type: 'ResultsLost', run: run.id, indexes: [i] });
  }

  /** The list of a map is no result of its own, and errors are with the orchestrator. */
  #canBeLost(run: Run, i: number): boolean {
    if (run.growth?.expansions.has(i) === true) return false; // its result is that of its graph
    if (run.settings.restored?.has(i) === true) return false; // it is in the journal
    return run.growth?.byOwner.has(i) !== true && !this.#settled.has(`${run.id}/${i}`);
  }

  #jump(): void {
    this.#ahead += this.#random.next() * 60_000;
    this.#listener.noted?.(
      `the orchestrator's clock jumps to ${(this.eventQueue.now + this.#ahead).toFixed(1)} ms`,
      this.eventQueue.now,
    );
  }
}

/** Whether no input was lost while the batch waited. */
function isComplete({ run, functions, gang }: Batch): boolean {
  const isThere = (dep: number): boolean =>
    run.status[dep] === Status.done ||
    run.status[dep] === Status.skipped ||
    functions.includes(dep) ||
    gang?.imports.has(dep) === true;
  return functions.every((i) => inputsOf(run, i).every(isThere));
}

function downsKey(
  { name, incarnation }: { readonly name: string; readonly incarnation: number },
  thread: number,
): string {
  return `${name}/${incarnation}/${thread}`;
}
