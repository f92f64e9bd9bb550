/**
 * The hosts that this host is connected to. A host that joins one of them learns the addresses of all: each host passes
 * on those it knows. Every two hosts have one control channel, dialled by the host with the smaller id.
 *
 * ```
 *   transport ── channel ── Peer ─┬─ RemoteScheduler   its scheduler on our nodes
 *                                 └─ RemoteHost        its nodes for our scheduler
 * ```
 */
import { HandoffError } from '../../core/errors.ts';
import type { CodeRegistry } from '../../workers/node/code-registry.ts';
import type { NodeEvents, NodeLink } from '../../workers/node/node-link.ts';
import type { CodeWire } from '../../workers/node/wire.ts';
import type { ResultMemory } from '../../workers/store/result-memory.ts';
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';
import type { Beacon, Pulse } from '../transport/beacon/beacon.ts';
import { machineOf } from '../transport/tcp/address.ts';
import type { Channel, Identity, Transport } from '../transport/transport.ts';
import type { Admission } from './admission.ts';
import { Discovery } from './discovery.ts';
import { ObjectDirectory } from './object-directory.ts';
import { Fetcher } from './fetcher.ts';
import { RemoteScheduler, type RemoteWork, type HostParts } from './remote-scheduler.ts';
import { ObjectTable } from './object-table.ts';
import { fanOut } from './event-fanout.ts';
import type { CodeName, ModuleNames } from './code-identity.ts';
import { type PayloadWire, toPayloadWire } from './payload-wire.ts';
import { Peer, type PeerOptions } from './peer.ts';
import { RemoteHost } from './remote-host.ts';
import type { ArgsOf, Method, RequestChecks } from './requests.ts';
import type { MessageType, PartsOf, Received } from './message-parts.ts';
import { type HostCard, Message, type NodeCard } from './wire.ts';
import { protocolError } from '../../core/protocol-error.ts';

export interface ClusterOptions extends Omit<PeerOptions, 'stallTimeout'> {
  /** ms that a host may be unreachable, or its main thread busy, before it counts as down. */
  readonly reconnectTimeout: number;
  /** Addresses of hosts to join. */
  readonly join: readonly string[];
  /** ms that `start` waits for them. */
  readonly joinTimeout: number;
  /** ms between aborting a function and ending its thread. */
  readonly grace: number;
}

/** What the cluster needs of this host, and its callbacks. */
export interface ClusterParts {
  readonly identity: Omit<Identity, 'address'>;
  readonly transport: Transport;
  readonly codes: CodeRegistry;
  readonly names: ModuleNames;
  readonly admission: Admission;
  readonly memory: ResultMemory | undefined;
  /** Starts heartbeats beside the channels. Default: only the channels carry heartbeats. */
  readonly beacon?: () => Promise<Beacon>;
  /** The nodes of this host. */
  cards(): readonly NodeCard[];
  node(name: string): NodeLink | undefined;
  /** A host has joined. */
  hostUp(host: RemoteHost, cards: readonly NodeCard[]): void;
  /** Its nodes have changed. */
  hostChanged(host: RemoteHost, cards: readonly NodeCard[]): void;
  hostDown(host: RemoteHost, error: unknown): void;
  /** Answers a request that is not the cluster's own. */
  request<Name extends Method>(peer: Peer, method: Name, args: ArgsOf<Name>): unknown;
  /** The known requests, and the checks of their arguments and results. */
  readonly requests: RequestChecks;
}

interface ConnectedHost {
  readonly peer: Peer;
  readonly scheduler: RemoteScheduler;
  readonly remote: RemoteHost;
  readonly pulse: Pulse | undefined;
  /** It has sent its hello. */
  isUp: boolean;
}

export class Cluster {
  readonly objects: ObjectDirectory;
  readonly #options: ClusterOptions;
  readonly #parts: ClusterParts;
  readonly #codes: CodeRegistry;
  readonly #names: ModuleNames;
  readonly #connected = new Map<string, ConnectedHost>();
  readonly #peers = new Map<string, Peer>();
  readonly #leaving = new Set<RemoteScheduler>();
  readonly #objectTable: ObjectTable;
  readonly #host: HostParts;
  readonly #discovery: Discovery;
  #address: string | undefined;
  #lastBatch = 0;
  #beacon: Beacon | undefined;
  #stopping = false;

  constructor(options: ClusterOptions, parts: ClusterParts) {
    this.#options = options;
    this.#parts = parts;
    const {
      identity: { id },
      memory,
      transport,
      codes,
      names,
      admission,
    } = parts;
    this.#objectTable = new ObjectTable(id, memory);
    const fetcher = new Fetcher(this.#peers);
    this.objects = new ObjectDirectory(id, this.#objectTable, fetcher, this.#peers);
    this.#host = {
      objectTable: this.#objectTable,
      fetcher,
      admission,
      grace: options.grace,
      node: parts.node,
      number: (code, from) => this.#number(code as CodeName, from),
      generation: () => this.#codes.versions.generation,
      nextBatch: () => --this.#lastBatch,
    };
    this.#discovery = new Discovery(options, {
      id,
      dial: (address) => transport.dial(address, 'control'),
      reached: (channel) => this.#take(channel),
      isConnected: (host) => this.#connected.has(host),
      isUp: (host) => this.#connected.get(host)?.isUp === true,
      isExpecting: () => [...this.#connected.values()].some(({ isUp }) => !isUp),
      canBeDialled: () => this.#address !== undefined,
      hasNodes: () => parts.cards().length > 0,
      isAnyUp: () => this.hosts.length > 0,
      discover: transport.discover && ((found) => transport.discover!(found)),
    });
    this.#codes = codes;
    this.#names = names;
  }

  /** The address others join; undefined when this host does not listen. */
  get address(): string | undefined {
    return this.#address;
  }

  /** The connected hosts, without this one. */
  get hosts(): RemoteHost[] {
    return [...this.#connected.values()].filter(({ isUp }) => isUp).map(({ remote }) => remote);
  }

  /** Listens, and starts dialling the hosts to join. */
  async start(): Promise<void> {
    this.#beacon = await this.#parts.beacon?.();
    this.#address = await this.#parts.transport.listen((channel) => this.#take(channel));
    this.#discovery.start();
  }

  /**
   * Resolves when one of the hosts to join is connected, and all hosts that it knows. Where hosts find each other: when
   * some host is connected, or there is none.
   *
   * @throws `UNAUTHORIZED` when the proof fails; `VERSION_MISMATCH` when a host runs another version;
   *   `INVALID_OPTION` when an address is not valid; `NODE_DOWN` when none is reached and this host has no nodes
   */
  joined(): Promise<void> {
    return this.#discovery.joined();
  }

  /** Fails `joined`, because this host cannot take part. Has no effect once it has joined. */
  refuse(error: HandoffError): void {
    this.#discovery.refuse(error);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#discovery.stop();
    for (const { peer } of this.#connected.values()) peer.close();
    await Promise.all([this.#parts.transport.close(), this.#beacon?.stop()]);
  }

  /** Prepares a value for a host that requested it. A large value is held until that host has fetched it. */
  toWire(data: PayloadData, { identity }: Peer): PayloadWire {
    return toPayloadWire(data, (large) => this.#objectTable.hold(identity.id, 0, large));
  }

  /** Also sends the events of a node of this host to all hosts that use it. */
  fanOut(node: string, own: NodeEvents): NodeEvents {
    return fanOut(
      node,
      own,
      () => this.#schedulers(),
      (thread) => this.#sendAll(Message.thread, node, thread, true),
    );
  }

  /** The nodes of this host have changed. */
  nodesChanged(): void {
    this.#sendAll(Message.nodes, this.#parts.cards());
  }

  /** The capabilities of a node of this host have changed. */
  capabilitiesChanged(node: string): void {
    this.nodesChanged(); // first, so that returned batches are not sent again
    const capabilities = this.#parts.node(node)?.settings.capabilities;
    if (capabilities !== undefined) for (const scheduler of this.#schedulers()) scheduler.giveBack(node, capabilities);
  }

  /**
   * Checks that all hosts with nodes have the same code.
   *
   * @throws `VERSION_MISMATCH` when it differs; `FUNCTION_NOT_FOUND` when a host lacks it; `UNAUTHORIZED` when a host
   *   does not run source text
   */
  async check(codes: readonly number[]): Promise<void> {
    await Promise.all(
      this.hosts
        .filter(({ nodes }) => nodes.size > 0)
        .map((host) =>
          host.check(codes).catch((error: unknown) => {
            if (!host.peer.closed) throw error; // a host that is gone does not matter
          }),
        ),
    );
  }

  /** The host that owns a batch on a thread of this host, and the batch's number there. */
  ownerOf(own: number): { readonly peer: Peer; readonly batch: number } | undefined {
    for (const scheduler of this.#schedulers()) {
      const batch = scheduler.numberOf(own);
      if (batch !== undefined) return { peer: scheduler.peer, batch };
    }
    return undefined;
  }

  /** Batches of other hosts on the threads of this host. */
  remoteWork(): RemoteWork[] {
    return [...this.#schedulers()].flatMap((scheduler) => [...scheduler.work()]);
  }

  /** Includes disconnected hosts while their functions still run. */
  *#schedulers(): Iterable<RemoteScheduler> {
    for (const { scheduler } of this.#connected.values()) yield scheduler;
    for (const scheduler of this.#leaving) {
      yield scheduler;
      if (scheduler.batches.size === 0) this.#leaving.delete(scheduler);
    }
  }

  #sendAll<Type extends MessageType>(type: Type, ...parts: PartsOf<Type>): void {
    // Every connected host has been sent our hello before.
    for (const { peer } of this.#connected.values()) peer.send(type, ...parts);
  }

  /** The name of our code for other hosts. @throws `FUNCTION_NOT_FOUND` when they could not find it */
  nameOf(code: CodeWire): CodeName {
    return this.#names.nameOf(code);
  }

  /**
   * Finds a module named by a peer. @throws `VERSION_MISMATCH` when it differs here; `FUNCTION_NOT_FOUND` when it is
   * missing
   */
  find(name: unknown, from: Peer): Exclude<CodeWire, { readonly source: string }> {
    const wire = this.#find(name as CodeName, from);
    if ('source' in wire) throw protocolError('A peer named source text where a module was expected.');
    return wire;
  }

  #find(name: CodeName, from: Peer): CodeWire {
    return this.#names.find(name, from.identity.address ?? from.identity.id, this.#address ?? this.#parts.identity.id);
  }

  #number(code: CodeName, from: Peer): number | HandoffError {
    try {
      const wire = this.#find(code, from);
      return this.#codes.number(
        'source' in wire ? `source:${wire.source}` : `${wire.module}#${wire.export}`,
        () => wire,
      );
    } catch (error) {
      return error instanceof HandoffError
        ? error
        : new HandoffError(
            'FUNCTION_NOT_FOUND',
            `The code of a function cannot be found: ${String(error)}. Install the same project on all hosts.`,
            { cause: error },
          );
    }
  }

  #take(channel: Channel): void {
    const { id, address, incarnation } = channel.peer;
    if (this.#stopping || id === this.#parts.identity.id) return channel.close();
    const known = this.#connected.get(id);
    if (channel.kind === 'bulk') return known === undefined ? channel.close() : known.peer.takeBulk(channel);
    if (known !== undefined && (known.isUp ? known.peer.isResponsive : !this.#isBetter(channel, known.peer)))
      return channel.close(new HandoffError('NODE_DOWN', 'The two hosts already have another channel.'));
    for (const { peer } of [...this.#connected.values()]) {
      // The same host after a restart, or over another channel.
      if (
        peer.identity.id === id ||
        (address !== undefined && peer.identity.address === address && peer.identity.incarnation <= incarnation)
      )
        peer.close(new HandoffError('NODE_DOWN', 'The host has connected again.'));
    }
    if (known !== undefined) this.#drop(known, undefined);
    this.#connect(channel);
  }

  /**
   * Of two new channels between the same hosts, both keep the one dialled by the smaller id. A new channel dialled by
   * the same host replaces one that must be dead.
   */
  #isBetter(channel: Channel, peer: Peer): boolean {
    return channel.dialled === peer.dialled || channel.dialled === this.#parts.identity.id < channel.peer.id;
  }

  #connect(channel: Channel): void {
    const { id, address } = channel.peer;
    if (address !== undefined) this.#discovery.forget(address);
    const pulse = this.#beacon?.pulse();
    const peer: Peer = new Peer(
      channel,
      { ...this.#options, stallTimeout: this.#options.reconnectTimeout },
      {
        pulse,
        message: (message) => this.#message(connected, message),
        request: (method, args) => this.#request(peer, method, args),
        requests: this.#parts.requests,
        dialBulk: () => this.#parts.transport.dial(peer.identity.address ?? this.#discovery.addressOf(id)!, 'bulk'),
        find: (data) => this.#objectTable.get(data.key) ?? this.#relay(data),
        closed: (error) => this.#closed(connected, error),
      },
    );
    const connected: ConnectedHost = {
      peer,
      pulse,
      isUp: false,
      scheduler: new RemoteScheduler(peer, this.#host),
      remote: new RemoteHost(peer, { codes: this.#codes, names: this.#names, objects: this.objects }),
    };
    this.#connected.set(id, connected);
    this.#peers.set(id, peer);
    peer.send(Message.hello, {
      nodes: this.#parts.cards(),
      hosts: this.#known(),
      ...(pulse !== undefined && { beacon: pulse.card }),
    } satisfies HostCard);
    peer.open();
  }

  /** `id address` of the connected hosts that can be dialled. */
  #known(): string[] {
    return [...this.#connected.values()].flatMap(
      ({
        peer: {
          identity: { id, address },
        },
      }) => (address === undefined ? [] : `${id} ${address}`),
    );
  }

  #message(connected: ConnectedHost, message: Received): void {
    if (message.type === Message.hello) return this.#onHello(connected, ...message.parts);
    if (!connected.isUp) throw protocolError('A peer sent a message before its hello.');
    if (message.type === Message.hosts) return this.#discovery.learn(...message.parts);
    if (message.type === Message.nodes) return this.#parts.hostChanged(connected.remote, ...message.parts);
    if (message.type >= Message.code && message.type < Message.ended) return connected.scheduler.message(message);
    return connected.remote.message(message);
  }

  #onHello(connected: ConnectedHost, { nodes, hosts, beacon }: HostCard): void {
    if (connected.isUp) throw protocolError('A peer sent its hello twice.');
    connected.isUp = true;
    if (beacon !== undefined) connected.pulse?.send(beacon, addressOf(connected.peer));
    const { id, address } = connected.peer.identity;
    for (const { peer, isUp } of this.#connected.values())
      if (isUp && peer !== connected.peer && address !== undefined) peer.send(Message.hosts, [`${id} ${address}`]);
    this.#discovery.learn(hosts);
    this.#parts.hostUp(connected.remote, nodes);
    this.#discovery.settle();
  }

  /** Fetches a result from its holder, for a host that does not know the holder. */
  #relay(data: RemoteData): Promise<PayloadData> {
    if (data.host === this.#parts.identity.id)
      return Promise.reject(new HandoffError('RESULT_LOST', 'Its host no longer holds this result.'));
    return this.#host.fetcher.fetch(data);
  }

  async #request<Name extends Method>(peer: Peer, method: Name, args: ArgsOf<Name>): Promise<unknown> {
    if (method !== 'check') return this.#parts.request(peer, method, args);
    for (const code of (args as ArgsOf<'check'>)[0]) {
      const found = this.#number(code, peer);
      if (typeof found !== 'number') throw found;
    }
    return undefined;
  }

  #closed(connected: ConnectedHost, error: unknown): void {
    if (this.#connected.get(connected.peer.identity.id) === connected) this.#drop(connected, error);
  }

  #drop(connected: ConnectedHost, error: unknown): void {
    const { peer, scheduler, remote } = connected;
    const { id, address } = peer.identity;
    this.#connected.delete(id);
    this.#peers.delete(id);
    scheduler.end();
    if (scheduler.batches.size > 0) this.#leaving.add(scheduler);
    if (connected.isUp) this.#parts.hostDown(remote, error);
    this.#discovery.left(id, address, error);
  }
}

/** The machine of a peer; undefined when it cannot be dialled, so that only its datagrams show its address. */
function addressOf({ identity: { address, direct = address } }: Peer): string | undefined {
  const machine = direct === undefined ? undefined : machineOf(direct);
  return machine === 'localhost' ? '127.0.0.1' : machine;
}
