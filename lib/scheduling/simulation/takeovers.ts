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
import { doubtOf } from '../../journal/doubt.ts';
import type { Claim } from '../../journal/journal.ts';
import { MemoryRuns } from '../../journal/memory/memory-runs.ts';
import type { RunRecord } from '../../journal/record.ts';
import { replay } from '../../journal/replay.ts';
import { toRestore, toRestored } from '../../journal/restore.ts';
import type { RunSettings } from '../scheduler/events.ts';
import { lineageOf, regrown } from '../scheduler/growth/regrown.ts';
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
    const functions = this.#runs.reduce((sum, { plan }) => sum + plan.size, 10);
    let events = 0;
    while (!this.#isOver() && this.#eventQueue.step()) {
      if (++events > manyEvents * functions * (this.#durability.takeovers.length + 1))
        throw new Violation(`it does not end: ${events} events for ${functions} functions`);
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
    const chunks = this.#log.get(runId)!.chunks;
    const history = replay(chunks.flatMap((chunk) => decodeChunk(chunk, runId)));
    const { done, needed } = toRestore(
      lineageOf(regrown(plan, [], kept)),
      (i) => history.finished.has(i),
      (i) => history.finished.get(i)!.value.kind !== 'none',
      kept,
    );
    const isDone = new Set(done);
    this.#checker.restored(runId, isDone, new Set(needed), kept);
    if (doubtOf(history, plan, isDone) !== undefined)
      return this.#append(claim, owner, { type: 'ended', outcome: 'failed' }, { state: 'failed' });
    this.#append(claim, owner, { type: 'owned', owner, modules: {} }, {});
    const recording = new SimRecorder({
      eventQueue: this.#eventQueue,
      random: this.#random,
      log: this.#log,
      claim,
      owner,
      plan,
      writeMs: this.#durability.writeMs,
      checker: this.#checker,
      isDead: () => simulation.isDead,
      resultOf: (i) => {
        const isFalsy = this.#scenario.isFalsy?.(plan, i) === true;
        const isKept = !this.#random.chance(this.#durability.unkept) || isFalsy; // what is falsy is small
        return { isKept, value: !isFalsy };
      },
      onFenced: () => simulation.abort(runId, 0, false),
    });
    const restored = new Map(done.map((i) => [i, toRestored(history.finished.get(i)!)]));
    simulation.submit(plan, { ...settings, ...(done.length > 0 && { restored }) }, 0, { recording, needed });
    if (isFirst) run.ask(simulation, 0);
  }

  #append(claim: Claim, owner: string, record: RunRecord, change: { readonly state?: 'failed' }): void {
    const chunk = encodeChunk([record]);
    this.#log.append(claim, owner, chunk, change, this.#eventQueue.now);
    this.#checker.appended(claim.runId, owner, chunk);
  }

  /** What an orchestrator and its nodes do, for the checker and the listener. */
  #listen(owner: string): Listener {
    const listener = this.#listener;
    const checker = this.#checker;
    return {
      began: (run, i, node, ...rest) => {
        checker.began(run.id, i);
        listener.began?.(run, i, `${owner}: ${node}`, ...rest);
      },
      ended: (run, i, node, ...rest) => listener.ended?.(run, i, `${owner}: ${node}`, ...rest),
      noted: (text, at) => listener.noted?.(text, at),
      took: (run, i) => checker.took(run.id, i),
      handled: (event, commands, at) => {
        for (const command of commands) {
          if (command.type === 'Skipped') checker.skipped(command.run.id, command.index);
          if (command.type !== 'Retry' && command.type !== 'Failed') continue;
          const { index, failure } = command.failed;
          if (failure.kind === 'thrown' || failure.kind === 'timeout' || failure.kind === 'crash')
            checker.failed(command.run.id, index);
        }
        listener.handled?.(event, commands, at);
      },
    };
  }
}
