/**
 * The events of all hosts in one feed. This host adds its own events; other hosts relay theirs while there is a
 * subscriber.
 *
 * ```
 *   this host's events ─────────────────────────► Feed ──► subscribers
 *   another's ──► Relay ═════ [events] ═══════►  │
 *             ◄═══════════ [watch, types] ═════════╯
 * ```
 */
import type { ArgsOf } from '../../hosts/cluster/requests.ts';
import type { Peer } from '../../hosts/cluster/peer.ts';
import type { RemoteHost } from '../../hosts/cluster/remote-host.ts';
import { HandoffError } from '../../core/errors.ts';
import { type EventOf, type EventType, type HandoffEvent, timestamp } from '../../events/events.ts';
import type { Earlier, Feed, FeedEvent } from '../../events/feed.ts';
import type { RunGraph } from '../../events/run-graph.ts';
import type { OwnEvent, OwnEvents } from './local-events.ts';
import { Relay } from './relay.ts';
import {
  type EventWire,
  fromEarlierWire,
  fromEventWire,
  fromGraphWire,
  seenByAll,
  relayedTypes,
  type UnderWayWire,
  type Wire,
} from './event-wire.ts';
import { protocolError } from '../../core/protocol-error.ts';

/** Another host, as a source of events. */
interface Source {
  readonly peer: Peer;
  readonly name: string;
  /** Its runs that have not ended, by id. */
  readonly runs: Map<string, { readonly event: EventOf<'run:started'>; readonly graph: (() => RunGraph) | undefined }>;
}

interface Subscription {
  readonly types: ReadonlySet<EventType>;
  /** Hosts that have not yet sent their running DAGs. Their events are withheld until then. */
  readonly expected: Set<Source>;
  readonly listener: (received: FeedEvent) => void;
}

/** What the feed needs from the connection to other hosts. */
export interface OtherHosts {
  /** Calls `up` for each host that connects, and `down` when it disconnects. */
  onHost(up: (host: RemoteHost) => void, down: (host: RemoteHost) => void): void;
  /** Registers the handler of a request. */
  answer<Name extends 'watch' | 'deliver'>(method: Name, how: (args: ArgsOf<Name>, peer: Peer) => void): void;
}

/** Always requested, so that the running DAGs of each host are known. */
const always = ['run:started', 'run:finished', 'run:failed'] as const satisfies readonly EventType[];
// Limit of requested types, above the number of types of any version.
const maxTypes = 1000;

export class HandoffFeed implements Feed {
  readonly #own: OwnEvents;
  readonly #host: () => string;
  readonly #isAlone: boolean;
  readonly #subscriptions = new Set<Subscription>();
  /** By host number. */
  readonly #sources = new Map<number, Source>();
  /** What this host relays to others. */
  readonly #relays = new Map<Peer, { session: number; readonly relay: Relay }>();
  #wanted: ReadonlySet<EventType> = new Set();
  /** Incremented when listening starts again. Events of an earlier session are ignored. */
  #session = 0;
  #unlisten = (): void => {};
  #dropped = 0;

  /**
   * @param host returns the name of this host, which is known after the start
   * @param hosts undefined: the feed has only the events of this host
   */
  constructor(own: OwnEvents, host: () => string, hosts: OtherHosts | undefined) {
    this.#own = own;
    this.#host = host;
    this.#isAlone = hosts === undefined;
    hosts?.onHost(
      (other) => this.#hostUp(other),
      (other) => this.#hostDown(other),
    );
    hosts?.answer('watch', ([session, types], peer) => this.#relay(peer, session, types));
    hosts?.answer('deliver', ([session, events, dropped], peer) => this.#received(peer, session, events, dropped));
  }

  get dropped(): number {
    return this.#dropped;
  }

  subscribe(types: readonly EventType[], listener: (received: FeedEvent) => void): () => void {
    const wantsRuns = types.includes('run:started');
    const subscription: Subscription = {
      types: new Set(types),
      listener,
      expected: new Set(wantsRuns ? this.#sources.values() : []),
    };
    if (wantsRuns)
      for (const { event, graph, earlier } of this.#own.underWay())
        this.#give(subscription, toFeedEvent(this.#host(), event, graph, earlier));
    this.#subscriptions.add(subscription);
    this.#listen(wantsRuns);
    return () => {
      if (this.#subscriptions.delete(subscription)) this.#listen(false);
    };
  }

  /**
   * Enables exactly the events that subscribers want, on this host and on others.
   *
   * @param listRuns whether a subscriber waits for the list of running DAGs
   */
  #listen(listRuns: boolean): void {
    const wanted = new Set([...this.#subscriptions].flatMap(({ types }) => [...types]));
    if (!listRuns && wanted.size === this.#wanted.size && [...wanted].every((type) => this.#wanted.has(type))) return;
    if (this.#wanted.size === 0) this.#session++;
    this.#wanted = wanted;
    this.#unlisten();
    this.#unlisten = this.#own.listen(wanted, (own) => {
      if (!this.#isAlone || this.#hostOf(own.event) === 0) this.#deliver(this.#here(own));
    });
    for (const source of this.#sources.values()) this.#watch(source);
  }

  /** Sends a host the list of wanted event types. */
  #watch({ peer, runs }: Source): void {
    const isOver = this.#wanted.size === 0;
    if (isOver) runs.clear();
    // the peer has disconnected, which is reported separately
    peer
      .request('watch', this.#session, isOver ? [] : relayedTypes(new Set([...this.#wanted, ...always])))
      .catch(() => {});
  }

  #hostUp({ peer }: RemoteHost): void {
    const source: Source = { peer, name: nameOf(peer), runs: new Map() };
    this.#sources.set(peer.number, source);
    for (const { types, expected } of this.#subscriptions) if (types.has('run:started')) expected.add(source);
    if (this.#wanted.size > 0) this.#watch(source);
  }

  #hostDown({ peer }: RemoteHost): void {
    this.#relays.get(peer)?.relay.stop();
    this.#relays.delete(peer);
    const source = this.#sources.get(peer.number);
    this.#sources.delete(peer.number);
    for (const {
      event: { runId, dagId, at },
    } of source?.runs.values() ?? []) {
      const now = timestamp();
      const error = new HandoffError(
        'NODE_DOWN',
        `Host ${source!.name}, which ran DAG ${JSON.stringify(dagId)}, is gone.`,
        { runId, dagId },
      );
      this.#deliver(
        { host: source!.name, event: { type: 'run:failed', at: now, runId, dagId, error, durationMs: now - at } },
        source,
      );
    }
    for (const { expected } of this.#subscriptions) expected.delete(source!);
  }

  /** Handles events of another host. The immediate answer lets it send more. Malformed events count as dropped. */
  #received(peer: Peer, session: unknown, events: unknown, dropped: unknown): void {
    if (!Array.isArray(events) || !Number.isSafeInteger(dropped) || (dropped as number) < 0)
      throw protocolError('A peer sent a malformed list of events.');
    const source = this.#sources.get(peer.number);
    if (source === undefined || this.#wanted.size === 0 || session !== this.#session) return;
    this.#dropped += dropped as number;
    for (const wire of events as Wire[]) {
      // a sparse list may have billions of holes
      if (wire === undefined) throw protocolError('A peer sent a list of events with holes.');
      if (typeof wire === 'object' && wire !== null && 'underWay' in wire) this.#underWay(source, wire);
      else this.#event(source, wire);
    }
  }

  #event(source: Source, wire: EventWire): void {
    const event = fromEventWire(wire, source.peer.clock.offset);
    const received =
      event?.type === 'run:started' ? this.#began(source, event, wire) : event && { host: source.name, event };
    if (received === undefined) return void this.#dropped++;
    if (received.event.type === 'run:finished' || received.event.type === 'run:failed')
      source.runs.delete(received.event.runId);
    this.#deliver(received, source);
  }

  /** Delivers the running DAGs of a host to subscribers that wait for them. */
  #underWay(source: Source, { underWay }: UnderWayWire): void {
    const runs: FeedEvent[] = [];
    const { offset } = source.peer.clock;
    for (const wire of Array.isArray(underWay) ? (underWay as UnderWayWire['underWay']) : [undefined]) {
      const event = wire && fromEventWire(wire, offset);
      const earlier = event?.type === 'run:started' ? fromEarlierWire(wire!.earlier, event, offset) : undefined;
      const received = earlier && this.#began(source, event as EventOf<'run:started'>, wire!, earlier);
      if (received !== undefined) runs.push(received);
      else this.#dropped++;
      if (wire === undefined) break;
    }
    for (const each of [...this.#subscriptions])
      if (each.expected.delete(source)) for (const received of runs) this.#give(each, received);
  }

  /**
   * Records a run of a host. Its graph is sent only once. Returns undefined when the graph does not belong to the run.
   */
  #began(
    source: Source,
    event: EventOf<'run:started'>,
    { graph: wire }: EventWire,
    earlier?: Earlier,
  ): FeedEvent | undefined {
    const known = source.runs.get(event.runId);
    const make = wire === undefined ? undefined : fromGraphWire(wire, event);
    if (wire !== undefined && make === undefined) return undefined;
    if (wire === undefined && known?.graph !== undefined && known.event.functions !== event.functions) return undefined;
    const graph = make === undefined ? known?.graph : once(make);
    source.runs.set(event.runId, { event, graph });
    return toFeedEvent(source.name, event, graph, earlier);
  }

  /** Starts, changes or ends what this host relays to another. */
  #relay(peer: Peer, session: unknown, types: unknown): void {
    if (typeof session !== 'number' || !Array.isArray(types) || types.length > maxTypes)
      throw protocolError('A peer sent a malformed list of event types.');
    if (peer.closed) return;
    const wanted = relayedTypes(types as EventType[]);
    const known = this.#relays.get(peer) ?? this.#newRelay(peer, session);
    if (known.session !== session || wanted.length === 0) known.relay.stop();
    known.session = session;
    if (wanted.length > 0) known.relay.want(wanted);
  }

  /** One relay per peer, so that repeated requests do not multiply messages in flight. */
  #newRelay(peer: Peer, session: number): { session: number; readonly relay: Relay } {
    const relay = new Relay({
      listen: (which, listener) => this.#own.listen(which, listener),
      underWay: () => this.#own.underWay(),
      send: (events, dropped) => peer.request('deliver', known.session, events, dropped),
    });
    const known = { session, relay };
    this.#relays.set(peer, known);
    return known;
  }

  /**
   * Names the host of an event. Events of remote nodes name the node's host, which may be gone and unable to report
   * them.
   */
  #here({ event, graph }: OwnEvent): FeedEvent {
    return toFeedEvent(this.#sources.get(this.#hostOf(event))?.name ?? this.#host(), event, graph);
  }

  /** The number of the host that an event concerns; 0 is this host. */
  #hostOf(event: HandoffEvent): number {
    return seenByAll.has(event.type) ? (this.#own.hostOf((event as EventOf<'node:up'>).node) ?? 0) : 0;
  }

  /** @param source undefined: this host */
  #deliver(received: FeedEvent, source?: Source): void {
    for (const each of [...this.#subscriptions]) {
      const isMeant = each.types.has(received.event.type) && !(source !== undefined && each.expected.has(source));
      if (isMeant && this.#subscriptions.has(each)) this.#give(each, received);
    }
  }

  #give({ listener }: Subscription, received: FeedEvent): void {
    try {
      listener(received);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      }); // an error of one listener must not affect others
    }
  }
}

/** @param graph called on first access, because it takes time and few readers need it */
function toFeedEvent(host: string, event: HandoffEvent, graph?: () => RunGraph, earlier?: Earlier): FeedEvent {
  const received: FeedEvent = { host, event, ...(earlier !== undefined && { earlier }) };
  return graph === undefined ? received : Object.defineProperty(received, 'graph', { get: graph, enumerable: true });
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

export function nameOf({ identity: { address, id } }: Peer): string {
  return address ?? id;
}
