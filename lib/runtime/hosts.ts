/**
 * Connects this host with others: their nodes for our scheduler, our nodes for theirs, and requests in both directions.
 */
import { nanoid } from 'nanoid';
import type { Running } from '../workers/supervision/child.ts';
import { Admission } from '../hosts/cluster/admission.ts';
import { Cluster } from '../hosts/cluster/cluster.ts';
import { ModuleNames } from '../hosts/cluster/code-identity.ts';
import type { Peer } from '../hosts/cluster/peer.ts';
import type { RemoteHost } from '../hosts/cluster/remote-host.ts';
import type { ArgsOf, Method, ResultOf } from '../hosts/cluster/requests.ts';
import type { NodeCard } from '../hosts/cluster/wire.ts';
import { HandoffError, isHandoffError } from '../core/errors.ts';
import type { CodeRegistry } from '../workers/node/code-registry.ts';
import type { Inspector, NodeEvents } from '../workers/node/node-link.ts';
import { timestamp } from '../events/events.ts';
import type { ResultMemory } from '../workers/store/result-memory.ts';
import { Beacon } from '../hosts/transport/beacon/beacon.ts';
import { NatsTransport } from '../hosts/transport/nats/nats-transport.ts';
import type { SharedConnection } from '../hosts/transport/nats/shared-connection.ts';
import type { ConnectionRefused } from '../hosts/transport/tcp/options.ts';
import type { Driver } from '../engine/driver.ts';
import { allOf } from '../engine/module-resolver.ts';
import { locate } from '../workers/code/locate.ts';
import type { Publisher } from '../engine/event-publisher.ts';
import type { ResolvedTransport } from './options/transport-options.ts';
import { requestChecks } from './requests.ts';
import type { LocalNodes, OtherHosts } from './local-nodes.ts';
import { beaconHost, createTransport } from './transports.ts';
import type { ResourceTracker } from '../scheduling/resources/resource-tracker.ts';
import { protocolError } from '../core/protocol-error.ts';

/** Handles a request of another host. */
export type Answer<Name extends Method> = (
  args: ArgsOf<Name>,
  peer: Peer,
) => ResultOf<Name> | undefined | Promise<ResultOf<Name> | undefined>;

export interface HostsParts {
  /** The claims on the nodes of this host. */
  readonly tracker: ResourceTracker;
  readonly codes: CodeRegistry;
  readonly memory: ResultMemory | undefined;
  readonly publisher: Publisher;
  readonly grace: number;
  readonly allowSource: boolean;
  /** Names of the nodes that this host starts with. */
  readonly nodeNames: readonly string[];
}

export class Hosts implements OtherHosts {
  readonly cluster: Cluster;
  /** The connection of a transport over NATS. */
  readonly natsConnection: (() => Promise<SharedConnection>) | undefined;
  /** The claims on the nodes of this host, by its own scheduler and by those of other hosts. */
  readonly admission: Admission;
  #driver!: Driver;
  #nodes!: LocalNodes;
  /** The id of this host. */
  readonly id = nanoid();
  readonly #identity = { id: this.id, incarnation: Date.now() };
  readonly #options: ResolvedTransport;
  readonly #parts: HostsParts;
  readonly #answers: { [Name in Method]?: Answer<Name> } = {};
  /** Connected hosts whose nodes are not used yet. */
  readonly #pending = new Set<RemoteHost>();
  /** The nodes that each host has announced. */
  readonly #known = new Map<RemoteHost, readonly NodeCard[]>();
  #leaving = false;
  /** Called when a remote node connects. */
  readonly #expecting = new Set<() => void>();
  /** Nodes of lost hosts that may reconnect. */
  readonly #awaited = new Map<string, NodeJS.Timeout>();
  readonly #listeners: { up(host: RemoteHost): void; down(host: RemoteHost): void }[] = [];

  constructor(options: ResolvedTransport, parts: HostsParts) {
    this.#options = options;
    this.#parts = parts;
    const { tracker, codes, memory, grace, allowSource } = parts;
    this.admission = new Admission(tracker, () => this.#driver.resourcesFreed());
    const identity = this.#identity;
    const transport = createTransport(options, identity, (refusal) => this.#connectionRefused(refusal));
    this.natsConnection = transport instanceof NatsTransport ? () => transport.connection() : undefined;
    const beaconAt = beaconHost(options);
    this.cluster = new Cluster(
      { ...options, grace },
      {
        identity,
        transport,
        codes,
        admission: this.admission,
        memory,
        ...(beaconAt !== undefined && { beacon: () => Beacon.start(beaconAt, options.heartbeatInterval) }),
        names: new ModuleNames(options.root, allowSource, locate, codes.versions),
        cards: () => this.#cards(),
        node: (name) => this.#nodes.get(name),
        hostUp: (remote, cards) => this.#hostUp(remote, cards),
        hostChanged: (remote, cards) => this.#hostChanged(remote, cards),
        hostDown: (remote, error) => this.#hostDown(remote, error),
        request: (peer, method, args) => this.#request(peer, method, args),
        requests: requestChecks,
      },
    );
    this.answer('describe', ([name], peer) => this.#describe(name, peer));
    this.answer('freeVariables', ([source], peer) => this.#nodes.any().freeVariables(source, patience(peer)));
    this.answer('leave', (_, peer) => this.#letGo(peer));
  }

  /** Connects it with the scheduler and the nodes of this host. Must be called before the start. */
  connect(driver: Driver, nodes: LocalNodes): void {
    this.#driver = driver;
    this.#nodes = nodes;
  }

  get isAlone(): boolean {
    return this.cluster.hosts.length === 0;
  }

  /** Registers the handler of a method. */
  answer<Name extends Method>(method: Name, how: Answer<Name>): void {
    (this.#answers as Record<Name, Answer<Name>>)[method] = how;
  }

  /** Registers callbacks for hosts that connect or disconnect. */
  onHost(up: (host: RemoteHost) => void, down: (host: RemoteHost) => void): void {
    this.#listeners.push({ up, down });
  }

  async start(): Promise<Running> {
    await this.cluster.start();
    const { promise, resolve } = Promise.withResolvers<{ reason: 'shutdown' }>();
    return {
      exited: promise,
      stop: async () => {
        for (const timer of this.#awaited.values()) clearTimeout(timer);
        await this.cluster.stop();
        resolve({ reason: 'shutdown' });
      },
      inspect: () => ({
        kind: 'worker',
        info: {
          address: this.cluster.address,
          hosts: this.cluster.hosts.map(({ peer }) => peer.identity.address ?? peer.identity.id),
        },
      }),
    };
  }

  fanOut(node: string, events: NodeEvents): NodeEvents {
    return this.cluster.fanOut(node, events);
  }

  nodesChanged(): void {
    this.cluster.nodesChanged();
  }

  capabilitiesChanged(node: string): void {
    this.cluster.capabilitiesChanged(node);
    this.freed();
  }

  /** More of a node may be free: waiting requests of other hosts are checked again. */
  freed(): void {
    this.admission.nodeGrew();
  }

  /** Asks every other host. Hosts that disconnect before they answer are left out. */
  async askAll<Name extends Method>(method: Name, ...args: ArgsOf<Name>): Promise<ResultOf<Name>[]> {
    const answers = await Promise.all(
      this.cluster.hosts.map(({ peer }) =>
        peer.request(method, ...args).catch((error: unknown) => {
          if (!peer.closed) throw error;
        }),
      ),
    );
    return answers.filter((answer) => answer !== undefined);
  }

  /** Lets other hosts finish their work here and fetch the results they need. New work is refused from now on. */
  async leave(): Promise<void> {
    this.#leaving = true;
    this.cluster.nodesChanged();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.#options.drainTimeout)));
    await Promise.race([
      late,
      Promise.all(this.cluster.hosts.map(({ peer }) => peer.request('leave').catch(() => {}))),
    ]);
    clearTimeout(timer);
  }

  /** Inspects code on a remote node. If its host is lost, it tries another node, and waits for one if there is none. */
  inspector(): Inspector {
    return {
      describe: (url, givenUp) => this.#inspect((node) => node.describe(url, givenUp)),
      freeVariables: (source, givenUp) => this.#inspect((node) => node.freeVariables(source, givenUp)),
    };
  }

  async #inspect<Result>(question: (node: Inspector) => Promise<Result>): Promise<Result> {
    const until = performance.now() + this.#options.reconnectTimeout;
    for (;;) {
      const host = this.cluster.hosts.find(({ nodes }) => nodes.size > 0);
      if (host === undefined) {
        if (performance.now() >= until)
          throw new HandoffError(
            'NODE_DOWN',
            'There is no node to inspect code on. Start one, or join a host that has one.',
          );
        await this.#nodeComes(until);
        continue;
      }
      const [node] = host.nodes.values();
      try {
        return await question(node!);
      } catch (error) {
        if (!host.peer.closed || !isHandoffError(error, 'NODE_DOWN')) throw error;
      }
    }
  }

  /** Resolves when a remote node is available. */
  async #nodeComes(until: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, until - performance.now());
    this.#expecting.add(resolve);
    await promise;
    this.#expecting.delete(resolve);
    clearTimeout(timer);
  }

  /** The host of a remote node; undefined when there is none. */
  hostOf(node: string): RemoteHost | undefined {
    return this.cluster.hosts.find(({ nodes }) => nodes.has(node));
  }

  #cards(): NodeCard[] {
    return this.#nodes.all.flatMap((actor) => {
      const { name, capabilities, threads, speed, price, concurrency } = actor.settings;
      const known = this.#driver.state.nodeByName.get(name);
      if (known === undefined || !known.up) return [];
      return {
        name,
        capabilities,
        threads,
        speed,
        concurrency,
        ...(price !== undefined && { price }),
        threadsUp: actor.threads,
        ...(this.#leaving && { draining: true }),
      };
    });
  }

  #hostUp(remote: RemoteHost, cards: readonly NodeCard[]): void {
    const taken = cards.find(({ name }) => this.#parts.nodeNames.includes(name));
    if (taken !== undefined && this.#givesWayTo(remote)) {
      this.cluster.refuse(
        new HandoffError(
          'INVALID_OPTION',
          `Node name ${JSON.stringify(taken.name)} is taken: host ${remote.peer.identity.address ?? remote.peer.identity.id} has ` +
            'a node of that name. Names are unique in a cluster: give this node another one (name in the option nodes; ' +
            '--name of handoff node).',
          { option: 'nodes', node: taken.name },
        ),
      );
    }
    for (const { up } of this.#listeners) up(remote);
    this.#hostChanged(remote, cards);
  }

  /** Whether this host has joined the other. Where hosts find each other, the one that started later has. */
  #givesWayTo({ peer: { identity } }: RemoteHost): boolean {
    if (this.#options.type === 'tcp') return this.#options.join.length > 0;
    const { id, incarnation } = this.#identity;
    return identity.incarnation < incarnation || (identity.incarnation === incarnation && identity.id < id);
  }

  #hostChanged(remote: RemoteHost, cards: readonly NodeCard[]): void {
    this.#known.set(remote, cards);
    if (this.#pending.has(remote)) return;
    if (this.#driver.active.length > 0 && cards.some(({ name }) => !remote.nodes.has(name)))
      return void this.#admit(remote);
    this.#take(remote, cards);
  }

  /** Makes the nodes of a host equal to its announced cards. */
  #take(remote: RemoteHost, cards: readonly NodeCard[]): void {
    for (const name of [...remote.nodes.keys()]) {
      if (!cards.some((card) => card.name === name))
        this.#nodeDown(
          remote,
          name,
          new HandoffError('NODE_DOWN', `Node ${name} was removed from its host.`, { node: name }),
        );
    }
    for (const card of cards) {
      const known = remote.nodes.get(card.name);
      if (known === undefined) {
        if (this.#isFree(card.name)) this.#nodeUp(remote, card);
        else this.#refused(remote, card.name);
        continue;
      }
      if (JSON.stringify(known.settings.capabilities) !== JSON.stringify(card.capabilities))
        this.#driver.changeCapabilities(card.name, card.capabilities);
      known.settings = { ...card };
      if (card.draining === true) this.#driver.nodeDraining(card.name);
      for (const thread of card.threadsUp) known.events.threadUp(thread);
    }
  }

  /**
   * A running DAG must not fail because a new host has other code. Such a host is admitted once those runs have ended.
   */
  async #admit(remote: RemoteHost): Promise<void> {
    const driver = this.#driver;
    this.#pending.add(remote);
    for (let runs = driver.active; runs.length > 0; runs = driver.active) {
      const codes = runs.flatMap(({ request: { code } }) => allOf(code));
      const isFit = await remote.check(codes).then(
        () => true,
        () => false,
      );
      if (isFit && driver.active.every((run) => runs.includes(run))) break;
      if (!isFit) await Promise.race(runs.map(({ exited }) => exited));
      if (remote.peer.closed) break;
    }
    if (!this.#pending.delete(remote) || remote.peer.closed) return;
    this.#take(remote, this.#known.get(remote) ?? []);
  }

  /** Whether no node has this name. */
  #isFree(name: string): boolean {
    return this.#nodes.get(name) === undefined && this.hostOf(name) === undefined;
  }

  /** Two nodes share a name: the first one keeps it while it is connected. */
  #refused({ peer: { identity } }: RemoteHost, node: string): void {
    const { publisher } = this.#parts;
    if (publisher.wants('node:name-conflict'))
      publisher.publish({ type: 'node:name-conflict', at: timestamp(), node, host: identity.address ?? identity.id });
  }

  #connectionRefused({ peer, dialled, error, others }: ConnectionRefused): void {
    const { publisher } = this.#parts;
    if (publisher.wants('connection:refused'))
      publisher.publish({ type: 'connection:refused', at: timestamp(), peer, dialled, error, others });
  }

  #nodeUp(remote: RemoteHost, card: NodeCard): void {
    const { publisher } = this.#parts;
    const events = this.#driver.eventsOf(card.name);
    this.#driver.addNode(remote.add(card, events));
    for (const notify of this.#expecting) notify();
    if (card.draining === true) this.#driver.nodeDraining(card.name);
    for (const thread of card.threadsUp) events.threadUp(thread);
    const { name: node, capabilities, threads } = card;
    if (publisher.wants('node:up'))
      publisher.publish({ type: 'node:up', at: timestamp(), node, capabilities, threads });
  }

  #nodeDown(remote: RemoteHost, name: string, error: unknown, isAwaited = false): void {
    remote.remove(name);
    this.#driver.nodeDown(name, isAwaited, error);
  }

  /** Functions that only this node can run wait for it, up to `reconnectTimeout`. */
  #await(node: string, error: unknown): void {
    clearTimeout(this.#awaited.get(node));
    const timer = setTimeout(() => {
      this.#awaited.delete(node);
      if (!this.#driver.state.nodeByName.get(node)!.up) this.#driver.nodeDown(node, false, error);
    }, this.#options.reconnectTimeout);
    this.#awaited.set(node, timer.unref());
  }

  #hostDown(remote: RemoteHost, error: unknown): void {
    const { identity } = remote.peer;
    this.#known.delete(remote);
    this.#pending.delete(remote);
    const gone = error ?? new HandoffError('NODE_DOWN', `Host ${identity.address ?? identity.id} has left.`);
    const isAwaited = error !== undefined && this.#options.reconnectTimeout > 0 && !this.#leaving;
    for (const name of [...remote.nodes.keys()]) {
      this.#nodeDown(remote, name, gone, isAwaited);
      if (isAwaited) this.#await(name, gone);
    }
    this.#driver.hostLost(identity.id);
    for (const { down } of this.#listeners) down(remote);
    // a name may have become free
    for (const [other, cards] of this.#known)
      if (cards.some(({ name }) => !other.nodes.has(name) && this.#isFree(name))) this.#hostChanged(other, cards);
  }

  /** The peer is about to leave: finish our work there, and fetch the results we need. */
  async #letGo(peer: Peer): Promise<void> {
    const driver = this.#driver;
    const remote = this.cluster.hosts.find((host) => host.peer === peer);
    for (const name of remote?.nodes.keys() ?? []) driver.nodeDraining(name);
    await driver.idleOn(peer.number);
    await driver.bringAll(peer.identity.id);
  }

  #describe(name: ArgsOf<'describe'>[0], peer: Peer): Promise<ResultOf<'describe'>> {
    return this.#nodes.any().describe(this.cluster.find(name, peer).url, patience(peer));
  }

  #request<Name extends Method>(peer: Peer, method: Name, args: ArgsOf<Name>): unknown {
    const answer = this.#answers[method] as Answer<Name> | undefined;
    if (answer === undefined)
      throw protocolError(`A peer sent the request ${JSON.stringify(method)}, which this host does not know.`);
    return answer(args, peer);
  }
}

// Limit in ms for an import on behalf of another host.
const maxImportMs = 60_000;

/** Rejects when the peer is gone or has waited too long. */
function patience(peer: Peer): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () =>
      reject(new HandoffError('FUNCTION_NOT_FOUND', `The import of the module took longer than ${maxImportMs} ms.`)),
    maxImportMs,
  );
  timer.unref();
  void peer.gone.then(() => {
    clearTimeout(timer);
    reject(new HandoffError('NODE_DOWN', 'The host that sent the request has disconnected.'));
  });
  promise.catch(() => {});
  return promise;
}
