/** The public class: start, execute, inspect, store, stop. */
import { nanoid } from 'nanoid/non-secure'; // the other one loads a large part of Node
import type { TreeNode } from '../workers/supervision/child.ts';
import type { ActorRef } from '../workers/actor/ref.ts';
import { toDag, toValueDag } from '../dag/validation/accept.ts';
import type { Dag } from '../dag/dag.ts';
import type { Capabilities, Cost } from '../dag/types.ts';
import type { ClassReference } from '../dag/task.ts';
import type { Outputs, Resolved, ValueDag } from '../dag/value-dag.ts';
import { HandoffError } from '../core/errors.ts';
import { notData } from '../core/serializable.ts';
import type { NodeResources } from './usage/resources.ts';
import { type LimitUse, limitsOn } from '../scheduling/scheduler/claims/limits.ts';
import type { Tuning } from '../scheduling/scheduler/state.ts';
import type { ActorGroup } from './actors/actors.ts';
import type { SpawnOptions, SuperviseOptions } from './options/actor-options.ts';
import type { PlanOptions } from './options/plan-options.ts';
import { assemble, type RuntimeParts } from './assemble.ts';
import type { Explanation } from '../engine/explain.ts';
import { HandoffEmitter } from './emitter.ts';
import { KeepAlive } from './keep-alive.ts';
import { type CostModelJson, toJson } from '../engine/costs/cost-json.ts';
import { type HandoffOptions, type ResolvedOptions, resolveNode, resolveOptions } from './options/handoff-options.ts';
import type { RunIds } from '../engine/run-ids.ts';
import type { Journal, LimitStore } from '../journal/journal.ts';
import type { Caching } from './durable/caching.ts';
import type { SharedLimits } from './durable/shared-limits.ts';
import type { Call, Runner } from './runner.ts';
import type { DurableRuns, RunFilter, RunHandle, RunSummary } from './durable/durable-runs.ts';
import { defaultMaxResultBytes, openCacheIn, type ResolvedJournal } from './options/journal-options.ts';
import type { ExecuteResult } from './run-result.ts';
import type { Overview } from './overview.ts';
import { StoreAccess } from './values/store-access.ts';
import type { Values } from './values/values.ts';
import type { PlanResult } from './plan-preview.ts';
import { checkExecuteOptions, collecting, type ExecuteOptions } from './options/execute-options.ts';
import { amounts } from '../core/option-types.ts';
import { needOption, parseOptions } from '../core/options.ts';
import { type StopOptions, stopSchema } from './options/call-options.ts';

/** `Handoff.start` with scheduler tuning; for specs and benchmarks. */
export let startTuned: (options: HandoffOptions, tuning: Partial<Tuning>) => Promise<Handoff>;

/** Events, runs, nodes and supervision trees of all hosts, for views such as the dashboard. */
export let overviewOf: (handoff: Handoff) => Overview;

/**
 * Runs DAGs on the nodes of this host, and of other hosts with the option `transport`.
 *
 * ```ts
 * const handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 2, memory: 4000 } }] });
 * const { results } = await handoff.execute(dag);
 * await handoff.stop();
 * ```
 *
 * It is an EventEmitter3 emitter of `HandoffEvent`s.
 */
export class Handoff extends StoreAccess {
  readonly #options: ResolvedOptions;
  readonly #parts: RuntimeParts;
  readonly #alive = new KeepAlive();
  /** The open cache; undefined before its first use. */
  #caching: Promise<Caching> | undefined;
  /** Undefined unless other processes share the limits. */
  #limits: SharedLimits | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(options: ResolvedOptions, tuning: Partial<Tuning>, remote: Parameters<typeof assemble>[3]) {
    super();
    const publisher = HandoffEmitter.publisherOf(this);
    this.#options = options;
    this.#parts = assemble(options, tuning, publisher, remote);
    void this.#parts.tree.root.exited.then(({ reason, error }) => {
      if (reason === 'error') this.#collapse(error);
    });
  }

  /**
   * Starts the nodes of this host, and joins other hosts if `transport` asks for it.
   *
   * @param options all have defaults: without any, one node with one thread per core
   * @returns the running Handoff, once all nodes are ready
   * @throws `INVALID_OPTION` when an option is unknown or has a bad value; `WORKER_CRASHED` when worker threads cannot
   *   be started
   * @example
   * ```ts
   * await using handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 4 } }] });
   * ```
   */
  static async start(options: HandoffOptions = {}): Promise<Handoff> {
    return startTuned(options, {});
  }

  static {
    Object.defineProperty(Handoff.prototype, notData, {
      value: 'a Handoff, which belongs to its thread (use it where the DAG runs, not in its functions)',
    });
    overviewOf = (handoff) => handoff.#parts.overview;
    startTuned = async (options, tuning) => {
      const resolved = resolveOptions(options);
      const handoff = new Handoff(resolved, tuning, resolved.transport && (await import('./other-hosts.ts')));
      await handoff.#alive.during(() => handoff.#begin());
      return handoff;
    };
  }

  /** Starts the nodes. Threads take long to start, so the journal is opened meanwhile. */
  async #begin(): Promise<void> {
    const needsHosts = this.#parts.hosts?.natsConnection !== undefined;
    const opening = needsHosts ? undefined : this.#openJournal();
    opening?.catch(() => {}); // thrown by `#openStores`, once the nodes are there
    try {
      await this.#start();
    } catch (error) {
      await closeOpened(opening);
      throw error;
    }
    await this.#openStores(opening ?? this.#openJournal());
  }

  async #start(): Promise<void> {
    const { tree, hosts } = this.#parts;
    await tree.start(this.#options.nodes);
    try {
      await hosts?.cluster.joined();
    } catch (error) {
      await this.stop({ drain: false });
      throw error;
    }
  }

  /** Undefined when no journal is asked for. */
  async #openJournal(): Promise<Journal | undefined> {
    const { journal } = this.#options;
    if (journal === undefined) return undefined;
    void import('./durable/durable-runs.ts'); // needed soon
    return journal.open(this.#parts.hosts?.natsConnection);
  }

  /** Uses the journal and the cache, as far as they are asked for. */
  async #openStores(opening: Promise<Journal | undefined>): Promise<void> {
    const { journal: given, cacheDir } = this.#options;
    if (given === undefined && cacheDir === undefined) return;
    try {
      const journal = await opening;
      const { runner } = this.#parts;
      runner.openCache = this.#cacheOpener(journal, given?.maxResultBytes);
      if (cacheDir !== undefined) await runner.openCache!();
      if (journal?.limits !== undefined) await this.#shareLimits(journal.limits);
      if (journal !== undefined) await this.#orchestrate(journal, given!);
    } catch (error) {
      await this.stop({ drain: false });
      if (this.#parts.runner.durableRuns === undefined) await closeOpened(opening);
      throw error;
    }
  }

  /** Undefined when nothing says where the cache lives. */
  #cacheOpener(journal: Journal | undefined, maxResultBytes = defaultMaxResultBytes): Runner['openCache'] {
    const { cacheDir, maxCacheBytes } = this.#options;
    if (cacheDir === undefined && journal?.openCache === undefined) return undefined;
    return () =>
      (this.#caching ??= (async () => {
        const { Caching } = await import('./durable/caching.ts');
        const store =
          cacheDir === undefined
            ? await journal!.openCache!(maxCacheBytes)
            : await openCacheIn(cacheDir, maxCacheBytes);
        return new Caching(store, maxResultBytes);
      })());
  }

  /** Counts the limits of this program with those of the other processes that use the journal. */
  async #shareLimits(store: LimitStore): Promise<void> {
    const { limits } = this.#options;
    if (Object.keys(limits).length === 0) return;
    const { SharedLimits } = await import('./durable/shared-limits.ts');
    const { driver } = this.#parts;
    this.#limits = new SharedLimits(store, limits, (uses) => driver.limitsGranted(uses));
    driver.shareLimits(this.#limits);
  }

  async #orchestrate(journal: Journal, { maxResultBytes }: ResolvedJournal): Promise<void> {
    const { runner, overview } = this.#parts;
    overview.readsFrom(journal);
    const { DurableRuns } = await import('./durable/durable-runs.ts');
    runner.durableRuns = new DurableRuns({
      journal,
      maxResultBytes,
      orchestrate: this.#options.orchestrate,
      compile: (dag) => runner.compile(dag),
      start: (asked, durable) => this.#alive.during(() => runner.own(asked, durable)),
      abort: (runId, reason) => runner.abort(runId, reason),
      closing: () => this.#stopping !== undefined,
    });
  }

  /**
   * Accepts no more work, waits for what is running, and stops everything. Nothing keeps the process alive afterwards.
   * Further calls return the same promise.
   *
   * @param options `drain`: `'runs'` (default) lets runs finish; `'functions'` lets only the running functions finish;
   *   `false` aborts them. Runs that cannot finish reject with `STOPPED`
   * @returns when everything has stopped
   * @throws `INVALID_OPTION` when `drain` has another value
   */
  stop(options: StopOptions = {}): Promise<void> {
    try {
      parseOptions('stop', stopSchema, options);
    } catch (error) {
      return Promise.reject(error);
    }
    if (options.drain === false || options.drain === 'functions')
      this.#parts.runner.abortAll(stopped, options.drain === 'functions');
    this.#stopping ??= this.#alive.during(() => this.#stopAll(options.drain !== false));
    return this.#stopping;
  }

  async #stopAll(gently: boolean): Promise<void> {
    await Promise.all([this.#parts.runner.drained(), gently && this.#parts.hosts?.leave()]);
    this.#limits?.close();
    const { durableRuns } = this.#parts.runner;
    await durableRuns?.drained();
    await (await this.#caching?.catch(() => undefined))?.close(); // it may live in the journal
    await durableRuns?.close();
    await this.#parts.tree.stop();
    await this.#parts.memory.stop();
    this.removeAllListeners();
    await this.#parts.costs.save();
    this.#alive.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * Runs a DAG on all nodes of the cluster. Several runs of one DAG may run at the same time.
   *
   * @param dag a DAG in struct form
   * @param options limits, retries and placement of this run
   * @returns the results selected by `collect`, and the run's id. Under this id results stay available within
   *   `retainedRuns` and `retainedBytes`
   * @throws the errors of `dag.validate()` when the DAG is invalid; `FUNCTION_NOT_FOUND`, `INLINE_CLOSURE`,
   *   `MODULE_FAILED`, `ALLOCATION_ERROR`, `INVALID_OPTION`, `RUN_CONFLICT` or `STOPPED` before any function starts;
   *   `FUNCTION_FAILED` when a function fails and has no retries left; `ABORTED` when `signal` aborts; `RUN_TIMEOUT`
   *   when `timeout` passes; `NODE_DOWN` or `RESOURCES_UNAVAILABLE` when no remaining node can run a function
   * @example
   * ```ts
   * const { results } = await handoff.execute(dag, { maxRetries: 1, timeout: 60_000 });
   * ```
   */
  async execute(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute(dag, options, { where: 'execute', caller: this.execute });
  }

  /** Same as `execute`; the name used by the Elixir library. */
  async executeDistributed(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute(dag, options, { where: 'executeDistributed', caller: this.executeDistributed });
  }

  /** Runs a DAG on this host only, and ignores pins and costs. Throws like `execute`. */
  async executeLocal(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute(dag, options, { where: 'executeLocal', caller: this.executeLocal, hereOnly: true });
  }

  /**
   * Runs a DAG in value form. Only the returned values are kept.
   *
   * @param dag a DAG made by `dag(outputs)`
   * @param options as for `execute`, without `collect`
   * @returns the outputs in the shape in which they were declared
   * @throws like `execute`
   */
  async run<Out extends Outputs>(
    dag: ValueDag<Out>,
    options: Omit<ExecuteOptions, 'collect'> = {},
  ): Promise<Resolved<Out>> {
    const own = toValueDag('run', dag);
    const { results } = await this.#execute(own, collecting(own.outputList, options), {
      where: 'run',
      caller: this.run,
      retained: false,
    });
    return own.pick(results) as Resolved<Out>;
  }

  /**
   * Records a DAG in the journal. It then runs here, or in another process that uses the journal.
   *
   * @param dag a DAG in either form
   * @param options as for `execute`; a `signal`, an allocator and callbacks are not recorded
   * @returns a handle, once the run cannot be lost
   * @throws `INVALID_OPTION` without a journal; `RUN_CONFLICT` when the journal has another DAG under the `runId`;
   *   `JOURNAL_FAILED`; the errors of `dag.validate()`
   */
  async submit(dag: Dag, options: ExecuteOptions = {}): Promise<RunHandle> {
    return this.#busy(async () => {
      checkExecuteOptions('submit', options);
      this.#parts.runner.refuseMissingCache('submit', options);
      const own = toDag('submit', dag);
      const ids = { runId: options.runId ?? nanoid(), dagId: own.id };
      return this.#awaited(await this.#durable('submit').submit(ids, own, options));
    });
  }

  /**
   * A handle of a run in the journal, whichever process it runs in.
   *
   * @throws `NOT_FOUND` when there is no such run; `INVALID_OPTION` without a journal; `JOURNAL_FAILED`
   */
  async attach(runId: string): Promise<RunHandle> {
    return this.#busy(async () => this.#awaited(await this.#durable('attach').attach(runId)));
  }

  /**
   * The runs of the journal, the newest first.
   *
   * @param filter `state`; `limit`, default 100; `before`, in ms since the epoch
   * @throws `INVALID_OPTION` without a journal; `JOURNAL_FAILED`
   */
  async runs(filter: RunFilter = {}): Promise<RunSummary[]> {
    return this.#busy(() => this.#durable('runs').list(filter));
  }

  /**
   * Cancels a run of the journal, wherever it runs.
   *
   * @returns false when it has ended already
   * @throws `NOT_FOUND` when there is no such run; `INVALID_OPTION` without a journal; `JOURNAL_FAILED`
   */
  async cancel(runId: string): Promise<boolean> {
    return this.#busy(() => this.#durable('cancel').cancel(runId));
  }

  /**
   * Continues a run of the journal that has failed, without what is recorded as done.
   *
   * @param runId the run
   * @param decisions about functions in doubt (`FUNCTION_IN_DOUBT`): those in `retry` run again; those in `results`
   *   have had this result
   * @returns a handle of the run
   * @throws `NOT_FOUND` when there is no such run or function; `INVALID_OPTION` without a journal; `JOURNAL_FAILED`
   */
  async resume(
    runId: string,
    decisions: { readonly retry?: readonly string[]; readonly results?: Readonly<Record<string, unknown>> } = {},
  ): Promise<RunHandle> {
    const { retry = [], results = {} } = decisions;
    return this.#busy(async () =>
      this.#awaited(await this.#durable('resume').resume(runId, retry, new Map(Object.entries(results)))),
    );
  }

  /** A handle whose result keeps the process alive while it is awaited. */
  #awaited(handle: RunHandle): RunHandle {
    return { ...handle, result: () => this.#busy(() => handle.result()) };
  }

  #durable(where: string): DurableRuns {
    const runs = this.#parts.runner.durableRuns;
    if (runs !== undefined) return runs;
    throw new HandoffError(
      'INVALID_OPTION',
      `${where}() needs a journal: Handoff.start({ journal: { type: 'sqlite', path: '.handoff' } }).`,
      { option: 'journal' },
    );
  }

  /**
   * Predicts where and when each function would run. Runs nothing.
   *
   * @param dag its functions may declare `duration` and `outputBytes`; otherwise learned values are used, or 1 ms
   * @param options search budget and network assumptions
   * @returns the schedule, its makespan and its critical path
   * @throws like `execute` before any function starts
   */
  async plan(dag: Dag, options: PlanOptions = {}): Promise<PlanResult> {
    return this.#busy(() => this.#parts.runner.plan(toDag('plan', dag), options));
  }

  /**
   * Lists the nodes of all hosts that are connected.
   *
   * @returns capabilities by node name
   * @throws `STOPPED` when this Handoff has been stopped
   */
  async discoverNodes(): Promise<Record<string, Capabilities>> {
    this.#refuseWhenStopped();
    return this.#parts.runner.capabilities();
  }

  /** Registers the node `'local'`. Throws like `registerNode`. */
  registerLocalNode(capabilities: Capabilities): Promise<void> {
    return this.registerNode('local', capabilities);
  }

  /**
   * Adds a node to this host, or replaces the capabilities of an existing one. Current claims are kept.
   *
   * @param name unique in the cluster
   * @param capabilities amount by resource, such as `{ cpu: 4, memory: 8000 }`
   * @throws `INVALID_OPTION` when an argument is invalid; `STOPPED` when this Handoff has been stopped
   */
  async registerNode(name: string, capabilities: Capabilities): Promise<void> {
    return this.#busy(() =>
      this.#parts.nodes.register(resolveNode('registerNode', { name, capabilities }, this.#options)),
    );
  }

  /**
   * Changes some capabilities of a node of any host. Other capabilities and current claims are kept.
   *
   * @param name the node
   * @param capabilities the amounts to change, by resource
   * @throws `INVALID_OPTION` when an amount is invalid; `NOT_FOUND` when there is no such node; `STOPPED` when this
   *   Handoff has been stopped
   */
  async updateCapabilities(name: string, capabilities: Capabilities): Promise<void> {
    const isDone =
      (await this.#busy(() => this.#parts.nodes.updateCapabilities(name, capabilities))) ||
      (await this.#parts.hosts?.hostOf(name)?.peer.request('updateCapabilities', name, capabilities));
    if (isDone !== true) throw noSuchNode(name, Object.keys(await this.discoverNodes()));
  }

  /**
   * Reports what each connected node declares, what is claimed, and what is really used, measured over 100 ms. `limits`
   * is what functions of this Handoff hold of its limits.
   *
   * @returns resources by node name
   * @throws `STOPPED` when this Handoff has been stopped
   */
  async resources(): Promise<Record<string, NodeResources & { readonly limits: Readonly<Record<string, LimitUse>> }>> {
    const { monitor, hosts, driver } = this.#parts;
    const [here, elsewhere = []] = await Promise.all([
      this.#busy(() => monitor.resources()),
      hosts?.askAll('resources'),
    ]);
    const all: Record<string, NodeResources> = Object.assign({}, ...elsewhere, here);
    return Object.fromEntries(
      Object.entries(all).map(([name, node]) => [name, { ...node, limits: limitsOn(driver.state, name) }]),
    );
  }

  /**
   * Removes a node from this host and ends its threads. Its running functions run again on other nodes; this costs them
   * no retry. Functions that only this node could run fail with `NODE_DOWN`. Actors on this node stay. `registerNode`
   * brings the node back.
   *
   * @param name a node of this host
   * @throws `NOT_FOUND` when there is no such node; `STOPPED` when this Handoff has been stopped
   */
  async removeNode(name: string): Promise<void> {
    await this.#busy(() =>
      this.#parts.nodes.inTurn(name, async () => {
        if (this.#parts.nodes.get(name) === undefined) throw noSuchNode(name, this.#parts.nodes.names);
        await this.#parts.nodes.remove(name);
      }),
    );
  }

  /**
   * Checks whether a node could grant a request now.
   *
   * @param node the node's name
   * @param request amount by resource
   * @returns true when all amounts are available
   * @throws `INVALID_OPTION` when an amount is invalid
   */
  resourcesAvailable(node: string, request: Cost): boolean {
    needOption('resourcesAvailable', 'request', amounts, request);
    return this.#parts.driver.state.tracker.available(node, request);
  }

  /**
   * Reloads task modules on all threads. Until then all threads keep the versions first loaded; a thread that finds
   * another version refuses it with `VERSION_MISMATCH`. Running DAGs finish first, and new ones wait. Actors load the
   * new version at their next restart.
   *
   * @returns when all threads have restarted
   * @throws `STOPPED` when this Handoff has been stopped
   */
  async reload(): Promise<void> {
    await this.#busy(() => this.#parts.runner.reload());
  }

  /**
   * Starts an actor: an instance of an exported class in its own thread, under a supervisor. Its methods run one at a
   * time.
   *
   * When its thread dies, pending questions reject with `WORKER_CRASHED`, and the actor restarts according to
   * `restart`, `maxRestarts` and `maxSeconds`. Its state is lost unless the class has `snapshot()` and
   * `restore(state)`.
   *
   * @param reference an exported class, as `tasks()` returns it
   * @param options constructor arguments, name, node and restart policy
   * @returns a reference to the actor, once it is ready
   * @throws the error of the constructor; `FUNCTION_NOT_FOUND` when the module has no such export; `MODULE_FAILED` when
   *   its import fails; `INVALID_FUNCTION` when `reference` is not an exported class; `INVALID_OPTION` when an option
   *   is invalid; `NOT_SERIALIZABLE` when an argument cannot be sent; `STOPPED` when this Handoff has been stopped
   * @example
   * ```ts
   * const model = await handoff.spawn(t.Classifier, { args: ['weights.bin'], name: 'model' });
   * await model.ask.predict([1, 2, 3]);
   * ```
   */
  async spawn<Instance, Args extends readonly unknown[]>(
    reference: ClassReference<Instance, Args>,
    options: SpawnOptions<Args> = {},
  ): Promise<ActorRef<Instance>> {
    return this.#busy(() => this.#parts.actors.spawn<Instance>(reference, options));
  }

  /**
   * Starts a supervisor for a group of actors.
   *
   * @param options name, strategy and restart limits of the group
   * @returns the group, with its own `spawn`
   * @throws `INVALID_OPTION` when an option is invalid; `STOPPED` when this Handoff has been stopped
   */
  async supervise(options: SuperviseOptions = {}): Promise<ActorGroup> {
    this.#refuseWhenStopped();
    return this.#parts.actors.supervise(options);
  }

  /** Finds a named actor on any host. Throws `ACTOR_NOT_FOUND` when there is none. */
  actor<Instance = any>(name: string): ActorRef<Instance> {
    return this.#parts.actors.byName(name);
  }

  /**
   * Explains what a run or one of its functions waits for: an import, results of other functions, a resource and its
   * holders, a thread, a retry, or a node.
   *
   * @param run the id of a run that has not ended, or of a DAG, meaning its newest such run
   * @param functionId default: all functions of the run
   * @throws `NOT_FOUND` when there is no such run or function
   */
  explain(run: string, functionId?: string): Explanation {
    return this.#parts.runner.explain(run, functionId);
  }

  /**
   * Cancels one function of a run that was started on this host. It fails with `ABORTED` at once, wherever it waits or
   * runs, without another attempt; if it ignores its abort signal, its thread is ended. The run continues by its
   * `failurePolicy`.
   *
   * @param run the id of a run that has not ended, or of a DAG, meaning its newest such run
   * @param functionId the function
   * @returns false when the function had already ended
   * @throws `NOT_FOUND` when there is no such run or function
   */
  async cancelFunction(run: string, functionId: string): Promise<boolean> {
    return this.#parts.runner.cancelFunction(run, functionId);
  }

  /** The address `host:port` at which other hosts can join; undefined when this host does not listen. */
  get address(): string | undefined {
    return this.#parts.hosts?.cluster.address;
  }

  /** The URL of the dashboard, without the token; undefined when the dashboard is off. */
  get dashboard(): { readonly url: string } | undefined {
    return this.#parts.dashboard?.address;
  }

  /**
   * How long functions take and how large their results are, as known so far. Give it to another Handoff as `costModel:
   * { data }`.
   */
  costModel(): CostModelJson {
    return toJson(this.#parts.costs.learned);
  }

  /** The supervision tree as plain data. */
  tree(): TreeNode {
    return {
      id: 'root',
      state: this.#stopping === undefined ? 'running' : 'stopping',
      restarts: 0,
      ...this.#parts.tree.root.inspect(),
    };
  }

  async #execute(dag: Dag, options: ExecuteOptions, call: Call): Promise<ExecuteResult> {
    return this.#busy(() => this.#parts.runner.execute(toDag(call.where, dag), options, call));
  }

  /** @internal */
  protected override values(isNeeded: boolean): Values {
    if (isNeeded) this.#refuseWhenStopped();
    return this.#parts.values;
  }

  /** Runs an operation unless this Handoff has been stopped, and keeps the process alive meanwhile. */
  #busy<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    this.#refuseWhenStopped();
    return this.#alive.during(work);
  }

  #refuseWhenStopped(): void {
    if (this.#stopping !== undefined) throw stopped();
  }

  /** The supervision tree has given up: nothing can run any more. */
  #collapse(cause: unknown): void {
    this.#parts.runner.abortAll(
      (ids) =>
        new HandoffError(
          'NODE_DOWN',
          'The nodes of this host failed too often and are not restarted. See the events node:down for why, and start another Handoff.',
          {
            ...ids,
            cause,
          },
        ),
    );
    this.stop().catch(() => {}); // the caller of stop() receives the error
  }
}

function stopped(ids?: RunIds): HandoffError {
  return new HandoffError('STOPPED', 'This Handoff has been stopped. Start another one with Handoff.start().', {
    ...ids,
  });
}

function noSuchNode(name: string, names: readonly string[]): HandoffError {
  const known = names.length === 0 ? 'There is none.' : `Nodes: ${names.join(', ')}.`;
  return new HandoffError('NOT_FOUND', `There is no node ${JSON.stringify(name)}. ${known}`, { node: name });
}

/** Closes a journal that may be opening, and that nothing uses. */
async function closeOpened(opening: Promise<Journal | undefined> | undefined): Promise<void> {
  const journal = await opening?.catch(() => undefined);
  await journal?.close().catch(() => {}); // the caller receives the error that came first
}
