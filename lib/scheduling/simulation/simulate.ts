/** Simulates a DAG in virtual time: when everything would run, with faults if wanted. */
import { isPlanned } from '../allocation/allocator.ts';
import { amountOf } from '../resources/amounts.ts';
import { placementOf } from '../planner/placement.ts';
import { findImpossible } from '../resources/feasibility.ts';
import { findUnmet, resolveLimits } from '../resources/limits.ts';
import { strategyOf } from '../allocation/strategy.ts';
import { toDag } from '../../dag/validation/accept.ts';
import { compile } from '../../dag/compile/compile.ts';
import type { Dag } from '../../dag/dag.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { resolveStrategy } from '../planner/auto.ts';
import { planRun } from '../planner/planned.ts';
import type { RunSettings } from '../scheduler/events.ts';
import type { Outcome } from '../scheduler/outcome.ts';
import type { Run } from '../scheduler/state.ts';
import { speculationOf } from '../scheduler/speculation/speculate-options.ts';
import { resolveSimulation, type SimulateOptions } from './options.ts';
import { type Listener, Simulation } from './simulation.ts';

/** An attempt of a function. Times are in ms from the start of the simulation. */
export interface SimulatedAttempt {
  readonly functionId: string;
  readonly node: string;
  /** The number of the attempt, from 1. */
  readonly attempt: number;
  /** The time at which its inputs had arrived. */
  readonly start: number;
  readonly finish: number;
  /** Whether it gave a result. */
  readonly ok: boolean;
}

/** Other events of a simulation: nodes that come and go, retries, failures and the end. */
export type SimulatedEvent = { readonly at: number } & (
  | {
      readonly type: 'function:retrying' | 'function:failed';
      readonly functionId: string;
      readonly attempts: number;
      readonly reason: string;
    }
  | { readonly type: 'function:skipped'; readonly functionId: string }
  | { readonly type: 'function:speculated'; readonly functionId: string; readonly node: string }
  | { readonly type: 'run:started' | 'run:finished' | 'run:failed' }
  | { readonly type: 'note'; readonly text: string }
);

export interface SimulateResult {
  /** ms from the start to the end. */
  readonly makespan: number;
  /** The price of all attempts, by the prices of their nodes. */
  readonly price: number;
  /** In the order of their ends. */
  readonly schedule: readonly SimulatedAttempt[];
  readonly events: readonly SimulatedEvent[];
  readonly outcome:
    { readonly ok: true } | { readonly ok: false; readonly code: ErrorCode; readonly functionIds: readonly string[] };
}

/**
 * Simulates a DAG in virtual time with the real scheduler, but without threads or sockets. A function takes `duration /
 * speed` ms (1 ms without a `duration`). Moving a result between nodes takes `latency + outputBytes / bandwidth`.
 *
 * @param dag the DAG
 * @param options the nodes, strategy and faults
 * @returns the schedule, its length and price, and other events
 * @throws `INVALID_OPTION` when an option is malformed, `ALLOCATION_ERROR` when a function fits no node or uses more than a
 *   limit allows, `INVALID_FUNCTION` when it uses an unknown limit, and the errors of `Dag.validate`
 * @example
 * ```ts
 * import { simulate } from 'handoffjs/simulate';
 *
 * const { makespan } = simulate(dag, { nodes: [{ name: 'a', capabilities: { cpu: 8 } }, { name: 'b', capabilities: { cpu: 4 } }] });
 * ```
 */
export function simulate(dag: Dag, options: SimulateOptions): SimulateResult {
  const { bandwidth, latency, seed, conditions, ...resolved } = resolveSimulation(options);
  const nodes = resolved.nodes.map(({ threads, ...node }) => ({
    ...node,
    threads: threads ?? Math.max(1, Math.ceil(amountOf(node.capabilities, 'cpu'))),
  }));
  const offers = Object.fromEntries(nodes.map(({ name, capabilities }) => [name, capabilities]));
  const compiled = compile(toDag('simulate', dag));
  const impossible = findImpossible(compiled, offers);
  if (impossible !== undefined) throw impossible;
  const limits = resolveLimits(resolved.limits);
  const unmet = findUnmet(compiled, limits);
  if (unmet !== undefined) throw unmet;
  const allocationStrategy = resolveStrategy(resolved.allocationStrategy, () => ({
    plan: compiled,
    nodes,
    mayPlan: true,
    isKnown: (i) => compiled.entries[i]!.traits.duration !== undefined,
    durationOf: (i) => durationOf(compiled, i),
    bytesOf: (i) => (bandwidth < Infinity ? (compiled.entries[i]!.traits.outputBytes ?? 0) : 0),
  }));
  const planned = isPlanned(allocationStrategy)
    ? planRun(compiled, {
        nodes,
        aim: allocationStrategy,
        latency,
        bandwidth,
        seed,
        deadline: resolved.deadline,
        budget: resolved.budget,
      })
    : undefined;
  const plan = planned?.plan ?? compiled;
  const settings: RunSettings = {
    maxRetries: resolved.maxRetries,
    maxResultLosses: resolved.maxResultLosses,
    maxConcurrency: Infinity,
    keepGoing: resolved.failurePolicy === 'continue',
    speculate: speculationOf(resolved.speculate),
    kept: null,
    strategy: strategyOf(allocationStrategy),
    ...placementOf(plan, allocationStrategy, offers, planned),
    codes: new Int32Array(plan.codes.length),
  };
  const record = new Recorder();
  // Batches have one function: batching saves time only where messages cost time, and here they cost what the options
  // say.
  const simulation = new Simulation(
    {
      seed,
      nodes,
      latency,
      bandwidth,
      faults: resolved.faults,
      tuning: { batchSize: 1, gangMs: 0 },
      limits,
      checked: false,
      together: true,
      durationOf,
      widthOf: ({ entries }, i) => entries[i]!.traits.map?.expect ?? 1,
      isFalsy: ({ entries }, i) => conditions?.[entries[i]!.id] === false,
    },
    record.listener,
  );
  simulation.submit(plan, settings);
  simulation.run();
  const { at, outcome, run } = simulation.outcomes.get(plan.dagId)!;
  const priceOf = new Map(nodes.map(({ name, price }) => [name, price]));
  const price = record.schedule.reduce(
    (sum, { node, start, finish }) => sum + (finish - start) * priceOf.get(node)!,
    0,
  );
  return {
    makespan: at,
    price,
    schedule: record.schedule,
    events: record.events,
    outcome: toOutcome(run.plan, outcome),
  };
}

function durationOf(plan: CompiledDag, i: number): number {
  return plan.entries[i]!.traits.duration ?? 1;
}

/** Records the events of a simulation. */
class Recorder {
  readonly schedule: SimulatedAttempt[] = [];
  readonly events: SimulatedEvent[] = [];
  readonly listener: Listener;
  readonly #running = new Map<string, { readonly attempt: number; readonly start: number }>();

  constructor() {
    const idOf = ({ plan }: Run, i: number): string => plan.entries[i]!.id;
    this.listener = {
      began: (_, i, _node, attempt, start, batch) => this.#running.set(`${batch}/${i}`, { attempt, start }),
      ended: (run, i, node, ok, finish, batch) =>
        this.schedule.push({ functionId: idOf(run, i), node, ...this.#running.get(`${batch}/${i}`)!, finish, ok }),
      noted: (text, at) => this.events.push({ at, type: 'note', text }),
      handled: (event, commands, at) => {
        if (event.type === 'RunSubmitted') this.events.push({ at, type: 'run:started' });
        for (const command of commands) {
          switch (command.type) {
            case 'Retry':
            case 'Failed':
              this.events.push({
                at,
                type: command.type === 'Retry' ? 'function:retrying' : 'function:failed',
                functionId: idOf(command.run, command.failed.index),
                attempts: command.failed.attempts,
                reason: command.failed.failure.kind,
              });
              break;
            case 'Skipped':
              this.events.push({ at, type: 'function:skipped', functionId: idOf(command.run, command.index) });
              break;
            case 'Speculated':
              this.events.push({
                at,
                type: 'function:speculated',
                functionId: idOf(command.batch.run, command.index),
                node: command.batch.thread.node.name,
              });
              break;
            case 'FinishRun':
              this.events.push({ at, type: 'run:finished' });
              break;
            case 'FailRun':
              this.events.push({ at, type: 'run:failed' });
              break;
            default:
              break;
          }
        }
      },
    };
  }
}

function toOutcome(plan: CompiledDag, outcome: Outcome | undefined): SimulateResult['outcome'] {
  if (outcome === undefined) return { ok: true };
  if (outcome.kind === 'failed') {
    const [first] = outcome.failures;
    const code =
      first!.failure.kind === 'node-down' || first!.failure.kind === 'begun'
        ? 'NODE_DOWN'
        : first!.failure.kind === 'too-large'
          ? 'ALLOCATION_ERROR'
          : 'FUNCTION_FAILED';
    return { ok: false, code, functionIds: outcome.failures.map(({ index }) => plan.entries[index]!.id) };
  }
  const code =
    outcome.kind === 'aborted'
      ? 'ABORTED'
      : outcome.kind === 'misplaced'
        ? 'ALLOCATION_ERROR'
        : 'RESOURCES_UNAVAILABLE';
  return { ok: false, code, functionIds: [] };
}
