/** Creates and connects the parts of a Handoff. Starts nothing. */
/// <reference path="./request-types.ts" />
import { availableParallelism } from 'node:os';
import { type ResourceTracker, SimpleResourceTracker } from '../scheduling/resources/resource-tracker.ts';
import { CodeRegistry } from '../workers/node/code-registry.ts';
import { Monitor } from './usage/monitor.ts';
import type { Tuning } from '../scheduling/scheduler/state.ts';
import { LocationRegistry } from '../workers/store/location-registry.ts';
import { ResultStore } from '../workers/store/result-store.ts';
import { Actors } from './actors/actors.ts';
import { DashboardChild } from './dashboard-child.ts';
import { Driver } from '../engine/driver.ts';
import { Tap } from './feed/event-tap.ts';
import type { Hosts } from './hosts.ts';
import { type KeptCosts, openCosts } from '../engine/costs/cost-file.ts';
import { type BoundMemory, boundMemory } from '../engine/batches/bound-memory.ts';
import { Modules } from '../engine/module-resolver.ts';
import { HandoffOverview, type Overview } from './overview.ts';
import type { Publisher } from '../engine/event-publisher.ts';
import type { ResolvedOptions } from './options/handoff-options.ts';
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import { locate } from '../workers/code/locate.ts';
import type { CodeVersions } from '../workers/code/versions.ts';
import { Runner } from './runner.ts';
import { LocalNodes } from './local-nodes.ts';
import { createRoot, RuntimeTree } from './supervision-tree.ts';
import { Values } from './values/values.ts';

export interface RuntimeParts {
  readonly driver: Driver;
  readonly store: ResultStore;
  readonly nodes: LocalNodes;
  readonly tree: RuntimeTree;
  readonly runner: Runner;
  readonly actors: Actors;
  readonly memory: BoundMemory;
  readonly values: Values;
  readonly monitor: Monitor;
  /** Undefined without a transport. */
  readonly hosts: Hosts | undefined;
  readonly overview: Overview;
  /** Undefined when the dashboard is off. */
  readonly dashboard: DashboardChild | undefined;
  readonly costs: KeptCosts;
}

/**
 * Builds from the bottom up: each part is given the parts below it, and registers there for what it wants to hear.
 *
 * ```
 *   tree, runner
 *   dashboard
 *   overview, values
 *   monitor, actors
 *   nodes
 *   driver
 *   hosts
 *   memory, store, registry, costs
 * ```
 *
 * @param remote the modules for other hosts; undefined without a transport
 */
export function assemble(
  options: ResolvedOptions,
  tuning: Partial<Tuning>,
  listeners: Publisher,
  remote: typeof import('./other-hosts.ts') | undefined,
): RuntimeParts {
  const { transport, gracePeriod: grace, allowSource, output, importTimeout } = options;
  const publisher = new Tap(listeners);
  const root = createRoot(publisher);
  const codes = new CodeRegistry();
  const costs = openCosts(options.costModel, codes);
  const { learned } = costs;
  const registry = new LocationRegistry();
  const store = new ResultStore({ runs: options.retainedRuns, bytes: options.retainedBytes }, (runId) =>
    registry.forget(runId),
  );
  const memory = boundMemory(options.memoryBudget, publisher);
  const tracker = options.resourceTracker ?? new SimpleResourceTracker();
  const hosts =
    transport &&
    new remote!.Hosts(transport, {
      tracker,
      codes,
      publisher,
      grace,
      allowSource,
      memory: memory.memory,
      nodeNames: options.nodes.map(({ name }) => name),
    });
  // Other hosts may hold a requested resource for any length of time.
  const patience = hosts === undefined ? {} : { refusalLimit: Infinity, stuckMs: 20 };
  const driver = new Driver(
    hosts?.admission ?? tracker,
    { grace, gangThreads: availableParallelism(), ...patience, ...tuning },
    publisher,
    { memory: memory.memory, exchange: hosts?.cluster.objects, learned, limits: options.limits },
  );
  memory.onPressure((isPressed) => driver.memoryPressed(isPressed));
  const nodes = new LocalNodes({ driver, codes, publisher, hosts, maxThreads: availableParallelism() });
  hosts?.connect(driver, nodes);
  hosts?.answer('updateCapabilities', ([node, changed]) => nodes.updateCapabilities(node, changed));
  const monitor = createMonitor(options, { tracker, publisher, driver, nodes, hosts });
  const actors = new Actors({ publisher, nodes, output, importTimeout, versions: codes.versions });
  driver.onQuestion((question) => actors.answer(question));
  if (hosts !== undefined) actors.connect(new remote!.RemoteActors(hosts, actors));
  const values = new Values({ registry, store, driver, hosts, nodes });
  const overview = new HandoffOverview({ tap: publisher, hosts, learned, driver, nodes, root, monitor });
  const dashboard = options.dashboard && new DashboardChild(options.dashboard, overview, publisher);
  const tree = new RuntimeTree({ root, registry, store, driver, hosts, nodes, actors, monitor, dashboard });
  const runner = new Runner({
    registry,
    store,
    driver,
    hosts,
    options,
    modules: new Modules(codes),
    nodes,
    tree,
    learned,
    fromHosts: hosts && ((runId, id) => values.get(runId, id, undefined)),
    hashesOf: (plan) => hashesOf(plan, codes.versions),
  });
  return { driver, store, nodes, tree, runner, actors, memory, values, monitor, hosts, overview, dashboard, costs };
}

/** Measures the nodes of this host, for this host and for the others. */
function createMonitor(
  { monitoring }: ResolvedOptions,
  {
    tracker,
    publisher,
    driver,
    nodes,
    hosts,
  }: { readonly tracker: ResourceTracker; readonly publisher: Tap } & Pick<RuntimeParts, 'driver' | 'nodes' | 'hosts'>,
): Monitor {
  const monitor = new Monitor(monitoring, {
    tracker,
    publisher,
    state: driver.state,
    nodes: () => nodes.all,
    change: (node, changed) => nodes.updateCapabilities(node, changed, `The probe of node ${node}`),
    freed: () => (hosts === undefined ? driver.resourcesFreed() : hosts.freed()),
    reportToOwner: (overuse) => {
      const owner = hosts?.cluster.ownerOf(overuse.batch);
      // Best effort: the report is informational.
      owner?.peer.request('overuse', { ...overuse, batch: owner.batch }).catch(() => {});
    },
  });
  nodes.onStart((actor) => monitor.nodeUp(actor));
  hosts?.answer('resources', () => monitor.resources());
  hosts?.answer('overuse', ([overuse], peer) => monitor.overuseElsewhere(overuse, peer.number));
  return monitor;
}

/** The hash of each module of a plan, with everything that it imports. */
function hashesOf({ codes, predicates }: CompiledDag, versions: CodeVersions): Record<string, string> {
  const hashes: Record<string, string> = {};
  for (const code of [...codes, ...predicates])
    if (!('source' in code)) hashes[code.module] ??= versions.of(locate(code.module)).hash;
  return hashes;
}
