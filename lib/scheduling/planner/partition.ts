/**
 * Which site each function should be on, so that few bytes go from site to site while all have as much to do.
 *
 * ```
 *   depth 0   ● ● ● ● │ ● ● ● ●          functions of one depth, in depth-first order from the sinks: what is read together
 *              ╲│  │╱ │  ╲│  │╱          lies side by side
 *   depth 1    ●   ●  │   ●   ●          each depth is cut where a site has its share of the work,
 *               ╲ ╱   │    ╲ ╱           then functions are moved one by one as long as that saves bytes
 *   depth 2      ●    │     ●
 * ```
 *
 * Each depth is cut separately, because only functions of equal depth can be expected to run at the same time. The
 * moves are those of Fiduccia and Mattheyses (1982), downhill only.
 */
import type { Links } from '../../dag/compile/links.ts';

export interface PartitionInput {
  readonly links: Links;
  /** A topological order. */
  readonly order: Int32Array;
  /** ms by function. */
  readonly work: (i: number) => number;
  /** Bytes of the result, by function. */
  readonly bytes: (i: number) => number;
  /** The capacity of each site, in any unit. */
  readonly capacity: readonly number[];
  /** The site that a function must be on; -1 for any. */
  readonly fixed: (i: number) => number;
}

const passes = 6;
// A site may exceed its share of a depth by this factor plus one function, where that saves bytes.
const slack = 1.1;

/** The site of each function. */
export function partition({ links, order, work, bytes, capacity, fixed }: PartitionInput): Int32Array {
  const { size } = links;
  const depth = depths(links, order);
  const site = new Int32Array(size);
  const all = capacity.reduce((sum, each) => sum + each, 0);
  const byDepth: number[][] = [];
  for (const i of depthFirst(links)) (byDepth[depth[i]!] ??= []).push(i);
  const room: Float64Array[] = [];
  const load: Float64Array[] = [];
  for (const [level, functions] of byDepth.entries()) {
    const total = functions.reduce((sum, i) => sum + work(i), 0);
    const largest = functions.reduce((most, i) => Math.max(most, work(i)), 0);
    room[level] = Float64Array.from(capacity, (each) => ((total * each) / all) * slack + largest);
    load[level] = new Float64Array(capacity.length);
    let at = 0;
    let until = (total * capacity[0]!) / all;
    let done = 0;
    for (const i of functions) {
      const middle = done + work(i) / 2;
      while (at + 1 < capacity.length && middle > until) until += (total * capacity[++at]!) / all;
      done += work(i);
      site[i] = fixed(i) >= 0 ? fixed(i) : at;
      load[level]![site[i]!]! += work(i);
    }
  }
  // By result, then site: the number of functions that read it there.
  const sites = capacity.length;
  const readers = new Int32Array(size * sites);
  for (let i = 0; i < size; i++) {
    for (let k = links.depOffset[i]!; k < links.depOffset[i + 1]!; k++) readers[links.deps[k]! * sites + site[i]!]!++;
  }
  refine();
  return site;

  function refine(): void {
    const gain = new Float64Array(capacity.length);
    for (let pass = 0; pass < passes; pass++) {
      let moved = false;
      for (const i of order) {
        if (fixed(i) >= 0) continue;
        gain.fill(0);
        addGains(i, gain);
        const from = site[i]!;
        let to = from;
        for (let s = 0; s < capacity.length; s++) {
          const best = to === from ? 0 : gain[to]! - gain[from]!;
          if (s !== from && gain[s]! - gain[from]! > best && load[depth[i]!]![s]! + work(i) <= room[depth[i]!]![s]!)
            to = s;
        }
        if (to === from) continue;
        load[depth[i]!]![from]! -= work(i);
        load[depth[i]!]![to]! += work(i);
        site[i] = to;
        for (let k = links.depOffset[i]!; k < links.depOffset[i + 1]!; k++) {
          readers[links.deps[k]! * sites + from]!--;
          readers[links.deps[k]! * sites + to]!++;
        }
        moved = true;
      }
      if (!moved) return;
    }
  }

  /** By site: the bytes that need not move if the function is there. */
  function addGains(i: number, gain: Float64Array): void {
    for (let k = links.depOffset[i]!; k < links.depOffset[i + 1]!; k++) {
      const dep = links.deps[k]!;
      gain[site[dep]!]! += bytes(dep); // the result is made there
      for (let s = 0; s < sites; s++) {
        // Another reader needs the result on that site anyway.
        if (s !== site[dep] && readers[dep * sites + s]! > (site[i] === s ? 1 : 0)) gain[s]! += bytes(dep);
      }
    }
    const own = bytes(i);
    for (let s = 0; s < sites; s++) if (readers[i * sites + s]! > 0) gain[s]! += own;
  }
}

function depths({ size, depOffset, deps }: Links, order: Int32Array): Int32Array {
  const depth = new Int32Array(size);
  for (const i of order)
    for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) depth[i] = Math.max(depth[i]!, depth[deps[k]!]! + 1);
  return depth;
}

/** Functions in post-order of a walk from the sinks. */
function depthFirst({ size, depOffset, deps, outOffset }: Links): number[] {
  const left: number[] = [];
  const seen = new Uint8Array(size);
  const next = depOffset.slice(0, size);
  for (let sink = 0; sink < size; sink++) {
    if (outOffset[sink] !== outOffset[sink + 1]) continue;
    const stack = [sink];
    seen[sink] = 1;
    for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
      if (next[at]! < depOffset[at + 1]!) {
        const dep = deps[next[at]!++]!;
        if (seen[dep] === 0) {
          seen[dep] = 1;
          stack.push(dep);
        }
      } else {
        left.push(stack.pop()!);
      }
    }
  }
  return left;
}
