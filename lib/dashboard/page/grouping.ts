/**
 * The boxes of the graph: one per function or, if there are too many, one per function name. What a run has grown by is
 * inside of the box of its map, or of the function that answered with it, until the reader opens that.
 */
import type { Growth, RunGraph } from '../../events/run-graph.ts';
import { type RunData, stateNames } from './run-data.ts';

export interface Box {
  /** Unique within the picture. */
  readonly id: string;
  readonly label: string;
  readonly name: number;
  /** Indexes of its functions in the graph. */
  readonly functions: readonly number[];
  /** The function whose box opens, and what it has brought; undefined: nothing is inside. */
  readonly owner?: Owner;
}

export interface Owner {
  readonly fn: number;
  readonly isMap: boolean;
  /** How many elements, or functions, open when the box does. */
  readonly count: number;
  readonly isOpen: boolean;
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
  /** By function: its box. */
  readonly boxOf: Int32Array;
}

const maxFunctions = 300;
const maxEdges = 1500;
/** Groups beyond this number are combined into one. */
const maxGroups = 120;

const nothingOpen: ReadonlySet<number> = new Set();

/**
 * Whether a picture of functions can be read.
 *
 * @param open functions whose boxes are open
 */
export function isSmall(graph: RunGraph, open: ReadonlySet<number> = nothingOpen): boolean {
  let [boxes, edges] = [0, 0];
  for (const [fn, shown] of shownAs(graph, open).entries()) {
    if (shown !== fn) continue;
    if (++boxes > maxFunctions) return false;
    edges += graph.deps[fn]!.length;
  }
  return edges <= maxEdges;
}

/** Whether a picture can be read with `more` boxes in addition. */
export function hasRoomFor(picture: Picture, more: number): boolean {
  return picture.boxes.length + more <= maxFunctions;
}

/** The functions that run: elements of maps, and not the maps. */
export function functionsOf({ ids, growth = [] }: RunGraph): number[] {
  const maps = new Set(growth.filter(({ isMap }) => isMap).map(({ owner }) => owner));
  return [...ids.keys()].filter((fn) => !maps.has(fn));
}

/**
 * A box for each function. An element of a map leads to its map, and a function leads to what it answered with.
 *
 * @param open functions whose boxes are open
 */
export function pictureOfFunctions(graph: RunGraph, open: ReadonlySet<number> = nothingOpen): Picture {
  const { ids, code, deps, growth = [] } = graph;
  const brought = new Map(growth.filter(({ count }) => count > 0).map((each) => [each.owner, each]));
  const boxOf = new Int32Array(ids.length);
  const boxes: (Box & { readonly functions: number[] })[] = [];
  for (const [fn, shown] of shownAs(graph, open).entries()) {
    if (shown === fn) {
      boxOf[fn] = boxes.length;
      boxes.push({
        id: `f${fn}`,
        label: ids[fn]!,
        name: code[fn]!,
        functions: [],
        ...ownerOf(fn, brought.get(fn), open),
      });
    } else boxOf[fn] = boxOf[shown]!;
    // A map does not run: its elements do.
    const isOpen = open.has(fn) && shown === fn;
    if (brought.get(fn)?.isMap !== true || isOpen) boxes[boxOf[fn]!]!.functions.push(fn);
  }
  const links = new Map<number, Link>();
  const link = (from: number, to: number): void => {
    if (from !== to) links.set(from * boxes.length + to, { from, to, count: 1 });
  };
  for (const [to, own] of deps.entries()) {
    // What an open map takes, its elements take.
    if (!(brought.get(to)?.isMap === true && open.has(to))) for (const from of own) link(boxOf[from]!, boxOf[to]!);
  }
  for (const { owner, first, count, isMap } of growth) {
    for (let fn = first; fn < first + count; fn++) {
      if (isMap) link(boxOf[fn]!, boxOf[owner]!);
      else if (deps[fn]!.length === 0) link(boxOf[owner]!, boxOf[fn]!);
    }
  }
  return { isGrouped: false, boxes, links: [...links.values()], inner: boxes.map(() => 0), boxOf };
}

/** By function: the function whose box it is in. */
function shownAs({ ids, growth = [] }: RunGraph, open: ReadonlySet<number>): Int32Array {
  const shown = Int32Array.from(ids, (_, fn) => fn);
  // Owners come before what they have brought.
  for (const { owner, first, count } of growth)
    if (shown[owner] !== owner || !open.has(owner)) shown.fill(shown[owner]!, first, first + count);
  return shown;
}

function ownerOf(fn: number, growth: Growth | undefined, open: ReadonlySet<number>): { readonly owner?: Owner } {
  if (growth === undefined) return {};
  return { owner: { fn, isMap: growth.isMap, count: growth.count, isOpen: open.has(fn) } };
}

/** A box for each name. If there are too many names, those with the most functions get their own. */
export function pictureOfGroups(graph: RunGraph): Picture {
  const ofName: number[][] = graph.names.map(() => []);
  // Instead of a map, its elements are shown, which have its name.
  const maps = new Set(graph.growth?.filter(({ isMap, count }) => isMap && count > 0).map(({ owner }) => owner));
  for (const [fn, name] of graph.code.entries()) if (!maps.has(fn)) ofName[name]!.push(fn);
  const names = graph.names.map((_, name) => name).filter((name) => ofName[name]!.length > 0);
  const byCount = names.toSorted((a, b) => ofName[b]!.length - ofName[a]!.length);
  const own = new Set(byCount.slice(0, names.length > maxGroups ? maxGroups - 1 : maxGroups));
  const rest = names.filter((name) => !own.has(name));
  const boxes: Box[] = names
    .filter((name) => own.has(name))
    .map((name) => ({ id: `n${name}`, label: graph.names[name]!, name, functions: ofName[name]! }));
  if (rest.length > 0)
    boxes.push({
      id: 'rest',
      label: `${rest.length} other names`,
      name: rest[0]!,
      functions: rest.flatMap((name) => ofName[name]!),
    });

  const boxOf = new Int32Array(graph.ids.length);
  for (const [box, { functions }] of boxes.entries()) for (const fn of functions) boxOf[fn] = box;
  for (const { owner, first } of graph.growth ?? []) if (maps.has(owner)) boxOf[owner] = boxOf[first]!;
  const inner = boxes.map(() => 0);
  const counts = new Map<number, number>();
  for (const [to, deps] of graph.deps.entries()) {
    if (maps.has(to)) continue; // what it takes, its elements take
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
  return { isGrouped: true, boxes, links, inner, boxOf };
}

/** Those of some functions that are in a state: longest first, then in their order. */
export function longestFirst(
  { states, begun, ended }: RunData,
  functions: readonly number[],
  state: number,
  max: number,
): number[] {
  const took = (fn: number): number => ended[fn]! - begun[fn]! || 0;
  return functions
    .filter((fn) => states[fn] === state)
    .sort((a, b) => took(b) - took(a) || a - b)
    .slice(0, max);
}

/** How many of these functions are waiting, running, done and failed. */
export function countStates(functions: readonly number[], states: Uint8Array): number[] {
  const counts = stateNames.map(() => 0);
  for (const fn of functions) counts[states[fn]!]!++;
  return counts;
}
