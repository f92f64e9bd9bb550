/**
 * Tells another host what happens on this one, as long as somebody listens there: events in order, many in a message, the next message only
 * when that before it has been taken in. What is not taken in waits here, and no more than so much of it.
 */
import type { EventType } from '../../events/events.ts';
import type { RunGraph } from '../../events/run-graph.ts';
import type { OwnEvent, OwnRun } from './local-events.ts';
import { type EventWire, sizeOf, toEventWire, toGraphWire, type Wire } from './event-wire.ts';

export interface RelayParts {
  /** Listens to what this host tells of. */
  listen(types: Iterable<EventType>, listener: (own: OwnEvent) => void): () => void;
  /** Runs that are under way. */
  underWay(): readonly OwnRun[];
  /** Resolves when the other host has taken them in; rejects when it cannot, or is gone. */
  send(events: readonly Wire[], dropped: number): Promise<unknown>;
}

/** How much waits, counted as events, and as attempts of `attempts`; or in bytes, about. */
export interface RelayLimits {
  /** ms between messages, unless there is much to tell. */
  readonly interval: number;
  /** So much is not waited with. */
  readonly many: number;
  /** More is dropped. */
  readonly most: number;
  readonly mostBytes: number;
}

/** Made when it is sent: what a run has to do first is not to wait for its graph. */
interface Waiting {
  readonly type: EventType | 'underWay';
  readonly weight: number;
  readonly bytes: number;
  /** How often it was sent in vain. */
  failures: number;
  /** @param isBare without graphs */
  wire(isBare: boolean): Wire;
}

const defaultLimits: RelayLimits = { interval: 50, many: 2000, most: 100_000, mostBytes: 32 * 1024 * 1024 };
// When something has to be dropped, so much at once, that the next need not be looked for soon.
const spare = 0.9;
// Even after a silence, so many ms are waited for what comes along with an event: much is going on just then.
const gather = 5;

// For so many who want to know what is under way it waits at once; who came before hears with them.
const mostUnderWay = 4;
// What tells of a run is sent again as often, should it not arrive: the first time as it is, since something else may have been too long; then bare.
const mostFailures = 2;

const endings: ReadonlySet<string> = new Set<EventType>(['run:finished', 'run:failed']);

export class Relay {
  readonly #parts: RelayParts;
  readonly #limits: RelayLimits;
  /** Graphs that were told. */
  #graphs = new WeakSet<RunGraph>();
  #unlisten = (): void => {};
  #queue: Waiting[] = [];
  #weight = 0;
  /** Of what may be dropped. */
  #loose = { weight: 0, bytes: 0 };
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer is to go off. */
  #due = 0;
  #sentAt = -Infinity;
  #isSending = false;
  #isUrgent = false;
  #isListening = false;
  /** Rises when it is stopped: what was sent before is none of those who listen then. */
  #round = 0;

  constructor(parts: RelayParts, limits: RelayLimits = defaultLimits) {
    this.#parts = parts;
    this.#limits = limits;
  }

  /** These are wanted from now on. What is under way is told first. */
  want(types: readonly EventType[]): void {
    this.#unlisten();
    this.#isListening = true;
    this.#isUrgent = true; // somebody waits for what is under way
    this.#makeRoom();
    this.#tell(this.#underWay());
    this.#unlisten = this.#parts.listen(types, (own) => this.#tell(this.#toldAs(own)));
  }

  /** Nothing is wanted any more, until something is. What has been sent may be on its way still, and nothing else is sent before it has arrived. */
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

  #tell(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#count(waiting, 1);
    if (this.#loose.weight > this.#limits.most || this.#loose.bytes > this.#limits.mostBytes) this.#drop();
    this.#isUrgent ||= endings.has(waiting.type); // this host may not live to tell it much later
    this.#schedule();
  }

  /** @param sign -1: it does not wait any more */
  #count(waiting: Waiting, sign: 1 | -1): void {
    this.#weight += sign * waiting.weight;
    if (isOfRun(waiting)) return;
    this.#loose.weight += sign * waiting.weight;
    this.#loose.bytes += sign * waiting.bytes;
  }

  /** For what is under way now, which may be asked for over and over. */
  #makeRoom(): void {
    const before = this.#queue.filter(isUnderWay);
    const last = this.#queue.at(-1);
    const old = last !== undefined && isUnderWay(last) ? last : before.length >= mostUnderWay ? before[0] : undefined;
    if (old === undefined) return;
    this.#queue.splice(this.#queue.indexOf(old), 1);
    this.#count(old, -1);
  }

  #toldAs({ event, graph }: OwnEvent): Waiting {
    const wire = toEventWire(event);
    return {
      type: event.type, weight: event.type === 'attempts' ? event.functionIds.length : 1, bytes: sizeOf(wire), failures: 0,
      wire: (isBare) => (graph === undefined || isBare ? wire : this.#withGraph(wire, graph())),
    };
  }

  #underWay(): Waiting {
    const runs = this.#parts.underWay();
    return {
      type: 'underWay', weight: 1, bytes: 0, failures: 0,
      wire: (isBare) => ({ underWay: runs.map(({ event, graph, done }) => ({ ...(isBare ? { event } : this.#withGraph({ event }, graph())), done: Int32Array.from(done) })) }),
    };
  }

  #withGraph(wire: EventWire, graph: RunGraph): EventWire {
    if (this.#graphs.has(graph)) return wire;
    this.#graphs.add(graph);
    return { ...wire, graph: toGraphWire(graph) };
  }

  #schedule(): void {
    if (this.#isSending || !this.#isListening || this.#queue.length === 0) return;
    const { interval, many } = this.#limits;
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
    this.#parts.send(events, dropped).catch(() => {
      if (round === this.#round) this.#failed(sent, dropped);
    }).finally(() => {
      this.#isSending = false;
      this.#schedule();
    });
  }

  /** What was sent has not arrived. How runs begin and end is told all the same. */
  #failed(sent: readonly Waiting[], dropped: number): void {
    this.#graphs = new WeakSet();
    this.#dropped += dropped;
    const again: Waiting[] = [];
    for (const waiting of sent) {
      if (isOfRun(waiting) && waiting.failures++ < mostFailures) again.push(waiting);
      else this.#dropped += waiting.weight;
    }
    for (const waiting of again) this.#count(waiting, 1);
    this.#queue.unshift(...again);
  }

  /** First the oldest `attempts`, then what else is oldest; never what tells of a run's begin and end. */
  #drop(): void {
    const { most, mostBytes } = this.#limits;
    const isEnough = (): boolean => this.#loose.weight <= most * spare && this.#loose.bytes <= mostBytes * spare;
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
