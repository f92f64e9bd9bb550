/** Maps of a compiled DAG: where their lists come from, and which take elements of each other. */
import type { Entry } from './compile/entry.ts';
import { type CallPart, Flag, type MapPlan } from './compile/compiled-dag.ts';
import type { Links } from './compile/links.ts';

interface Input {
  readonly entries: readonly Entry[];
  /** The functions that may be maps. */
  readonly traited: readonly number[];
  readonly links: Links;
  /** A topological order. */
  readonly order: Int32Array;
  readonly calls: ReadonlyMap<number, readonly CallPart[]>;
  /** Written here: `Flag.map`. */
  readonly flags: Uint8Array;
}

/** The maps of a graph without inline functions; null if there are none. */
export function mapsOf({ entries, traited, links, order, calls, flags }: Input): Map<number, MapPlan> | null {
  const isMap = new Set(traited.filter((i) => entries[i]!.traits.map !== undefined));
  if (isMap.size === 0) return null;
  const roots = new Map<number, number>();
  const sources = new Map<number, number>();
  const families = new Map<number, number[]>();
  for (const i of order) {
    if (!isMap.has(i)) continue;
    flags[i]! |= Flag.map;
    const list = calls.get(i)![0]!;
    const source = list.kind === 'result' && isMap.has(list.of) && usesOf(links, i, list.of) === 1 ? list.of : -1;
    const root = source < 0 ? i : roots.get(source)!;
    sources.set(i, source);
    roots.set(i, root);
    const family = families.get(root);
    if (family === undefined) families.set(root, [i]);
    else family.push(i);
  }
  const maps = new Map<number, MapPlan>();
  for (const [root, family] of families) {
    for (const [place, i] of family.entries()) {
      const { concurrency = Infinity, settle = false } = entries[i]!.traits.map!;
      const list = calls.get(i)![0]!;
      maps.set(i, { list, source: sources.get(i)!, concurrency, settle, root, place, places: family.length });
    }
  }
  return maps;
}

/** How often a function waits for another one. */
function usesOf({ depOffset, deps }: Links, i: number, dep: number): number {
  let count = 0;
  for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) if (deps[k] === dep) count++;
  return count;
}
