/** The runtime's face: start, execute, look, store, stop. */
import { availableParallelism } from 'node:os';
import type { TreeNode } from '../actor/child.ts';
import type { ActorRef } from '../actor/user/ref.ts';
import { SimpleResourceTracker } from '../allocation/resource-tracker.ts';
import type { Dag } from '../dag/dag.ts';
import type { Capabilities, Cost } from '../dag/types.ts';
import type { ClassReference } from '../dag/task.ts';
import { type Outputs, type Resolved, ValueDag } from '../dag/value-dag.ts';
import { HandoffError } from '../errors.ts';
import { CodeList } from '../node/code-list.ts';
import { heapLimit } from '../node/thread-pool.ts';
import type { Tuning } from '../scheduler/state.ts';
import { LocationRegistry } from '../store/location-registry.ts';
import { ResultStore } from '../store/result-store.ts';
import { type ActorGroup, Actors, type SpawnOptions, type SuperviseOptions } from './actors.ts';
import { Driver } from './driver.ts';
import type { Explanation } from './explain.ts';
import { HandoffEmitter } from './emitter.ts';
import { type BoundMemory, boundMemory } from './memory.ts';
import { Modules } from './modules.ts';
import { defaultThreads, type HandoffOptions, type ResolvedOptions, resolveNode, resolveOptions } from './options.ts';
import type { ExecuteResult } from './outcome.ts';
import type { PlanResult } from './plan-preview.ts';
import type { ExecuteOptions } from './run-options.ts';
import { Runner } from './runner.ts';
import { checkOptions, invalidOption, rules } from './schema.ts';
import { RuntimeTree } from './tree.ts';

const defaultResultTimeout = 5000;

/** `Handoff.start` with other numbers behind its decisions; for specs and measurements. */
export let startTuned: (options: HandoffOptions, tuning: Partial<Tuning>) => Promise<Handoff>;

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
export class Handoff extends HandoffEmitter {
  readonly #options: ResolvedOptions;
  readonly #driver: Driver;
  readonly #store: ResultStore;
  readonly #registry = new LocationRegistry();
  readonly #tree: RuntimeTree;
  readonly #runner: Runner;
  readonly #actors: Actors;
  readonly #memory: BoundMemory;
  #stopping: Promise<void> | undefined;

  private constructor(options: ResolvedOptions, tuning: Partial<Tuning>) {
    super();
    const publisher = HandoffEmitter.publisherOf(this);
    const codes = new CodeList();
    this.#options = options;
    this.#store = new ResultStore(options.retainedRuns, (dagId) => this.#registry.clear(dagId));
    this.#memory = boundMemory(options.memoryBudget, publisher, (isPressed) => this.#driver.memoryPressed(isPressed));
    this.#driver = new Driver(options.resourceTracker ?? new SimpleResourceTracker(), { grace: options.gracePeriod, gangLanes: availableParallelism(), ...tuning }, publisher, { memory: this.#memory.memory, ask: (question) => this.#actors.answer(question) });
    const shared = { registry: this.#registry, store: this.#store, driver: this.#driver };
    this.#actors = new Actors({ publisher, nodeNames: () => this.#tree.nodeNames, heapOf: (node) => heapLimit(this.#tree.node(node)!.settings.capabilities['memory']), quiet: options.printToStderr });
    this.#tree = new RuntimeTree({ ...shared, codes, publisher, actors: this.#actors, mostThreads: availableParallelism() });
    this.#runner = new Runner({ ...shared, options, modules: new Modules(codes), tree: this.#tree });
    void this.#tree.root.exited.then(({ reason, error }) => {
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
    startTuned = async (options, tuning) => {
      const handoff = new Handoff(resolveOptions(options), tuning);
      await handoff.#tree.start(handoff.#options.nodes);
      return handoff;
    };
  }

  /**
   * Takes no more work, lets what runs finish, and stops everything. Nothing keeps the process alive afterwards. Further calls give the
   * same promise.
   *
   * @param options `drain`: `'runs'` (default) lets runs finish; `'functions'` lets only the functions finish that are running now;
   *   `false` aborts them. Runs that do not finish are rejected with `STOPPED`
   * @throws `INVALID_OPTION`
   */
  stop(options: { readonly drain?: 'runs' | 'functions' | false } = {}): Promise<void> {
    try {
      checkOptions('stop', { drain: rules.drain }, options);
    } catch (error) {
      return Promise.reject(error);
    }
    if (options.drain === false || options.drain === 'functions') this.#runner.abortAll(stopped, options.drain === 'functions');
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    await this.#runner.drained();
    await this.#tree.stop();
    await this.#memory.stop();
    this.removeAllListeners();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * Runs a DAG on the whole cluster.
   *
   * @throws whatever `dag.validate()` finds, before anything runs; `FUNCTION_NOT_FOUND`, `INLINE_CLOSURE`, `ALLOCATION_ERROR`,
   * `INVALID_OPTION`, `DAG_ALREADY_RUNNING` and `STOPPED` likewise; `FUNCTION_FAILED` when a function failed for good; `ABORTED`,
   * `RUN_TIMEOUT`, `NODE_DOWN`, `RESOURCES_UNAVAILABLE`
   */
  async execute(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute('execute', dag, options, false, this.execute);
  }

  /** The same as `execute`, under the origin's name. */
  async executeDistributed(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute('executeDistributed', dag, options, false, this.executeDistributed);
  }

  /** Runs a DAG on this host alone, whatever its pins and costs say. Throws as `execute`. */
  async executeLocal(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute('executeLocal', dag, options, true, this.executeLocal);
  }

  /** Runs a DAG of calls, and gives its outputs in the shape they were declared in. Throws as `execute`. */
  async run<Out extends Outputs>(dag: ValueDag<Out>, options: Omit<ExecuteOptions, 'collect'> = {}): Promise<Resolved<Out>> {
    if (!(dag instanceof ValueDag)) throw new HandoffError('INVALID_FUNCTION', 'run() takes a DAG of calls, as dag(name, outputs) makes it; for a Dag use execute().');
    const { results } = await this.#execute('run', dag, { ...options, collect: dag.outputList }, false, this.run);
    return dag.pick(results);
  }

  /**
   * What would happen: where and when each function would run, by their `duration`s (1 ms where none was given or learned). Runs nothing.
   *
   * @throws as `execute` before it runs anything
   */
  async plan(dag: Dag, options: Pick<ExecuteOptions, 'allocationStrategy' | 'maxConcurrency'> & { readonly budget?: number } = {}): Promise<PlanResult> {
    this.#refuseWhenStopped();
    const { budget, ...others } = options;
    checkOptions('plan', { budget: rules.atLeastOne }, budget === undefined ? {} : { budget });
    return this.#runner.plan(dag, others);
  }

  /** The capabilities of every node that can be reached. */
  async discoverNodes(): Promise<Record<string, Capabilities>> {
    this.#refuseWhenStopped();
    return this.#runner.capabilities();
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
    this.#refuseWhenStopped();
    const settings = resolveNode('registerNode', { name, capabilities }, this.#options);
    await this.#tree.inTurn(name, async () => {
      const known = this.#tree.node(name);
      if (known === undefined) return this.#tree.addNode(settings);
      this.#driver.changeCapabilities(name, settings.capabilities);
      const threads = Math.max(known.settings.threads, defaultThreads(capabilities));
      known.settings = { ...known.settings, capabilities: settings.capabilities, threads };
      return known.grow(threads);
    });
  }

  /**
   * Takes a node out of this host. Its threads are ended; what they run is run again on other nodes, and costs no attempt. What only it could
   * run fails with `NODE_DOWN`. Actors that were spawned on it stay. `registerNode` brings it back.
   * @throws `NOT_FOUND`, `STOPPED`
   */
  async removeNode(name: string): Promise<void> {
    this.#refuseWhenStopped();
    await this.#tree.inTurn(name, async () => {
      if (this.#tree.node(name) === undefined) throw new HandoffError('NOT_FOUND', `There is no node ${JSON.stringify(name)}.`, { node: name });
      await this.#tree.removeNode(name);
    });
  }

  /** Whether a node could grant this now. */
  resourcesAvailable(node: string, request: Cost): boolean {
    if (!rules.amounts.holds(request)) throw invalidOption('resourcesAvailable', 'request', rules.amounts.expected, request);
    return this.#driver.state.tracker.available(node, request);
  }

  /** Puts a value into the store of this host. */
  async storeValue(dagId: string, id: string, value: unknown): Promise<void> {
    this.#refuseWhenStopped();
    this.#store.put(dagId, id, value);
  }

  /** A value of this host's store: what was put there, or a result. Throws `NOT_FOUND`. */
  async getLocalValue(dagId: string, id: string): Promise<any> {
    return this.#store.get(dagId, id);
  }

  /**
   * A value, from this host's store or else from the node that has it.
   *
   * @throws `NOT_FOUND`
   */
  async getValue(dagId: string, id: string, options: { readonly fromNode?: string } = {}): Promise<any> {
    const { fromNode } = options;
    if (!this.#store.has(dagId, id) && fromNode !== undefined && this.#tree.node(fromNode) === undefined) {
      throw new HandoffError('NOT_FOUND', `There is no node ${JSON.stringify(fromNode)} to fetch ${JSON.stringify(id)} from.`, { dagId, functionId: id, node: fromNode });
    }
    return this.#store.get(dagId, id);
  }

  /** Puts a value into the store and notes where it is. With the name of a node elsewhere as `originNode`, only notes it. */
  async storeResult(dagId: string, id: string, value: unknown, options: { readonly originNode?: string } = {}): Promise<void> {
    this.#refuseWhenStopped();
    const node = options.originNode ?? this.#tree.nodeNames[0];
    if (node !== undefined) this.#registry.register(dagId, id, node);
    if (node === undefined || this.#tree.node(node) !== undefined) this.#store.put(dagId, id, value);
  }

  /**
   * A result as soon as it is there.
   *
   * @param options `timeout` in ms, default 5000
   * @throws `RESULT_TIMEOUT`, `STOPPED`
   */
  async getResult(dagId: string, id: string, options: { readonly timeout?: number } = {}): Promise<any> {
    checkOptions('getResult', { timeout: rules.milliseconds }, options);
    this.#refuseWhenStopped();
    return this.#store.wait(dagId, id, options.timeout ?? defaultResultTimeout);
  }

  /** Notes where a value is. */
  async registerDataLocation(dagId: string, id: string, node: string): Promise<void> {
    this.#refuseWhenStopped();
    this.#registry.register(dagId, id, node);
  }

  /**
   * The node that has a value.
   *
   * @throws `NOT_FOUND`
   */
  async lookupDataLocation(dagId: string, id: string): Promise<string> {
    const node = this.#registry.lookup(dagId, id);
    if (node === undefined) throw new HandoffError('NOT_FOUND', `Nobody has said where ${JSON.stringify(id)} of DAG ${JSON.stringify(dagId)} is.`, { dagId, functionId: id });
    return node;
  }

  /** Forgets everything of a DAG: its values, its results, and where they are. A run of it that is under way goes on. */
  async clear(dagId: string): Promise<void> {
    this.#store.clear(dagId);
    this.#registry.clear(dagId);
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
   * @throws what its constructor throws; `FUNCTION_NOT_FOUND`, `INVALID_FUNCTION`, `INVALID_OPTION`, `NOT_SERIALIZABLE`, `STOPPED`
   */
  async spawn<Instance, Args extends readonly unknown[]>(reference: ClassReference<Instance, Args>, options: SpawnOptions<Args> = {}): Promise<ActorRef<Instance>> {
    this.#refuseWhenStopped();
    return this.#actors.spawn<Instance>(reference, options);
  }

  /**
   * A supervisor for actors that belong together.
   *
   * @throws `INVALID_OPTION`, `STOPPED`
   */
  async supervise(options: SuperviseOptions = {}): Promise<ActorGroup> {
    this.#refuseWhenStopped();
    return this.#actors.supervise(options);
  }

  /**
   * The actor that was spawned under a name.
   *
   * @throws `NOT_FOUND`
   */
  actor<Instance = any>(name: string): ActorRef<Instance> {
    return this.#actors.byName(name);
  }

  /**
   * What a run that is under way waits for, or one function of it: results of others, a resource and who holds it, a thread, another
   * attempt, a node.
   *
   * @throws `NOT_FOUND`
   */
  explain(dagId: string, functionId?: string): Explanation {
    return this.#driver.explain(dagId, functionId);
  }

  /** The supervision tree as data. */
  tree(): TreeNode {
    return { id: 'root', state: this.#stopping === undefined ? 'running' : 'stopping', restarts: 0, ...this.#tree.root.inspect() };
  }

  async #execute(where: string, dag: Dag, options: ExecuteOptions, ignorePlacement: boolean, caller: Function): Promise<ExecuteResult> {
    this.#refuseWhenStopped();
    return this.#runner.execute(where, dag, options, ignorePlacement, caller);
  }

  #refuseWhenStopped(): void {
    if (this.#stopping !== undefined) throw stopped();
  }

  /** The tree has given up: nothing can run any more. */
  #collapse(cause: unknown): void {
    this.#runner.abortAll((dagId) => new HandoffError('NODE_DOWN', 'The nodes of this host failed again and again, and were given up.', { dagId, cause }));
    void this.stop();
  }
}

function stopped(dagId?: string): HandoffError {
  return new HandoffError('STOPPED', 'This Handoff has been stopped.', dagId === undefined ? {} : { dagId });
}
