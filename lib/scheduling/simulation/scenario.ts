/** Random scenarios from a seed: DAGs, nodes and faults. They are plain data, so that they can be reduced. */
import type { DynamicAllocator } from '../allocation/allocator.ts';
import { shortage } from '../resources/amounts.ts';
import type { LimitRule } from '../resources/limits.ts';
import { strategies } from '../allocation/strategy.ts';
import { compile } from '../../dag/compile/compile.ts';
import { Dag } from '../../dag/dag.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { FunctionSpec } from '../../dag/types.ts';
import { placementOf } from '../planner/placement.ts';
import { type PlannedRun, planRun } from '../planner/planned.ts';
import type { RunSettings } from '../scheduler/events.ts';
import type { Answer } from '../scheduler/growth/span.ts';
import type { Tuning } from '../scheduler/state.ts';
import { type Faults, noFaults, type ResolvedFaults } from './faults.ts';
import { Random } from '../../core/random.ts';
import type { NodeShape } from './sim-node.ts';
import { type Listener, type Scenario, Simulation } from './simulation.ts';
import { type AskedRun, type Durability, Takeovers } from './takeovers.ts';

export interface RunSpec {
  readonly id: string;
  readonly functions: readonly FunctionSpec[];
  /** The number of elements of maps, by id. Default 1. */
  readonly widths?: Readonly<Record<string, number>>;
  /** The graphs that functions answer with, by id; of elements, by that with `[]`. */
  readonly graphs?: Readonly<Record<string, GraphSpec>>;
  /** The ids of conditions whose result is falsy. */
  readonly falsy?: readonly string[];
  readonly settings: Pick<RunSettings, 'maxRetries' | 'maxConcurrency' | 'keepGoing' | 'speculate'> & {
    readonly keepsAll: boolean;
    readonly strategy: keyof typeof strategies | 'asked';
  };
  /** ms from the start. */
  readonly at: number;
  /** ms from the start; undefined: never. */
  readonly abortAt: number | undefined;
  /** Functions that are cancelled, and when: ms from the start of the run. */
  readonly cancelled?: readonly { readonly index: number; readonly at: number }[];
}

export interface GraphSpec {
  readonly functions: readonly FunctionSpec[];
  /** By place in `functions`. */
  readonly outputs: number | readonly number[];
}

export interface ScenarioSpec {
  readonly seed: number;
  readonly nodes: readonly NodeShape[];
  readonly runs: readonly RunSpec[];
  readonly faults: Faults;
  readonly latency: number;
  readonly tuning: Partial<Tuning>;
  /** Default: none. */
  readonly limits?: Readonly<Record<string, LimitRule>>;
  /** For runs that are recorded. Default: they are not. */
  readonly durability?: Durability;
}

const code = { module: 'file:///simulated.js', export: 'simulated' };

// Ways to batch work: the default, one by one, and as much as possible ahead.
const tunings: readonly Partial<Tuning>[] = [
  {},
  { batchSize: 1 },
  { batchMs: 20, gangMs: 0 },
  { minMs: 1e-9, batchMs: 1e3, gangMs: 1e3, gangGrainMs: 0, gangSlackMs: -1e3, batchSize: 40 },
];

/** @param maxFunctions the maximum number of functions of a run */
export function randomScenario(seed: number, maxFunctions = 200): ScenarioSpec {
  const random = new Random(seed);
  const nodes = Array.from({ length: random.integer(1, 8) }, (_, i): NodeShape => {
    const cpu = random.integer(1, 8);
    return {
      name: `n${i}`,
      capabilities: { cpu, memory: random.integer(1, 16) * 100, ...(random.chance(0.2) && { gpu: 1 }) },
      threads: random.integer(1, 4),
      speed: random.pick([0.5, 1, 1, 1, 2]),
    };
  });
  const runs = Array.from({ length: random.chance(0.25) ? 2 : 1 }, (_, i) =>
    randomRun(random, `run${i}`, nodes, maxFunctions),
  );
  const faults = randomFaults(random);
  const latency = random.pick([0, 0, 0.1, 1, 5]);
  const plain = { seed, nodes, runs, faults, latency, tuning: random.pick(tunings) };
  const branched = withCancelled(withLimits(withBranches(withHosts(withStrategies(withCopies(plain))))));
  return withTakeovers(withGraphs(withConcurrency(withMaps(branched))));
}

/** Lets orchestrators of some scenarios die. Uses its own random numbers. */
function withTakeovers(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0x7a4e);
  if (!random.chance(0.4)) return spec;
  const takeovers = Array.from({ length: random.integer(1, 3) }, () => ({
    at: random.pick([0, 1, random.exponential(0.1), random.exponential(0.02)]),
    lease: random.pick([0, 1, 20]),
    lives: random.chance(0.4),
  }));
  const often = random.pick([0, 0.1, 0.5]);
  const runs = spec.runs.map((run) => ({
    ...run,
    functions: run.functions.map((each) => (random.chance(often) ? { ...each, idempotent: false } : each)),
  }));
  const durability = { takeovers, writeMs: random.pick([0, 1, 10]), unkept: random.pick([0, 0.2]) };
  return { ...spec, runs, durability };
}

/** Lets functions of some scenarios share threads. Uses its own random numbers. */
function withConcurrency(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0xc0c);
  if (!random.chance(0.3)) return spec;
  const nodes = spec.nodes.map((node) => ({ ...node, concurrency: random.pick([1, 2, 3, 64]) }));
  const share = random.pick([0.3, 0.8, 1]);
  const runs = spec.runs.map((run) => ({
    ...run,
    functions: run.functions.map((each) => (random.chance(share) ? { ...each, concurrent: true } : each)),
  }));
  return { ...spec, nodes, runs };
}

/** Cancels functions of some scenarios. Uses its own random numbers. */
function withCancelled(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0xca9ce1);
  if (!random.chance(0.2)) return spec;
  const some = ({ functions }: RunSpec): NonNullable<RunSpec['cancelled']> =>
    Array.from({ length: random.integer(1, 5) }, () => ({
      index: random.integer(0, functions.length - 1),
      at: random.pick([0, 1, random.exponential(0.05)]),
    }));
  return { ...spec, runs: spec.runs.map((run) => ({ ...run, cancelled: some(run) })) };
}

/** Gives some scenarios limits of the program, which some functions use. Uses its own random numbers. */
function withLimits(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0x11317);
  if (!random.chance(0.3)) return spec;
  const limits: Record<string, LimitRule> = {
    slots: { concurrency: random.integer(1, 4), perSecond: Infinity, burst: 1 },
    rate: { concurrency: Infinity, perSecond: random.pick([50, 500, 5000]), burst: random.integer(1, 5) },
    both: { concurrency: 3, perSecond: 1000, burst: 2 },
  };
  const runs = spec.runs.map((run) => ({
    ...run,
    functions: run.functions.map((each) => {
      const uses: Record<string, number> = {};
      for (const name of Object.keys(limits))
        if (random.chance(0.2)) uses[name] = random.integer(1, Math.min(3, limits[name]!.concurrency));
      return Object.keys(uses).length === 0 ? each : { ...each, uses };
    }),
  }));
  return { ...spec, runs, limits };
}

/** Makes maps of some functions that take results. Uses its own random numbers. */
function withMaps(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0x3a95);
  if (!random.chance(0.35)) return spec;
  const often = random.pick([0.1, 0.3, 0.7]);
  const most = random.pick([3, 8]);
  return {
    ...spec,
    runs: spec.runs.map((run) => {
      const functions = run.functions.map((each): FunctionSpec => {
        if (!random.chance(often) || (each.args ?? []).length === 0) return each;
        const map = {
          ...(random.chance(0.3) && { concurrency: random.integer(1, 3) }),
          ...(random.chance(0.3) && { settle: true }),
        };
        return { ...each, map };
      });
      const widths = Object.fromEntries(functions.map(({ id }) => [id, random.integer(0, most)]));
      return { ...run, functions: withoutContradictions(functions), widths };
    }),
  };
}

/** Lets some functions answer with graphs. Uses its own random numbers. */
function withGraphs(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0x6af4);
  if (!random.chance(0.35)) return spec;
  const often = random.pick([0.05, 0.2, 0.5]);
  const runs = spec.runs.map((run) => {
    const graphs: Record<string, GraphSpec> = {};
    const falsy = [...(run.falsy ?? [])];
    const widths: Record<string, number> = { ...run.widths };
    const add = (key: string, depth: number): void => {
      const graph = randomGraph(random);
      graphs[key] = graph;
      for (const { id, map } of graph.functions) {
        const full = `${key}/${id}`;
        if (random.chance(0.3)) falsy.push(full);
        if (map !== undefined) widths[full] = random.integer(0, 3);
        if (depth < 3 && random.chance(0.2)) add(map === undefined ? full : `${full}[]`, depth + 1);
      }
    };
    for (const { id, map } of run.functions)
      if (random.chance(often)) add(map === undefined || map === false ? id : `${id}[]`, 1);
    return { ...run, graphs, falsy, widths };
  });
  return { ...spec, runs };
}

function randomGraph(random: Random): GraphSpec {
  const size = random.integer(1, 5);
  const functions = Array.from({ length: size }, (_, i): FunctionSpec => {
    const other = (): string => `g${random.integer(0, i - 1)}`;
    const args = i === 0 ? [] : Array.from({ length: random.integer(0, 2) }, other);
    return {
      id: `g${i}`,
      code,
      args,
      duration: random.pick([0.01, 1, 5]),
      ...(random.chance(0.2) && { maxRetries: random.integer(0, 3) }),
      ...(i > 0 && random.chance(0.2) && { when: { id: other(), not: random.chance(0.5) } }),
      ...(args.length > 0 && random.chance(0.3) && { map: random.chance(0.3) ? { settle: true } : {} }),
      ...(random.chance(0.1) && { idempotent: false }),
      ...(random.chance(0.3) && { outputBytes: 2 ** 20 }),
    };
  });
  const outputs = random.chance(0.7) ? random.integer(0, size - 1) : [0, random.integer(0, size - 1)];
  return { functions: withoutContradictions(functions), outputs };
}

/** Adds conditions and choices to some scenarios. Uses its own random numbers. */
function withBranches(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0xb2a9);
  if (!random.chance(0.3)) return spec;
  const often = random.pick([0.1, 0.4]);
  return {
    ...spec,
    runs: spec.runs.map((run) => {
      const functions = run.functions.map((each, i) => (i === 0 ? each : withBranch(random, each, i, often)));
      const falsy = functions.flatMap(({ id }) => (random.chance(0.5) ? [id] : []));
      return { ...run, functions: withoutContradictions(functions), falsy };
    }),
  };
}

function withBranch(random: Random, spec: FunctionSpec, i: number, often: number): FunctionSpec {
  const other = (): string => `f${random.integer(0, i - 1)}`;
  const args = (spec.args ?? []).flatMap((arg) => {
    if (typeof arg !== 'string' || !random.chance(often)) return [arg];
    return random.chance(0.5) ? [{ optional: arg }] : [{ anyOf: [...new Set([arg, other(), other()])] }];
  });
  return { ...spec, args, ...(random.chance(often) && { when: { id: other(), not: random.chance(0.5) } }) };
}

/** Removes fields of functions that are not valid together, because such runs are refused before they start. */
function withoutContradictions(functions: readonly FunctionSpec[]): FunctionSpec[] {
  const kept = [...functions];
  for (;;) {
    const dag = new Dag('check');
    for (const each of kept) dag.add(each);
    const check = dag.validate();
    if (check.ok) return kept;
    const at = kept.findIndex(({ id }) => id === check.error.functionId);
    const field = (['map', 'when', 'node', 'args'] as const).find((name) => kept[at]![name] !== undefined)!;
    kept[at] = { ...kept[at]!, [field]: undefined };
  }
}

/** Enables copies in some scenarios. Uses its own random numbers, so that the other scenarios do not change. */
function withCopies(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0x5eed);
  if (!random.chance(0.4)) return spec;
  const speculate = { factor: random.pick([1, 1.5, 2]), minMs: random.pick([0, 1, 5]) };
  const runs = spec.runs.map((run) => ({
    ...run,
    settings: { ...run.settings, speculate: random.chance(0.8) ? speculate : null },
    functions: run.functions.map((each) => (random.chance(0.1) ? { ...each, idempotent: false } : each)),
  }));
  return { ...spec, runs, faults: { ...spec.faults, slow: Math.max(spec.faults.slow ?? 0, 0.2) } };
}

/**
 * Spreads the nodes of some scenarios over hosts, with more functions that are not idempotent, and results that stay on
 * their host. Uses its own random numbers.
 */
function withHosts(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0x4057);
  if (!random.chance(0.3)) return spec;
  const nodes = spec.nodes.map((node) => ({ ...node, host: random.integer(0, 3) }));
  const runs = spec.runs.map((run) => ({
    ...run,
    functions: run.functions.map((each) => (random.chance(0.3) ? { ...each, idempotent: false } : each)),
  }));
  return { ...spec, nodes, runs: runs.map((run) => withLargeResults(random, run)) };
}

function withLargeResults(random: Random, run: RunSpec): RunSpec {
  const share = random.pick([0.1, 0.5, 1]);
  const functions = run.functions.map((each) => (random.chance(share) ? { ...each, outputBytes: 2 ** 20 } : each));
  // Otherwise functions that may not run again soon end such runs.
  return { ...run, functions: random.chance(0.5) ? functions.map(({ idempotent: _, ...each }) => each) : functions };
}

/** Plans some scenarios, or gives them a dynamic allocator. Uses its own random numbers. */
function withStrategies(spec: ScenarioSpec): ScenarioSpec {
  const random = new Random(spec.seed ^ 0x9137);
  if (!random.chance(0.3)) return spec;
  return {
    ...spec,
    runs: spec.runs.map((run) => ({
      ...run,
      settings: { ...run.settings, strategy: random.pick(['time-optimized', 'asked'] as const) },
    })),
  };
}

function randomRun(random: Random, id: string, nodes: readonly NodeShape[], most: number): RunSpec {
  // Most scenarios are small, so that many are played.
  const size = Math.max(1, Math.round(most * random.next() ** 3));
  const functions: FunctionSpec[] = [];
  const [costly, timed, placed, prioritized] = [
    random.chance(0.5),
    random.chance(0.4),
    random.chance(0.3),
    random.chance(0.2),
  ];
  for (let i = 0; i < size; i++) {
    const args =
      i === 0
        ? []
        : Array.from(
            { length: random.pick([0, 1, 1, 2, 2, 3]) },
            () => `f${Math.max(0, i - 1 - Math.floor(random.exponential(0.1)))}`,
          );
    const { capabilities } = random.pick(nodes);
    functions.push({
      id: `f${i}`,
      code,
      args,
      duration: random.pick([0.01, 0.1, 1, 1, 5, 30]),
      ...(costly &&
        random.chance(0.6) && {
          cost: {
            cpu: random.integer(0, capabilities['cpu']!),
            memory: Math.floor(random.next() * capabilities['memory']!),
          },
        }),
      ...(timed && random.chance(0.3) && { timeout: random.pick([1, 20, 100]) }),
      ...(placed && random.chance(0.2) && { node: random.pick(nodes).name }),
      ...(placed && i > 0 && random.chance(0.1) && { node: { collocatedWith: `f${random.integer(0, i - 1)}` } }),
      ...(prioritized && { priority: random.integer(0, 3) }),
      ...(random.chance(0.2) && { maxRetries: random.integer(0, 4) }),
      ...(random.chance(0.2) && { retryDelay: random.pick([1, 50, { initial: 2, factor: 2, max: 100, jitter: 0.5 }]) }),
    });
  }
  return {
    id,
    functions: withoutImpossible(functions, nodes),
    at: random.pick([0, 0, 3, 50]),
    abortAt: random.chance(0.1) ? random.next() * 200 : undefined,
    settings: {
      maxRetries: random.integer(0, 4),
      maxConcurrency: random.pick([Infinity, Infinity, 1, 3]),
      keepGoing: random.chance(0.4),
      keepsAll: random.chance(0.5),
      strategy: random.pick(['first-available', 'load-balanced'] as const),
    },
  };
}

/** Removes pins to nodes that are too small for their functions, because such runs are refused before they start. */
function withoutImpossible(functions: readonly FunctionSpec[], nodes: readonly NodeShape[]): FunctionSpec[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return functions.map((spec) => {
    if (spec.node === undefined || spec.cost === undefined) return spec;
    const node = typeof spec.node === 'string' ? byName.get(spec.node) : undefined;
    const fits =
      node !== undefined &&
      Object.entries(spec.cost).every(([name, amount]) => (amount ?? 0) <= (node.capabilities[name] ?? 0));
    if (fits) return spec;
    const { cost: _, ...free } = spec;
    return free;
  });
}

function randomFaults(random: Random): Faults {
  const some = (most: number): number => (random.chance(0.5) ? random.next() * most : 0);
  return {
    failure: some(0.2),
    hang: some(0.3),
    crash: some(0.05),
    slow: some(0.1),
    nodeDeaths: some(10),
    nodeReturn: random.pick([1, 10, 100, 300]),
    silence: random.pick([5, 50]),
    loss: some(0.02),
    duplication: some(0.2),
    lateness: some(0.2),
    losses: some(20),
    clockJumps: some(5),
  };
}

/** Where an earlier orchestrator left a run. */
export interface LeftAt {
  readonly settings: Pick<RunSettings, 'restored' | 'grown'>;
  /** Results of restored functions that are there. */
  readonly needed: readonly number[];
}

/**
 * Runs a scenario to its end.
 *
 * @param left where an earlier orchestrator left runs, by id. Default: all runs are new
 * @throws `Violation`, or the error of a violated invariant of the scheduler
 */
export function play(
  spec: ScenarioSpec,
  listener: Listener = {},
  left: ReadonlyMap<string, LeftAt> = new Map(),
): Simulation {
  const { seed, nodes, runs, latency, tuning } = spec;
  const falsy = new Set(runs.flatMap((run) => (run.falsy ?? []).map((id) => `${run.id}/${id}`)));
  const widths = new Map(
    runs.flatMap((run) => Object.entries(run.widths ?? {}).map(([id, width]) => [`${run.id}/${id}`, width])),
  );
  const answers = new Map<string, Answer>();
  for (const run of runs)
    for (const [key, graph] of Object.entries(run.graphs ?? {})) answers.set(`${run.id}/${key}`, toAnswer(graph));
  const scenario: Scenario = {
    seed,
    nodes,
    latency,
    bandwidth: Infinity,
    tuning,
    ...(spec.limits !== undefined && { limits: spec.limits }),
    checked: true,
    faults: { ...noFaults, ...spec.faults } as ResolvedFaults,
    durationOf: (plan, i) => plan.entries[i]!.traits.duration ?? 1,
    widthOf: (plan, i) => widths.get(keyOf(plan, i)) ?? 1,
    graphOf: (plan, i) => answers.get(keyOf(plan, i)),
    isFalsy: (plan, i) => falsy.has(keyOf(plan, i)),
  };
  const asked = runs.map((run) => toAsked(run, spec));
  if (spec.durability !== undefined) return new Takeovers(scenario, spec.durability, asked, listener).run();
  const simulation = new Simulation(scenario, listener);
  for (const { plan, settings, at, ask } of asked) {
    const leftAt = left.get(plan.dagId);
    simulation.submit(plan, { ...settings, ...leftAt?.settings }, at, leftAt);
    ask(simulation, at);
  }
  simulation.run();
  return simulation;
}

function toAsked({ id, functions, settings, at, abortAt, cancelled = [] }: RunSpec, spec: ScenarioSpec): AskedRun {
  const { nodes, seed } = spec;
  const dag = new Dag(id);
  for (const each of functions) dag.add(each);
  const compiled = compile(dag);
  const planned =
    settings.strategy === 'time-optimized'
      ? planRun(compiled, { nodes, aim: 'time-optimized', budget: 3, seed })
      : undefined;
  const plan = planned?.plan ?? compiled;
  return {
    plan,
    settings: toSettings(plan, settings, planned),
    at,
    ask: (simulation, from) => {
      for (const each of cancelled) simulation.cancel(id, Math.min(each.index, plan.size - 1), from + each.at);
      if (abortAt !== undefined) simulation.abort(id, from + abortAt, seed % 2 === 0);
    },
  };
}

function toAnswer({ functions, outputs }: GraphSpec): Answer {
  const dag = new Dag('graph');
  for (const each of functions) dag.add(each);
  const plan = compile(dag);
  return { plan, shape: outputs, codes: new Int32Array(plan.codes.length) };
}

/** The key of a function in a scenario: all elements of a map have the same. */
function keyOf({ dagId, entries }: CompiledDag, i: number): string {
  return `${dagId}/${entries[i]!.id.replaceAll(/\[\d+\]/g, '[]')}`;
}

function toSettings(
  plan: CompiledDag,
  { keepsAll, strategy, ...rest }: RunSpec['settings'],
  planned: PlannedRun | undefined,
): RunSettings {
  const isAsked = strategy === 'asked';
  return {
    ...rest,
    kept: keepsAll ? null : new Uint8Array(plan.size),
    codes: new Int32Array(plan.codes.length),
    strategy: strategies[isAsked ? 'first-available' : strategy],
    ...placementOf(plan, isAsked ? wilful : strategy, {}, planned),
  };
}

/** Leaves some functions waiting while others run, and places the rest wherever they fit, the emptiest node first. */
const wilful: DynamicAllocator = {
  place(ready, { nodes }) {
    const isBusy = nodes.some(({ queue }) => queue > 0);
    return Object.fromEntries(
      ready.flatMap(({ id, cost }, i) => {
        if (isBusy && (id.length + i) % 3 === 0) return [];
        const able = nodes
          .filter(({ capabilities }) => shortage(cost, capabilities) === undefined)
          .sort((a, b) => a.queue - b.queue);
        return able.length === 0 ? [] : [[id, able[i % able.length]!.name]];
      }),
    );
  },
};
