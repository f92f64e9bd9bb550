/** Reads a trace file back: rows of bars, and the resources claimed and used on nodes. */
import type { Steps } from './claims.ts';
import { type Gantt, type PlacedBar, toGantt } from './gantt.ts';
import type { Usage } from './gantt-svg.ts';

export interface TracedRun {
  readonly dagId: string;
  readonly gantt: Gantt;
  /** In ms. */
  readonly duration: number;
  readonly functions: number;
  readonly usage: readonly Usage[];
  /** Everything that the run had, in the order in which it became known. */
  readonly graph: readonly TracedFunction[];
}

export interface TracedFunction {
  readonly id: string;
  /** The name of the exported function. */
  readonly code: string;
  /** The functions whose results it takes, by their place in the list. */
  readonly after: readonly number[];
  readonly isSkipped: boolean;
}

/** The file was not written by `--trace`. The message says what is wrong. */
export class NotATrace extends Error {
  override readonly name = 'NotATrace';
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads a file written by `--trace`.
 *
 * @param text of the file
 * @throws `NotATrace`
 */
export function readTrace(text: string): TracedRun {
  const file = parse(text);
  if (!isFields(file) || !Array.isArray(file['traceEvents'])) throw new NotATrace('it has no list "traceEvents"');
  const { traceEvents, otherData, functions } = file as Fields & { traceEvents: unknown[] };
  if (!isFields(otherData) || otherData['producer'] !== 'handoff')
    throw new NotATrace('it was not written by handoff run --trace');
  const events = traceEvents.filter(isFields);
  const run = events.find(({ ph, cat }) => ph === 'X' && cat === 'run');
  if (run === undefined) throw new NotATrace('it has no slice of the run itself');
  const origin = numberOf(run, 'ts');
  const bars = events.filter(({ ph, cat }) => ph === 'X' && cat === 'function').map((event) => toBar(event, origin));
  return {
    dagId: String(otherData['dagId']),
    gantt: withLength(toGantt(bars), numberOf(run, 'dur') / 1000),
    duration: numberOf(run, 'dur') / 1000,
    functions: new Set(bars.map(({ id }) => id)).size,
    usage: usageOf(events, origin, isFields(otherData['nodes']) ? otherData['nodes'] : {}),
    graph: Array.isArray(functions) ? functions.map(toFunction) : [],
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new NotATrace(`it is not JSON: ${(error as Error).message}`);
  }
}

function toFunction(given: unknown, at: number, { length }: readonly unknown[]): TracedFunction {
  const { id, function: code, after, skipped } = isFields(given) ? given : {};
  const isPlace = (place: unknown): place is number =>
    Number.isInteger(place) && (place as number) >= 0 && (place as number) < length;
  if (typeof id !== 'string' || typeof code !== 'string' || !Array.isArray(after) || !after.every(isPlace))
    throw new NotATrace(`its function ${at} is malformed`);
  return { id, code, after, isSkipped: skipped === true };
}

function toBar(event: Fields, origin: number): PlacedBar {
  const args = isFields(event['args']) ? event['args'] : {};
  const { node, thread, critical, error } = args;
  if (typeof node !== 'string' || typeof thread !== 'number')
    throw new NotATrace(`the slice ${JSON.stringify(event['name'])} does not name its worker`);
  const start = (numberOf(event, 'ts') - origin) / 1000;
  const id = String(event['name']);
  return {
    id,
    name: typeof args['function'] === 'string' ? args['function'] : id,
    node,
    thread,
    start,
    finish: start + numberOf(event, 'dur') / 1000,
    isCritical: critical === true,
    hasFailed: error !== undefined,
  };
}

/** Extends the chart to the end of the run, which may be later than the last bar. */
function withLength({ rows, length }: Gantt, duration: number): Gantt {
  return { rows, length: Math.max(length, duration) };
}

function usageOf(events: readonly Fields[], origin: number, nodes: Fields): Usage[] {
  const series = new Map<
    string,
    {
      readonly node: string;
      readonly resource: string;
      readonly claimed: [number, number][];
      readonly used: [number, number][];
    }
  >();
  for (const event of events) {
    const { ph, cat, args } = event;
    if (ph !== 'C' || (cat !== 'claimed' && cat !== 'used') || !isFields(args)) continue;
    const [resource = ''] = Object.keys(args);
    const node = String(event['name']).slice(`${cat} ${resource} of `.length);
    const key = JSON.stringify([node, resource]);
    const of = series.get(key) ?? { node, resource, claimed: [], used: [] };
    series.set(key, of);
    of[cat].push([(numberOf(event, 'ts') - origin) / 1000, numberOf(args, resource)]);
  }
  return [...series.values()]
    .sort((a, b) => a.node.localeCompare(b.node) || a.resource.localeCompare(b.resource))
    .map(({ node, resource, claimed, used }) => {
      const has = Object.hasOwn(nodes, node) ? nodes[node] : undefined;
      return {
        node,
        resource,
        claimed: toSteps(claimed),
        used: toSteps(used),
        capacity: isFields(has) && Object.hasOwn(has, resource) ? numberOf(has, resource) : undefined,
      };
    });
}

function toSteps(points: [number, number][]): Steps | undefined {
  if (points.length === 0) return undefined;
  points.sort(([a], [b]) => a - b);
  return { at: points.map(([at]) => at), level: points.map(([, level]) => level) };
}

function numberOf(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new NotATrace(`${JSON.stringify(key)} of ${JSON.stringify(fields['name'] ?? 'an event')} is not a number`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
