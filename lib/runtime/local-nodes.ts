/** The nodes of this host: each a NodeActor under one supervisor, and known to the scheduler and to other hosts. */
import type { Running } from '../workers/supervision/child.ts';
import { Supervisor } from '../workers/supervision/supervisor.ts';
import { HandoffError } from '../core/errors.ts';
import type { Capabilities } from '../dag/types.ts';
import type { CodeRegistry } from '../workers/node/code-registry.ts';
import { NodeActor } from '../workers/node/node-actor.ts';
import type { NodeEvents } from '../workers/node/node-link.ts';
import type { NodeSettings } from '../workers/node/thread-pool.ts';
import type { Driver } from '../engine/driver.ts';
import type { Publisher } from '../engine/event-publisher.ts';
import { defaultThreads } from './options/handoff-options.ts';
import { amounts } from '../core/option-types.ts';
import { needOption } from '../core/options.ts';
import { timestamp } from '../events/events.ts';
import { restartsTo } from './restart-events.ts';

/** What other hosts need of these nodes. */
export interface OtherHosts {
  /** True while no other host is connected. */
  readonly isAlone: boolean;
  /** Forwards the events of a node to all hosts that use it. */
  fanOut(node: string, events: NodeEvents): NodeEvents;
  /** The list of nodes of this host has changed. */
  nodesChanged(): void;
  /** The capabilities of a node have changed. */
  capabilitiesChanged(node: string): void;
}

export interface LocalNodesParts {
  readonly driver: Driver;
  readonly codes: CodeRegistry;
  readonly publisher: Publisher;
  /** Undefined without a transport. */
  readonly hosts?: OtherHosts | undefined;
  /** The maximum number of threads of a node. */
  readonly maxThreads: number;
}

export class LocalNodes {
  readonly #parts: LocalNodesParts;
  readonly #onRestart: ReturnType<typeof restartsTo>;
  readonly #actors = new Map<string, NodeActor>();
  readonly #turns = new Map<string, Promise<void>>();
  readonly #starting: ((actor: NodeActor) => void)[] = [];
  #supervisor: Supervisor | undefined;
  #closing = false;

  constructor(parts: LocalNodesParts) {
    this.#parts = parts;
    this.#onRestart = restartsTo(parts.publisher);
  }

  /** Registers a callback for each node before it starts. */
  onStart(listener: (actor: NodeActor) => void): void {
    this.#starting.push(listener);
  }

  get all(): NodeActor[] {
    return [...this.#actors.values()];
  }

  get names(): string[] {
    return [...this.#actors.keys()];
  }

  get(name: string): NodeActor | undefined {
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
  async #add(settings: NodeSettings): Promise<void> {
    try {
      await this.#supervisor!.startChild({
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
  register(settings: NodeSettings): Promise<void> {
    return this.inTurn(settings.name, async () => {
      if (this.#actors.has(settings.name)) return this.#change(this.#actors.get(settings.name)!, settings.capabilities);
      return this.#add(settings);
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
  async remove(name: string): Promise<void> {
    const actor = this.#actors.get(name)!;
    this.#actors.delete(name);
    this.#parts.driver.nodeDown(
      name,
      false,
      new HandoffError('NODE_DOWN', `Node ${name} was removed.`, { node: name }),
    );
    this.#parts.hosts?.nodesChanged();
    const stopped = this.#supervisor!.stopChild(name);
    actor.killAll();
    await stopped;
  }

  /** Wakes their threads for work to come. */
  workArrived(): void {
    for (const actor of this.#actors.values()) actor.workArrived();
  }

  /** They are about to be stopped: no end of a node is a failure from now on. */
  close(): void {
    this.#closing = true;
  }

  /** Any running node, to inspect code. */
  any(): NodeActor {
    for (const actor of this.#actors.values()) if (!actor.gone) return actor;
    for (const actor of this.#actors.values()) return actor;
    throw new HandoffError(
      'NODE_DOWN',
      'There is no node to inspect code on. Add one with registerNode, or join a host that has one.',
    );
  }

  /** Called by the root supervisor. After a restart, the nodes are those that it had. */
  async start(settings: readonly NodeSettings[]): Promise<Running> {
    const nodes = new Supervisor({ onRestart: (child, exit) => this.#onRestart('nodes', child, exit) });
    this.#supervisor = nodes;
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
    for (const listener of this.#starting) listener(actor);
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
}
