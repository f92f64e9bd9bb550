/** The runtime's face: start, execute, look, store, stop. */
import { availableParallelism } from 'node:os';
import type { TreeNode } from '../actor/child.ts';
import { type Allocator, type StrategyName } from '../allocation/allocator.ts';
import { assign } from '../allocation/assign.ts';
import { findImpossible } from '../allocation/feasibility.ts';
import { SimpleResourceTracker } from '../allocation/resource-tracker.ts';
import { strategies } from '../allocation/strategy.ts';
import { compile } from '../dag/compile.ts';
import { Dag } from '../dag/dag.ts';
import type { Plan } from '../dag/plan.ts';
import type { Capabilities, Cost } from '../dag/types.ts';
import { type Outputs, type Resolved, ValueDag } from '../dag/value-dag.ts';
import { HandoffError } from '../errors.ts';
import { CodeList } from '../node/code-list.ts';
import type { RunSettings } from '../scheduler/events.ts';
import type { Tuning } from '../scheduler/state.ts';
import { LocationRegistry } from '../store/location-registry.ts';
import { ResultStore } from '../store/result-store.ts';
import type { ActiveRun } from './active-run.ts';
import { Driver } from './driver.ts';
import { HandoffEmitter } from './emitter.ts';
import { Modules, type ResolvedCode } from './modules.ts';
import { defaultThreads, type HandoffOptions, type ResolvedOptions, resolveNode, resolveOptions } from './options.ts';
import { type ExecuteResult, toResult } from './outcome.ts';
import { preview, type PlanResult } from './plan-preview.ts';
import { checkExecuteOptions, type ExecuteOptions, keptOf } from './run-options.ts';
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
  readonly #codes = new CodeList();
  readonly #modules = new Modules(this.#codes);
  readonly #tree: RuntimeTree;
  /** Every run that was asked for and has not ended, by id. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  #stopping: Promise<void> | undefined;

  private constructor(options: ResolvedOptions, tuning: Partial<Tuning> = {}) {
    super();
    this.#options = options;
    const publisher = HandoffEmitter.publisherOf(this);
    this.#store = new ResultStore(options.retainedRuns, (dagId) => this.#registry.clear(dagId));
    this.#driver = new Driver(options.resourceTracker ?? new SimpleResourceTracker(), { grace: options.gracePeriod, ...tuning }, publisher);
    this.#tree = new RuntimeTree({
      registry: this.#registry, store: this.#store, driver: this.#driver, codes: this.#codes, publisher, mostThreads: availableParallelism(),
    });
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
   * @param options `drain: false` aborts what runs instead: its promises are rejected with `STOPPED`
   */
  stop(options: { readonly drain?: boolean } = {}): Promise<void> {
    if (options.drain === false) for (const dagId of this.#underWay.keys()) this.#driver.abort(dagId, stopped(dagId));
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
    await this.#tree.root.stop();
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
    return this.#execute('execute', dag, options, {});
  }

  /** The same as `execute`, under the origin's name. */
  async executeDistributed(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute('executeDistributed', dag, options, {});
  }

  /** Runs a DAG on this host alone, whatever its pins and costs say. Throws as `execute`. */
  async executeLocal(dag: Dag, options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return this.#execute('executeLocal', dag, options, { ignorePlacement: true });
  }

  /** Runs a DAG of calls, and gives its outputs in the shape they were declared in. Throws as `execute`. */
  async run<Out extends Outputs>(dag: ValueDag<Out>, options: Omit<ExecuteOptions, 'collect'> = {}): Promise<Resolved<Out>> {
    if (!(dag instanceof ValueDag)) throw new HandoffError('INVALID_FUNCTION', 'run() takes a DAG of calls, as dag(name, outputs) makes it; for a Dag use execute().');
    const { results } = await this.#execute('run', dag, { ...options, collect: dag.outputList }, {});
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
    checkExecuteOptions('plan', others);
    const plan = this.#compile(dag, false);
    const code = await this.#modules.resolve(plan, () => this.#tree.anyNode());
    const settings = this.#settings(plan, code, others);
    const nodes = this.#driver.state.nodes.filter((node) => node.up);
    return preview(plan, nodes, settings, (i) => {
      const learned = this.#driver.state.estimates[code.codes[plan.code[i]!]!];
      return plan.entries[i]!.traits.duration ?? (learned !== undefined && learned.count > 0 ? learned.mean : 1);
    });
  }

  /** The capabilities of every node that can be reached. */
  async discoverNodes(): Promise<Record<string, Capabilities>> {
    this.#refuseWhenStopped();
    return this.#capabilities();
  }

  /** Adds the node `'local'` to this host, or changes its capabilities. Throws as `registerNode`. */
  async registerLocalNode(capabilities: Capabilities): Promise<void> {
    return this.registerNode('local', capabilities);
  }

  /**
   * Adds a node to this host, or changes the capabilities of one that is there; what is claimed of it stays claimed.
   *
   * @throws `INVALID_OPTION`, `STOPPED`
   */
  async registerNode(name: string, capabilities: Capabilities): Promise<void> {
    this.#refuseWhenStopped();
    const settings = resolveNode('registerNode', { name, capabilities }, this.#options.printToStderr);
    const known = this.#tree.node(name);
    if (known === undefined) return this.#tree.addNode(settings);
    known.settings = { ...known.settings, capabilities: settings.capabilities };
    this.#driver.changeCapabilities(name, settings.capabilities);
    await known.grow(Math.max(known.settings.threads, defaultThreads(capabilities)));
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

  /**
   * A value of this host's store: what was put there, or a result.
   *
   * @throws `NOT_FOUND`
   */
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
    const node = options.originNode ?? this.#tree.nodeNames[0]!;
    this.#registry.register(dagId, id, node);
    if (this.#tree.node(node) !== undefined) this.#store.put(dagId, id, value);
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

  /** The supervision tree as data. */
  tree(): TreeNode {
    return { id: 'root', state: this.#stopping === undefined ? 'running' : 'stopping', restarts: 0, ...this.#tree.root.inspect() };
  }

  async #execute(where: string, dag: Dag, options: ExecuteOptions, { ignorePlacement = false }: { ignorePlacement?: boolean }): Promise<ExecuteResult> {
    const startedAt = performance.now();
    const site: { stack?: string } = {};
    Error.captureStackTrace(site, this.#execute);
    this.#refuseWhenStopped();
    checkExecuteOptions(where, options);
    const plan = this.#compile(dag, ignorePlacement);
    if (this.#underWay.has(dag.id)) {
      throw new HandoffError('DAG_ALREADY_RUNNING', `A run of DAG ${JSON.stringify(dag.id)} is under way. Wait for it, or give the DAG another id.`, { dagId: dag.id });
    }
    const running = this.#runPlan(plan, options);
    this.#underWay.set(dag.id, running.catch(() => {}));
    try {
      const active = await running;
      return toResult(active, startedAt, (index) => this.#driver.state.nodes[index]!.name);
    } catch (error) {
      throw withSite(error, site.stack);
    } finally {
      this.#underWay.delete(dag.id);
    }
  }

  /** From a plan to its end. Everything that can be refused is refused before the run is made. */
  async #runPlan(plan: Plan, options: ExecuteOptions): Promise<ActiveRun> {
    const dagId = plan.dagId;
    const guard = new RunGuard(dagId, options, (reason) => this.#driver.abort(dagId, reason));
    try {
      const known = this.#modules.resolve(plan, () => this.#tree.anyNode());
      const code = known instanceof Promise ? await guard.race(known) : known;
      const settings = this.#settings(plan, code, options);
      if (this.#stopping !== undefined && !this.#underWay.has(dagId)) throw stopped(dagId);
      const active = this.#driver.createRun({ plan, settings, code, onProgress: options.onProgress });
      this.#store.open(dagId, active.results);
      this.#registry.open(dagId, {
        nodeOf: (id) => this.#nodeOf(active, plan.indexOf(id)),
        entries: () => plan.entries.map((entry, i) => [entry.id, this.#nodeOf(active, i)] as const).filter((each): each is [string, string] => each[1] !== undefined),
      });
      await this.#tree.addRun(active);
      this.#driver.submit(active);
      guard.check();
      try {
        await active.ended;
      } finally {
        this.#store.close(dagId);
      }
      return active;
    } finally {
      guard.dispose();
    }
  }

  #nodeOf({ results, run }: ActiveRun, i: number): string | undefined {
    return results.has(i) ? this.#driver.state.nodes[run!.node[i]!]?.name : undefined;
  }

  #compile(dag: Dag, ignorePlacement: boolean): Plan {
    if (!(dag instanceof Dag)) throw new HandoffError('INVALID_FUNCTION', 'What is executed is a Dag: new Dag(id).add(…), or dag(name, outputs).');
    const plan = compile(dag, { ignorePlacement });
    const impossible = findImpossible(plan, this.#capabilities());
    if (impossible !== undefined) throw impossible;
    return plan;
  }

  #settings(plan: Plan, code: ResolvedCode, options: ExecuteOptions): RunSettings {
    const strategy = options.allocationStrategy ?? this.#options.allocationStrategy;
    const named = typeof strategy === 'string';
    return {
      maxRetries: options.maxRetries ?? this.#options.maxRetries,
      maxConcurrency: options.maxConcurrency ?? Infinity,
      keepGoing: options.failurePolicy === 'continue',
      kept: keptOf(plan, options.collect),
      strategy: strategies[named ? (strategy as StrategyName) : 'first-available'],
      assigned: named ? null : assign(plan, strategy as Allocator, this.#capabilities()),
      codes: code.codes,
    };
  }

  #capabilities(): Record<string, Capabilities> {
    return Object.fromEntries(this.#driver.state.nodes.filter((node) => node.up || node.returning).map((node) => [node.name, node.capabilities]));
  }

  #refuseWhenStopped(): void {
    if (this.#stopping !== undefined) throw stopped();
  }

  /** The tree has given up: nothing can run any more. */
  #collapse(error: unknown): void {
    for (const dagId of this.#underWay.keys()) {
      this.#driver.abort(dagId, new HandoffError('NODE_DOWN', 'The nodes of this host failed again and again, and were given up.', { dagId, cause: error }));
    }
    void this.stop();
  }
}

/** The caller's ways to end a run: a signal, and a limit of time. */
class RunGuard {
  readonly #signal: AbortSignal | undefined;
  readonly #abort: (reason: HandoffError) => void;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #given = Promise.withResolvers<never>();
  #reason: HandoffError | undefined;
  readonly #onAbort = (): void => this.#end(aborted(this.#dagId, this.#signal!.reason));
  readonly #dagId: string;

  constructor(dagId: string, { signal, timeout }: ExecuteOptions, abort: (reason: HandoffError) => void) {
    this.#dagId = dagId;
    this.#abort = abort;
    this.#signal = signal;
    this.#given.promise.catch(() => {});
    if (signal?.aborted === true) throw aborted(dagId, signal.reason);
    signal?.addEventListener('abort', this.#onAbort);
    if (timeout !== undefined) {
      this.#timer = setTimeout(() => {
        this.#end(new HandoffError('RUN_TIMEOUT', `The run of DAG ${JSON.stringify(dagId)} took longer than its timeout of ${timeout} ms.`, { dagId, timeout }));
      }, timeout);
    }
  }

  /** Waits for something that precedes the run, but no longer than the caller will. */
  race<Value>(promise: Promise<Value>): Promise<Value> {
    return Promise.race([promise, this.#given.promise]);
  }

  /** Ends the run if the caller has given up while it was being made. */
  check(): void {
    if (this.#reason !== undefined) this.#abort(this.#reason);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  #end(reason: HandoffError): void {
    this.#reason = reason;
    this.#given.reject(reason);
    this.#abort(reason);
  }
}

function aborted(dagId: string, reason: unknown): HandoffError {
  const why = reason instanceof Error ? reason.message : String(reason);
  return new HandoffError('ABORTED', `The run of DAG ${JSON.stringify(dagId)} was aborted: ${why}`, { dagId, cause: reason });
}

function stopped(dagId?: string): HandoffError {
  return new HandoffError('STOPPED', 'This Handoff has been stopped.', dagId === undefined ? {} : { dagId });
}

/** Errors of a run are made where events arrive; their stack should also lead to who asked for the run. */
function withSite(error: unknown, stack: string | undefined): unknown {
  if (error instanceof HandoffError && stack !== undefined) {
    const frames = stack.slice(stack.indexOf('\n') + 1);
    error.stack = `${error.name}: ${error.message}\n${frames}`;
  }
  return error;
}
