/**
 * Relays events of this host to another one while it has subscribers: in order, in batches, one message in flight at a
 * time. What waits meanwhile is bounded.
 */
import type { EventType } from '../../events/events.ts';
import type { RunGraph } from '../../events/run-graph.ts';
import type { OwnEvent, OwnRun } from './local-events.ts';
import { type EventWire, sizeOf, toEarlierWire, toEventWire, toGraphWire, type Wire } from './event-wire.ts';

export interface RelayParts {
  /** Listens to the events of this host. */
  listen(types: Iterable<EventType>, listener: (own: OwnEvent) => void): () => void;
  /** Running DAGs. */
  underWay(): readonly OwnRun[];
  /** Resolves when the other host has accepted the events; rejects when it cannot or has disconnected. */
  send(events: readonly Wire[], dropped: number): Promise<unknown>;
}

/** How much waits, counted as events, and as attempts of `attempts`; or in bytes, about. */
export interface RelayLimits {
  /** Time between messages in ms, unless much is queued. */
  readonly interval: number;
  /** A queue of this weight is sent at once. */
  readonly batchWeight: number;
  /** Beyond this weight or size, events are dropped. */
  readonly maxWeight: number;
  readonly maxBytes: number;
}

/** Encoded when it is sent, so that the start of a run does not wait for its graph. */
interface Waiting {
  readonly type: EventType | 'underWay';
  readonly weight: number;
  readonly bytes: number;
  /** How often it was sent without success. */
  failures: number;
  /** @param isBare without graphs */
  wire(isBare: boolean): Wire;
}

const defaultLimits: RelayLimits = { interval: 50, batchWeight: 2000, maxWeight: 100_000, maxBytes: 32 * 1024 * 1024 };
// Dropping stops at this share of the limits, so that the next drop is not needed soon.
const spare = 0.9;
// Delay in ms that collects the burst of events after a quiet period.
const gather = 5;

// At most this many pending snapshots of running DAGs; the oldest is dropped, since a newer one supersedes it.
const maxUnderWay = 4;
// Run events are sent again this often: first unchanged, since another event may have been too large, then without
// graphs.
const maxFailures = 2;

const endings: ReadonlySet<string> = new Set<EventType>(['run:finished', 'run:failed']);

export class Relay {
  readonly #parts: RelayParts;
  readonly #limits: RelayLimits;
  /** Graphs that were sent. */
  #graphs = new WeakSet<RunGraph>();
  #unlisten = (): void => {};
  #queue: Waiting[] = [];
  #weight = 0;
  /** Weight and size of droppable events. */
  #loose = { weight: 0, bytes: 0 };
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires. */
  #due = 0;
  #sentAt = -Infinity;
  #isSending = false;
  #isUrgent = false;
  #isListening = false;
  /** Incremented by `stop`. Failures of earlier messages are then ignored. */
  #round = 0;

  constructor(parts: RelayParts, limits: RelayLimits = defaultLimits) {
    this.#parts = parts;
    this.#limits = limits;
  }

  /** Sets the wanted types. The running DAGs are sent first. */
  want(types: readonly EventType[]): void {
    this.#unlisten();
    this.#isListening = true;
    this.#isUrgent = true; // a subscriber waits for the running DAGs
    this.#makeRoom();
    this.#enqueue(this.#underWay());
    this.#unlisten = this.#parts.listen(types, (own) => this.#enqueue(this.#toWaiting(own)));
  }

  /** Stops until types are wanted again. A message may still be in flight; no other is sent before it arrives. */
  stop(): void {
    this.#isListening = false;
    this.#round++;
    this.#unlisten();
    this.#unlisten = () => {};
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#graphs = new WeakSet();
    this.#empty();
    this.#dropped = 0;
  }

  #empty(): void {
    this.#queue = [];
    this.#weight = 0;
    this.#loose = { weight: 0, bytes: 0 };
  }

  #enqueue(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#count(waiting, 1);
    if (this.#loose.weight > this.#limits.maxWeight || this.#loose.bytes > this.#limits.maxBytes) this.#drop();
    this.#isUrgent ||= endings.has(waiting.type); // sent soon, because this process may end with the run
    this.#schedule();
  }

  /** @param sign -1 when it leaves the queue */
  #count(waiting: Waiting, sign: 1 | -1): void {
    this.#weight += sign * waiting.weight;
    if (isOfRun(waiting)) return;
    this.#loose.weight += sign * waiting.weight;
    this.#loose.bytes += sign * waiting.bytes;
  }

  /** Bounds the pending snapshots of running DAGs, which may be requested at any rate. */
  #makeRoom(): void {
    const before = this.#queue.filter(isUnderWay);
    const last = this.#queue.at(-1);
    const old = last !== undefined && isUnderWay(last) ? last : before.length >= maxUnderWay ? before[0] : undefined;
    if (old === undefined) return;
    this.#queue.splice(this.#queue.indexOf(old), 1);
    this.#count(old, -1);
  }

  #toWaiting({ event, graph }: OwnEvent): Waiting {
    const wire = toEventWire(event);
    return {
      type: event.type,
      weight: event.type === 'attempts' ? event.functionIds.length : 1,
      bytes: sizeOf(wire),
      failures: 0,
      wire: (isBare) => (graph === undefined || isBare ? wire : this.#withGraph(wire, graph())),
    };
  }

  #underWay(): Waiting {
    const runs = this.#parts.underWay();
    return {
      type: 'underWay',
      weight: 1,
      bytes: 0,
      failures: 0,
      wire: (isBare) => ({
        underWay: runs.map(({ event, graph, earlier }) =>
          isBare ? { event } : { ...this.#withGraph({ event }, graph()), earlier: toEarlierWire(earlier) },
        ),
      }),
    };
  }

  #withGraph(wire: EventWire, graph: RunGraph): EventWire {
    if (this.#graphs.has(graph)) return wire;
    this.#graphs.add(graph);
    return { ...wire, graph: toGraphWire(graph) };
  }

  #schedule(): void {
    if (this.#isSending || !this.#isListening || this.#queue.length === 0) return;
    const { interval, batchWeight: many } = this.#limits;
    const now = performance.now();
    const soon = now + Math.min(interval, gather);
    const due = this.#weight >= many ? now : this.#isUrgent ? soon : Math.max(soon, this.#sentAt + interval);
    if (due <= now) return this.#send();
    if (this.#timer !== undefined && this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#send(), due - now).unref();
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const sent = this.#queue;
    const events = sent.map(({ wire, failures }) => wire(failures > 1));
    const dropped = this.#dropped;
    const round = this.#round;
    this.#empty();
    this.#dropped = 0;
    this.#isUrgent = false;
    this.#sentAt = performance.now();
    this.#isSending = true;
    this.#parts
      .send(events, dropped)
      .catch(() => {
        if (round === this.#round) this.#failed(sent, dropped);
      })
      .finally(() => {
        this.#isSending = false;
        this.#schedule();
      });
  }

  /** Requeues run events of a failed message, and counts the rest as dropped. */
  #failed(sent: readonly Waiting[], dropped: number): void {
    this.#graphs = new WeakSet();
    this.#dropped += dropped;
    const again: Waiting[] = [];
    for (const waiting of sent) {
      if (isOfRun(waiting) && waiting.failures++ < maxFailures) again.push(waiting);
      else this.#dropped += waiting.weight;
    }
    for (const waiting of again) this.#count(waiting, 1);
    this.#queue.unshift(...again);
  }

  /** Drops the oldest `attempts` first, then other events, but never the start or end of a run. */
  #drop(): void {
    const { maxWeight, maxBytes } = this.#limits;
    const isEnough = (): boolean => this.#loose.weight <= maxWeight * spare && this.#loose.bytes <= maxBytes * spare;
    for (const isDroppable of [isSpans, (waiting: Waiting) => !isOfRun(waiting)]) {
      if (isEnough()) return;
      this.#queue = this.#queue.filter((waiting) => {
        if (isEnough() || !isDroppable(waiting)) return true;
        this.#count(waiting, -1);
        this.#dropped += waiting.weight;
        return false;
      });
    }
  }
}

function isSpans({ type }: Waiting): boolean {
  return type === 'attempts';
}

function isUnderWay({ type }: Waiting): boolean {
  return type === 'underWay';
}

function isOfRun({ type }: Waiting): boolean {
  return type === 'underWay' || type.startsWith('run:');
}
