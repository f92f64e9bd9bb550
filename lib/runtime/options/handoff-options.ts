/** The options of `Handoff.start`: type, default and doc of each, and what it may be. */
import { availableParallelism, hostname, totalmem } from 'node:os';
import { type AllocationStrategy, isStrategy, strategyExpected } from '../../scheduling/allocation/allocator.ts';
import { amountOf } from '../../scheduling/resources/amounts.ts';
import type { ResourceTracker } from '../../scheduling/resources/resource-tracker.ts';
import type { Capabilities } from '../../dag/types.ts';
import { defaultMaxResultLosses } from '../../scheduling/scheduler/lineage.ts';
import type { MonitorOptions } from '../usage/monitor.ts';
import type { NodeProbe } from '../usage/resources.ts';
import type { NodeSettings } from '../../workers/node/thread-pool.ts';
import type { Output } from '../../workers/node/wire.ts';
import type { CostModelOptions } from '../../engine/cost-file.ts';
import { type DashboardOptions, dashboardExpected, type ResolvedDashboard, resolveDashboard } from './dashboard-options.ts';
import { checkOptions, invalidOption, isAmount, isRecord, type Rule, rules, type Schema } from '../../core/schema.ts';
import { type ResolvedTransport, resolveTransport, type TransportOptions } from './transport-options.ts';

/** A node to be started on this host. */
export interface NodeOptions {
  /** Unique in the cluster. */
  readonly name: string;
  /** What it has: `cpu`, `memory` (MB), `gpu`, any other name. */
  readonly capabilities: Capabilities;
  /** Worker threads. Default: `min(max(1, ceil(cpu)), availableParallelism())`. */
  readonly threads?: number | undefined;
  /** How fast it runs a function compared with a node of speed 1. Default 1. Used for plans. */
  readonly speed?: number | undefined;
  /** What each ms costs that a function runs there, in any unit. Default 0. Used by `'cost-optimized'`, and told as `stats.price`. */
  readonly price?: number | undefined;
  /**
   * Called every `monitorInterval` with what the node declares and what is in use; the capabilities that it gives, if any, are the node's from
   * then on. When it throws, that is the event `probe:failed`.
   */
  readonly probe?: NodeProbe | undefined;
  /** Whether a function that uses more memory than its cost says is ended, and fails with `MEMORY_EXCEEDED` as cause. Default false. */
  readonly enforceMemory?: boolean | undefined;
}

export interface HandoffOptions {
  /** Nodes of this host. Default: one named `'local'` with all cores and memory of the machine. */
  readonly nodes?: readonly NodeOptions[] | undefined;
  /** How other hosts are reached. The same DAGs run with it and without. Default: there are none. */
  readonly transport?: TransportOptions | undefined;
  /** Whether source text of other hosts (`fromSource()`) may be run here. Default false. */
  readonly allowSource?: boolean | undefined;
  /** How functions are placed. Default `'first-available'`. */
  readonly allocationStrategy?: AllocationStrategy | undefined;
  /** Grants and releases what functions hold while they run. Default: a `SimpleResourceTracker`. */
  readonly resourceTracker?: ResourceTracker | undefined;
  /**
   * ms between looks at what functions really use. Functions that use more memory than their cost says are then reported as `function:memory-exceeded`, and
   * a `DynamicResourceTracker` is told what is free. Default: only nodes with `probe` or `enforceMemory` are looked at, every 1000 ms.
   */
  readonly monitorInterval?: number | undefined;
  /** Extra attempts per function. Default 3. */
  readonly maxRetries?: number | undefined;
  /**
   * ms that the import of a module may take, in each thread that imports it; `Infinity`: no limit. Default 60,000. What needs the module then fails
   * with `MODULE_FAILED`, and the thread is started anew.
   */
  readonly importTimeout?: number | undefined;
  /**
   * How often the result of one function may be lost, with a host or a disk, and be made again; beyond, the function fails for good. Results that
   * are made again only for the sake of a lost one are not counted. Default 10.
   */
  readonly maxResultLosses?: number | undefined;
  /** ms between asking a function to stop, through its signal, and ending its thread. Default 100. */
  readonly gracePeriod?: number | undefined;
  /**
   * How many finished runs of `execute` keep their results for `getResult`; the oldest are forgotten first, also once they have more than a
   * million results in all. Of `run` nothing is kept but what it returns. Default 100.
   */
  readonly retainedRuns?: number | undefined;
  /** Bytes that the results of those runs may hold in memory, all together; the oldest runs are forgotten first. Default 256 MiB. */
  readonly retainedBytes?: number | undefined;
  /**
   * Bytes that large results (those in shared memory) may hold in all. What is over goes to files in the system's folder for temporary
   * ones, least recently used first, and nothing new is started while more is held. Default: no bound.
   */
  readonly memoryBudget?: number | undefined;
  /**
   * Where what functions and actors print goes: `'inherit'` (default): to stdout and stderr, as they print it; `'stderr'`: all to stderr;
   * `'events'`: what functions print becomes `function:log` events, and goes to stderr while nothing listens to these; the rest goes to stderr.
   */
  readonly output?: Output | undefined;
  /** A page that shows what runs, and its address: `handoff.dashboard`. Default: there is none, and it costs nothing. */
  readonly dashboard?: DashboardOptions | undefined;
  /**
   * How long functions take and how large their results are, for those that do not say so themselves, and where that is kept.
   * Default: each Handoff begins with nothing, and learns.
   */
  readonly costModel?: CostModelOptions | undefined;
}

export interface ResolvedOptions {
  readonly nodes: readonly NodeSettings[];
  readonly allocationStrategy: AllocationStrategy;
  readonly resourceTracker: ResourceTracker | undefined;
  readonly monitoring: MonitorOptions;
  readonly maxRetries: number;
  readonly maxResultLosses: number;
  readonly gracePeriod: number;
  readonly importTimeout: number;
  readonly retainedRuns: number;
  readonly retainedBytes: number;
  readonly memoryBudget: number | undefined;
  readonly output: Output;
  readonly transport: ResolvedTransport | undefined;
  readonly allowSource: boolean;
  readonly dashboard: ResolvedDashboard | undefined;
  readonly costModel: CostModelOptions;
}

const strategyRule: Rule = { expected: strategyExpected, holds: isStrategy };

const trackerRule: Rule = {
  expected: 'a ResourceTracker, with register, available, request and release',
  holds: (value) => isRecord(value) && ['register', 'available', 'request', 'release'].every((name) => typeof value[name] === 'function'),
};

const costModelExpected = '{ file?, data?, learn? }';

const schema: Schema<HandoffOptions> = {
  nodes: { expected: 'a list of { name, capabilities, threads?, speed?, price?, probe?, enforceMemory? }, not empty without a transport', holds: Array.isArray },
  transport: { expected: "{ type: 'tcp', … }", holds: isRecord },
  allowSource: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
  allocationStrategy: strategyRule,
  resourceTracker: trackerRule,
  monitorInterval: rules.positiveMilliseconds,
  maxRetries: rules.whole,
  maxResultLosses: rules.wholeOrInfinity,
  gracePeriod: rules.milliseconds,
  importTimeout: { expected: 'ms, a number above 0, or Infinity', holds: (value) => typeof value === 'number' && value > 0 },
  retainedRuns: rules.whole,
  retainedBytes: { expected: 'bytes, a number of at least 0', holds: (value) => value === Infinity || isAmount(value) },
  memoryBudget: { expected: 'bytes, a finite number above 0', holds: (value) => isAmount(value) && value > 0 },
  output: { expected: "'inherit', 'stderr' or 'events'", holds: (value) => value === 'inherit' || value === 'stderr' || value === 'events' },
  dashboard: { expected: dashboardExpected, holds: isRecord },
  costModel: { expected: costModelExpected, holds: isRecord },
};

const costModelSchema: Schema<CostModelOptions> = {
  file: { expected: 'the path of a file', holds: (value) => typeof value === 'string' && value !== '' },
  data: { expected: 'what handoff.costModel() returned', holds: isRecord },
  learn: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
};

const nodeSchema: Schema<NodeOptions> = {
  name: { expected: 'a string that is not empty', holds: (value) => typeof value === 'string' && value !== '' },
  capabilities: rules.amounts,
  threads: { expected: 'a whole number of at least 1', holds: (value) => isAmount(value) && Number.isInteger(value) && value >= 1 },
  speed: { expected: 'a finite number above 0', holds: (value) => isAmount(value) && value > 0 },
  price: { expected: 'a finite number of at least 0', holds: (value) => isAmount(value) && value >= 0 },
  probe: rules.fn,
  enforceMemory: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
};

export { strategyRule };

/** @throws `INVALID_OPTION` */
export function resolveOptions(options: HandoffOptions): ResolvedOptions {
  checkOptions('Handoff.start', schema, options);
  const output = options.output ?? 'inherit';
  if (options.costModel !== undefined) checkOptions('Handoff.start: costModel', costModelSchema, options.costModel);
  const importTimeout = options.importTimeout ?? 60_000;
  const transport = options.transport === undefined ? undefined : resolveTransport(options.transport);
  if (options.nodes?.length === 0 && transport === undefined) throw invalidOption('Handoff.start', 'nodes', schema.nodes.expected, options.nodes);
  // Names are unique in a cluster.
  const defaultName = transport === undefined ? 'local' : `${hostname()}-${process.pid}`;
  const nodes = (options.nodes ?? [{ name: defaultName, capabilities: machine() }]).map((node, i) => resolveNode(`Handoff.start: nodes[${i}]`, node, { output, memoryBudget: options.memoryBudget, importTimeout }));
  const names = nodes.map((node) => node.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw invalidOption('Handoff.start', 'nodes', 'nodes with names of their own', names);
  return {
    nodes,
    allocationStrategy: options.allocationStrategy ?? 'first-available',
    resourceTracker: options.resourceTracker,
    monitoring: { interval: options.monitorInterval, policies: new Map(options.nodes?.map(({ name, probe, enforceMemory = false }) => [name, { probe, enforceMemory }])) },
    maxRetries: options.maxRetries ?? 3,
    maxResultLosses: options.maxResultLosses ?? defaultMaxResultLosses,
    gracePeriod: options.gracePeriod ?? 100,
    importTimeout,
    retainedRuns: options.retainedRuns ?? 100,
    retainedBytes: options.retainedBytes ?? 256 * 2 ** 20,
    memoryBudget: options.memoryBudget,
    output,
    transport,
    allowSource: options.allowSource ?? false,
    dashboard: options.dashboard === undefined ? undefined : resolveDashboard(options.dashboard),
    costModel: options.costModel ?? {},
  };
}

/** @throws `INVALID_OPTION` */
export function resolveNode(where: string, node: NodeOptions, { output, memoryBudget, importTimeout }: Pick<ResolvedOptions, 'output' | 'memoryBudget' | 'importTimeout'>): NodeSettings {
  checkOptions(where, nodeSchema, node);
  for (const required of ['name', 'capabilities'] as const) {
    if (node[required] === undefined) throw invalidOption(where, required, nodeSchema[required].expected, undefined);
  }
  return {
    name: node.name, capabilities: { ...node.capabilities }, speed: node.speed ?? 1, output, memoryBudget, importTimeout, ...(node.price !== undefined && { price: node.price }),
    threads: node.threads ?? defaultThreads(node.capabilities),
  };
}

/** As many threads as the node declares cores, at least one and no more than the machine has. */
export function defaultThreads(capabilities: Capabilities): number {
  return Math.min(Math.max(1, Math.ceil(amountOf(capabilities, 'cpu'))), availableParallelism());
}

/** What this machine has. */
export function machine(): Capabilities {
  return { cpu: availableParallelism(), memory: Math.floor(totalmem() / 2 ** 20) };
}
