/** Properties of a graph's shape that matter for its schedule: b-levels, dispatch order, critical path. */
import type { Entry } from './entry.ts';
import { type Links, sortTopologically } from './links.ts';
import type { CompiledDag } from './compiled-dag.ts';

/**
 * The duration of each function for planning: `duration`, or 1 if not set. Undefined when no function has a duration.
 *
 * @param traited the functions that may have a duration
 */
export function weights(entries: readonly Entry[], traited: readonly number[]): Float64Array | undefined {
  const timed = traited.filter((i) => entries[i]!.traits.duration !== undefined);
  if (timed.length === 0) return undefined;
  const weight = new Float64Array(entries.length).fill(1);
  for (const i of timed) weight[i] = entries[i]!.traits.duration!;
  return weight;
}

/**
 * The b-level of each function: the weight of the heaviest path that starts with it, itself included (upward rank
 * without communication; Kwok and Ahmad 1999, "Static scheduling algorithms").
 *
 * @param order a topological order
 * @param weight by function; 1 each when undefined
 */
export function bLevels(
  { size, outOffset, outs }: Links,
  order: Int32Array,
  weight: Float64Array | undefined,
): Float64Array {
  const level = new Float64Array(size);
  for (let at = order.length - 1; at >= 0; at--) {
    const i = order[at]!;
    let longest = 0;
    for (let k = outOffset[i]!; k < outOffset[i + 1]!; k++) if (level[outs[k]!]! > longest) longest = level[outs[k]!]!;
    level[i] = longest + (weight === undefined ? 1 : weight[i]!);
  }
  return level;
}

/**
 * Each function's place in the order: higher priority first, then higher b-level, then the order they were added in.
 */
export function ranks(
  entries: readonly Entry[],
  traited: readonly number[],
  level: Float64Array,
  whole: boolean,
): { rank: Int32Array; byRank: Int32Array } {
  const size = entries.length;
  const plain = whole && traited.every((i) => entries[i]!.traits.priority === 0);
  const byRank = plain ? sortByLevel(level) : Int32Array.from({ length: size }, (_, i) => i);
  if (!plain) {
    byRank.sort((a, b) => entries[b]!.traits.priority - entries[a]!.traits.priority || level[b]! - level[a]! || a - b);
  }
  const rank = new Int32Array(size);
  for (let at = 0; at < size; at++) rank[byRank[at]!] = at;
  return { rank, byRank };
}

/**
 * Each function's place in a depth-first order, which keeps few results at a time: the inputs of a result come right
 * before it, as in Sethi and Ullman's numbering of register needs. Higher priority still goes first.
 */
export function depthFirstRanks(
  entries: readonly Entry[],
  { size, depOffset, deps, outOffset }: Links,
): { rank: Int32Array; byRank: Int32Array } {
  const rank = new Int32Array(size).fill(-1);
  let place = 0;
  const next = depOffset.slice(0, size);
  for (let sink = 0; sink < size; sink++) {
    if (outOffset[sink] !== outOffset[sink + 1]) continue;
    const stack = [sink];
    for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
      if (rank[at]! >= 0) {
        stack.pop();
      } else if (next[at]! < depOffset[at + 1]!) {
        stack.push(deps[next[at]!++]!);
      } else {
        rank[at] = place++;
        stack.pop();
      }
    }
  }
  const byRank = Int32Array.from({ length: size }, (_, i) => i).sort(
    (a, b) => entries[b]!.traits.priority - entries[a]!.traits.priority || rank[a]! - rank[b]!,
  );
  for (let at = 0; at < size; at++) rank[byRank[at]!] = at;
  return { rank, byRank };
}

/** A counting sort. Without durations, levels are whole numbers no larger than the graph. */
function sortByLevel(level: Float64Array): Int32Array {
  let highest = 0;
  for (const each of level) if (each > highest) highest = each;
  const start = new Int32Array(highest + 2);
  for (const each of level) start[highest - each + 1]!++;
  for (let i = 0; i <= highest; i++) start[i + 1]! += start[i]!;
  const sorted = new Int32Array(level.length);
  for (let i = 0; i < level.length; i++) sorted[start[highest - level[i]!]!++] = i;
  return sorted;
}

/** The functions of the longest path, first to last. */
export function criticalPath({ size, outOffset, outs }: Links, level: Float64Array): number[] {
  if (size === 0) return [];
  let at = 0;
  for (let i = 1; i < size; i++) if (level[i]! > level[at]!) at = i;
  const path = [at];
  while (outOffset[at] !== outOffset[at + 1]) {
    let next = outs[outOffset[at]!]!;
    for (let k = outOffset[at]! + 1; k < outOffset[at + 1]!; k++) if (level[outs[k]!]! > level[next]!) next = outs[k]!;
    path.push(next);
    at = next;
  }
  return path;
}

/**
 * The same plan, with its functions reordered as if they had these durations: by priority, then b-level, then as added.
 * O(arguments + functions log functions).
 *
 * @param durationOf a function's duration in ms
 */
export function reweigh(plan: CompiledDag, durationOf: (i: number) => number): CompiledDag {
  const weight = new Float64Array(plan.size);
  for (let i = 0; i < plan.size; i++) weight[i] = durationOf(i);
  const bLevel = bLevels(plan, sortTopologically(plan), weight);
  return { ...plan, bLevel, ...ranks(plan.entries, [], bLevel, false) };
}
