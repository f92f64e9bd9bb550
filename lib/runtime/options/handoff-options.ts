/** The options of `Handoff.start`: types, defaults and checks. */
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
import {
  type DashboardOptions,
  dashboardExpected,
  type ResolvedDashboard,
  resolveDashboard,
} from './dashboard-options.ts';
import {
  isLimits,
  type LimitOptions,
  type LimitRule,
  limitsExpected,
  resolveLimits,
} from '../../scheduling/resources/limits.ts';
import { checkOptions, invalidOption, isAmount, isRecord, type Rule, rules, type Schema } from '../../core/schema.ts';
import { journalExpected, type JournalOptions, resolveJournal, type ResolvedJournal } from './journal-options.ts';
import { type ResolvedTransport, resolveTransport, type TransportOptions } from './transport-options.ts';

/** A node of this host. */
export interface NodeOptions {
  /** Unique in the cluster. */
  readonly name: string;
  /** Amount by resource: `cpu` (cores), `memory` (MB), `gpu`, or any other name. */
  readonly capabilities: Capabilities;
  /** Number of worker threads. Default: `min(max(1, ceil(cpu)), availableParallelism())`. */
  readonly threads?: number | undefined;
  /** Speed relative to a node of speed 1, used by plans. Default 1. */
  readonly speed?: number | undefined;
  /**
   * Price per ms of function time, in any unit. Default 0. Used by `'cost-optimized'`, and summed up in `stats.price`.
   */
  readonly price?: number | undefined;
  /**
   * Called every `monitorInterval` with what the node declares and what is in use; the capabilities that it gives, if
   * any, are the node's from then on. When it throws, that is the event `probe:failed`.
   */
  readonly probe?: NodeProbe | undefined;
  /**
   * Whether a function that uses more memory than its cost says is ended, and fails with `MEMORY_EXCEEDED` as cause.
   * Default false.
   */
  readonly enforceMemory?: boolean | undefined;
}

export interface HandoffOptions {
  /** Nodes of this host. Default: one named `'local'` with all cores and memory of the machine. */
  readonly nodes?: readonly NodeOptions[] | undefined;
  /** How to reach other hosts. DAGs run unchanged with or without it. Default none. */
  readonly transport?: TransportOptions | undefined;
  /** Whether source text of other hosts (`fromSource()`) may be run here. Default false. */
  readonly allowSource?: boolean | undefined;
  /** How functions are placed. Default `'first-available'`. */
  readonly allocationStrategy?: AllocationStrategy | undefined;
  /** Grants and releases resources of functions. Default: a `SimpleResourceTracker`. */
  readonly resourceTracker?: ResourceTracker | undefined;
  /**
   * Limits that belong to the program rather than to a node, by name. Functions name them in `uses`. They are counted over
   * all runs of this Handoff. A number is a concurrency; `perSecond` limits starts. Default: none.
   */
  readonly limits?: Readonly<Record<string, LimitOptions>> | undefined;
  /**
   * Time between measurements of what functions really use, in ms. It enables the event `function:memory-exceeded` and
   * informs a `DynamicResourceTracker`. Default: only nodes with `probe` or `enforceMemory` are measured, every 1000
   * ms.
   */
  readonly monitorInterval?: number | undefined;
  /** Retries per function. Default 3. */
  readonly maxRetries?: number | undefined;
  /**
   * Time limit in ms for the import of a module in a thread; `Infinity` means none. Default 60,000. Beyond it,
   * functions of the module fail with `MODULE_FAILED`, and the thread restarts.
   */
  readonly importTimeout?: number | undefined;
  /**
   * How often the result of one function may be lost with its host or disk and recomputed; beyond that, the function
   * fails. Results that are recomputed only as inputs of a lost one do not count. Default 10.
   */
  readonly maxResultLosses?: number | undefined;
  /** Time in ms between the abort signal of a function and the end of its thread. Default 100. */
  readonly gracePeriod?: number | undefined;
  /**
   * How many finished runs of `execute` keep their results for `getResult`. The oldest are dropped first, also when
   * there are more than a million results in total. `run` keeps only what it returns. Default 100.
   */
  readonly retainedRuns?: number | undefined;
  /** Memory limit in bytes for the results of finished runs. The oldest runs are dropped first. Default 256 MiB. */
  readonly retainedBytes?: number | undefined;
  /**
   * Limit in bytes for large results in shared memory. Beyond it the least recently used are written to temporary
   * files, and no new functions start until there is room. Default none.
   */
  readonly memoryBudget?: number | undefined;
  /**
   * Where what functions and actors print goes: `'inherit'` (default): to stdout and stderr, as they print it;
   * `'stderr'`: all to stderr; `'events'`: what functions print becomes `function:log` events, and goes to stderr while
   * nothing listens to these; the rest goes to stderr.
   */
  readonly output?: Output | undefined;
  /** Serves a web page that shows running DAGs, at `handoff.dashboard`. Default: off. */
  readonly dashboard?: DashboardOptions | undefined;
  /**
   * How long functions take and how large their results are, for those that do not say so themselves, and where that is
   * kept. Default: each Handoff begins with nothing, and learns.
   */
  readonly costModel?: CostModelOptions | undefined;
  /** Where runs are recorded, so that they outlive this process. Default none: a run ends with its process. */
  readonly journal?: JournalOptions | undefined;
  /**
   * Whether this process takes up runs of the journal that wait or whose process is gone, if it has their modules.
   * Default true with a journal.
   */
  readonly orchestrate?: boolean | undefined;
}

export interface ResolvedOptions {
  readonly nodes: readonly NodeSettings[];
  readonly allocationStrategy: AllocationStrategy;
  readonly resourceTracker: ResourceTracker | undefined;
  readonly limits: Readonly<Record<string, LimitRule>>;
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
  readonly journal: ResolvedJournal | undefined;
  readonly orchestrate: boolean;
}

const strategyRule: Rule = { expected: strategyExpected, holds: isStrategy };

const trackerRule: Rule = {
  expected: 'a ResourceTracker, with register, available, request and release',
  holds: (value) =>
    isRecord(value) &&
    ['register', 'available', 'request', 'release'].every((name) => typeof value[name] === 'function'),
};

const costModelExpected = '{ file?, data?, learn? }';

const schema: Schema<HandoffOptions> = {
  nodes: {
    expected:
      'a list of { name, capabilities, threads?, speed?, price?, probe?, enforceMemory? }, not empty without a transport',
    holds: Array.isArray,
  },
  transport: { expected: "{ type: 'tcp', … }", holds: isRecord },
  allowSource: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
  allocationStrategy: strategyRule,
  resourceTracker: trackerRule,
  limits: { expected: limitsExpected, holds: isLimits },
  monitorInterval: rules.positiveMilliseconds,
  maxRetries: rules.whole,
  maxResultLosses: rules.wholeOrInfinity,
  gracePeriod: rules.milliseconds,
  importTimeout: {
    expected: 'a number of ms above 0, or Infinity',
    holds: (value) => typeof value === 'number' && value > 0,
  },
  retainedRuns: rules.whole,
  retainedBytes: { expected: 'a number of bytes, at least 0', holds: (value) => value === Infinity || isAmount(value) },
  memoryBudget: { expected: 'a finite number of bytes above 0', holds: (value) => isAmount(value) && value > 0 },
  output: {
    expected: "'inherit', 'stderr' or 'events'",
    holds: (value) => value === 'inherit' || value === 'stderr' || value === 'events',
  },
  dashboard: { expected: dashboardExpected, holds: isRecord },
  costModel: { expected: costModelExpected, holds: isRecord },
  journal: { expected: journalExpected, holds: isRecord },
  orchestrate: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
};

const costModelSchema: Schema<CostModelOptions> = {
  file: { expected: 'the path of a file', holds: (value) => typeof value === 'string' && value !== '' },
  data: { expected: 'what handoff.costModel() returned', holds: isRecord },
  learn: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
};

const nodeSchema: Schema<NodeOptions> = {
  name: { expected: 'a string that is not empty', holds: (value) => typeof value === 'string' && value !== '' },
  capabilities: rules.amounts,
  threads: {
    expected: 'a whole number of at least 1',
    holds: (value) => isAmount(value) && Number.isInteger(value) && value >= 1,
  },
  speed: { expected: 'a finite number above 0', holds: (value) => isAmount(value) && value > 0 },
  price: { expected: 'a finite number of at least 0', holds: (value) => isAmount(value) && value >= 0 },
  probe: rules.fn,
  enforceMemory: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
};

export { strategyRule };

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function resolveOptions(options: HandoffOptions): ResolvedOptions {
  checkOptions('Handoff.start', schema, options);
  const output = options.output ?? 'inherit';
  if (options.costModel !== undefined) checkOptions('Handoff.start: costModel', costModelSchema, options.costModel);
  const importTimeout = options.importTimeout ?? 60_000;
  const transport = options.transport === undefined ? undefined : resolveTransport(options.transport);
  if (options.nodes?.length === 0 && transport === undefined)
    throw invalidOption('Handoff.start', 'nodes', schema.nodes.expected, options.nodes);
  // Names are unique in a cluster.
  const defaultName = transport === undefined ? 'local' : `${hostname()}-${process.pid}`;
  const nodes = (options.nodes ?? [{ name: defaultName, capabilities: machine() }]).map((node, i) =>
    resolveNode(`Handoff.start: nodes[${i}]`, node, { output, memoryBudget: options.memoryBudget, importTimeout }),
  );
  const names = nodes.map((node) => node.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw invalidOption('Handoff.start', 'nodes', 'nodes with different names', names);
  return {
    nodes,
    allocationStrategy: options.allocationStrategy ?? 'first-available',
    resourceTracker: options.resourceTracker,
    limits: resolveLimits(options.limits),
    monitoring: {
      interval: options.monitorInterval,
      policies: new Map(
        options.nodes?.map(({ name, probe, enforceMemory = false }) => [name, { probe, enforceMemory }]),
      ),
    },
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
    journal: options.journal === undefined ? undefined : resolveJournal(options.journal),
    orchestrate: options.orchestrate ?? true,
  };
}

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function resolveNode(
  where: string,
  node: NodeOptions,
  { output, memoryBudget, importTimeout }: Pick<ResolvedOptions, 'output' | 'memoryBudget' | 'importTimeout'>,
): NodeSettings {
  checkOptions(where, nodeSchema, node);
  for (const required of ['name', 'capabilities'] as const) {
    if (node[required] === undefined) throw invalidOption(where, required, nodeSchema[required].expected, undefined);
  }
  return {
    name: node.name,
    capabilities: { ...node.capabilities },
    speed: node.speed ?? 1,
    output,
    memoryBudget,
    importTimeout,
    ...(node.price !== undefined && { price: node.price }),
    threads: node.threads ?? defaultThreads(node.capabilities),
  };
}

/** One thread per declared core: at least one, and at most the number of cores of the machine. */
export function defaultThreads(capabilities: Capabilities): number {
  return Math.min(Math.max(1, Math.ceil(amountOf(capabilities, 'cpu'))), availableParallelism());
}

/** The capabilities of this machine. */
export function machine(): Capabilities {
  return { cpu: availableParallelism(), memory: Math.floor(totalmem() / 2 ** 20) };
}
