/** The options of `Handoff.start`: types, defaults and checks. */
import { availableParallelism, hostname, totalmem } from 'node:os';
import type { ResourceLimits } from 'node:worker_threads';
import * as v from 'valibot';
import {
  amounts,
  boolean,
  callback,
  idText,
  listOf,
  milliseconds,
  number,
  oneOf,
  positiveMilliseconds,
  special,
  text,
  whole,
} from '../../core/option-types.ts';
import { invalidOption, option, optionSet, parseOptions, required } from '../../core/options.ts';
import { isAmount, isRecord } from '../../core/values.ts';
import { type AllocationStrategy, isStrategy, strategyExpected } from '../../scheduling/allocation/allocator.ts';
import { amountOf } from '../../scheduling/resources/amounts.ts';
import {
  isLimits,
  type LimitOptions,
  type LimitRule,
  limitsExpected,
  resolveLimits,
} from '../../scheduling/resources/limits.ts';
import type { ResourceTracker } from '../../scheduling/resources/resource-tracker.ts';
import type { Capabilities } from '../../dag/types.ts';
import { defaultMaxResultLosses } from '../../scheduling/scheduler/failure/lineage.ts';
import { defaultConcurrency } from '../../scheduling/scheduler/state.ts';
import type { MonitorOptions } from '../usage/monitor.ts';
import type { NodeProbe } from '../usage/resources.ts';
import { locate } from '../../workers/code/locate.ts';
import type { NodeSettings } from '../../workers/node/thread-pool.ts';
import type { Output } from '../../workers/node/wire.ts';
import { type CostModelOptions, costModelSchema } from '../../engine/costs/cost-options.ts';
import {
  type DashboardOptions,
  dashboardSchema,
  type ResolvedDashboard,
  resolveDashboard,
} from './dashboard-options.ts';
import { journalExpected, type JournalOptions, resolveJournal, type ResolvedJournal } from './journal-options.ts';
import { type ResolvedTransport, resolveTransport, type TransportOptions } from './transport-options.ts';

/** A node of this host. */
export interface NodeOptions {
  /** The name of the node, unique in the cluster. */
  readonly name: string;
  /** Amount by resource: `cpu` (cores), `memory` (MB), `gpu`, or any other name. */
  readonly capabilities: Capabilities;
  /** Number of worker threads. Default: `min(max(1, ceil(cpu)), availableParallelism())`. */
  readonly threads?: number | undefined;
  /** Speed relative to a node of speed 1, used by plans. Default 1. */
  readonly speed?: number | undefined;
  /**
   * Price per ms of function time, in any unit. Used by `'cost-optimized'`, and summed up in `stats.price`. Default: 0.
   */
  readonly price?: number | undefined;
  /**
   * Called every `monitorInterval` with what the node declares and what is in use. The capabilities that it returns, if
   * any, are those of the node from then on. When it throws, the event `probe:failed` occurs.
   */
  readonly probe?: NodeProbe | undefined;
  /**
   * Whether a function that uses more memory than its cost says fails with `MEMORY_EXCEEDED` as cause. Default `false`.
   */
  readonly enforceMemory?: boolean | undefined;
  /** How many functions with `concurrent` a thread holds at a time. Default 64. */
  readonly concurrency?: number | undefined;
  /**
   * Modules that each thread of the node imports before it is ready, so that no function waits for them. Each is a URL
   * or the name of a package. Default: none.
   */
  readonly preload?: readonly (string | URL)[] | undefined;
  /** Environment variables of its threads, in place of those of the process. Default: those of the process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Command-line options of Node for its threads. Default: those of the process. */
  readonly execArgv?: readonly string[] | undefined;
  /** Limits of V8 for each of its threads. Default: the old generation gets what `memory` of `capabilities` says. */
  readonly resourceLimits?: ResourceLimits | undefined;
}

export interface HandoffOptions {
  /** Nodes of this host. Default: one named `'local'` with all cores and memory of the machine. */
  readonly nodes?: readonly NodeOptions[] | undefined;
  /** How to reach other hosts; DAGs run unchanged with or without it. */
  readonly transport?: TransportOptions | undefined;
  /** Whether source text from other hosts (`fromSource()`) may run here. Default `false`. */
  readonly allowSource?: boolean | undefined;
  /** How functions are placed. Default `'auto'`. */
  readonly allocationStrategy?: AllocationStrategy | undefined;
  /**
   * Limits of the program, not of a node, by name, such as
   * `{ db: 3, api: { concurrency: 5, perSecond: 10, burst: 1 } }`; functions name them in `uses`. They are counted over
   * all runs of this Handoff, or of all that share a PostgreSQL journal. A number is a concurrency; `perSecond` limits
   * starts. Default: none.
   */
  readonly limits?: Readonly<Record<string, LimitOptions>> | undefined;
  /** Grants and releases resources of functions. Default: a `SimpleResourceTracker`. */
  readonly resourceTracker?: ResourceTracker | undefined;
  /**
   * Time between measurements of what functions really use, in ms. It enables the event `function:memory-exceeded` and
   * informs a `DynamicResourceTracker`. Default: only nodes with `probe` or `enforceMemory` are measured, every 1000
   * ms.
   */
  readonly monitorInterval?: number | undefined;
  /** Extra attempts per function after the first. Default 3. */
  readonly maxRetries?: number | undefined;
  /**
   * Time limit for the import of a module in a thread (`Infinity`: none), in ms. Beyond it, functions of the module
   * fail with `MODULE_FAILED`, and the thread restarts. Default 60,000 ms.
   */
  readonly importTimeout?: number | undefined;
  /**
   * How often the result of one function may be lost with its host or disk and recomputed before the function fails.
   * Results that are recomputed only as inputs of a lost one do not count. Default 10.
   */
  readonly maxResultLosses?: number | undefined;
  /** Time between the abort signal of a function and the end of its thread, in ms. Default 100 ms. */
  readonly gracePeriod?: number | undefined;
  /**
   * How many finished runs of `execute` keep their results for `getResult`. The oldest are dropped first, also when
   * there are more than a million results in total. `run` keeps only what it returns. Default 100.
   */
  readonly retainedRuns?: number | undefined;
  /** Memory limit for the results of finished runs, in bytes. The oldest runs are dropped first. Default 256 MiB. */
  readonly retainedBytes?: number | undefined;
  /**
   * Limit for large results in shared memory, in bytes. Beyond it the least recently used are written to temporary
   * files, and no new functions start until there is room.
   */
  readonly memoryBudget?: number | undefined;
  /**
   * Where the output of functions and actors goes: `'inherit'`: to stdout and stderr; `'stderr'`: all to stderr;
   * `'events'`: to `function:log` events. With `'events'`, output of functions goes to stderr while nothing listens to
   * these events. Output of actors always goes to stderr then. Default `'inherit'`.
   */
  readonly output?: Output | undefined;
  /** Serves a web page that shows running DAGs. Its address is `handoff.dashboard`. Default: off. */
  readonly dashboard?: DashboardOptions | undefined;
  /**
   * What is known of how long functions take and how large their results are, and where it is kept. It applies to
   * functions that do not declare it themselves. Default: each Handoff begins with nothing, and learns.
   */
  readonly costModel?: CostModelOptions | undefined;
  /**
   * Where runs are recorded, so that they outlive this process. `{ type: 'sqlite', path }`,
   * `{ type: 'postgres', url }`, `{ type: 'nats' }`, or a `Journal`. Default: none: a run ends with its process.
   */
  readonly journal?: JournalOptions | undefined;
  /**
   * Whether this process takes up runs of the journal that wait or whose process is gone, if it has their modules.
   * Default `true`.
   */
  readonly orchestrate?: boolean | undefined;
  /**
   * The folder of the cache. It is created if it is missing. Several processes of one machine may use it. Default: the
   * folder of the journal.
   */
  readonly cacheDir?: string | undefined;
  /** Limit for all results in the cache, in bytes. The least recently used are deleted first. Default 1024 MiB. */
  readonly maxCacheBytes?: number | undefined;
}

export interface ResolvedOptions extends Omit<
  v.InferOutput<typeof handoffSchema>,
  'nodes' | 'monitorInterval' | 'limits' | 'journal' | 'transport' | 'dashboard' | 'costModel'
> {
  readonly nodes: readonly NodeSettings[];
  readonly limits: Readonly<Record<string, LimitRule>>;
  readonly journal: ResolvedJournal | undefined;
  readonly monitoring: MonitorOptions;
  readonly transport: ResolvedTransport | undefined;
  readonly dashboard: ResolvedDashboard | undefined;
  readonly costModel: CostModelOptions;
}

export const strategyType = special<AllocationStrategy>(isStrategy, strategyExpected);

const trackerType = special<ResourceTracker>(
  (value) =>
    isRecord(value) &&
    ['register', 'available', 'request', 'release'].every((name) => typeof value[name] === 'function'),
  'a ResourceTracker, with register, available, request and release',
);

const limitNames = ['maxOldGenerationSizeMb', 'maxYoungGenerationSizeMb', 'codeRangeSizeMb', 'stackSizeMb'];

function isResourceLimits(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return Object.entries(value).every(
    ([name, limit]) => limit === undefined || (limitNames.includes(name) && isAmount(limit) && limit > 0),
  );
}

function isEnvironment(value: unknown): boolean {
  return isRecord(value) && areStrings(Object.values(value));
}

function areStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function areModules(value: unknown): boolean {
  return Array.isArray(value) && value.every(isInstalled);
}

/** Whether it names a package that is there. The import of a missing file says more about it than this could. */
function isInstalled(module: unknown): boolean {
  if (!(module instanceof URL) && (typeof module !== 'string' || module === '')) return false;
  try {
    locate(String(module));
    return true;
  } catch {
    return false;
  }
}

// Each takes a few bytes of shared memory, used or not.
const maxConcurrency = 100_000;

export const nodeSchema = optionSet({
  name: required(idText, { description: 'The name of the node, unique in the cluster.', flags: ['--name'] }),
  capabilities: required(amounts, {
    description: 'Amount by resource: `cpu` (cores), `memory` (MB), `gpu`, or any other name.',
    flags: ['--capabilities'],
  }),
  threads: option(whole({ min: 1 }), {
    description: 'Number of worker threads.',
    otherwise: '`min(max(1, ceil(cpu)), availableParallelism())`',
  }),
  speed: option(number({ above: 0 }), {
    description: 'Speed relative to a node of speed 1, used by plans.',
    default: 1,
  }),
  price: option(number({ min: 0 }), {
    description: 'Price per ms of function time, in any unit.',
    details: "Used by `'cost-optimized'`, and summed up in `stats.price`.",
    otherwise: '0',
  }),
  probe: option(callback<NodeProbe>(), {
    description: 'Called every `monitorInterval` with what the node declares and what is in use.',
    details:
      'The capabilities that it returns, if any, are those of the node from then on. When it throws, the event `probe:failed` occurs.',
  }),
  enforceMemory: option(boolean, {
    description: 'Whether a function that uses more memory than its cost says fails with `MEMORY_EXCEEDED` as cause.',
    default: false,
  }),
  concurrency: option(whole({ min: 1, max: maxConcurrency }), {
    description: 'How many functions with `concurrent` a thread holds at a time.',
    default: defaultConcurrency,
  }),
  preload: option(
    special<readonly (string | URL)[]>(areModules, 'a list of installed modules, each a URL or a package'),
    {
      description:
        'Modules that each thread of the node imports before it is ready, so that no function waits for them.',
      details: 'Each is a URL or the name of a package.',
      otherwise: 'none',
    },
  ),
  env: option(special<Readonly<Record<string, string>>>(isEnvironment, 'strings by name'), {
    description: 'Environment variables of its threads, in place of those of the process.',
    otherwise: 'those of the process',
  }),
  execArgv: option(special<readonly string[]>(areStrings, 'a list of strings'), {
    description: 'Command-line options of Node for its threads.',
    otherwise: 'those of the process',
  }),
  resourceLimits: option(
    special<ResourceLimits>(isResourceLimits, `numbers above 0 by name: ${limitNames.join(', ')}`),
    {
      description: 'Limits of V8 for each of its threads.',
      otherwise: 'the old generation gets what `memory` of `capabilities` says',
    },
  ),
});

export const handoffSchema = optionSet({
  nodes: option(
    listOf(
      nodeSchema,
      'a list of { name, capabilities, threads?, speed?, price?, probe?, enforceMemory? }, not empty without a transport or a journal',
    ),
    {
      description: 'Nodes of this host.',
      otherwise: "one named `'local'` with all cores and memory of the machine",
      flags: ['--nodes'],
    },
  ),
  transport: option(special<TransportOptions>(isRecord, "{ type: 'tcp', … } or { type: 'nats', servers, … }"), {
    description: 'How to reach other hosts; DAGs run unchanged with or without it.',
  }),
  allowSource: option(boolean, {
    description: 'Whether source text from other hosts (`fromSource()`) may run here.',
    default: false,
    flags: ['--allow-source'],
  }),
  allocationStrategy: option(strategyType, {
    description: 'How functions are placed.',
    default: 'auto',
    flags: ['--strategy'],
  }),
  limits: option(special<Readonly<Record<string, LimitOptions>>>(isLimits, limitsExpected), {
    description:
      'Limits of the program, not of a node, by name, such as `{ db: 3, api: { concurrency: 5, perSecond: 10, burst: 1 } }`; functions name them in `uses`.',
    details:
      'They are counted over all runs of this Handoff, or of all that share a PostgreSQL journal. A number is a concurrency; `perSecond` limits starts.',
    otherwise: 'none',
  }),
  resourceTracker: option(trackerType, {
    description: 'Grants and releases resources of functions.',
    otherwise: 'a `SimpleResourceTracker`',
  }),
  monitorInterval: option(positiveMilliseconds, {
    description: 'Time between measurements of what functions really use',
    details: 'It enables the event `function:memory-exceeded` and informs a `DynamicResourceTracker`.',
    otherwise: 'only nodes with `probe` or `enforceMemory` are measured, every 1000 ms',
  }),
  maxRetries: option(whole(), { description: 'Extra attempts per function after the first.', default: 3 }),
  importTimeout: option(number({ unit: 'ms', above: 0, orInfinity: true }), {
    description: 'Time limit for the import of a module in a thread (`Infinity`: none)',
    details: 'Beyond it, functions of the module fail with `MODULE_FAILED`, and the thread restarts.',
    default: 60_000,
  }),
  maxResultLosses: option(whole({ orInfinity: true }), {
    description:
      'How often the result of one function may be lost with its host or disk and recomputed before the function fails.',
    details: 'Results that are recomputed only as inputs of a lost one do not count.',
    default: defaultMaxResultLosses,
  }),
  gracePeriod: option(milliseconds, {
    description: 'Time between the abort signal of a function and the end of its thread',
    default: 100,
  }),
  retainedRuns: option(whole(), {
    description: 'How many finished runs of `execute` keep their results for `getResult`.',
    details:
      'The oldest are dropped first, also when there are more than a million results in total. `run` keeps only what it returns.',
    default: 100,
  }),
  retainedBytes: option(number({ unit: 'bytes', min: 0, orInfinity: true }), {
    description: 'Memory limit for the results of finished runs',
    details: 'The oldest runs are dropped first.',
    default: 256 * 2 ** 20,
  }),
  memoryBudget: option(number({ unit: 'bytes', above: 0 }), {
    description: 'Limit for large results in shared memory',
    details:
      'Beyond it the least recently used are written to temporary files, and no new functions start until there is room.',
  }),
  output: option(oneOf('inherit', 'stderr', 'events'), {
    description:
      "Where the output of functions and actors goes: `'inherit'`: to stdout and stderr; `'stderr'`: all to stderr; `'events'`: to `function:log` events.",
    details:
      "With `'events'`, output of functions goes to stderr while nothing listens to these events. Output of actors always goes to stderr then.",
    default: 'inherit',
  }),
  dashboard: option(dashboardSchema, {
    description: 'Serves a web page that shows running DAGs.',
    details: 'Its address is `handoff.dashboard`.',
    otherwise: 'off',
    flags: ['--dashboard'],
  }),
  costModel: option(costModelSchema, {
    description: 'What is known of how long functions take and how large their results are, and where it is kept.',
    details: 'It applies to functions that do not declare it themselves.',
    otherwise: 'each Handoff begins with nothing, and learns',
    flags: ['--cost-model'],
  }),
  journal: option(special<JournalOptions>(isRecord, journalExpected), {
    description: 'Where runs are recorded, so that they outlive this process.',
    details: "`{ type: 'sqlite', path }`, `{ type: 'postgres', url }`, `{ type: 'nats' }`, or a `Journal`.",
    otherwise: 'none: a run ends with its process',
    flags: ['--journal'],
    isSecret: true,
  }),
  orchestrate: option(boolean, {
    description:
      'Whether this process takes up runs of the journal that wait or whose process is gone, if it has their modules.',
    default: true,
  }),
  cacheDir: option(text('the path of a folder'), {
    description: 'The folder of the cache.',
    details: 'It is created if it is missing. Several processes of one machine may use it.',
    otherwise: 'the folder of the journal',
    flags: ['--cache-dir'],
  }),
  maxCacheBytes: option(number({ unit: 'bytes', above: 0 }), {
    description: 'Limit for all results in the cache',
    details: 'The least recently used are deleted first.',
    default: 2 ** 30,
  }),
});

export const defaultMaxCacheBytes = v.getDefault(handoffSchema.entries.maxCacheBytes);

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function resolveOptions(given: HandoffOptions): ResolvedOptions {
  const { monitorInterval, costModel = {}, ...resolved } = parseOptions('Handoff.start', handoffSchema, given);
  const transport = given.transport && resolveTransport(given.transport);
  const onlySubmits = given.journal !== undefined && given.orchestrate === false;
  if (given.nodes?.length === 0 && transport === undefined && !onlySubmits) {
    const expected =
      'a list that is not empty; it may be empty beside a transport, or a journal with orchestrate: false';
    throw invalidOption('Handoff.start', 'nodes', expected, given.nodes);
  }
  // Names are unique in a cluster.
  const defaultName = transport === undefined ? 'local' : `${hostname()}-${process.pid}`;
  const own = resolved.nodes ?? [parseOptions('', nodeSchema, { name: defaultName, capabilities: machine() })];
  const names = own.map(({ name }) => name);
  if (new Set(names).size < names.length)
    throw invalidOption('Handoff.start', 'nodes', 'nodes with different names', names);
  return {
    ...resolved,
    nodes: own.map((node) => settingsOf(node, resolved)),
    limits: resolveLimits(resolved.limits),
    monitoring: {
      interval: monitorInterval,
      policies: new Map(resolved.nodes?.map(({ name, probe, enforceMemory }) => [name, { probe, enforceMemory }])),
    },
    transport,
    journal: given.journal && resolveJournal(given.journal),
    dashboard: given.dashboard && resolveDashboard(given.dashboard),
    costModel,
  };
}

type Common = Pick<ResolvedOptions, 'output' | 'memoryBudget' | 'importTimeout'>;

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function resolveNode(where: string, node: NodeOptions, common: Common): NodeSettings {
  return settingsOf(parseOptions(where, nodeSchema, node), common);
}

function settingsOf(
  {
    name,
    capabilities,
    speed,
    price,
    threads,
    concurrency,
    preload,
    env,
    execArgv,
    resourceLimits,
  }: v.InferOutput<typeof nodeSchema>,
  { output, memoryBudget, importTimeout }: Common,
): NodeSettings {
  return {
    name,
    capabilities: { ...capabilities },
    speed,
    output,
    memoryBudget,
    importTimeout,
    ...(price !== undefined && { price }),
    threads: threads ?? defaultThreads(capabilities),
    concurrency,
    start: {
      preload: preload?.map((module) => locate(String(module))) ?? [],
      ...(env !== undefined && { env }),
      ...(execArgv !== undefined && { execArgv }),
      ...(resourceLimits !== undefined && { resourceLimits }),
    },
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
