/** The runtime's face: start, execute, look, store, stop. */
import type { TreeNode } from '../workers/supervision/child.ts';
import type { ActorRef } from '../workers/actor/ref.ts';
import { toDag, toValueDag } from '../dag/accept.ts';
import type { Dag } from '../dag/dag.ts';
import type { Capabilities, Cost } from '../dag/types.ts';
import type { ClassReference } from '../dag/task.ts';
import type { Outputs, Resolved, ValueDag } from '../dag/value-dag.ts';
import { HandoffError } from '../core/errors.ts';
import type { NodeResources } from './usage/resources.ts';
import type { Tuning } from '../scheduling/scheduler/state.ts';
import type { ActorGroup, SpawnOptions, SuperviseOptions } from './actors.ts';
import { assemble, type RuntimeParts } from './assemble.ts';
import type { Explanation } from '../engine/explain.ts';
import { HandoffEmitter } from './emitter.ts';
import { KeepAlive } from './keep-alive.ts';
import { type CostModelJson, toJson } from '../engine/cost-json.ts';
import { type HandoffOptions, type ResolvedOptions, resolveNode, resolveOptions } from './options/handoff-options.ts';
import type { RunIds } from '../engine/run-ids.ts';
import type { Call } from './runner.ts';
import type { ExecuteResult } from './run-result.ts';
import type { Overview } from './overview.ts';
import { StoreAccess } from './store-access.ts';
import type { Values } from './values.ts';
import type { PlanOptions, PlanResult } from './plan-preview.ts';
import { collecting, type ExecuteOptions } from './options/execute-options.ts';
import { checkOptions, invalidOption, rules } from '../core/schema.ts';

/** `Handoff.start` with other numbers behind its decisions; for specs and measurements. */
export let startTuned: (options: HandoffOptions, tuning: Partial<Tuning>) => Promise<Handoff>;

/** Events, runs, nodes and trees of all hosts, for those who show them. */
export let overviewOf: (handoff: Handoff) => Overview;

/**
 * Runs DAGs on the nodes of this host.
 *
 * ```ts
 * const handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 2, memory: 4000 } }] });
 * const { results } = await handoff.execute(dag);
 * await handoff.stop();
 * ```
 *
 * An EventEmitter3 emitter of `HandoffEvent`s.
 */
export class Handoff extends StoreAccess {
  readonly #options: ResolvedOptions;
  readonly #parts: RuntimeParts;
  readonly #alive = new KeepAlive();
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
   * Starts the nodes of this host and everything that runs them.
   *
   * @throws `INVALID_OPTION`; `WORKER_CRASHED` when worker threads cannot be started
   */
  static async start(options: HandoffOptions = {}): Promise<Handoff> {
    return startTuned(options, {});
  }

  static {
    overviewOf = (handoff) => handoff.#parts.overview;
    startTuned = async (options, tuning) => {
      const resolved = resolveOptions(options);
      const handoff = new Handoff(resolved, tuning, resolved.transport && (await import('./other-hosts.ts')));
      await handoff.#alive.during(() => handoff.#start());
      return handoff;
    };
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

  /**
   * Takes no more work, lets what runs finish, and stops everything. Nothing keeps the process alive afterwards. Further calls give the
   * same promise.
   *
   * @param options `drain`: `'runs'` (default) lets runs finish; `'functions'` lets only the functions finish that are running now;
   *   `false` aborts them. Runs that do not finish are rejected with `STOPPED`
   * @throws `INVALID_OPTION`
   */
  stop(options: { readonly drain?: 'runs' | 'functions' | false | undefined } = {}): Promise<void> {
    try {
      checkOptions('stop', { drain: rules.drain }, options);
    } catch (error) {
      return Promise.reject(error);
    }
    if (options.drain === false || options.drain === 'functions') this.#parts.runner.abortAll(stopped, options.drain === 'functions');
    this.#stopping ??= this.#alive.during(() => this.#stopAll(options.drain !== false));
    return this.#stopping;
  }

  async #stopAll(gently: boolean): Promise<void> {
    await Promise.all([this.#parts.runner.drained(), gently && this.#parts.hosts?.leave()]);
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
   * Runs a DAG on the whole cluster. Any number of runs of one DAG may be under way at once.
   *
   * @returns what `collect` asked for, and the run's id; its results stay reachable by it, within `retainedRuns` and `retainedBytes`
   * @throws whatever `dag.validate()` finds, before anything runs; `FUNCTION_NOT_FOUND`, `INLINE_CLOSURE`, `ALLOCATION_ERROR`,
   * `MODULE_FAILED`, `INVALID_OPTION`, `RUN_CONFLICT` and `STOPPED` likewise; `FUNCTION_FAILED` when a function failed for good; `ABORTED`,
   * `RUN_TIMEOUT`, `NODE_DOWN`, `RESOURCES_UNAVAILABLE`
   */
  async execute(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute(dag, options, { where: 'execute', caller: this.execute });
  }

  /** The same as `execute`, under the origin's name. */
  async executeDistributed(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute(dag, options, { where: 'executeDistributed', caller: this.executeDistributed });
  }

  /** Runs a DAG on this host alone, whatever its pins and costs say. Throws as `execute`. */
  async executeLocal(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute(dag, options, { where: 'executeLocal', caller: this.executeLocal, hereOnly: true });
  }

  /** Runs a DAG of calls, and gives its outputs in the shape they were declared in. Nothing else of it is retained. Throws as `execute`. */
  async run<Out extends Outputs>(dag: ValueDag<Out>, options: Omit<ExecuteOptions, 'collect'> = {}): Promise<Resolved<Out>> {
    const own = toValueDag('run', dag);
    const { results } = await this.#execute(own, collecting(own.outputList, options), { where: 'run', caller: this.run, retained: false });
    return own.pick(results) as Resolved<Out>;
  }

  /**
   * What would happen: where and when each function would run, by their `duration`s (what was learned, or 1 ms, where none was given) and
   * `outputBytes`. Runs nothing. Throws as `execute` before it runs anything.
   */
  async plan(dag: Dag, options: PlanOptions = {}): Promise<PlanResult> {
    return this.#busy(() => this.#parts.runner.plan(toDag('plan', dag), options));
  }

  /** The capabilities of every node that can be reached. */
  async discoverNodes(): Promise<Record<string, Capabilities>> {
    this.#refuseWhenStopped();
    return this.#parts.runner.capabilities();
  }

  /** The same for the node `'local'`. Throws as `registerNode`. */
  registerLocalNode(capabilities: Capabilities): Promise<void> {
    return this.registerNode('local', capabilities);
  }

  /**
   * Adds a node to this host, or changes the capabilities of one that is there; what is claimed of it stays claimed.
   *
   * @throws `INVALID_OPTION`, `STOPPED`
   */
  async registerNode(name: string, capabilities: Capabilities): Promise<void> {
    return this.#busy(() => this.#parts.tree.registerNode(resolveNode('registerNode', { name, capabilities }, this.#options)));
  }

  /**
   * Changes some of what a node has, of this host or another; the rest stays, and so does what is claimed.
   * @throws `INVALID_OPTION`, `NOT_FOUND`, `STOPPED`
   */
  async updateCapabilities(name: string, capabilities: Capabilities): Promise<void> {
    const isDone = await this.#busy(() => this.#parts.tree.updateCapabilities(name, capabilities)) || await this.#parts.hosts?.hostOf(name)?.peer.request('updateCapabilities', name, capabilities);
    if (isDone !== true) throw new HandoffError('NOT_FOUND', `There is no node ${JSON.stringify(name)}.`, { node: name });
  }

  /** What each node that can be reached has, what is claimed of it, and what is really in use, over a tenth of a second. */
  async resources(): Promise<Record<string, NodeResources>> {
    const { monitor, hosts } = this.#parts;
    const [here, elsewhere = []] = await Promise.all([this.#busy(() => monitor.resources()), hosts?.askAll('resources')]);
    return Object.assign({}, ...elsewhere, here);
  }

  /**
   * Takes a node out of this host. Its threads are ended; what they run is run again on other nodes, and costs no attempt. What only it could
   * run fails with `NODE_DOWN`. Actors that were spawned on it stay. `registerNode` brings it back.
   * @throws `NOT_FOUND`, `STOPPED`
   */
  async removeNode(name: string): Promise<void> {
    await this.#busy(() => this.#parts.tree.inTurn(name, async () => {
      if (this.#parts.tree.node(name) === undefined) throw new HandoffError('NOT_FOUND', `There is no node ${JSON.stringify(name)}.`, { node: name });
      await this.#parts.tree.removeNode(name);
    }));
  }

  /** Whether a node could grant this now. */
  resourcesAvailable(node: string, request: Cost): boolean {
    if (!rules.amounts.holds(request)) throw invalidOption('resourcesAvailable', 'request', rules.amounts.expected, request);
    return this.#parts.driver.state.tracker.available(node, request);
  }

  /**
   * Takes task modules as they are now, for all threads: those of before are kept until this is called, and a thread that finds others refuses them
   * (`VERSION_MISMATCH`). Runs that are under way end first, and others wait meanwhile. Actors take theirs when they are started again.
   * @throws `STOPPED`
   */
  async reload(): Promise<void> {
    await this.#busy(() => this.#parts.runner.reload());
  }

  /**
   * Starts an actor: an instance of an exported class, in a thread of its own, under a supervisor. Its methods run one at a time.
   *
   * ```ts
   * const model = await handoff.spawn(t.Classifier, { args: ['weights.bin'], name: 'model' });
   * await model.ask.predict([1, 2, 3]);
   * ```
   *
   * When its thread dies, whoever waits for an answer gets `WORKER_CRASHED`, and it is started again, as `restart`, `maxRestarts` and
   * `maxSeconds` say. What it knew is lost, unless the class has `snapshot()` and `restore(state)`.
   *
   * @returns when it is ready
   * @throws what its constructor throws; `FUNCTION_NOT_FOUND`, `MODULE_FAILED`, `INVALID_FUNCTION`, `INVALID_OPTION`, `NOT_SERIALIZABLE`, `STOPPED`
   */
  async spawn<Instance, Args extends readonly unknown[]>(reference: ClassReference<Instance, Args>, options: SpawnOptions<Args> = {}): Promise<ActorRef<Instance>> {
    return this.#busy(() => this.#parts.actors.spawn<Instance>(reference, options));
  }

  /**
   * A supervisor for actors that belong together.
   * @throws `INVALID_OPTION`, `STOPPED`
   */
  async supervise(options: SuperviseOptions = {}): Promise<ActorGroup> {
    this.#refuseWhenStopped();
    return this.#parts.actors.supervise(options);
  }

  /** The actor that was spawned under a name. Throws `NOT_FOUND`. */
  actor<Instance = any>(name: string): ActorRef<Instance> {
    return this.#parts.actors.byName(name);
  }

  /**
   * What a run that is under way waits for, or one function of it: the import of a module, results of others, a resource and who holds it, a thread, another
   * attempt, a node.
   *
   * @param run the id of a run, or of a DAG, which means its newest run that is under way
   * @throws `NOT_FOUND`
   */
  explain(run: string, functionId?: string): Explanation {
    return this.#parts.runner.explain(run, functionId);
  }

  /** Where other hosts can join this one, as `host:port`; undefined when it does not listen. */
  get address(): string | undefined {
    return this.#parts.hosts?.cluster.address;
  }

  /** Where the dashboard is to be opened; undefined when there is none. A token is not in its address. */
  get dashboard(): { readonly url: string } | undefined {
    return this.#parts.dashboard?.address;
  }

  /** How long functions take and how large their results are, as known so far. Give it to another Handoff as `costModel: { data }`. */
  costModel(): CostModelJson {
    return toJson(this.#parts.costs.learned);
  }

  /** The supervision tree as data. */
  tree(): TreeNode {
    return { id: 'root', state: this.#stopping === undefined ? 'running' : 'stopping', restarts: 0, ...this.#parts.tree.root.inspect() };
  }

  async #execute(dag: Dag, options: ExecuteOptions, call: Call): Promise<ExecuteResult> {
    return this.#busy(() => this.#parts.runner.execute(toDag(call.where, dag), options, call));
  }

  protected override values(isNeeded: boolean): Values {
    if (isNeeded) this.#refuseWhenStopped();
    return this.#parts.values;
  }

  /** Does something that is refused once it has been stopped, and keeps the process alive meanwhile. */
  #busy<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    this.#refuseWhenStopped();
    return this.#alive.during(work);
  }

  #refuseWhenStopped(): void {
    if (this.#stopping !== undefined) throw stopped();
  }

  /** The tree has given up: nothing can run any more. */
  #collapse(cause: unknown): void {
    this.#parts.runner.abortAll((ids) => new HandoffError('NODE_DOWN', 'The nodes of this host failed again and again, and were given up.', { ...ids, cause }));
    this.stop().catch(() => {}); // who stops it is told
  }
}

function stopped(ids?: RunIds): HandoffError {
  return new HandoffError('STOPPED', 'This Handoff has been stopped.', { ...ids });
}
