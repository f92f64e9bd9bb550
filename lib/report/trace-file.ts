/** A trace file as it is read back: rows of bars, and what was held and used of nodes. */
import type { Steps } from './claims.ts';
import { type Gantt, type PlacedBar, toGantt } from './gantt.ts';
import type { Usage } from './gantt-svg.ts';

export interface TracedRun {
  readonly dagId: string;
  readonly gantt: Gantt;
  /** ms */
  readonly duration: number;
  readonly functions: number;
  readonly usage: readonly Usage[];
}

/** It is not what `--trace` writes; the message says what is amiss. */
export class NotATrace extends Error {
  override readonly name = 'NotATrace';
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads what `--trace` has written.
 *
 * @param text of the file
 * @throws `NotATrace`
 */
export function readTrace(text: string): TracedRun {
  const file = parse(text);
  if (!isFields(file) || !Array.isArray(file['traceEvents'])) throw new NotATrace('it has no list "traceEvents"');
  const { traceEvents, otherData } = file as { traceEvents: unknown[]; otherData?: unknown };
  if (!isFields(otherData) || otherData['producer'] !== 'handoff') throw new NotATrace('it was not written by handoff run --trace');
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
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new NotATrace(`it is not JSON: ${(error as Error).message}`);
  }
}

function toBar(event: Fields, origin: number): PlacedBar {
  const args = isFields(event['args']) ? event['args'] : {};
  const { node, thread, critical, error } = args;
  if (typeof node !== 'string' || typeof thread !== 'number') throw new NotATrace(`the slice ${JSON.stringify(event['name'])} does not say on which worker it was`);
  const start = (numberOf(event, 'ts') - origin) / 1000;
  const id = String(event['name']);
  return {
    id, name: typeof args['function'] === 'string' ? args['function'] : id, node, thread, start, finish: start + numberOf(event, 'dur') / 1000,
    isCritical: critical === true, hasFailed: error !== undefined,
  };
}

/** A run that fails while nothing runs, or brings results at its end, is longer than its bars. */
function withLength({ rows, length }: Gantt, duration: number): Gantt {
  return { rows, length: Math.max(length, duration) };
}

function usageOf(events: readonly Fields[], origin: number, nodes: Fields): Usage[] {
  const series = new Map<string, { readonly node: string; readonly resource: string; readonly claimed: [number, number][]; readonly used: [number, number][] }>();
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
  return [...series.values()].sort((a, b) => a.node.localeCompare(b.node) || a.resource.localeCompare(b.resource)).map(({ node, resource, claimed, used }) => {
    const has = Object.hasOwn(nodes, node) ? nodes[node] : undefined;
    return { node, resource, claimed: toSteps(claimed), used: toSteps(used), capacity: isFields(has) && Object.hasOwn(has, resource) ? numberOf(has, resource) : undefined };
  });
}

function toSteps(points: [number, number][]): Steps | undefined {
  if (points.length === 0) return undefined;
  points.sort(([a], [b]) => a - b);
  return { at: points.map(([at]) => at), level: points.map(([, level]) => level) };
}

function numberOf(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new NotATrace(`${JSON.stringify(key)} of ${JSON.stringify(fields['name'] ?? 'an event')} is no number`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
