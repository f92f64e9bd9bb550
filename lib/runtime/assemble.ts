/** Creates and connects the parts of a Handoff. Starts nothing. */
/// <reference path="./request-types.ts" />
import { availableParallelism } from 'node:os';
import { SimpleResourceTracker } from '../scheduling/resources/resource-tracker.ts';
import { CodeRegistry } from '../workers/node/code-registry.ts';
import { Monitor } from './usage/monitor.ts';
import { heapLimit } from '../workers/node/thread-pool.ts';
import type { Tuning } from '../scheduling/scheduler/state.ts';
import { LocationRegistry } from '../workers/store/location-registry.ts';
import { ResultStore } from '../workers/store/result-store.ts';
import { Actors } from './actors.ts';
import { DashboardChild } from './dashboard-child.ts';
import { Driver } from '../engine/driver.ts';
import { Tap } from './feed/event-tap.ts';
import type { Hosts } from './hosts.ts';
import { type KeptCosts, openCosts } from '../engine/cost-file.ts';
import { type BoundMemory, boundMemory } from '../engine/bound-memory.ts';
import { Modules } from '../engine/module-resolver.ts';
import { HandoffOverview, type Overview } from './overview.ts';
import type { Publisher } from '../engine/event-publisher.ts';
import type { ResolvedOptions } from './options/handoff-options.ts';
import type { CompiledDag } from '../dag/compiled-dag.ts';
import { locate } from '../workers/code/locate.ts';
import type { CodeVersions } from '../workers/code/versions.ts';
import { Runner } from './runner.ts';
import { RuntimeTree } from './supervision-tree.ts';
import { Values } from './values.ts';

export interface RuntimeParts {
  readonly driver: Driver;
  readonly store: ResultStore;
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

/** @param remote the modules for other hosts; undefined without a transport */
export function assemble(
  options: ResolvedOptions,
  tuning: Partial<Tuning>,
  listeners: Publisher,
  remote: typeof import('./other-hosts.ts') | undefined,
): RuntimeParts {
  const { transport, gracePeriod: grace, allowSource, output, importTimeout } = options;
  const publisher = new Tap(listeners);
  const codes = new CodeRegistry();
  const costs = openCosts(options.costModel, codes);
  const registry = new LocationRegistry();
  const store = new ResultStore({ runs: options.retainedRuns, bytes: options.retainedBytes }, (runId) =>
    registry.forget(runId),
  );
  const memory: BoundMemory = boundMemory(options.memoryBudget, publisher, (isPressed) =>
    driver.memoryPressed(isPressed),
  );
  const given = options.resourceTracker ?? new SimpleResourceTracker();
  const admission = transport && new remote!.Admission(given, () => driver.resourcesFreed());
  const hosts: Hosts | undefined =
    transport &&
    new remote!.Hosts(transport, {
      admission: admission!,
      codes,
      publisher,
      grace,
      allowSource,
      memory: memory.memory,
      nodeNames: options.nodes.map(({ name }) => name),
      driver: () => driver,
      tree: () => tree,
    });
  // Other hosts may hold a requested resource for any length of time.
  const patience = transport === undefined ? {} : { refusalLimit: Infinity, stuckMs: 20 };
  const driver: Driver = new Driver(
    admission ?? given,
    { grace, gangThreads: availableParallelism(), ...patience, ...tuning },
    publisher,
    {
      memory: memory.memory,
      exchange: hosts?.cluster.objects,
      ask: (question) => actors.answer(question),
      learned: costs.learned,
      limits: options.limits,
    },
  );
  const actors: Actors = new Actors({
    publisher,
    nodeNames: () => tree.nodeNames,
    heapOf: (node) => heapLimit(tree.node(node)!.settings.capabilities['memory']),
    output,
    importTimeout,
    versions: codes.versions,
    elsewhere: () => elsewhere,
  });
  const elsewhere = hosts && new remote!.RemoteActors(hosts, () => actors);
  const monitor: Monitor = new Monitor(options.monitoring, {
    tracker: given,
    publisher,
    state: () => driver.state,
    nodes: () => tree.nodeNames.map((name) => tree.node(name)!),
    change: (node, changed) => tree.updateCapabilities(node, changed, `The probe of node ${node}`),
    freed: () => (hosts === undefined ? driver.resourcesFreed() : hosts.freed()),
    reportToOwner: (overuse) => {
      const owner = hosts?.cluster.ownerOf(overuse.batch);
      // Best effort: the report is informational.
      owner?.peer.request('overuse', { ...overuse, batch: owner.batch }).catch(() => {});
    },
  });
  hosts?.answer('resources', () => monitor.resources());
  hosts?.answer('overuse', ([overuse], peer) => monitor.overuseElsewhere(overuse, peer.number));
  hosts?.answer('updateCapabilities', ([node, changed]) => tree.updateCapabilities(node, changed));
  const dashboard =
    options.dashboard &&
    new DashboardChild(
      options.dashboard,
      () => overview,
      (child, exit) => tree.onRestart('dashboard', child, exit),
    );
  const tree: RuntimeTree = new RuntimeTree({
    registry,
    store,
    driver,
    hosts,
    codes,
    publisher,
    actors,
    monitor,
    dashboard,
    maxThreads: availableParallelism(),
  });
  const runner = new Runner({
    registry,
    store,
    driver,
    hosts,
    options,
    modules: new Modules(codes),
    tree,
    learned: costs.learned,
    hashesOf: (plan) => hashesOf(plan, codes.versions),
  });
  const values = new Values({ registry, store, driver, hosts, nodeNames: () => tree.nodeNames });
  const overview = new HandoffOverview({
    tap: publisher,
    hosts,
    learned: costs.learned,
    driver: () => driver,
    tree: () => tree,
    monitor: () => monitor,
  });
  return { driver, store, tree, runner, actors, memory, values, monitor, hosts, overview, dashboard, costs };
}

/** The hash of each module of a plan, with everything that it imports. */
function hashesOf({ codes, predicates }: CompiledDag, versions: CodeVersions): Record<string, string> {
  const hashes: Record<string, string> = {};
  for (const code of [...codes, ...predicates])
    if (!('source' in code)) hashes[code.module] ??= versions.of(locate(code.module)).hash;
  return hashes;
}
