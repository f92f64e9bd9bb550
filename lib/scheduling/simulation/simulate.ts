/** Simulates a DAG in virtual time: when everything would run, with faults if wanted. */
import { type AllocationStrategy, isPlanned, isStrategy, strategyExpected } from '../allocation/allocator.ts';
import { amountOf } from '../resources/amounts.ts';
import { placementOf } from '../planner/placement.ts';
import { findImpossible } from '../resources/feasibility.ts';
import { findUnmet, isLimits, type LimitOptions, limitsExpected, resolveLimits } from '../resources/limits.ts';
import { strategyOf } from '../allocation/strategy.ts';
import { toDag } from '../../dag/accept.ts';
import { compile } from '../../dag/compile.ts';
import type { Dag } from '../../dag/dag.ts';
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import type { Capabilities } from '../../dag/types.ts';
import { type ErrorCode, HandoffError } from '../../core/errors.ts';
import { checkOptions, isAmount, isRecord, rules, type Schema } from '../../core/schema.ts';
import { planRun } from '../planner/planned.ts';
import { defaultMaxResultLosses } from '../scheduler/lineage.ts';
import type { RunSettings } from '../scheduler/events.ts';
import type { Outcome } from '../scheduler/outcome.ts';
import {
  isSpeculate,
  speculateExpected,
  type SpeculateOptions,
  speculationOf,
} from '../scheduler/straggler-threshold.ts';
import { type Faults, noFaults } from './faults.ts';
import { type Listener, Simulation } from './simulation.ts';

/** A node of a simulation. */
export interface SimulatedNode {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** The number of threads. Default: its `cpu`, rounded up, at least 1. */
  readonly threads?: number | undefined;
  /** The speed of the node relative to a node of speed 1. Default 1. */
  readonly speed?: number | undefined;
  /** The price of a ms of a function's run time. Default 0. */
  readonly price?: number | undefined;
}

export interface SimulateOptions {
  readonly nodes: readonly SimulatedNode[];
  /** How functions are placed. Default `'first-available'`. */
  readonly allocationStrategy?: AllocationStrategy | undefined;
  /** Bytes per second between nodes. Default: unlimited, so results take only the latency. */
  readonly bandwidth?: number | undefined;
  /** For `'cost-optimized'`: the maximum duration of the run in ms. Default: none. */
  readonly deadline?: number | undefined;
  /**
   * For `'time-optimized'` and `'cost-optimized'`: the maximum number of candidate schedules. Default: depends on the
   * number of functions.
   */
  readonly budget?: number | undefined;
  /** ms that a message takes, and that a result takes until its first byte. Default 0. */
  readonly latency?: number | undefined;
  /** The seed of random decisions. The same seed gives the same result. Default 1. */
  readonly seed?: number | undefined;
  readonly faults?: Faults | undefined;
  /** Whether the results of conditions (`when`) are truthy, by function id. Default: all are. */
  readonly conditions?: Readonly<Record<string, boolean>> | undefined;
  /** Limits of the program, as the option `limits` of `Handoff.start`. Default: none. */
  readonly limits?: Readonly<Record<string, LimitOptions>> | undefined;
  /** Attempts per function after the first. Default 3. */
  readonly maxRetries?: number | undefined;
  /** The maximum number of losses of one function's result. Default 10. */
  readonly maxResultLosses?: number | undefined;
  /** `'continue'` lets independent branches finish after a failure. Default `'fail-fast'`. */
  readonly failurePolicy?: 'fail-fast' | 'continue' | undefined;
  /** The same as the option of `execute`. Default false. */
  readonly speculate?: boolean | SpeculateOptions | undefined;
}

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
  const {
    bandwidth = Infinity,
    latency = 0,
    seed = 1,
    maxRetries = 3,
    failurePolicy = 'fail-fast',
    allocationStrategy = 'first-available',
  } = options;
  check(options);
  const nodes = options.nodes.map(({ name, capabilities, threads, speed = 1, price = 0 }) => ({
    name,
    capabilities,
    speed,
    price,
    threads: threads ?? Math.max(1, Math.ceil(amountOf(capabilities, 'cpu'))),
  }));
  const offers = Object.fromEntries(nodes.map(({ name, capabilities }) => [name, capabilities]));
  const compiled = compile(toDag('simulate', dag));
  const impossible = findImpossible(compiled, offers);
  if (impossible !== undefined) throw impossible;
  const limits = resolveLimits(options.limits);
  const unmet = findUnmet(compiled, limits);
  if (unmet !== undefined) throw unmet;
  const planned = isPlanned(allocationStrategy)
    ? planRun(compiled, {
        nodes,
        aim: allocationStrategy,
        latency,
        bandwidth,
        seed,
        deadline: options.deadline,
        budget: options.budget,
      })
    : undefined;
  const plan = planned?.plan ?? compiled;
  const settings: RunSettings = {
    maxRetries,
    maxResultLosses: options.maxResultLosses ?? defaultMaxResultLosses,
    maxConcurrency: Infinity,
    keepGoing: failurePolicy === 'continue',
    speculate: speculationOf(options.speculate),
    kept: null,
    strategy: strategyOf(allocationStrategy),
    ...placementOf(plan, allocationStrategy, offers, planned),
    codes: new Int32Array(plan.codes.length),
  };
  const record = new Recorder(plan);
  // Batches have one function: batching saves time only where messages cost time, and here they cost what the options
  // say.
  const simulation = new Simulation(
    {
      seed,
      nodes,
      latency,
      bandwidth,
      faults: { ...noFaults, ...withoutUndefined(options.faults) },
      tuning: { batchSize: 1, gangMs: 0 },
      limits,
      checked: false,
      together: true,
      durationOf,
      isFalsy: ({ entries }, i) => options.conditions?.[entries[i]!.id] === false,
    },
    record.listener,
  );
  simulation.submit(plan, settings);
  simulation.run();
  const { at, outcome } = simulation.outcomes.get(plan.dagId)!;
  const priceOf = new Map(nodes.map(({ name, price }) => [name, price]));
  const price = record.schedule.reduce(
    (sum, { node, start, finish }) => sum + (finish - start) * priceOf.get(node)!,
    0,
  );
  return { makespan: at, price, schedule: record.schedule, events: record.events, outcome: toOutcome(plan, outcome) };
}

function withoutUndefined<Options extends object>(
  options: Options | undefined,
): { [Name in keyof Options]?: Exclude<Options[Name], undefined> } {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Options]?: Exclude<Options[Name], undefined>;
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

  constructor(plan: CompiledDag) {
    const idOf = (i: number): string => plan.entries[i]!.id;
    this.listener = {
      began: (_, i, _node, attempt, start, batch) => this.#running.set(`${batch}/${i}`, { attempt, start }),
      ended: (_, i, node, ok, finish, batch) =>
        this.schedule.push({ functionId: idOf(i), node, ...this.#running.get(`${batch}/${i}`)!, finish, ok }),
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
                functionId: idOf(command.failed.index),
                attempts: command.failed.attempts,
                reason: command.failed.failure.kind,
              });
              break;
            case 'Skipped':
              this.events.push({ at, type: 'function:skipped', functionId: idOf(command.index) });
              break;
            case 'Speculated':
              this.events.push({
                at,
                type: 'function:speculated',
                functionId: idOf(command.index),
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

/** `nodes` and `faults` are also checked item by item. */
const schema: Schema<SimulateOptions> = {
  nodes: {
    expected: 'a list of { name, capabilities, threads?, speed?, price? }, not empty',
    holds: (value) => Array.isArray(value) && value.length > 0 && value.every(isNode),
  },
  allocationStrategy: { expected: strategyExpected, holds: isStrategy },
  deadline: rules.positiveMilliseconds,
  budget: {
    expected: 'a whole number of at least 1',
    holds: (value) => Number.isInteger(value) && (value as number) >= 1,
  },
  bandwidth: { expected: 'bytes per second, above 0', holds: (value) => typeof value === 'number' && value > 0 },
  latency: rules.milliseconds,
  seed: { expected: 'a whole number', holds: (value) => Number.isInteger(value) },
  faults: { expected: 'an object of probabilities and rates', holds: isRecord },
  conditions: {
    expected: 'an object of booleans by function id',
    holds: (value) => isRecord(value) && Object.values(value).every((each) => typeof each === 'boolean'),
  },
  limits: { expected: limitsExpected, holds: isLimits },
  maxRetries: rules.whole,
  maxResultLosses: rules.wholeOrInfinity,
  failurePolicy: {
    expected: "'fail-fast' or 'continue'",
    holds: (value) => value === 'fail-fast' || value === 'continue',
  },
  speculate: { expected: speculateExpected, holds: isSpeculate },
};

/** @throws `INVALID_OPTION` naming the option, the expected and the actual value */
function check(options: SimulateOptions): void {
  checkOptions('simulate', schema, options);
  const { nodes, faults = {} } = options;
  if (nodes === undefined) throw refused('nodes', schema.nodes.expected, nodes);
  const names = nodes.map(({ name }) => name);
  if (new Set(names).size < nodes.length) throw refused('nodes', 'nodes with distinct names', names);
  for (const [name, value] of Object.entries(faults)) {
    if (!(name in noFaults)) throw refused('faults', `about ${Object.keys(noFaults).join(', ')}`, name);
    if (value !== undefined && !isAmount(value))
      throw refused('faults', `finite numbers of at least 0; ${name} is not`, value);
  }
}

function isNode(node: unknown): boolean {
  if (!isRecord(node) || typeof node['name'] !== 'string' || node['name'] === '') return false;
  const { capabilities, threads, speed, price } = node;
  return (
    isRecord(capabilities) &&
    Object.values(capabilities).every(isAmount) &&
    (threads === undefined || (Number.isInteger(threads) && (threads as number) >= 1)) &&
    (speed === undefined || (isAmount(speed) && speed > 0)) &&
    (price === undefined || isAmount(price))
  );
}

function refused(option: string, expected: string, got: unknown): HandoffError {
  return new HandoffError(
    'INVALID_OPTION',
    `simulate: option ${option} must be ${expected}, got ${JSON.stringify(got)}.`,
    { option },
  );
}
