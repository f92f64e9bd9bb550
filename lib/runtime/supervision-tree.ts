/**
 * The supervision tree of a Handoff, modelled on the `Handoff.Supervisor` of the Elixir library:
 *
 * ```
 * root (rest-for-one)
 * ├── registry     locations of values
 * ├── store        results
 * ├── resources    claims of nodes
 * ├── dashboard    the HTTP server, if enabled (one-for-one)
 * ├── transport    channels to other hosts, if any
 * ├── nodes        one NodeActor per node (one-for-one), each over its worker threads (one-for-one)
 * ├── actors       user actors, each group under a supervisor as declared
 * └── runs         one per run (temporary)
 * ```
 */
import { resident } from '../workers/supervision/child.ts';
import type { Exit, Running } from '../workers/supervision/child.ts';
import { Supervisor } from '../workers/supervision/supervisor.ts';
import { HandoffError } from '../core/errors.ts';
import type { Capabilities } from '../dag/types.ts';
import type { CodeRegistry } from '../workers/node/code-registry.ts';
import { NodeActor } from '../workers/node/node-actor.ts';
import type { NodeEvents } from '../workers/node/node-link.ts';
import type { NodeSettings } from '../workers/node/thread-pool.ts';
import type { LocationRegistry } from '../workers/store/location-registry.ts';
import type { ResultStore } from '../workers/store/result-store.ts';
import type { Actors } from './actors.ts';
import type { ActiveRun } from '../engine/active-run.ts';
import type { RunIds } from '../engine/run-ids.ts';
import type { Driver } from '../engine/driver.ts';
import type { Publisher } from '../engine/event-publisher.ts';
import { defaultThreads } from './options/handoff-options.ts';
import { amounts } from '../core/option-types.ts';
import { needOption } from '../core/options.ts';
import { timestamp } from '../events/events.ts';

export interface OtherHosts {
  /** True while no other host is connected. */
  readonly isAlone: boolean;
  start(): Running | Promise<Running>;
  /** Forwards the events of a node to all hosts that use it. */
  fanOut(node: string, events: NodeEvents): NodeEvents;
  /** The list of nodes of this host has changed. */
  nodesChanged(): void;
  /** The capabilities of a node have changed. */
  capabilitiesChanged(node: string): void;
}

export interface TreeParts {
  readonly registry: LocationRegistry;
  readonly store: ResultStore;
  readonly driver: Driver;
  readonly codes: CodeRegistry;
  readonly publisher: Publisher;
  readonly actors: Actors;
  /** Undefined without a transport. */
  readonly hosts?: OtherHosts | undefined;
  /** Measures what nodes use. */
  readonly monitor?: { nodeUp(actor: NodeActor): void; stop(): void };
  readonly dashboard?: { start(): Promise<Running> } | undefined;
  /** The maximum number of threads of a node. */
  readonly maxThreads: number;
}

export class RuntimeTree {
  readonly root: Supervisor;
  readonly #parts: TreeParts;
  readonly #actors = new Map<string, NodeActor>();
  #nodes: Supervisor | undefined;
  #runs: Supervisor | undefined;
  #runsStarted = Promise.withResolvers<void>();
  #closing = false;
  readonly #turns = new Map<string, Promise<void>>();

  constructor(parts: TreeParts) {
    this.#parts = parts;
    this.root = new Supervisor({
      strategy: 'rest-for-one',
      onRestart: (child, exit) => this.onRestart('root', child, exit),
    });
  }

  /** Starts everything from the top down. A failed start stops what it has started. */
  async start(nodes: readonly NodeSettings[]): Promise<void> {
    const { registry, store, driver, actors, monitor } = this.#parts;
    try {
      await this.root.startChild({ id: 'registry', start: () => resident(() => registry.stop()) });
      await this.root.startChild({ id: 'store', start: () => resident(() => store.stop()) });
      await this.root.startChild({
        id: 'resources',
        start: () =>
          resident(() => {
            monitor?.stop();
            driver.stop();
          }),
      });
      const { dashboard, hosts } = this.#parts;
      // Before the nodes, so that it sees them start and stop; temporary, so that its failure does not affect them.
      if (dashboard !== undefined)
        await this.root.startChild({ id: 'dashboard', restart: 'temporary', start: () => dashboard.start() });
      if (hosts !== undefined)
        await this.root.startChild({ id: 'transport', shutdownTimeout: Infinity, start: () => hosts.start() });
      await this.root.startChild({ id: 'nodes', shutdownTimeout: Infinity, start: () => this.#startNodes(nodes) });
      await this.root.startChild({
        id: 'actors',
        shutdownTimeout: Infinity,
        start: (givenUp) => actors.start(givenUp),
      });
      await this.root.startChild({ id: 'runs', shutdownTimeout: Infinity, start: () => this.#startRuns() });
    } catch (error) {
      await this.root.stop();
      throw error;
    }
  }

  get nodeNames(): string[] {
    return [...this.#actors.keys()];
  }

  node(name: string): NodeActor | undefined {
    return this.#actors.get(name);
  }

  /** Runs changes of one node one after another. */
  inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(work);
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#turns.set(name, settled);
    void settled.then(() => {
      if (this.#turns.get(name) === settled) this.#turns.delete(name);
    });
    return turn;
  }

  /** Starts one more node. */
  async addNode(settings: NodeSettings): Promise<void> {
    try {
      await this.#nodes!.startChild({
        id: settings.name,
        shutdownTimeout: Infinity,
        start: () => this.#startNode(settings),
      });
    } catch (error) {
      this.#actors.delete(settings.name);
      throw error;
    }
  }

  /** Adds a node, or changes the capabilities of an existing one. Claims are kept, and threads are only added. */
  registerNode(settings: NodeSettings): Promise<void> {
    return this.inTurn(settings.name, async () => {
      if (this.#actors.has(settings.name)) return this.#change(this.#actors.get(settings.name)!, settings.capabilities);
      return this.addNode(settings);
    });
  }

  /**
   * Changes some capabilities of a node of this host.
   *
   * @param where the caller, for error texts
   * @returns false when there is no such node
   * @throws `INVALID_OPTION` when an amount is invalid
   */
  async updateCapabilities(name: string, changed: Capabilities, where = 'updateCapabilities'): Promise<boolean> {
    needOption(where, 'capabilities', amounts, changed);
    return this.inTurn(name, async () => {
      const actor = this.#actors.get(name);
      if (actor === undefined) return false;
      const { capabilities } = actor.settings;
      if (Object.entries(changed).some(([resource, amount]) => capabilities[resource] !== amount))
        await this.#change(actor, { ...capabilities, ...changed });
      return true;
    });
  }

  async #change(actor: NodeActor, capabilities: Capabilities): Promise<void> {
    const { name } = actor.settings;
    const threads = Math.max(actor.settings.threads, defaultThreads(capabilities));
    actor.settings = { ...actor.settings, capabilities, threads };
    this.#parts.driver.changeCapabilities(name, capabilities);
    this.#parts.hosts?.capabilitiesChanged(name);
    await actor.grow(threads);
  }

  /** Restarts all threads of this host's nodes. */
  async restartThreads(): Promise<void> {
    await Promise.all([...this.#actors.values()].map((actor) => actor.restartThreads()));
  }

  /** Removes a node. Its running functions are requeued before its threads end. */
  async removeNode(name: string): Promise<void> {
    const actor = this.#actors.get(name)!;
    this.#actors.delete(name);
    this.#parts.driver.nodeDown(
      name,
      false,
      new HandoffError('NODE_DOWN', `Node ${name} was removed.`, { node: name }),
    );
    this.#parts.hosts?.nodesChanged();
    const stopped = this.#nodes!.stopChild(name);
    actor.killAll();
    await stopped;
  }

  /** Adds a run. During a restart of nodes and runs it waits for the end of the restart. */
  async addRun(run: ActiveRun): Promise<void> {
    while (this.#runs!.stopping && !this.#closing) await this.#runsStarted.promise;
    for (const actor of this.#actors.values()) actor.workArrived();
    await this.#runs!.startChild({ id: run.id, restart: 'temporary', shutdownTimeout: Infinity, start: () => run });
  }

  /** The error of a run that its supervisor stops. */
  whyStopped(ids: RunIds): HandoffError {
    return this.#closing
      ? new HandoffError('STOPPED', 'This Handoff is being stopped.', { ...ids })
      : new HandoffError('NODE_DOWN', 'The nodes of this host failed too often. All of them are being restarted.', {
          ...ids,
        });
  }

  /** Stops everything from the bottom up. */
  async stop(): Promise<void> {
    this.#closing = true;
    this.#runsStarted.resolve();
    await this.root.stop();
    this.#parts.actors.end();
  }

  #startRuns(): Supervisor {
    const runs = new Supervisor({});
    this.#runs = runs;
    this.#runsStarted.resolve();
    this.#runsStarted = Promise.withResolvers();
    return runs;
  }

  /** Any running node, to inspect code. */
  anyNode(): NodeActor {
    for (const actor of this.#actors.values()) if (!actor.gone) return actor;
    for (const actor of this.#actors.values()) return actor;
    throw new HandoffError(
      'NODE_DOWN',
      'There is no node to inspect code on. Add one with registerNode, or join a host that has one.',
    );
  }

  async #startNodes(settings: readonly NodeSettings[]): Promise<Running> {
    const nodes = new Supervisor({ onRestart: (child, exit) => this.onRestart('nodes', child, exit) });
    this.#nodes = nodes;
    // Nodes are tried in order of declaration, so all are announced before any is ready.
    const all = this.#actors.size === 0 ? settings : [...this.#actors.values()].map((actor) => actor.settings);
    const starts = all.map((each) =>
      nodes.startChild({ id: each.name, shutdownTimeout: Infinity, start: () => this.#startNode(each) }),
    );
    const failed = (await Promise.allSettled(starts)).find((start) => start.status === 'rejected');
    if (failed === undefined) return nodes;
    await nodes.stop();
    throw failed.reason;
  }

  async #startNode(settings: NodeSettings): Promise<NodeActor> {
    const { driver, codes, publisher, maxThreads } = this.#parts;
    const { name } = settings;
    const events = driver.eventsOf(name);
    const actor = new NodeActor(
      this.#actors.get(name)?.settings ?? settings,
      maxThreads,
      codes,
      this.#parts.hosts?.fanOut(name, events) ?? events,
      () => driver.active.length > 0 || this.#parts.hosts?.isAlone === false,
    );
    this.#actors.set(name, actor);
    this.#parts.monitor?.nodeUp(actor);
    driver.addNode(actor);
    try {
      await actor.launch();
    } catch (error) {
      driver.nodeDown(name, false, error);
      throw error;
    }
    this.#parts.hosts?.nodesChanged();
    if (this.#actors.get(name) === actor && publisher.wants('node:up'))
      publisher.publish({
        type: 'node:up',
        at: timestamp(),
        node: name,
        capabilities: actor.settings.capabilities,
        threads: actor.settings.threads,
      });
    void actor.exited.then((exit) => {
      // Also when its supervisor gave up: its running functions are lost in that case too.
      if (this.#closing || this.#actors.get(name) !== actor) return;
      driver.nodeDown(name, true, exit.error);
      this.#parts.hosts?.nodesChanged();
    });
    return actor;
  }

  /** Publishes the restart of a child. */
  onRestart(supervisor: string, child: string, exit: Exit): void {
    const { publisher } = this.#parts;
    if (publisher.wants('supervisor:restarted'))
      publisher.publish({ type: 'supervisor:restarted', at: timestamp(), supervisor, child, error: exit.error });
  }
}
