/** Explains the duration of a run: from the function that ended last, back through what each function waited for. */
import type { Capabilities } from '../dag/types.ts';
import { claimsOf, levelAt, type Steps } from './claims.ts';
import { Outcome, type RunRecord } from './run-record.ts';

/** A function of the chain, with the wait before it. */
export interface ChainLink {
  readonly functionId: string;
  /** Name of its code. */
  readonly name: string;
  readonly node: string;
  readonly thread: number;
  readonly attempts: number;
  /** ms from the end of the previous function in the chain (or the start of the run) to its own start. */
  readonly waitMs: number;
  /**
   * What the wait ended with: the `'start'` of the run, or the end of the previous function, which provided a
   * `'result'`, a `'thread'` or a `'resource'`. `'retry'`: the wait includes earlier attempts.
   */
  readonly since: 'start' | 'result' | 'thread' | 'resource' | 'retry';
  /** ms from its start to its end, or to the start of the next function in the chain if that is earlier. */
  readonly durationMs: number;
}

export interface CriticalChain {
  readonly links: readonly ChainLink[];
  /** ms from the end of the last function to the end of the run. */
  readonly afterMs: number;
}

interface Before {
  /** -1 for the start of the run. */
  readonly index: number;
  readonly why: ChainLink['since'];
}

// ms: shorter waits are overhead of the scheduler.
const notable = 0.5;

/**
 * The durations and waits of all links, plus `afterMs`, add up to the duration of the run.
 *
 * @param capabilities by node name; needed to tell a wait for resources from a wait for the scheduler
 */
export function criticalChain(
  record: RunRecord,
  capabilities: ReadonlyMap<string, Capabilities> = new Map(),
): CriticalChain {
  const { begun, ended, graph } = record;
  const [from, to] = bounds(record);
  const seen = new Set<number>();
  const find = predecessors(record, capabilities);
  const links: ChainLink[] = [];
  let at = lastOf(record);
  let cursor = at < 0 ? from : Math.min(to, Math.max(from, ended[at]!));
  const afterMs = to - cursor;
  while (at >= 0) {
    seen.add(at);
    const start = Math.max(from, Math.min(begun[at]!, cursor));
    const found = find(at);
    // A recomputed result can end after functions that used it, so the walk back would loop.
    const before: Before = found.index >= 0 && seen.has(found.index) ? { index: -1, why: 'start' } : found;
    const freed = before.index < 0 ? from : Math.max(from, Math.min(ended[before.index]!, start));
    const track = record.tracks[record.track[at]!]!;
    links.push({
      functionId: graph.ids[at]!,
      name: graph.names[graph.code[at]!]!,
      node: track.node,
      thread: track.thread,
      attempts: record.attempts[at]!,
      waitMs: start - freed,
      since: before.why,
      durationMs: cursor - start,
    });
    cursor = freed;
    at = before.index;
  }
  return { links: links.toReversed(), afterMs };
}

/** Start and end of a run in ms since the epoch. A run in progress ends at the end of its last function. */
export function bounds({ startedAt, endedAt, begun, ended }: RunRecord): [number, number] {
  let [first, last] = [Infinity, -Infinity];
  for (let i = 0; i < begun.length; i++) {
    if (begun[i]! < first) first = begun[i]!;
    if (ended[i]! > last) last = ended[i]!;
  }
  const from = startedAt ?? (first === Infinity ? 0 : first);
  return [from, Math.max(from, endedAt ?? last)];
}

/** The function that failed the run, or else the one that ended last; -1 if none has ended. */
function lastOf({ outcome, ended, error }: RunRecord): number {
  let last = -1;
  const isLater = (i: number): boolean => last < 0 || ended[i]! > ended[last]!;
  for (let i = 0; i < ended.length; i++)
    if (!Number.isNaN(ended[i]!) && (error === undefined || outcome[i] === Outcome.failed) && isLater(i)) last = i;
  if (last >= 0 || error === undefined) return last;
  for (let i = 0; i < ended.length; i++) if (!Number.isNaN(ended[i]!) && isLater(i)) last = i;
  return last;
}

function predecessors(record: RunRecord, capabilities: ReadonlyMap<string, Capabilities>): (i: number) => Before {
  const { graph, begun, ended, track, tracks, attempts } = record;
  const byBegun = Int32Array.from({ length: begun.length }, (_, i) => i)
    .filter((i) => !Number.isNaN(begun[i]!))
    .sort((a, b) => begun[a]! - begun[b]!);
  const previous = new Int32Array(begun.length).fill(-1);
  const last = new Int32Array(tracks.length).fill(-1);
  for (const i of byBegun) {
    previous[i] = last[track[i]!]!;
    last[track[i]!] = i;
  }
  const claims = capabilities.size === 0 ? new Map<string, Map<string, Steps>>() : claimsOf(holdingsOf(record));
  const byEnded = byBegun.toSorted((a, b) => ended[a]! - ended[b]!);
  return (i) => {
    let dep = -1;
    for (const each of graph.deps[i]!)
      if (!Number.isNaN(ended[each]!) && (dep < 0 || ended[each]! > ended[dep]!)) dep = each;
    if (attempts[i]! > 1) return { index: dep, why: 'retry' };
    const onThread = previous[i]!;
    let before: Before = { index: dep, why: dep < 0 ? 'start' : 'result' };
    if (onThread >= 0 && (dep < 0 || ended[onThread]! > ended[dep]!)) before = { index: onThread, why: 'thread' };
    const free = before.index < 0 ? (record.startedAt ?? -Infinity) : ended[before.index]!;
    if (begun[i]! - free <= notable) return before;
    const holder = lastHolder(record, i, free, claims, capabilities, byEnded);
    return holder < 0 ? before : { index: holder, why: 'resource' };
  };
}

/** The function whose release, after `free`, ended the wait for resources; -1 if there was no such wait. */
function lastHolder(
  { graph, begun, ended, track, tracks }: RunRecord,
  i: number,
  free: number,
  claims: ReadonlyMap<string, ReadonlyMap<string, Steps>>,
  capabilities: ReadonlyMap<string, Capabilities>,
  byEnded: Int32Array,
): number {
  const { node } = tracks[track[i]!]!;
  const has = capabilities.get(node);
  const needs = Object.entries(graph.costs[graph.cost[i]!] ?? {}).filter(([, amount]) => amount > 0);
  if (has === undefined || needs.length === 0) return -1;
  const costOf = (j: number): Readonly<Record<string, number>> => graph.costs[graph.cost[j]!] ?? {};
  let [low, high] = [0, byEnded.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ended[byEnded[middle]!]! <= begun[i]!) low = middle + 1;
    else high = middle;
  }
  for (let k = low - 1; k >= 0; k--) {
    const j = byEnded[k]!;
    if (ended[j]! <= free) return -1;
    if (j === i || tracks[track[j]!]!.node !== node) continue;
    const lacked = needs.some(([resource, amount]) => {
      const steps = claims.get(node)?.get(resource);
      // Check just before it ended: the resources held then left too little.
      return (
        (costOf(j)[resource] ?? 0) > 0 &&
        steps !== undefined &&
        levelAt(steps, ended[j]! - 1e-6 * (ended[j]! - begun[j]!)) + amount > (has[resource] ?? 0) + 1e-9
      );
    });
    if (lacked) return j;
  }
  return -1;
}

/** What each function of a run held in its last attempt. */
export function* holdingsOf({
  graph,
  begun,
  ended,
  track,
  tracks,
}: RunRecord): Generator<{ node: string; begun: number; ended: number; cost: Readonly<Record<string, number>> }> {
  for (let i = 0; i < begun.length; i++) {
    const cost = graph.costs[graph.cost[i]!] ?? null;
    if (cost !== null && track[i]! >= 0)
      yield { node: tracks[track[i]!]!.node, begun: begun[i]!, ended: ended[i]!, cost };
  }
}
