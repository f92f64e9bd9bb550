/** From a DAG to its results: refuses what is invalid first, then creates, watches and closes the run. */
import type { CompiledAnswer } from '../engine/graph-answers.ts';
import { nanoid } from 'nanoid/non-secure'; // the other one loads a large part of Node
import { isPlanned, type ResolvedStrategy } from '../scheduling/allocation/allocator.ts';
import type { Node } from '../scheduling/scheduler/state.ts';
import { findImpossible } from '../scheduling/resources/feasibility.ts';
import { findUnmet } from '../scheduling/resources/limits.ts';
import { strategyOf } from '../scheduling/allocation/strategy.ts';
import { Dag, type DagJson } from '../dag/dag.ts';
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import { Templates } from '../dag/compile/templates.ts';
import type { Capabilities } from '../dag/types.ts';
import { HandoffError } from '../core/errors.ts';
import type { Inspector } from '../workers/node/node-link.ts';
import type { RunSettings } from '../scheduling/scheduler/events.ts';
import { speculationOf } from '../scheduling/scheduler/speculation/speculate-options.ts';
import type { LocationRegistry, Locations } from '../workers/store/location-registry.ts';
import type { RunResults } from '../workers/store/run-results.ts';
import type { ResultStore } from '../workers/store/result-store.ts';
import type { ActiveRun } from '../engine/active-run.ts';
import type { Driver } from '../engine/driver.ts';
import type { Hosts } from './hosts.ts';
import type { LocalNodes } from './local-nodes.ts';
import type { CostModel } from '../scheduling/costs/cost-model.ts';
import { type Explanation, explainImport, noSuchFunction } from '../engine/explain.ts';
import { allOf, type Modules, type ResolvedCode } from '../engine/module-resolver.ts';
import type { ResolvedOptions } from './options/handoff-options.ts';
import { type ExecuteResult, toResult } from './run-result.ts';
import { homesOf } from '../scheduling/planner/home-hosts.ts';
import { resolveStrategy } from '../scheduling/planner/auto.ts';
import { placementOf } from '../scheduling/planner/placement.ts';
import { type PlannedRun, planRun } from '../scheduling/planner/planned.ts';
import { preview, type PlanResult, type PreviewNode, toPreview } from './plan-preview.ts';
import { costsOf, inLearnedOrder, knownOf } from '../engine/costs/plan-costs.ts';
import type { RunIds } from '../engine/run-ids.ts';
import type { Caching } from './durable/caching.ts';
import type { RunCache } from '../engine/cache/run-cache.ts';
import { noOthers, type OtherResults } from '../engine/results/other-results.ts';
import type { Begun, DurableRun } from './durable/durable-run.ts';
import type { Asked as DurableAsked, DurableRuns } from './durable/durable-runs.ts';
import { ResultSources } from './values/result-sources.ts';
import { RunGuard } from './run-guard.ts';
import { checkExecuteOptions, type ExecuteOptions, keptOf } from './options/execute-options.ts';
import { checkPlanOptions, type PlanOptions } from './options/plan-options.ts';
import type { RuntimeTree } from './supervision-tree.ts';

export interface RunnerParts {
  readonly options: ResolvedOptions;
  readonly driver: Driver;
  readonly store: ResultStore;
  readonly registry: LocationRegistry;
  readonly modules: Modules;
  readonly nodes: LocalNodes;
  readonly tree: RuntimeTree;
  readonly hosts: Hosts | undefined;
  readonly learned: CostModel;
  /** Fetches a value of a run from other hosts; undefined without a transport. */
  readonly fromHosts: ((runId: string, id: string) => Promise<unknown>) | undefined;
  /** The hash of each module of a plan, with everything that it imports. */
  readonly hashesOf: (plan: CompiledDag) => Readonly<Record<string, string>>;
}

/** How a run was requested. */
export interface Call {
  /** The public method, for error texts. */
  readonly where: string;
  /** The public method itself, whose callers appear in the stack of errors. */
  readonly caller: Function;
  /** Whether to use only nodes of this host and to ignore pins and costs. Default false. */
  readonly hereOnly?: boolean;
  /** Whether results are kept after the end of the run. Default true. */
  readonly retained?: boolean;
}

interface Asked {
  readonly ids: RunIds;
  readonly plan: CompiledDag;
  readonly options: ExecuteOptions;
  readonly hereOnly: boolean;
  readonly retained: boolean;
  readonly startedAt: number;
  /** Of a run that is recorded. */
  readonly durable?: DurableRun | undefined;
}

interface UnderWay {
  readonly ids: RunIds;
  readonly plan: CompiledDag;
  readonly guard: RunGuard;
  /** Functions that were cancelled before the run was submitted to the scheduler. */
  readonly cancelled: Set<string>;
  readonly ended: Promise<unknown>;
}

interface Stores {
  readonly begun: Begun | undefined;
  readonly cache: RunCache | undefined;
}

export class Runner {
  readonly #parts: RunnerParts;
  /** All runs that have been requested and have not ended, by id. */
  readonly #underWay = new Map<string, UnderWay>();
  #reloading: Promise<void> | undefined;
  readonly #templates: Templates;
  /** Opens the cache, or gives the open one; undefined where there is none. */
  openCache: (() => Promise<Caching>) | undefined;
  /** Undefined without a journal. */
  durableRuns: DurableRuns | undefined;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#templates = new Templates(parts.options.memoryBudget !== undefined);
    parts.driver.onAnswer((active, graph) => this.#compileAnswer(active, graph));
  }

  /** Resolves when all runs have ended, and also the speculative attempts that outlast them. */
  async drained(): Promise<void> {
    await Promise.all([...this.#underWay.values()].map(({ ended }) => ended));
    await this.#parts.driver.idleOn();
  }

  /** Restarts all threads with fresh modules, once the current runs have ended. New runs wait. */
  reload(): Promise<void> {
    this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined));
    return this.#reloading;
  }

  async #reload(): Promise<void> {
    const { nodes, modules } = this.#parts;
    await this.drained();
    modules.forget();
    await nodes.restartThreads();
  }

  /** Ends all runs. `gently` lets running functions finish. */
  abortAll(reasonOf: (ids: RunIds) => HandoffError, gently = false): void {
    for (const { ids, guard } of this.#underWay.values()) guard.end(reasonOf(ids), gently);
  }

  /**
   * Runs a DAG.
   *
   * @param call how the run was requested
   */
  async execute(
    dag: Dag,
    options: ExecuteOptions,
    { where, caller, hereOnly = false, retained = true }: Call,
  ): Promise<ExecuteResult> {
    const startedAt = performance.now();
    const site: { stack?: string } = {};
    Error.captureStackTrace(site, caller);
    try {
      checkExecuteOptions(where, options);
      this.refuseMissingCache(where, options);
      const plan = this.#compile(dag, hereOnly);
      if (this.#reloading !== undefined) await this.#reloading.catch(() => {});
      const ids: RunIds = { runId: options.runId ?? nanoid(), dagId: plan.dagId };
      if (this.durableRuns !== undefined && options.durable !== false && !hereOnly)
        return await this.durableRuns.execute({ ids, dag, plan, options, retained });
      if (this.#underWay.has(ids.runId)) {
        throw new HandoffError(
          'RUN_CONFLICT',
          `A run with the id ${JSON.stringify(ids.runId)} has not ended. Wait for it, or give this run another runId.`,
          { ...ids },
        );
      }
      return await this.#track({ ids, plan, options, hereOnly, retained, startedAt });
    } catch (error) {
      throw withSite(error, site.stack);
    }
  }

  /** @throws `INVALID_OPTION` when a run asks for the cache, and there is none */
  refuseMissingCache(where: string, { cache }: ExecuteOptions): void {
    if (cache === undefined || cache === false || this.openCache !== undefined) return;
    throw new HandoffError(
      'INVALID_OPTION',
      `${where}: cache needs a folder: Handoff.start({ cacheDir: '.handoff' }), or a journal that has a cache.`,
      { option: 'cache' },
    );
  }

  /** Runs a DAG that is recorded, and of which this process is the owner. */
  async own({ ids, plan, options, retained }: DurableAsked, durable: DurableRun): Promise<ExecuteResult> {
    return this.#track({ ids, plan, options, hereOnly: false, retained, startedAt: performance.now(), durable });
  }

  /** Compiles a DAG for a run on all hosts. Throws like `execute` before any function starts. */
  compile(dag: Dag): CompiledDag {
    return this.#compile(dag, false);
  }

  /** Ends a run that is under way here. */
  abort(runId: string, reason: HandoffError): void {
    this.#underWay.get(runId)?.guard.end(reason);
  }

  /**
   * Cancels one function of a run.
   *
   * @param name the id of a run, or of a DAG, meaning its newest run
   * @returns false when the function has ended
   * @throws `NOT_FOUND` when there is no such run or function
   */
  cancelFunction(name: string, functionId: string): boolean {
    const { driver } = this.#parts;
    const run = this.#find(name);
    if (run === undefined || driver.runs.has(run.ids.runId))
      return driver.cancelFunction(run?.ids.runId ?? name, functionId);
    if (run.plan.indexOf(functionId) < 0) throw noSuchFunction(run.ids, functionId);
    run.cancelled.add(functionId);
    return true;
  }

  #find(name: string): UnderWay | undefined {
    return this.#underWay.get(name) ?? [...this.#underWay.values()].findLast(({ ids }) => ids.dagId === name);
  }

  /**
   * What a run or one of its functions waits for.
   *
   * @param name the id of a run, or of a DAG, meaning its newest run
   * @throws `NOT_FOUND` when there is no such run or function
   */
  explain(name: string, functionId: string | undefined): Explanation {
    const { driver, modules } = this.#parts;
    const run = this.#find(name);
    const awaited = run === undefined || driver.runs.has(run.ids.runId) ? undefined : modules.awaitedBy(run.plan);
    return awaited === undefined
      ? driver.explain(run?.ids.runId ?? name, functionId)
      : explainImport(run!.ids, run!.plan, functionId, awaited);
  }

  /** Predicts the schedule of a DAG. */
  async plan(dag: Dag, given: PlanOptions): Promise<PlanResult> {
    const { budget, bandwidth, latency, ...options } = checkPlanOptions(given);
    const { modules } = this.#parts;
    if (this.#reloading !== undefined) await this.#reloading.catch(() => {});
    const plan = this.#compile(dag, false);
    const code = await modules.resolve(plan, () => this.#inspector(), never);
    const costs = costsOf(plan, code, this.#parts.learned);
    const nodes = this.#nodes(false);
    const strategy = this.#strategyOf(plan, code, options, false);
    if ((budget ?? 1) === 1 && !isPlanned(strategy))
      return preview(
        this.#ordered(plan, code),
        nodes,
        this.#settings(plan, code, options, { hereOnly: false, strategy, planned: undefined }),
        costs,
      );
    const link = { ...(bandwidth !== undefined && { bandwidth }), ...(latency !== undefined && { latency }) };
    const aim = isPlanned(strategy) ? strategy : 'time-optimized';
    const planned = planRun(plan, {
      ...betweenHosts,
      ...link,
      ...costs,
      nodes,
      aim,
      budget,
      deadline: options.deadline,
      maxConcurrency: options.maxConcurrency,
    });
    if (plan.maps === null) return toPreview(plan, planned, costs);
    // Elements are placed as they appear, around what is planned.
    const settings = this.#settings(planned.plan, code, options, { hereOnly: false, strategy: aim, planned });
    return preview(planned.plan, nodes, settings, costs);
  }

  /** The start order of a DAG that is not planned ahead. */
  #ordered(plan: CompiledDag, code: ResolvedCode): CompiledDag {
    const { options, learned } = this.#parts;
    // This order keeps few results in memory.
    return options.memoryBudget === undefined ? inLearnedOrder(plan, code, learned) : plan;
  }

  /** The strategy of a run. A plan takes all nodes for free, so `'auto'` plans only a run that is alone. */
  #strategyOf(
    plan: CompiledDag,
    code: ResolvedCode,
    { allocationStrategy, maxConcurrency = Infinity }: ExecuteOptions,
    hereOnly: boolean,
  ): ResolvedStrategy {
    const { options, driver, learned } = this.#parts;
    return resolveStrategy(allocationStrategy ?? options.allocationStrategy, () => {
      const nodes = this.#nodes(hereOnly);
      return {
        plan,
        nodes,
        // A plan leaves each node at least one thread.
        mayPlan: driver.runs.size === 0 && options.memoryBudget === undefined && maxConcurrency >= nodes.length,
        ...costsOf(plan, code, learned),
      };
    });
  }

  /** The plan of a run that is planned before it starts; otherwise undefined. */
  #planned(
    plan: CompiledDag,
    code: ResolvedCode,
    options: ExecuteOptions,
    { hereOnly, strategy: aim }: { readonly hereOnly: boolean; readonly strategy: ResolvedStrategy },
  ): PlannedRun | undefined {
    if (!isPlanned(aim)) return undefined;
    return planRun(plan, {
      ...betweenHosts,
      ...costsOf(plan, code, this.#parts.learned),
      nodes: this.#nodes(hereOnly),
      aim,
      deadline: options.deadline,
      maxConcurrency: options.maxConcurrency,
    });
  }

  /**
   * The nodes that accept work or soon will, as the planner sees them. Disconnected nodes count only if there are no
   * others.
   */
  #nodes(hereOnly: boolean): PreviewNode[] {
    const { driver } = this.#parts;
    const nodes = driver.state.nodes.filter(
      (node) => (node.up || node.returning) && !node.draining && !(hereOnly && node.host !== 0),
    );
    const near = nodes.filter(isNear);
    return (near.length > 0 ? near : nodes).map(({ name, capabilities, speed, host }) => ({
      name,
      capabilities,
      speed,
      site: host,
      ...driver.offerOf(name),
    }));
  }

  /**
   * Capabilities by node name, in order of declaration, of all nodes that are up or may return.
   *
   * @param which selects the disconnected nodes to include. Default: none
   */
  capabilities(hereOnly = false, which: (node: string) => boolean = () => false): Record<string, Capabilities> {
    const nodes = this.#parts.driver.state.nodes.filter(
      (node) => (isNear(node) || (node.returning && which(node.name))) && !(hereOnly && node.host !== 0),
    );
    return Object.fromEntries(nodes.map((node) => [node.name, { ...node.capabilities }]));
  }

  /**
   * The nodes an allocator may choose from. Disconnected nodes count only if a function is pinned to them, or if there
   * are no others.
   */
  #placeable(plan: CompiledDag, hereOnly: boolean): Record<string, Capabilities> {
    const pinned = new Set(plan.pins.values());
    const nodes = this.capabilities(hereOnly, (node) => pinned.has(node));
    return Object.keys(nodes).length > 0 ? nodes : this.capabilities(hereOnly, () => true);
  }

  /** A node of this host, or of another host if this one has none. */
  #inspector(): Inspector {
    const { nodes, hosts } = this.#parts;
    return nodes.names.length > 0 || hosts === undefined ? nodes.any() : hosts.inspector();
  }

  #compile(dag: Dag, ignorePlacement: boolean): CompiledDag {
    const plan = this.#templates.compile(dag, ignorePlacement);
    this.#needNode(plan, ignorePlacement);
    const impossible = findImpossible(
      plan,
      this.capabilities(ignorePlacement, () => true),
    );
    const error = impossible ?? findUnmet(plan, this.#parts.options.limits);
    if (error !== undefined) throw error;
    return plan;
  }

  /** @throws `NODE_DOWN` when there is no node, and none that may return */
  #needNode({ dagId }: CompiledDag, hereOnly: boolean): void {
    const { nodes } = this.#parts.driver.state;
    if (nodes.some((node) => (isNear(node) || node.returning) && !(hereOnly && node.host !== 0))) return;
    const text = 'There is no node to run on. Add one with registerNode, or join a host that has one.';
    throw new HandoffError('NODE_DOWN', text, { dagId });
  }

  /**
   * Compiles a graph that a function of a run answered with. Synchronous when its code is already known.
   *
   * @throws like `execute` before any function starts
   */
  #compileAnswer(active: ActiveRun, graph: DagJson): CompiledAnswer | Promise<CompiledAnswer> {
    const { recorder, settings } = active.request;
    return this.#compileGraph(graph, settings.hereOnly === true, recorder !== undefined);
  }

  #compileGraph(graph: DagJson, hereOnly: boolean, isRecorded: boolean): CompiledAnswer | Promise<CompiledAnswer> {
    const { modules, hosts, hashesOf } = this.#parts;
    const known = this.#templates.planOf(graph);
    const plan = known ?? this.#compile(Dag.fromJSON(graph), hereOnly);
    // Functions of a known shape claim nothing, and are pinned nowhere: any node will do.
    if (known !== undefined) this.#needNode(known, hereOnly);
    if (plan.others.length > 0) throw othersInAnswer(plan);
    const code = modules.resolve(plan, () => this.#inspector(), never);
    const hashes = isRecorded ? hashesOf(plan) : {};
    if (!(code instanceof Promise) && (hosts === undefined || hereOnly)) return { plan, code, modules: hashes };
    return Promise.resolve(code).then(async (resolved) => {
      if (hosts !== undefined && !hereOnly) await hosts.cluster.check(allOf(resolved));
      return { plan, code: resolved, modules: hashes };
    });
  }

  async #track(asked: Asked): Promise<ExecuteResult> {
    const { ids, options } = asked;
    const guard = new RunGuard(ids, options, (reason, gently) => this.#parts.driver.abort(ids.runId, reason, gently));
    const cancelled = new Set<string>();
    const running = this.#runWithOthers(asked, guard, cancelled);
    this.#underWay.set(ids.runId, { ids, plan: asked.plan, guard, cancelled, ended: running.catch(() => {}) });
    try {
      return await running;
    } finally {
      guard.dispose();
      this.#underWay.delete(ids.runId);
    }
  }

  /** Runs a plan once the results of other runs that it takes are found, and keeps these meanwhile. */
  async #runWithOthers(asked: Asked, guard: RunGuard, cancelled: ReadonlySet<string>): Promise<ExecuteResult> {
    const { others } = asked.plan;
    if (others.length === 0) return this.#runPlan(asked, guard, cancelled, noOthers);
    const { store, fromHosts } = this.#parts;
    const sources = new ResultSources({
      store,
      fromHosts,
      isUnderWay: (runId) => runId === asked.ids.runId || this.#underWay.has(runId),
      fromJournal: this.durableRuns && ((other) => this.durableRuns!.resultOf(other)),
    });
    try {
      return await this.#runPlan(asked, guard, cancelled, await guard.race(sources.take(others)));
    } finally {
      sources.release();
    }
  }

  async #runPlan(
    asked: Asked,
    guard: RunGuard,
    cancelled: ReadonlySet<string>,
    others: OtherResults,
  ): Promise<ExecuteResult> {
    const { ids, plan, options, hereOnly } = asked;
    const { driver, store, registry, modules, tree, hosts } = this.#parts;
    const known = modules.resolve(plan, () => this.#inspector(), guard.given);
    const code = known instanceof Promise ? await guard.race(known) : known;
    if (hosts !== undefined && !hereOnly) await guard.race(hosts.cluster.check(allOf(code)));
    const strategy = this.#strategyOf(plan, code, options, hereOnly);
    const planned = this.#planned(plan, code, options, { hereOnly, strategy });
    const home = planned === undefined && !hereOnly ? this.#homesOf(plan, code) : undefined;
    const own = this.#settings(plan, code, options, { hereOnly, strategy, planned });
    const ordered = planned?.plan ?? this.#ordered(plan, code);
    const mayCache = this.#mayCache(plan, options);
    const { begun, cache } =
      mayCache || asked.durable !== undefined
        ? await guard.race(this.#openStores(asked, ordered, own.kept, mayCache))
        : noStores;
    const beginning = begun?.beginning;
    const settings = {
      ...own,
      hereOnly,
      ...(cache !== undefined && { gated: cache.gated }),
      ...(home !== undefined && { home }),
      ...(beginning !== undefined && { restored: beginning.done, grown: beginning.grown }),
    };
    const active = driver.createRun(
      {
        runId: ids.runId,
        plan: ordered,
        settings,
        code,
        others,
        onProgress: options.onProgress,
        recorder: begun?.recorder,
        cache,
        beginning,
      },
      () => tree.whyStopped(ids),
    );
    store.open(ids.runId, ids.dagId, active.results);
    registry.open(
      ids.runId,
      ids.dagId,
      this.#locationsOf(active.results, () => active.run!.node),
    );
    await this.#submit(active, guard);
    guard.check();
    for (const functionId of cancelled) if (driver.runs.has(ids.runId)) driver.cancelFunction(ids.runId, functionId);
    return this.#resultOf(active, asked);
  }

  async #submit(active: ActiveRun, guard: RunGuard): Promise<void> {
    try {
      await guard.race(this.#parts.tree.addRun(active));
      this.#parts.driver.submit(active);
    } catch (error) {
      active.fail(error);
      active.ended.catch(() => {});
      this.#close(active, false);
      throw error;
    }
  }

  /** Resolves when the run has ended, and its end and its results are recorded. */
  async #resultOf(active: ActiveRun, { startedAt, retained, durable }: Asked): Promise<ExecuteResult> {
    try {
      await active.ended;
      const result = toResult(active, startedAt, (index) => this.#parts.driver.state.nodes[index]!.name);
      await active.request.cache?.written();
      await durable?.finished(result.stats);
      return result;
    } finally {
      this.#close(active, retained);
    }
  }

  /** Takes up what is recorded of a run, and the cache. */
  async #openStores(
    { ids, plan, options, durable }: Asked,
    ordered: CompiledDag,
    kept: Uint8Array | null,
    mayCache: boolean,
  ): Promise<Stores> {
    const caching = mayCache ? await this.openCache!() : undefined;
    const hashes = this.#parts.hashesOf(plan);
    const begun = await durable?.begin({
      plan,
      modules: hashes,
      kept,
      mayRetry: options.inDoubt === 'retry',
      compile: (graph) => this.#compileGraph(graph, false, true),
      onFailure: (error) => this.#parts.driver.abort(ids.runId, error),
    });
    const done = begun?.beginning?.done ?? new Map<number, unknown>();
    const isRecorded = durable !== undefined;
    const cache = caching?.ofRun({ plan: ordered, setting: options.cache, hashes, kept, done, isRecorded });
    return { begun, cache };
  }

  /** Whether some function of a run may be cached, and there is a cache. */
  #mayCache({ entries }: CompiledDag, { cache }: ExecuteOptions): boolean {
    if (this.openCache === undefined || cache === false) return false;
    return cache !== undefined || entries.some(({ traits }) => (traits.cache ?? false) !== false);
  }

  /** The host on which each function should run; undefined when all nodes are of one host. */
  #homesOf(plan: CompiledDag, code: ResolvedCode): ReturnType<typeof homesOf> | undefined {
    const { driver, learned } = this.#parts;
    return driver.state.isSpread
      ? homesOf(plan, { nodes: this.#nodes(false), ...costsOf(plan, code, learned) })
      : undefined;
  }

  /**
   * From here on only the store reads the results, unless it has dropped them meanwhile. Nothing keeps the run itself,
   * which holds its arguments and errors.
   */
  #close({ id, results, run }: ActiveRun, retained: boolean): void {
    const { store, registry } = this.#parts;
    store.close(id, retained);
    if (store.holds(id, results)) {
      const node = run?.node;
      registry.relocate(
        id,
        this.#locationsOf(results, () => node!),
      );
    } else {
      results.clear();
    }
    results.unpin();
  }

  /** @param nodes the node of each function; read only for those that have a result */
  #locationsOf(results: RunResults, nodes: () => Int32Array): Locations {
    const { nodes: known } = this.#parts.driver.state;
    return locationsOf(results, nodes, (index) => known[index]!.name);
  }

  #settings(
    plan: CompiledDag,
    code: ResolvedCode,
    options: ExecuteOptions,
    {
      hereOnly,
      strategy,
      planned,
    }: {
      readonly hereOnly: boolean;
      readonly strategy: ResolvedStrategy;
      readonly planned: PlannedRun | undefined;
    },
  ): RunSettings {
    const defaults = this.#parts.options;
    return {
      maxRetries: options.maxRetries ?? defaults.maxRetries,
      maxResultLosses: options.maxResultLosses ?? defaults.maxResultLosses,
      maxConcurrency: options.maxConcurrency ?? Infinity,
      ...(options.maxFunctions !== undefined && { maxFunctions: options.maxFunctions }),
      speculate: speculationOf(options.speculate),
      keepGoing: options.failurePolicy === 'continue',
      kept: keptOf(plan, options.collect),
      strategy: strategyOf(strategy),
      ...placementOf(plan, strategy, this.#placeable(plan, hereOnly), planned),
      codes: code.codes,
      ...(code.began !== undefined && { began: code.began }),
      known: knownOf(plan, code, this.#parts.learned),
    };
  }
}

// Network assumptions for plans: a 10 Gb/s network.
const betweenHosts = { latency: 0.5, bandwidth: 1e9 };

/** Whether a node accepts work, or will after a restart of its threads. */
function isNear({ up, returning, host }: Node): boolean {
  return up || (returning && host === 0);
}

const never = new Promise<never>(() => {});
const noStores: Stores = { begun: undefined, cache: undefined };

/** Locations of the results of a run, for the registry. */
function locationsOf(results: RunResults, nodes: () => Int32Array, nodeName: (index: number) => string): Locations {
  const nodeOf = (i: number): string | undefined => {
    const ran = results.exists(i) ? nodes()[i]! : -1; // the list of a map is on no node
    return ran < 0 ? undefined : nodeName(ran);
  };
  return {
    nodeOf: (id) => nodeOf(results.index.indexOf(id)),
    *entries() {
      const { index } = results;
      for (let i = 0; i < index.size; i++) {
        const node = nodeOf(i);
        if (node !== undefined) yield [index.idOf(i), node];
      }
    },
  };
}

/** The results of other runs are found before a run starts, not while it grows. */
function othersInAnswer({ dagId, others }: CompiledDag): HandoffError {
  const { runId, id } = others[0]!;
  return new HandoffError(
    'INVALID_FUNCTION',
    `The graph takes the result of function ${JSON.stringify(id)} of run ${JSON.stringify(runId)}. A graph that a function answers with cannot do that: let the function itself take the result, and pass it on.`,
    { dagId },
  );
}

/** Errors of a run are created where events arrive. This adds the stack of the call that started the run. */
function withSite(error: unknown, stack: string | undefined): unknown {
  if (error instanceof HandoffError && stack !== undefined)
    error.stack = `${error.name}: ${error.message}\n${stack.slice(stack.indexOf('\n') + 1)}`;
  return error;
}
