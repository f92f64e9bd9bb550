/**
 * Actors across hosts. An actor that is spawned on another host runs under that host's supervisors, and ends when the
 * spawning host disconnects. Messages to it are ordinary requests to its host. Named actors are known on every host.
 */
import type { Exit } from '../../workers/supervision/child.ts';
import type { ActorDeath, AskOptions } from '../../workers/actor/cell.ts';
import { type ActorRef, askable } from '../../workers/actor/ref.ts';
import type { Peer } from '../../hosts/cluster/peer.ts';
import type { RemoteHost } from '../../hosts/cluster/remote-host.ts';
import { toReference } from '../../dag/code.ts';
import type { ClassReference } from '../../dag/task.ts';
import { type ErrorWire, fromErrorWire, toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import type { Actors } from './actors.ts';
import type { SpawnOptions } from '../options/actor-options.ts';
import type { Hosts } from '../hosts.ts';
import { locate } from '../../workers/code/locate.ts';
import { pack, type Parcel, unpack } from '../values/remote-values.ts';

/** A local actor that another host has spawned. */
interface Lent {
  readonly ref: ActorRef<any>;
  /** The host that spawned it. */
  readonly owner: Peer;
  readonly deaths: Deaths;
}

/** Deaths of an actor, counted since it is watched. */
class Deaths {
  readonly #all: DeathWire[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(ref: ActorRef<any>, onFinal: () => void) {
    ref.monitor(({ exit, final }) => {
      this.#all.push({ exit: toWire(exit), final });
      if (final) onFinal();
      for (const wake of this.#waiting) wake();
    });
  }

  get count(): number {
    return this.#all.length;
  }

  /** The death number `seen`. */
  async after(count: number): Promise<DeathWire> {
    if (this.#all.length <= count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
      this.#waiting.delete(resolve);
    }
    return this.#all[count]!;
  }
}

/** An actor as its host announces it. */
export interface ActorCard {
  readonly id: string;
  readonly name: string | undefined;
  readonly node: string;
}

export interface DeathWire {
  readonly exit: ExitWire;
  /** Whether it will not restart. */
  readonly final: boolean;
}

export interface SeenDeath extends DeathWire {
  /** The number of deaths including this one. */
  readonly seen: number;
}

export type ExitWire = Omit<Exit, 'error'> & { readonly error?: ErrorWire };

export class RemoteActors {
  readonly #hosts: Hosts;
  readonly #actors: Actors;
  readonly #lent = new Map<string, Lent>();
  /** Named actors of this host that other hosts watch. */
  readonly #watched = new Map<string, Deaths>();
  /** Named actors of other hosts, by peer. */
  readonly #named = new Map<Peer, readonly ActorCard[]>();

  constructor(hosts: Hosts, actors: Actors) {
    this.#hosts = hosts;
    this.#actors = actors;
    hosts.answer('spawn', ([code, options], peer) => this.#spawnFor(code, options, peer));
    hosts.answer('ask', ([id, method, args, timeout], peer) => this.#askFor(id, method, args, timeout, peer));
    hosts.answer('tell', ([id, method, args]) => this.#tellFor(id, method, args));
    hosts.answer('stopActor', ([id]) => this.#find(id).stop());
    hosts.answer('exited', ([id]) => this.#find(id).exited.then(toWire));
    hosts.answer('death', ([id, seen]) => this.#nextDeath(id, seen));
    hosts.answer('names', ([cards], peer) => void this.#named.set(peer, cards));
    hosts.onHost(
      (host) => this.#sendNames([host]),
      ({ peer }) => this.#forget(peer),
    );
  }

  /** The host of a node; with undefined, any host with a node. Undefined when there is none. */
  hostOf(node: string | undefined): RemoteHost | undefined {
    return node === undefined
      ? this.#hosts.cluster.hosts.find(({ nodes }) => nodes.size > 0)
      : this.#hosts.hostOf(node);
  }

  /** @throws like `Handoff.spawn`; `NODE_DOWN` when the host disconnects before it answers */
  async spawn<Instance>(
    reference: ClassReference<Instance, any>,
    options: SpawnOptions,
    { peer, nodes }: RemoteHost,
  ): Promise<ActorRef<Instance>> {
    const code = toReference(reference);
    if (code === undefined || 'source' in code)
      throw new HandoffError(
        'INVALID_FUNCTION',
        'spawn: the first argument must be an exported class, as tasks() gives it: t.Classifier.',
      );
    const { cluster } = this.#hosts;
    const [first] = nodes.keys();
    const name = cluster.nameOf({ url: locate(code.module), module: code.module, export: code.export });
    const { args = [], ...rest } = options;
    const card: ActorCard = await peer.request('spawn', name, {
      ...(first !== undefined && { node: first }),
      ...rest,
      args: args.map((arg) => pack(arg, cluster, peer)),
    });
    return this.#refTo<Instance>(card, peer);
  }

  /** A named actor of another host. */
  byName(name: string): ActorRef<any> | undefined {
    for (const [peer, cards] of this.#named) {
      const card = cards.find((each) => each.name === name);
      if (card !== undefined) return this.#refTo(card, peer);
    }
    return undefined;
  }

  /** Announces the named actors of this host after a change. */
  namesChanged(): void {
    this.#sendNames(this.#hosts.cluster.hosts);
  }

  #sendNames(hosts: readonly RemoteHost[]): void {
    const cards: ActorCard[] = this.#actors.names.map(({ id, name, node }) => ({ id, name, node }));
    for (const { peer } of hosts) void peer.request('names', cards).catch(() => {}); // the peer has disconnected
  }

  #forget(peer: Peer): void {
    this.#named.delete(peer);
    for (const [id, { owner, ref }] of this.#lent) {
      if (owner !== peer) continue;
      this.#lent.delete(id);
      void ref.stop();
    }
  }

  #refTo<Instance>({ id, name, node }: ActorCard, peer: Peer): ActorRef<Instance> {
    const { cluster } = this.#hosts;
    const packed = (args: readonly unknown[]): Parcel[] => args.map((arg) => pack(arg, cluster, peer));
    const exited = peer.request('exited', id).then(fromWire, (error: unknown): Exit => ({ reason: 'error', error }));
    const stop = async (): Promise<void> => {
      await peer.request('stopActor', id).catch(() => {}); // the actor ended with its host
    };
    return {
      ...askable<Instance>({
        ask: (method, args, { timeout, signal }: AskOptions) =>
          abortable(signal, async () => unpack(await peer.request('ask', id, method, packed(args), timeout), cluster)),
        // Its host reports errors.
        tell: (method, args) => void peer.request('tell', id, method, packed(args)).catch(() => {}),
      }),
      id,
      name,
      node,
      exited,
      stop,
      monitor: (onDeath) => watchDeaths(peer, id, onDeath),
      link: (other) => {
        void other.exited.then(stop);
        void exited.then(() => other.stop());
      },
    };
  }

  #find(id: string): ActorRef<any> {
    return this.#lent.get(id)?.ref ?? this.#actors.byName(id); // the id of a named actor is its name
  }

  async #spawnFor(code: unknown, options: SpawnOptions, owner: Peer): Promise<ActorCard> {
    const { cluster } = this.#hosts;
    const found = cluster.find(code, owner);
    const args = await this.#unpackAll(options.args as readonly Parcel[]);
    const ref = await this.#actors.spawn(
      { module: found.module, export: found.export } as unknown as ClassReference<any, any>,
      { ...options, args },
    );
    this.#lent.set(ref.id, { ref, owner, deaths: new Deaths(ref, () => {}) });
    if (owner.closed) this.#forget(owner);
    return { id: ref.id, name: ref.name, node: ref.node };
  }

  async #askFor(
    id: string,
    method: string,
    args: readonly Parcel[],
    timeout: number | undefined,
    peer: Peer,
  ): Promise<Parcel> {
    const ref = this.#find(id).with({ timeout });
    const values = await this.#unpackAll(args);
    return pack(
      await (ref.ask as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[method]!(...values),
      this.#hosts.cluster,
      peer,
    );
  }

  async #tellFor(id: string, method: string, args: readonly Parcel[]): Promise<void> {
    const ref = this.#find(id);
    const values = await this.#unpackAll(args);
    (ref.tell as Record<string, (...args: readonly unknown[]) => void>)[method]!(...values);
  }

  /** @param seen the number of known deaths; undefined: earlier deaths do not count */
  async #nextDeath(id: string, seen: number | undefined): Promise<SeenDeath> {
    const lent = this.#lent.get(id)?.deaths;
    const deaths = lent ?? this.#deathsOf(id);
    const before = seen ?? (lent === undefined ? deaths.count : 0); // the host that spawned it knows all deaths
    return { ...(await deaths.after(before)), seen: before + 1 };
  }

  /** @throws `ACTOR_NOT_FOUND` when there is no such actor */
  #deathsOf(id: string): Deaths {
    let deaths = this.#watched.get(id);
    if (deaths === undefined)
      this.#watched.set(id, (deaths = new Deaths(this.#actors.byName(id), () => this.#watched.delete(id))));
    return deaths;
  }

  #unpackAll(parcels: readonly Parcel[]): Promise<unknown[]> {
    return Promise.all(parcels.map((parcel) => unpack(parcel, this.#hosts.cluster)));
  }
}

function watchDeaths(peer: Peer, id: string, onDeath: (death: ActorDeath) => void): () => void {
  let watching = true;
  void (async () => {
    for (let seen: number | undefined; watching;) {
      const death: DeathWire & { readonly seen?: number } = await peer
        .request('death', id, seen)
        .catch((error: unknown) => ({ exit: { reason: 'error' as const, error: toErrorWire(error) }, final: true }));
      if (!watching) return;
      seen = death.seen;
      onDeath({ exit: fromWire(death.exit), final: death.final });
      if (death.final) return;
    }
  })();
  return () => (watching = false);
}

/** On abort the answer is ignored, but the method may still run. */
async function abortable<Result>(signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
  if (signal === undefined) return work();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void =>
    aborted.reject(new HandoffError('ABORTED', 'The ask was aborted by its signal.', { cause: signal.reason }));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([aborted.promise, signal.aborted ? aborted.promise : work()]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function toWire({ error, ...exit }: Exit): ExitWire {
  return error === undefined ? exit : { ...exit, error: toErrorWire(error) };
}

function fromWire({ error, ...exit }: ExitWire): Exit {
  return error === undefined ? exit : { ...exit, error: fromErrorWire(error) };
}
