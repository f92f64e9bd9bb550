/**
 * Validates events and graphs sent by a peer. A peer has proved its identity, but may run another version or have a
 * bug, so readers rely on the checks here.
 */
import { fromDependencies, sortTopologically } from '../../dag/compile/links.ts';
import type { EventOf, EventType, HandoffEvent } from '../../events/events.ts';

type Check = (value: unknown) => boolean;
/** Event types that cross hosts. Each host reports to its own readers how nodes come and go. */
type RelayedType = Exclude<EventType, 'node:up' | 'node:down' | 'node:capabilities-changed'>;
type Fields<Type extends EventType> = { readonly [Field in Exclude<keyof EventOf<Type>, 'type' | 'at'>]-?: Check };

// Half of the range of a JavaScript date, in ms.
const lastTime = 4e15;

const text: Check = (value) => typeof value === 'string';
const whole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const amount: Check = (value) => Number.isFinite(value) && (value as number) >= 0;
const duration: Check = (value) => amount(value) && (value as number) <= lastTime;
const bytes: Check = (value) => value instanceof Uint8Array;
const any: Check = () => true;
const amounts: Check = (value) =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((each) => Number.isFinite(each));

/** Whether a value is a time in ms since the epoch. */
export function isTime(value: unknown): value is number {
  return duration(value);
}

/**
 * Whether a value is a list of this size whose elements all pass. Stops at the first that does not, so that a sparse
 * list with a huge length costs nothing.
 */
function isList(value: unknown, check: Check, size?: number): value is any[] {
  if (!Array.isArray(value) || (size !== undefined && value.length !== size)) return false;
  for (let k = 0; k < value.length; k++) if (!check(value[k])) return false;
  return true;
}

const list =
  (check: Check): Check =>
  (value) =>
    isList(value, check);
const ofRun = { runId: text, dagId: text };
const ofFunction = { ...ofRun, functionId: text };
const onNode = { ...ofFunction, node: text };
const ofAttempt = { ...onNode, attempt: whole };
const onThread = { ...ofAttempt, thread: whole };

const fraction: Check = (value) => amount(value) && (value as number) <= 1;
const optionalText: Check = (value) => value === undefined || text(value);

/** Whether it is a `GrownGraph`, or undefined. */
function isGrownGraph(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { ids, names, deps } = value as Record<string, unknown>;
  if (!isList(ids, text)) return false;
  const { length } = ids;
  const isDep: Check = (dep) => whole(dep) && (dep as number) < length;
  return isList(names, text, length) && isList(deps, list(isDep), length);
}

/** No run has more functions: readers keep a row for each. */
export const maxFunctions = 2 ** 24;

const growth: Check = (value) => whole(value) && (value as number) <= maxFunctions;

/** Checks by event type, one per field. Errors and logged values are checked separately. */
export const fieldsOf: { readonly [Type in RelayedType]: Fields<Type> } = {
  'run:started': { ...ofRun, functions: whole },
  'run:resumed': { ...ofRun, functions: whole, restored: whole },
  'run:finished': { ...ofRun, functions: whole, retries: whole, durationMs: duration },
  'run:failed': { ...ofRun, error: any, durationMs: duration },
  'function:restored': onNode,
  'function:cached': ofFunction,
  'function:ready': ofFunction,
  'function:started': onThread,
  'function:finished': { ...onThread, durationMs: duration },
  'function:speculated': onThread,
  'run:grown': { ...ofFunction, count: growth, graph: isGrownGraph },
  'function:skipped': ofFunction,
  attempts: {
    ...ofRun,
    node: text,
    thread: whole,
    functionIds: list(text),
    attempts: list(whole),
    spans: list(duration),
    bytes: list(whole),
    failed: list(whole),
    indexes: (value) => value === undefined || isList(value, whole),
  },
  'function:retrying': { ...ofAttempt, error: any, delayMs: duration },
  'function:failed': { ...ofAttempt, error: any },
  'function:log': { ...ofAttempt, values: bytes },
  'function:progress': { ...ofAttempt, fraction, note: optionalText },
  'function:memory-exceeded': { ...onNode, claimedMb: amount, usedMb: amount },
  'result:stored': { ...onNode, bytes: whole },
  'result:fetched': { ...onNode, bytes: whole },
  'result:lost': ofFunction,
  'result:recomputing': ofFunction,
  'spill:failed': { error: any, budget: amount, bytes: amount, retryIn: duration },
  'node:name-conflict': { node: text, host: text },
  'connection:refused': { peer: text, dialled: (value) => typeof value === 'boolean', error: any, others: whole },
  'probe:failed': { node: text, error: any },
  'worker:crashed': { node: text, thread: whole, reason: text, error: any },
  'worker:blocked': {
    node: text,
    thread: whole,
    ms: duration,
    functionId: (value) => value === undefined || text(value),
  },
  'worker:restarted': { node: text, thread: whole },
  'actor:error': { actor: text, method: text, error: any },
  'supervisor:restarted': { supervisor: text, child: text, error: any },
};

/** Whether the fields of an event, each of which has been checked on its own, are consistent with each other. */
export function isConsistent(event: HandoffEvent): boolean {
  if (event.type === 'attempts') return areColumns(event);
  return event.type !== 'run:grown' || event.graph === undefined || event.graph.ids.length === event.count;
}

/**
 * Whether the columns are of one length, and their times and indexes in order.
 * `indexes` may be of functions that the run has grown by since, so readers compare ids.
 */
function areColumns({ functionIds, indexes, attempts, spans, bytes: sizes, failed }: EventOf<'attempts'>): boolean {
  const size = functionIds.length;
  if (
    attempts.length !== size ||
    spans.length !== 2 * size ||
    sizes.length !== size ||
    (indexes !== undefined && indexes.length !== size)
  )
    return false;
  for (let k = 0; k < size; k++) if (!(spans[2 * k]! <= spans[2 * k + 1]!)) return false;
  for (let k = 0; k < failed.length; k++)
    if (failed[k]! >= size || (k > 0 && failed[k]! <= failed[k - 1]!)) return false;
  return true;
}

/**
 * Whether a value is the graph of a run, with its edges in two lists.
 *
 * @param run its ids and its number of functions
 */
export function isGraph(
  value: unknown,
  { runId, dagId, functions }: Pick<EventOf<'run:started'>, 'runId' | 'dagId' | 'functions'>,
): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const graph = value as Record<string, unknown>;
  if (
    graph['runId'] !== runId ||
    graph['dagId'] !== dagId ||
    !isList(graph['ids'], text, functions) ||
    !isList(graph['names'], text)
  )
    return false;
  if (!isList(graph['costs'], (cost) => cost === null || amounts(cost))) return false;
  const into =
    (all: unknown): Check =>
    (i) =>
      whole(i) && (i as number) < (all as unknown[]).length;
  return (
    isList(graph['code'], into(graph['names']), functions) &&
    isList(graph['cost'], into(graph['costs']), functions) &&
    isList(graph['pins'], (pin) => pin === null || text(pin), functions) &&
    isList(graph['duration'], (ms) => ms === null || duration(ms), functions) &&
    areEdges(graph['offset'], graph['edges'], functions)
  );
}

/** Whether the edges belong to this number of functions and contain no cycle. */
function areEdges(offset: unknown, edges: unknown, size: number): boolean {
  if (
    !(offset instanceof Int32Array && edges instanceof Int32Array) ||
    offset.length !== size + 1 ||
    offset[0] !== 0 ||
    offset[size] !== edges.length
  )
    return false;
  let isInOrder = true;
  for (let i = 0; i < size; i++) {
    if (offset[i + 1]! < offset[i]!) return false;
    for (let e = offset[i]!; e < offset[i + 1]!; e++) {
      const dep = edges[e]!;
      if (!(dep >= 0 && dep < size)) return false; // also undefined, when an offset is too large
      isInOrder &&= dep < i;
    }
  }
  return isInOrder || sortTopologically(fromDependencies(offset, edges)).length === size;
}
