/** Events as they travel between hosts: errors as data, and times set right on arrival. */
import { canTravel } from '../cluster/wire.ts';
import { type ErrorWire, fromErrorWire, textOf, toErrorWire } from '../error-wire.ts';
import { eventTypes, type EventType, type HandoffEvent } from '../observe/events.ts';
import type { RunGraph } from '../observe/run-graph.ts';

/** One event on its way. */
export interface EventWire {
  readonly event: HandoffEvent;
  readonly graph?: GraphWire | undefined;
}

/** The runs that are under way, where what follows begins. Their graphs are left out where they have been told. */
export interface UnderWayWire {
  readonly underWay: readonly (EventWire & { readonly done: Int32Array })[];
}

export type Wire = EventWire | UnderWayWire;

/** A graph with its edges in two lists: as many small ones would take V8 long. */
interface GraphWire extends Omit<RunGraph, 'deps'> {
  /** Those of function `i` are `edges[offset[i] .. offset[i + 1])`. */
  readonly offset: Int32Array;
  readonly edges: Int32Array;
}

/** Only a node's own host knows what becomes of it; but that a host is gone, the others must see themselves, so each tells its own readers. */
export const seenByAll: ReadonlySet<EventType> = new Set<EventType>(['node:up', 'node:down', 'node:capabilities']);
const columns = ['functionIds', 'attempts', 'spans', 'bytes', 'failed'] as const;
const known: ReadonlySet<unknown> = new Set(eventTypes);

/** The types of some that one host tells another. */
export function toldAcross(types: Iterable<EventType>): EventType[] {
  return [...types].filter((type) => known.has(type) && !seenByAll.has(type));
}

export function toEventWire(event: HandoffEvent): EventWire {
  if ('error' in event) return { event: { ...event, error: wireOf(event.error) } };
  if (event.type === 'function:log') return { event: { ...event, values: event.values.map((value) => (canTravel(value) ? value : textOf(value))) } };
  return { event };
}

/** Errors of user code may hold what no message can. */
function wireOf(error: unknown): ErrorWire {
  const wire = toErrorWire(error);
  return canTravel(wire) ? wire : toErrorWire(new Error(textOf(error)));
}

/**
 * The event that a peer told; undefined when it is none that this host knows.
 *
 * @param offset ms that the peer's clock is ahead
 */
export function fromEventWire(wire: EventWire, offset: number): HandoffEvent | undefined {
  const event = wire?.event as any; // it is ours alone, as it was just read
  if (typeof event !== 'object' || event === null || !known.has(event.type) || typeof event.at !== 'number') return undefined;
  if (event.type === 'spans' && !columns.every((name) => Array.isArray(event[name]))) return undefined;
  event.at -= offset;
  if (event.type === 'spans') for (let k = 0; k < event.spans.length; k++) event.spans[k] -= offset;
  if (!('error' in event)) return event;
  try {
    event.error = fromErrorWire(event.error);
    return event;
  } catch {
    return undefined; // it is no error as hosts tell it
  }
}

export function toGraphWire({ deps, ...rest }: RunGraph): GraphWire {
  const offset = new Int32Array(deps.length + 1);
  for (let i = 0; i < deps.length; i++) offset[i + 1] = offset[i]! + deps[i]!.length;
  const edges = new Int32Array(offset[deps.length]!);
  for (let i = 0; i < deps.length; i++) edges.set(deps[i]!, offset[i]!);
  return { ...rest, offset, edges };
}

export function fromGraphWire({ offset, edges, ...rest }: GraphWire): RunGraph {
  return { ...rest, deps: rest.ids.map((_, i) => [...edges.subarray(offset[i]!, offset[i + 1]!)]) };
}
