/** Events in transit between hosts: errors and logged values are cut, and times are corrected on arrival. */
import { survey } from '../../core/survey.ts';
import { deserialize, serialize } from 'node:v8';
import { textOf } from '../../core/error-wire.ts';
import { type EventOf, eventTypes, type EventType, type HandoffEvent } from '../../events/events.ts';
import type { Earlier } from '../../events/feed.ts';
import type { RunGraph } from '../../events/run-graph.ts';
import { fieldsOf, isConsistent, isGraph, isTime, maxFunctions } from './event-validation.ts';
import { cut, fromEventError, sizeOfError, toEventError } from './event-error.ts';

/** One event in transit. */
export interface EventWire {
  /** An error is a `ToldError`; logged values are serialized. */
  readonly event: HandoffEvent;
  readonly graph?: GraphWire | undefined;
}

/** The runs in progress at the start of a subscription. Graphs that were sent before are left out. */
export interface UnderWayWire {
  readonly underWay: readonly (EventWire & { readonly earlier?: EarlierWire })[];
}

interface EarlierWire {
  readonly grown: Earlier['grown'];
  readonly done: Int32Array;
  readonly skipped: Int32Array;
  readonly failed: Int32Array;
}

export type Wire = EventWire | UnderWayWire;

/** A graph with its edges in two typed arrays. V8 serializes many small arrays slowly. */
interface GraphWire extends Omit<RunGraph, 'deps'> {
  /** The edges of function `i` are `edges[offset[i] .. offset[i + 1])`. */
  readonly offset: Int32Array;
  readonly edges: Int32Array;
}

/** Node events are published by every host to its own readers, because a lost host cannot report that it is gone. */
export const seenByAll: ReadonlySet<EventType> = new Set<EventType>([
  'node:up',
  'node:down',
  'node:capabilities-changed',
]);
const known: ReadonlySet<unknown> = new Set(eventTypes);

// Limit in bytes of what one `function:log` event carries.
const maxLoggedBytes = 64 * 1024;

/** Selects the types that one host sends to another. */
export function relayedTypes(types: Iterable<EventType>): EventType[] {
  return [...new Set(types)].filter((type) => known.has(type) && !seenByAll.has(type));
}

export function toEventWire(event: HandoffEvent): EventWire {
  if ('error' in event) return { event: { ...event, error: toEventError(event.error) } };
  if (event.type === 'function:log') return { event: { ...event, values: toLogged(event.values) as never } };
  return { event };
}

/** Estimated size of an event in bytes. */
export function sizeOf({ event }: EventWire): number {
  let size = 200;
  for (const value of Object.values(event)) size += typeof value === 'string' ? value.length : 0;
  if ('error' in event) size += sizeOfError(event.error as never);
  if (event.type === 'function:log') size += (event.values as unknown as Uint8Array).byteLength;
  if (event.type === 'attempts') for (const id of event.functionIds) size += 50 + id.length;
  return size;
}

/** Serialized once, so that the size is known and values that cannot be sent are replaced. */
function toLogged(values: readonly unknown[]): Uint8Array {
  const short = values.map((value) => (typeof value === 'string' ? cut(value) : value));
  const all = serialized(short);
  if (all !== undefined && all.byteLength <= maxLoggedBytes) return all;
  let left = maxLoggedBytes;
  const received: unknown[] = [];
  for (const value of short) {
    const bytes = serialized(value);
    const size = bytes?.byteLength ?? 0;
    const isFit = bytes !== undefined && size <= left;
    received.push(isFit ? value : bytes === undefined ? cut(textOf(value)) : `[${typeof value}, of ${size} bytes]`);
    left -= isFit ? size : 100;
    if (left <= 0) break;
  }
  return serialize(received);
}

function serialized(value: unknown): Buffer | undefined {
  try {
    return typeof value === 'object' && value !== null && survey(value).deep ? undefined : serialize(value);
  } catch {
    return undefined;
  }
}

/**
 * Reads an event sent by a peer. Returns undefined when it is malformed.
 *
 * @param offset how far the peer's clock is ahead, in ms
 */
export function fromEventWire(wire: EventWire, offset: number): HandoffEvent | undefined {
  const received = wire?.event as any; // mutable: it was just decoded and belongs to nothing else
  if (
    typeof received !== 'object' ||
    received === null ||
    typeof received.type !== 'string' ||
    !Object.hasOwn(fieldsOf, received.type)
  )
    return undefined;
  const fields: Readonly<Record<string, (value: unknown) => boolean>> =
    fieldsOf[received.type as keyof typeof fieldsOf];
  try {
    const event: any = { type: received.type, at: received.at - offset };
    if (typeof received.at !== 'number' || !isTime(event.at)) return undefined;
    if (event.type === 'attempts' && !setRight(received.spans, offset)) return undefined;
    for (const [field, check] of Object.entries(fields)) {
      if (!check(received[field])) return undefined;
      if (received[field] !== undefined) event[field] = received[field]; // unknown fields of other versions are ignored
    }
    if (!isConsistent(event)) return undefined;
    if (event.type === 'function:log' && (event.values = fromLogged(event.values)) === undefined) return undefined;
    if ('error' in fields) event.error = fromEventError(received.error);
    return event;
  } catch {
    return undefined; // a malformed error or log
  }
}

function setRight(times: unknown, offset: number): boolean {
  if (!Array.isArray(times)) return false;
  for (let k = 0; k < times.length; k++) {
    if (typeof times[k] !== 'number') return false;
    times[k] -= offset;
  }
  return true;
}

function fromLogged(bytes: Uint8Array): unknown[] | undefined {
  const values: unknown = bytes.byteLength <= 2 * maxLoggedBytes ? deserialize(bytes) : undefined;
  return Array.isArray(values) && values.length <= maxLoggedBytes ? values : undefined;
}

export function toGraphWire({ deps, ...rest }: RunGraph): GraphWire {
  const offset = new Int32Array(deps.length + 1);
  for (let i = 0; i < deps.length; i++) offset[i + 1] = offset[i]! + deps[i]!.length;
  const edges = new Int32Array(offset[deps.length]!);
  for (let i = 0; i < deps.length; i++) edges.set(deps[i]!, offset[i]!);
  return { ...rest, offset, edges };
}

/**
 * Checks a graph sent by a peer. Returns a function that builds it, or undefined when it does not belong to that run.
 *
 * @param wire untrusted input
 */
export function fromGraphWire(
  wire: unknown,
  run: Pick<EventOf<'run:started'>, 'runId' | 'dagId' | 'functions'>,
): (() => RunGraph) | undefined {
  if (!isGraph(wire, run)) return undefined;
  const { runId, dagId } = run;
  const { ids, code, names, pins, cost, costs, duration, offset, edges } = wire as GraphWire;
  return () => ({
    runId,
    dagId,
    ids,
    code,
    names,
    deps: ids.map((_, i) => [...edges.subarray(offset[i]!, offset[i + 1]!)]),
    pins,
    cost,
    costs,
    duration,
  });
}

export function toEarlierWire({ grown, done, skipped, failed }: Earlier): EarlierWire {
  return {
    grown,
    done: Int32Array.from(done),
    skipped: Int32Array.from(skipped),
    failed: Int32Array.from(failed),
  };
}

/**
 * Checks what a peer says of a run in progress. Returns undefined when it does not belong to that run.
 *
 * @param wire untrusted input; undefined when the peer could not send it
 * @param run its id and the number of functions that it began with
 * @param offset how far the peer's clock is ahead, in ms
 */
export function fromEarlierWire(
  wire: unknown,
  { runId, functions }: Pick<EventOf<'run:started'>, 'runId' | 'functions'>,
  offset: number,
): Earlier | undefined {
  if (wire === undefined) return { grown: [], done: [], skipped: [], failed: [] };
  if (typeof wire !== 'object' || wire === null) return undefined;
  const received = wire as Record<keyof Earlier, unknown>;
  if (!Array.isArray(received.grown)) return undefined;
  const grown: EventOf<'run:grown'>[] = [];
  let size = functions;
  for (const each of received.grown as unknown[]) {
    const event = fromEventWire({ event: each as HandoffEvent }, offset);
    if (event?.type !== 'run:grown' || event.runId !== runId) return undefined;
    grown.push(event);
    size += event.count;
    if (size > maxFunctions) return undefined;
  }
  const [done, skipped, failed] = [received.done, received.skipped, received.failed].map((of) => indexesIn(of, size));
  return done && skipped && failed && { grown, done, skipped, failed };
}

/** Undefined if they are not indexes of a list of this size. */
function indexesIn(wire: unknown, size: number): number[] | undefined {
  if (!(wire instanceof Int32Array) || wire.length > size) return undefined;
  return wire.every((i) => i >= 0 && i < size) ? [...wire] : undefined;
}
