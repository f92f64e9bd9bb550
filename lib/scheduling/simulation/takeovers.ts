/**
 * Orchestrators that die, and others that take over their runs from the log.
 *
 * ```
 *   first    ──── runs ──── ✂ dies, or only seems dead: it goes on until it is fenced off
 *   log      ─ submitted ─ owned ─ finished … ─────── owned ─ finished … ─ ended
 *   second                                   claims ──── replays ──── runs the rest
 * ```
 */
import { Random } from '../../core/random.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { decodeChunk, encodeChunk } from '../../journal/codec.ts';
import type { Block } from '../../journal/blocks.ts';
import { withoutLost, withoutSuperseded } from '../../journal/discarding.ts';
import { doubtOf, doubtOfLost } from '../../journal/doubt.ts';
import type { Claim } from '../../journal/journal.ts';
import { MemoryRuns } from '../../journal/memory/memory-runs.ts';
import type { RunRecord } from '../../journal/record.ts';
import { replay } from '../../journal/replay.ts';
import { toRestore, toRestored } from '../../journal/restore.ts';
import type { Command, CommandOf } from '../scheduler/commands.ts';
import type { Answer, RecordedGrowth } from '../scheduler/growth/span.ts';
import type { RunSettings } from '../scheduler/events.ts';
import { expansionOfOwner } from '../scheduler/growth/growth.ts';
import { lineageOf, regrown } from '../scheduler/growth/regrown.ts';
import type { Run } from '../scheduler/state.ts';
import { DurabilityChecker } from './durability-checker.ts';
import { EventQueue } from './event-queue.ts';
import { Violation } from './invariant-checker.ts';
import { SimRecorder } from './sim-recorder.ts';
import { type Listener, type Scenario, Simulation } from './simulation.ts';

/** A run that a caller asks for. */
export interface AskedRun {
  readonly plan: CompiledDag;
  readonly settings: RunSettings;
  /** ms from the start. */
  readonly at: number;
  /** What else the caller asks of the first orchestrator, which begins the run in `from` ms. */
  readonly ask: (simulation: Simulation, from: number) => void;
}

/** The end of an orchestrator. */
export interface Takeover {
  /** ms after the orchestrator has begun. */
  readonly at: number;
  /** ms until another one takes over. */
  readonly lease: number;
  /** Whether it lives on, and was taken for dead. */
  readonly lives: boolean;
}

export interface Durability {
  readonly takeovers: readonly Takeover[];
  /** The maximum time that the store takes for a chunk, in ms. */
  readonly writeMs: number;
  /** The probability that the bytes of a result are not kept. */
  readonly unkept: number;
}

// More events than this per function mean an endless loop.
const manyEvents = 4000;

export class Takeovers {
  readonly #scenario: Scenario;
  readonly #durability: Durability;
  readonly #runs: readonly AskedRun[];
  readonly #listener: Listener;
  readonly #eventQueue = new EventQueue();
  readonly #log = new MemoryRuns();
  readonly #checker = new DurabilityChecker();
  readonly #random: Random;
  readonly #simulations: Simulation[] = [];
  /** The graphs that functions have answered with, by run and id. */
  readonly #answers = new Map<string, Answer>();
  /** How many functions the runs have, with those that they have grown by. */
  #functions = 0;

  constructor(scenario: Scenario, durability: Durability, runs: readonly AskedRun[], listener: Listener = {}) {
    this.#scenario = scenario;
    this.#durability = durability;
    this.#runs = runs;
    this.#listener = listener;
    this.#random = new Random(scenario.seed ^ 0xd0_0d);
  }

  /**
   * Runs until every run is over.
   *
   * @throws `Violation` when a promise or an invariant does not hold
   */
  run(): Simulation {
    for (const { plan, at } of this.#runs) {
      this.#checker.submitted(plan.dagId, plan);
      const submitted = encodeChunk([{ type: 'submitted', dag: { id: plan.dagId, functions: [] }, options: {} }]);
      const { dagId, size: functions } = plan;
      this.#log.submit({ runId: dagId, dagId, functions }, submitted, at);
    }
    this.#begin(0);
    this.#functions = this.#runs.reduce((sum, { plan }) => sum + plan.size, 10);
    let events = 0;
    while (!this.#isOver() && this.#eventQueue.step()) {
      if (++events > manyEvents * this.#functions * (this.#durability.takeovers.length + 1))
        throw new Violation(`it does not end: ${events} events for ${this.#functions} functions`);
    }
    for (const simulation of this.#simulations) simulation.checkEnd();
    this.#checker.end();
    return this.#simulations.at(-1)!;
  }

  #isOver(): boolean {
    return (
      this.#runs.every(({ plan }) => this.#checker.hasEnded(plan.dagId)) &&
      this.#simulations.every((simulation) => simulation.isOver)
    );
  }

  /** Starts an orchestrator. */
  #begin(number: number): void {
    const owner = `orchestrator ${number}`;
    const eventQueue = this.#eventQueue;
    this.#log.alive.add(owner);
    const { seed } = this.#scenario;
    const simulation = new Simulation(
      { ...this.#scenario, seed: seed + number * 7919 },
      this.#listen(owner),
      eventQueue,
    );
    this.#simulations.push(simulation);
    this.#listener.noted?.(`${owner} begins`, eventQueue.now);
    for (const run of this.#runs) {
      eventQueue.in(Math.max(0, run.at - eventQueue.now), () => {
        if (!simulation.isDead) this.#take(run, owner, simulation, number === 0);
      });
    }
    const takeover = this.#durability.takeovers[number];
    if (takeover === undefined) return;
    eventQueue.in(takeover.at, () => {
      this.#listener.noted?.(`${owner} ${takeover.lives ? 'seems dead' : 'dies'}`, eventQueue.now);
      this.#log.alive.delete(owner);
      if (!takeover.lives) simulation.kill();
      eventQueue.in(takeover.lease, () => this.#begin(number + 1));
    });
  }

  /** Becomes the owner of a run, and goes on with it. */
  #take(run: AskedRun, owner: string, simulation: Simulation, isFirst: boolean): void {
    const { plan, settings } = run;
    const { kept } = settings;
    const runId = plan.dagId;
    const claim = this.#log.claim(runId, owner);
    if (claim === undefined) return;
    this.#checker.claimed(runId, owner);
    const { chunks } = this.#log.get(runId)!;
    const recorded = replay(chunks.flatMap((chunk) => decodeChunk(chunk, runId)));
    const isLost = ({ graph }: Block): boolean => graph?.kind === 'none';
    const { history, discarded, lost } = withoutLost(withoutSuperseded(recorded), isLost);
    const grown = history.grown.map((block) => this.#recordedGrowth(runId, block));
    const now = regrown(plan, grown, kept);
    const append = (records: readonly RunRecord[], change: { readonly state?: 'failed' }): void =>
      this.#append(claim, owner, records, change, now);
    if (doubtOfLost(now.plan, lost) !== undefined)
      return append([{ type: 'ended', outcome: 'failed' }], { state: 'failed' });
    const { done, needed } = toRestore(
      lineageOf(now),
      (i) => history.finished.has(i),
      (i) => history.finished.get(i)!.value.kind !== 'none',
      now.settings.kept,
    );
    const [isDone, isHere] = [new Set(done), new Set(needed)];
    if (doubtOf(history, now.plan, isDone) !== undefined)
      return append([{ type: 'ended', outcome: 'failed' }], { state: 'failed' });
    append([...discarded, { type: 'owned', owner, modules: {} }], {});
    this.#checker.restored(runId, now, isDone, isHere);
    const recording = new SimRecorder({
      eventQueue: this.#eventQueue,
      random: this.#random,
      log: this.#log,
      claim,
      owner,
      run: now,
      writeMs: this.#durability.writeMs,
      unkept: this.#durability.unkept,
      checker: this.#checker,
      isDead: () => simulation.isDead,
      isFalsy: (of, i) => this.#scenario.isFalsy?.(of.plan, i) === true,
      onFenced: () => simulation.abort(runId, 0, false),
    });
    const restored = new Map(done.map((i) => [i, toRestored(history.finished.get(i)!, !isHere.has(i))]));
    const left = done.length + grown.length > 0 ? { restored, grown } : {};
    simulation.submit(plan, { ...settings, ...left }, 0, { recording, needed });
    if (isFirst) run.ask(simulation, 0);
  }

  #recordedGrowth(runId: string, { owner, count, graph }: Block): RecordedGrowth {
    if (graph?.kind !== 'inline') return { owner, count };
    return { owner, answer: this.#answers.get(`${runId}/${Buffer.from(graph.bytes).toString()}`)! };
  }

  #append(
    claim: Claim,
    owner: string,
    records: readonly RunRecord[],
    change: { readonly state?: 'failed' },
    run: Run,
  ): void {
    const chunk = encodeChunk([...records]);
    this.#log.append(claim, owner, chunk, change, this.#eventQueue.now);
    this.#checker.appended(claim.runId, owner, chunk, run);
  }

  /** What an orchestrator and its nodes do, for the checker and the listener. */
  #listen(owner: string): Listener {
    const listener = this.#listener;
    const checker = this.#checker;
    return {
      began: (run, i, node, ...rest) => {
        checker.began(run, i);
        listener.began?.(run, i, `${owner}: ${node}`, ...rest);
      },
      ended: (run, i, node, ...rest) => listener.ended?.(run, i, `${owner}: ${node}`, ...rest),
      noted: (text, at) => listener.noted?.(text, at),
      took: (run, i) => checker.took(run, i),
      handled: (event, commands, at) => {
        for (const command of commands) this.#watch(command);
        listener.handled?.(event, commands, at);
      },
    };
  }

  #watch(command: Command): void {
    const checker = this.#checker;
    switch (command.type) {
      case 'Grown':
        this.#functions += command.count;
        return this.#keepAnswer(command);
      case 'Skipped':
        return checker.skipped(command.run, command.index);
      case 'Settled':
        checker.took(command.run, command.failed.index); // the error is its result
        return this.#noteFailure(command);
      case 'Retry':
      case 'Failed':
        return this.#noteFailure(command);
      default:
        return;
    }
  }

  /** Keeps a graph for the orchestrators that read it from the log. */
  #keepAnswer({ run, index }: CommandOf<'Grown'>): void {
    if (expansionOfOwner(run, index) === undefined) return;
    const { id } = run.plan.entries[index]!;
    this.#answers.set(`${run.id}/${id}`, this.#scenario.graphOf!(run.plan, index)!);
  }

  #noteFailure({ run, failed: { index, failure } }: CommandOf<'Settled' | 'Retry' | 'Failed'>): void {
    if (failure.kind === 'thrown' || failure.kind === 'timeout' || failure.kind === 'crash')
      this.#checker.failed(run, index);
  }
}
