/** The boxes of the graph: one per function or, if there are too many, one per function name. */
import type { RunGraph } from '../../events/run-graph.ts';
import { type RunData, stateNames } from './run-data.ts';

export interface Box {
  /** Unique within the picture. */
  readonly id: string;
  readonly label: string;
  readonly name: number;
  /** Indexes of its functions in the graph. */
  readonly functions: readonly number[];
}

export interface Link {
  readonly from: number;
  readonly to: number;
  /** How many edges it represents. */
  readonly count: number;
}

export interface Picture {
  readonly isGrouped: boolean;
  readonly boxes: readonly Box[];
  readonly links: readonly Link[];
  /** By box: the number of edges between its own functions. */
  readonly inner: readonly number[];
}

const maxFunctions = 300;
const maxEdges = 1500;
/** Groups beyond this number are combined into one. */
const maxGroups = 120;

export function isSmall(graph: RunGraph): boolean {
  if (graph.ids.length > maxFunctions) return false;
  return graph.deps.reduce((sum, deps) => sum + deps.length, 0) <= maxEdges;
}

/** A box for each function. */
export function pictureOfFunctions(graph: RunGraph): Picture {
  const boxes = graph.ids.map((id, fn) => ({ id: `f${fn}`, label: id, name: graph.code[fn]!, functions: [fn] }));
  const links = graph.deps.flatMap((deps, to) => deps.map((from) => ({ from, to, count: 1 })));
  return { isGrouped: false, boxes, links, inner: boxes.map(() => 0) };
}

/** A box for each name. If there are too many names, those with the most functions get their own. */
export function pictureOfGroups(graph: RunGraph): Picture {
  const functionsOf: number[][] = graph.names.map(() => []);
  for (const [fn, name] of graph.code.entries()) functionsOf[name]!.push(fn);
  const names = graph.names.map((_, name) => name).filter((name) => functionsOf[name]!.length > 0);
  const byCount = names.toSorted((a, b) => functionsOf[b]!.length - functionsOf[a]!.length);
  const own = new Set(byCount.slice(0, names.length > maxGroups ? maxGroups - 1 : maxGroups));
  const rest = names.filter((name) => !own.has(name));
  const boxes: Box[] = names
    .filter((name) => own.has(name))
    .map((name) => ({ id: `n${name}`, label: graph.names[name]!, name, functions: functionsOf[name]! }));
  if (rest.length > 0)
    boxes.push({
      id: 'rest',
      label: `${rest.length} other names`,
      name: rest[0]!,
      functions: rest.flatMap((name) => functionsOf[name]!),
    });

  const boxOf = new Int32Array(graph.ids.length);
  for (const [box, { functions }] of boxes.entries()) for (const fn of functions) boxOf[fn] = box;
  const inner = boxes.map(() => 0);
  const counts = new Map<number, number>();
  for (const [to, deps] of graph.deps.entries()) {
    for (const dep of deps) {
      const from = boxOf[dep]!;
      if (from === boxOf[to]!) inner[from]!++;
      else counts.set(from * boxes.length + boxOf[to]!, (counts.get(from * boxes.length + boxOf[to]!) ?? 0) + 1);
    }
  }
  const links = [...counts].map(([key, count]) => ({
    from: Math.floor(key / boxes.length),
    to: key % boxes.length,
    count,
  }));
  return { isGrouped: true, boxes, links, inner };
}

/** The functions of a name in a state: longest first, then in insertion order. */
export function longestOf(
  { graph, states, begun, ended }: RunData,
  name: number,
  state: number,
  max: number,
): number[] {
  const took = (fn: number): number => ended[fn]! - begun[fn]! || 0;
  const own: number[] = [];
  for (const [fn, code] of graph.code.entries()) if (code === name && states[fn] === state) own.push(fn);
  return own.sort((a, b) => took(b) - took(a) || a - b).slice(0, max);
}

/** How many of these functions are waiting, running, done and failed. */
export function countStates(functions: readonly number[], states: Uint8Array): number[] {
  const counts = stateNames.map(() => 0);
  for (const fn of functions) counts[states[fn]!]!++;
  return counts;
}
