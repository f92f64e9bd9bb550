/**
 * Tells another host what happens on this one, as long as somebody listens there: events in order, many in a message, the next message only
 * when that before it has been taken in. What is not taken in waits here, and no more than so much of it.
 */
import type { EventType } from '../observe/events.ts';
import type { RunGraph } from '../observe/run-graph.ts';
import type { OwnEvent, OwnRun } from './feed-own.ts';
import { type EventWire, toEventWire, toGraphWire, type Wire } from './relay-wire.ts';

export interface RelayParts {
  /** Listens to what this host tells of. */
  listen(types: Iterable<EventType>, listener: (own: OwnEvent) => void): () => void;
  /** Runs that are under way. */
  underWay(): readonly OwnRun[];
  /** Resolves when the other host has taken them in; rejects when it cannot, or is gone. */
  send(events: readonly Wire[], dropped: number): Promise<unknown>;
}

/** How much waits, counted as events, and as attempts of `spans`. */
export interface RelayLimits {
  /** ms between messages, unless there is much to tell. */
  readonly interval: number;
  /** So much is not waited with. */
  readonly many: number;
  /** More is dropped. */
  readonly most: number;
}

/** Made when it is sent: what a run has to do first is not to wait for its graph. */
interface Waiting {
  readonly type: EventType | 'underWay';
  readonly weight: number;
  wire(): Wire;
}

const defaultLimits: RelayLimits = { interval: 50, many: 2000, most: 100_000 };
// When something has to be dropped, so much at once, that the next need not be looked for soon.
const spare = 0.9;
// Even after a silence, so many ms are waited for what comes along with an event: much is going on just then.
const gather = 5;

const endings: ReadonlySet<string> = new Set<EventType>(['run:finished', 'run:failed']);

export class Relay {
  readonly #parts: RelayParts;
  readonly #limits: RelayLimits;
  /** Graphs that were told. */
  #graphs = new WeakSet<RunGraph>();
  #unlisten = (): void => {};
  #queue: Waiting[] = [];
  #weight = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer is to go off. */
  #due = 0;
  #sentAt = -Infinity;
  #isSending = false;
  #isUrgent = false;
  #stopped = false;

  constructor(parts: RelayParts, limits = defaultLimits) {
    this.#parts = parts;
    this.#limits = limits;
  }

  /** These are wanted from now on. What is under way is told first. */
  want(types: readonly EventType[]): void {
    this.#unlisten();
    this.#isUrgent = true; // somebody waits for what is under way
    this.#tell(this.#underWay());
    this.#unlisten = this.#parts.listen(types, (own) => this.#tell(this.#toldAs(own)));
  }

  stop(): void {
    this.#stopped = true;
    this.#unlisten();
    this.#unlisten = () => {};
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  #tell(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#weight += waiting.weight;
    if (this.#weight > this.#limits.most) this.#drop();
    this.#isUrgent ||= endings.has(waiting.type); // this host may not live to tell it much later
    this.#schedule();
  }

  #toldAs({ event, graph }: OwnEvent): Waiting {
    const wire = toEventWire(event);
    return { type: event.type, weight: event.type === 'spans' ? event.functionIds.length : 1, wire: graph === undefined ? () => wire : () => this.#withGraph(wire, graph()) };
  }

  #underWay(): Waiting {
    const runs = this.#parts.underWay();
    return { type: 'underWay', weight: 1, wire: () => ({ underWay: runs.map(({ event, graph, done }) => ({ ...this.#withGraph({ event }, graph()), done: Int32Array.from(done) })) }) };
  }

  #withGraph(wire: EventWire, graph: RunGraph): EventWire {
    if (this.#graphs.has(graph)) return wire;
    this.#graphs.add(graph);
    return { ...wire, graph: toGraphWire(graph) };
  }

  #schedule(): void {
    if (this.#isSending || this.#stopped || this.#queue.length === 0) return;
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
    const events = this.#queue.map(({ wire }) => wire());
    const dropped = this.#dropped;
    const weight = this.#weight;
    this.#queue = [];
    this.#weight = 0;
    this.#dropped = 0;
    this.#isUrgent = false;
    this.#sentAt = performance.now();
    this.#isSending = true;
    this.#parts.send(events, dropped).catch(() => {
      this.#dropped += dropped + weight;
      this.#graphs = new WeakSet();
    }).finally(() => {
      this.#isSending = false;
      this.#schedule();
    });
  }

  /** First the oldest `spans`, then what else is oldest; never what tells of a run's begin and end. */
  #drop(): void {
    const enough = this.#limits.most * spare;
    for (const isDroppable of [isSpans, isOfNoRun]) {
      if (this.#weight <= enough) return;
      this.#queue = this.#queue.filter((waiting) => {
        if (this.#weight <= enough || !isDroppable(waiting)) return true;
        this.#weight -= waiting.weight;
        this.#dropped += waiting.weight;
        return false;
      });
    }
  }
}

function isSpans({ type }: Waiting): boolean {
  return type === 'spans';
}

function isOfNoRun({ type }: Waiting): boolean {
  return type !== 'underWay' && !type.startsWith('run:');
}
