/**
 * The hosts that this one knows. Whoever joins one member learns of all: each tells whom it knows, and every two hosts
 * have one control channel between them, dialled by that with the smaller id.
 *
 * ```
 *   transport ── channel ── Peer ─┬─ Guest        its scheduler on our nodes
 *                                 └─ RemoteHost   its nodes for our scheduler
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
import { Joining } from './discovery.ts';
import { Exchange } from './object-directory.ts';
import { Fetcher } from './fetcher.ts';
import { Guest, type GuestWork, type Host } from './remote-scheduler.ts';
import { Holdings } from './object-table.ts';
import { lend } from './event-fanout.ts';
import type { CodeName, ModuleNames } from './code-identity.ts';
import { type PayloadWire, toPayloadWire } from './payload-wire.ts';
import { Peer, type PeerOptions } from './peer.ts';
import { RemoteHost } from './remote-host.ts';
import type { ArgsOf, Method, RequestChecks } from './requests.ts';
import { type HostCard, Message, type NodeCard } from './wire.ts';

export interface ClusterOptions extends Omit<PeerOptions, 'stallTimeout'> {
  /** ms that a host may be out of reach, or its main thread busy, and still be awaited. */
  readonly reconnectTimeout: number;
  /** Addresses of members. */
  readonly join: readonly string[];
  /** ms that `start` waits for them. */
  readonly joinTimeout: number;
  /** ms between asking a function to stop and ending its thread. */
  readonly grace: number;
}

/** What the cluster needs of its host, and tells it. */
export interface ClusterParts {
  readonly identity: Omit<Identity, 'address'>;
  readonly transport: Transport;
  readonly codes: CodeRegistry;
  readonly names: ModuleNames;
  readonly admission: Admission;
  readonly memory: ResultMemory | undefined;
  /** Starts what gives signs of life beside the channels. Default: they are given there alone. */
  readonly beacon?: () => Promise<Beacon>;
  /** The nodes of this host. */
  cards(): readonly NodeCard[];
  node(name: string): NodeLink | undefined;
  /** A host has come. */
  hostUp(host: RemoteHost, cards: readonly NodeCard[]): void;
  /** Its nodes have changed. */
  hostChanged(host: RemoteHost, cards: readonly NodeCard[]): void;
  hostDown(host: RemoteHost, error: unknown): void;
  /** A question that is not the cluster's own. */
  request<Name extends Method>(peer: Peer, method: Name, args: ArgsOf<Name>): unknown;
  /** What may be asked and answered. */
  readonly requests: RequestChecks;
}

interface Member {
  readonly peer: Peer;
  readonly guest: Guest;
  readonly remote: RemoteHost;
  readonly pulse: Pulse | undefined;
  /** It has said what it is. */
  isUp: boolean;
}

export class Cluster {
  readonly exchange: Exchange;
  readonly #options: ClusterOptions;
  readonly #parts: ClusterParts;
  readonly #codes: CodeRegistry;
  readonly #names: ModuleNames;
  readonly #members = new Map<string, Member>();
  readonly #peers = new Map<string, Peer>();
  readonly #leaving = new Set<Guest>();
  readonly #holdings: Holdings;
  readonly #host: Host;
  readonly #joining: Joining;
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
    this.#holdings = new Holdings(id, memory);
    const fetcher = new Fetcher(this.#peers);
    this.exchange = new Exchange(id, this.#holdings, fetcher, this.#peers);
    this.#host = {
      holdings: this.#holdings,
      fetcher,
      admission,
      grace: options.grace,
      node: parts.node,
      number: (code, from) => this.#number(code as CodeName, from),
      generation: () => this.#codes.versions.generation,
      nextBatch: () => --this.#lastBatch,
    };
    this.#joining = new Joining(options, {
      id,
      dial: (address) => transport.dial(address, 'control'),
      reached: (channel) => this.#take(channel),
      isMember: (member) => this.#members.has(member),
      isUp: (member) => this.#members.get(member)?.isUp === true,
      isExpecting: () => [...this.#members.values()].some(({ isUp }) => !isUp),
      canBeDialled: () => this.#address !== undefined,
      hasNodes: () => parts.cards().length > 0,
    });
    this.#codes = codes;
    this.#names = names;
  }

  /** Where others can join; undefined when this host does not listen. */
  get address(): string | undefined {
    return this.#address;
  }

  /** The hosts that are there, without this one. */
  get hosts(): RemoteHost[] {
    return [...this.#members.values()].filter(({ isUp }) => isUp).map(({ remote }) => remote);
  }

  /** Listens, and begins to dial those to join. */
  async start(): Promise<void> {
    this.#beacon = await this.#parts.beacon?.();
    this.#address = await this.#parts.transport.listen((channel) => this.#take(channel));
    this.#joining.start();
  }

  /**
   * Resolves when one of those to join is there, and all that it knows.
   *
   * @throws `UNAUTHORIZED`, `VERSION_MISMATCH`, `INVALID_OPTION`; `NODE_DOWN` when none of them is there and this host
   *   has no nodes
   */
  joined(): Promise<void> {
    return this.#joining.joined();
  }

  /** This host cannot be one of them; no more than a complaint once it is. */
  refuse(error: HandoffError): void {
    this.#joining.refuse(error);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#joining.stop();
    for (const { peer } of this.#members.values()) peer.close();
    await Promise.all([this.#parts.transport.close(), this.#beacon?.stop()]);
  }

  /** As what a value travels to a host that asked for it. It holds a large one until it says that it has it. */
  lendValue(data: PayloadData, { identity }: Peer): PayloadWire {
    return toPayloadWire(data, (large) => this.#holdings.hold(identity.id, 0, large));
  }

  /** The events of a node of this host, told to all who use it. */
  lend(node: string, own: NodeEvents): NodeEvents {
    return lend(
      node,
      own,
      () => this.#guests(),
      (thread) => this.#tellAll(Message.thread, node, thread, true),
    );
  }

  /** The nodes of this host have changed. */
  nodesChanged(): void {
    this.#tellAll(Message.nodes, this.#parts.cards());
  }

  /** What a node of this host can do has changed. */
  capabilitiesChanged(node: string): void {
    this.nodesChanged(); // first, lest what is given back comes again
    const capabilities = this.#parts.node(node)?.settings.capabilities;
    if (capabilities !== undefined) for (const guest of this.#guests()) guest.giveBack(node, capabilities);
  }

  /**
   * Makes sure that all hosts with nodes have the same code. @throws `VERSION_MISMATCH`, `FUNCTION_NOT_FOUND`,
   * `UNAUTHORIZED`
   */
  async check(codes: readonly number[]): Promise<void> {
    await Promise.all(
      this.hosts
        .filter(({ nodes }) => nodes.size > 0)
        .map((host) =>
          host.check(codes).catch((error: unknown) => {
            if (!host.peer.closed) throw error; // a host that is gone is no obstacle
          }),
        ),
    );
  }

  /** The host that a batch on a thread of this one is of, and the number that it has there. */
  ownerOf(own: number): { readonly peer: Peer; readonly batch: number } | undefined {
    for (const guest of this.#guests()) {
      const batch = guest.numberOf(own);
      if (batch !== undefined) return { peer: guest.peer, batch };
    }
    return undefined;
  }

  /** What others have on the threads of this host. */
  guestWork(): GuestWork[] {
    return [...this.#guests()].flatMap((guest) => [...guest.work()]);
  }

  /** Those that are gone, too, as long as something of theirs runs. */
  *#guests(): Iterable<Guest> {
    for (const { guest } of this.#members.values()) yield guest;
    for (const guest of this.#leaving) {
      yield guest;
      if (guest.batches.size === 0) this.#leaving.delete(guest);
    }
  }

  #tellAll(type: number, ...parts: readonly unknown[]): void {
    // After our hello, which each was sent first.
    for (const { peer } of this.#members.values()) peer.send(type, ...parts);
  }

  /** What code of ours is called on other hosts. @throws `FUNCTION_NOT_FOUND` */
  nameOf(code: CodeWire): CodeName {
    return this.#names.nameOf(code);
  }

  /** A module that a peer named. @throws `VERSION_MISMATCH`, `FUNCTION_NOT_FOUND` */
  find(name: unknown, from: Peer): Exclude<CodeWire, { readonly source: string }> {
    const wire = this.#find(name as CodeName, from);
    if ('source' in wire) throw new HandoffError('PROTOCOL_ERROR', 'Source text is no module.');
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
        : new HandoffError('FUNCTION_NOT_FOUND', `This code cannot be found: ${String(error)}`, { cause: error });
    }
  }

  #take(channel: Channel): void {
    const { id, address, incarnation } = channel.peer;
    if (this.#stopping || id === this.#parts.identity.id) return channel.close();
    const known = this.#members.get(id);
    if (channel.kind === 'bulk') return known === undefined ? channel.close() : known.peer.takeBulk(channel);
    if (known !== undefined && (known.isUp ? known.peer.isLively : !this.#isBetter(channel, known.peer)))
      return channel.close(new HandoffError('NODE_DOWN', 'There is another channel between the two hosts.'));
    for (const { peer } of [...this.#members.values()]) {
      // The same host in another life, or by another channel.
      if (
        peer.identity.id === id ||
        (address !== undefined && peer.identity.address === address && peer.identity.incarnation <= incarnation)
      )
        peer.close(new HandoffError('NODE_DOWN', 'The host has come anew.'));
    }
    if (known !== undefined) this.#drop(known, undefined);
    this.#welcome(channel);
  }

  /**
   * Of two new channels between the same hosts both keep that which the smaller id dialled. A new one by the same takes
   * the place of one that must be dead.
   */
  #isBetter(channel: Channel, peer: Peer): boolean {
    return channel.dialled === peer.dialled || channel.dialled === this.#parts.identity.id < channel.peer.id;
  }

  #welcome(channel: Channel): void {
    const { id, address } = channel.peer;
    if (address !== undefined) this.#joining.forget(address);
    const pulse = this.#beacon?.pulse();
    const peer: Peer = new Peer(
      channel,
      { ...this.#options, stallTimeout: this.#options.reconnectTimeout },
      {
        pulse,
        message: (type, parts) => this.#message(member, type, parts),
        request: (method, args) => this.#request(peer, method, args),
        requests: this.#parts.requests,
        dialBulk: () => this.#parts.transport.dial(peer.identity.address ?? this.#joining.addressOf(id)!, 'bulk'),
        find: (data) => this.#holdings.get(data.key) ?? this.#relay(data),
        closed: (error) => this.#closed(member, error),
      },
    );
    const member: Member = {
      peer,
      pulse,
      isUp: false,
      guest: new Guest(peer, this.#host),
      remote: new RemoteHost(peer, { codes: this.#codes, names: this.#names, exchange: this.exchange }),
    };
    this.#members.set(id, member);
    this.#peers.set(id, peer);
    peer.send(Message.hello, {
      nodes: this.#parts.cards(),
      members: this.#known(),
      ...(pulse !== undefined && { beacon: pulse.card }),
    } satisfies HostCard);
    peer.open();
  }

  /** `id address` of the members that can be dialled. */
  #known(): string[] {
    return [...this.#members.values()].flatMap(
      ({
        peer: {
          identity: { id, address },
        },
      }) => (address === undefined ? [] : `${id} ${address}`),
    );
  }

  #message(member: Member, type: number, parts: any[]): void {
    if (type === Message.hello) return this.#greeted(member, parts[0]);
    if (!member.isUp) throw new HandoffError('PROTOCOL_ERROR', 'A peer sent something before it said what it is.');
    if (type === Message.members) return this.#joining.learn(parts[0]);
    if (type === Message.nodes) return this.#parts.hostChanged(member.remote, parts[0]);
    if (type >= Message.code && type < Message.ended) return member.guest.message(type, parts);
    return member.remote.message(type, parts);
  }

  #greeted(member: Member, { nodes, members, beacon }: HostCard): void {
    if (member.isUp) throw new HandoffError('PROTOCOL_ERROR', 'A peer said twice what it is.');
    member.isUp = true;
    if (beacon !== undefined) member.pulse?.send(beacon, addressOf(member.peer));
    const { id, address } = member.peer.identity;
    for (const { peer, isUp } of this.#members.values())
      if (isUp && peer !== member.peer && address !== undefined) peer.send(Message.members, [`${id} ${address}`]);
    this.#joining.learn(members);
    this.#parts.hostUp(member.remote, nodes);
    this.#joining.settle();
  }

  /** What another host holds, for one that does not know it. */
  #relay(data: RemoteData): Promise<PayloadData> {
    if (data.host === this.#parts.identity.id)
      return Promise.reject(new HandoffError('RESULT_LOST', 'Its host does not hold it any more.'));
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

  #closed(member: Member, error: unknown): void {
    if (this.#members.get(member.peer.identity.id) === member) this.#drop(member, error);
  }

  #drop(member: Member, error: unknown): void {
    const { peer, guest, remote } = member;
    const { id, address } = peer.identity;
    this.#members.delete(id);
    this.#peers.delete(id);
    guest.end();
    if (guest.batches.size > 0) this.#leaving.add(guest);
    if (member.isUp) this.#parts.hostDown(remote, error);
    this.#joining.left(id, address, error);
  }
}

/** Where the host of a peer is; undefined when it cannot be dialled, and so is known only by what it sends. */
function addressOf({ identity: { address } }: Peer): string | undefined {
  const machine = address === undefined ? undefined : machineOf(address);
  return machine === 'localhost' ? '127.0.0.1' : machine;
}
