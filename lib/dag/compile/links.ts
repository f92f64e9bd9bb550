/**
 * The edges of a graph, with ids as dense integers: compressed sparse rows in typed arrays, in both directions.
 *
 * ```
 *   args of function i:       deps[depOffset[i] .. depOffset[i+1])     in call order, repeats kept, -1 where missing
 *   functions that need i:    outs[outOffset[i] .. outOffset[i+1])     one entry per use
 * ```
 */
import type { DagParts } from './entry.ts';

export interface Links {
  readonly size: number;
  readonly depOffset: Int32Array;
  readonly deps: Int32Array;
  readonly outOffset: Int32Array;
  readonly outs: Int32Array;
}

/** Resolves every argument of a DAG. */
export function link({ entries, index }: DagParts): Links {
  const size = entries.length;
  const depOffset = new Int32Array(size + 1);
  let deps = new Int32Array(size * 2);
  let at = 0;
  for (let i = 0; i < size; i++) {
    const { args } = entries[i]!;
    if (at + args.length > deps.length) deps = grown(deps, at + args.length);
    for (let k = 0; k < args.length; k++) {
      const found = index.get(args[k]!);
      deps[at++] = found === undefined || found >= size ? -1 : found;
    }
    depOffset[i + 1] = at;
  }
  return fromDependencies(depOffset, deps.slice(0, at));
}

function grown(array: Int32Array<ArrayBuffer>, least: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(least, array.length * 2));
  larger.set(array);
  return larger;
}

/** Adds the reverse direction to the dependency rows. */
export function fromDependencies(depOffset: Int32Array, deps: Int32Array): Links {
  const size = depOffset.length - 1;
  const outOffset = new Int32Array(size + 1);
  for (let k = 0; k < deps.length; k++) if (deps[k]! >= 0) outOffset[deps[k]! + 1]!++;
  for (let i = 0; i < size; i++) outOffset[i + 1]! += outOffset[i]!;
  const outs = new Int32Array(outOffset[size]!);
  const next = outOffset.slice(0, size);
  for (let i = 0; i < size; i++) {
    for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) {
      const dep = deps[k]!;
      if (dep >= 0) outs[next[dep]!++] = i;
    }
  }
  return { size, depOffset, deps, outOffset, outs };
}

/**
 * An order in which every function comes after its dependencies (Kahn 1962). If the graph has a cycle, the order is
 * shorter than `size`: it omits the functions of cycles and everything that depends on them.
 */
export function sortTopologically({ size, depOffset, deps, outOffset, outs }: Links): Int32Array {
  const missing = new Int32Array(size);
  const order = new Int32Array(size);
  let end = 0;
  for (let i = 0; i < size; i++) {
    for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) if (deps[k]! >= 0) missing[i]!++;
    if (missing[i] === 0) order[end++] = i;
  }
  for (let at = 0; at < end; at++) {
    const done = order[at]!;
    for (let k = outOffset[done]!; k < outOffset[done + 1]!; k++) {
      if (--missing[outs[k]!]! === 0) order[end++] = outs[k]!;
    }
  }
  return end === size ? order : order.subarray(0, end);
}

/**
 * One cycle: each of its functions once, in the direction of the data flow, starting with the one added first.
 *
 * @param order the result of `sortTopologically`, which is shorter than the graph
 */
export function findCycle({ size, depOffset, deps }: Links, order: Int32Array): number[] {
  const stuck = new Uint8Array(size).fill(1);
  for (const sorted of order) stuck[sorted] = 0;
  const position = new Map<number, number>();
  const path: number[] = [];
  // Every function missing from the order has a dependency that is also missing, so following those returns to a
  // visited function.
  for (let at = stuck.indexOf(1); ;) {
    const seen = position.get(at);
    if (seen !== undefined) return startAtSmallest(path.slice(seen).toReversed());
    position.set(at, path.length);
    path.push(at);
    let next = -1;
    for (let k = depOffset[at]!; k < depOffset[at + 1]! && next < 0; k++) {
      if (deps[k]! >= 0 && stuck[deps[k]!] === 1) next = deps[k]!;
    }
    at = next;
  }
}

function startAtSmallest(cycle: number[]): number[] {
  const start = cycle.indexOf(cycle.reduce((smallest, each) => Math.min(smallest, each)));
  return [...cycle.slice(start), ...cycle.slice(0, start)];
}
