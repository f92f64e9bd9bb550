/** The summary of a run: duration and its causes, use of threads, cost by function name. */
import type { Capabilities, Cost } from '../dag/types.ts';
import { claimsOf, peakOf } from './claims.ts';
import { bounds, type CriticalChain, criticalChain, holdingsOf } from './critical-chain.ts';
import { Outcome, type RunRecord } from './run-record.ts';

/** Facts about a node that the record does not have. */
export interface SummaryNode {
  readonly threads: number;
  readonly capabilities: Capabilities;
  /** Name of the host as in `FeedEvent`. Default: all nodes are on this host. */
  readonly host?: string;
  /** Highest memory of its threads in MB; undefined if not measured. */
  readonly peakMemoryMb?: number | undefined;
}

export interface NodeSummary {
  readonly threads: number;
  readonly functions: number;
  /** Total ms in which its threads ran functions. */
  readonly busyMs: number;
  /** Highest amounts that this run claimed at once. */
  readonly peakClaimed: Cost;
  /** Highest memory of its threads in MB; null if not measured. */
  readonly peakMemoryMb: number | null;
}

/** Functions with the same name. */
export interface NameSummary {
  readonly name: string;
  readonly count: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

export interface RunSummary {
  readonly runId: string;
  readonly dagId: string;
  readonly ok: boolean;
  /** ms from start to end. */
  readonly durationMs: number;
  readonly functions: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
  readonly retries: number;
  /** Bytes of results that this host fetched from others. */
  readonly bytesFetched: number;
  /** `bytesFetched`, plus bytes of results that other hosts fetched for functions that ran there. */
  readonly bytesMoved: number;
  /** Total ms in which functions ran. */
  readonly workMs: number;
  /** Threads of all nodes. */
  readonly threads: number;
  /** Share of thread time in which functions ran, 0 to 1; null if there was no time. */
  readonly efficiency: number | null;
  /** How many functions ran on each node. */
  readonly nodes: Readonly<Record<string, number>>;
  readonly nodeUse: Readonly<Record<string, NodeSummary>>;
  /** Sorted by total time, longest first. */
  readonly names: readonly NameSummary[];
  readonly criticalPath: CriticalChain;
}

/**
 * @param nodes that the run could use, by name; default: the threads that it used
 * @param own name of this host
 */
export function summarise(
  record: RunRecord,
  nodes: ReadonlyMap<string, SummaryNode> = new Map(),
  own = 'local',
): RunSummary {
  const { graph, outcome, begun, ended, track, tracks } = record;
  const [from, to] = bounds(record);
  const use = nodeUse(record, nodes);
  const threads = Object.values(use).reduce((sum, node) => sum + node.threads, 0);
  const names = graph.names.map((name) => ({ name, count: 0, totalMs: 0, maxMs: 0 }));
  let workMs = 0;
  for (let i = 0; i < outcome.length; i++) {
    if (track[i]! < 0) continue;
    const ms = Math.max(0, ended[i]! - begun[i]!);
    const of = names[graph.code[i]!]!;
    of.count++;
    of.totalMs += ms;
    of.maxMs = Math.max(of.maxMs, ms);
    workMs += ms;
  }
  const counts: Record<string, number> = Object.create(null) as Record<string, number>;
  for (let i = 0; i < outcome.length; i++)
    if (outcome[i] === Outcome.done && track[i]! >= 0)
      counts[tracks[track[i]!]!.node] = (counts[tracks[track[i]!]!.node] ?? 0) + 1;
  return {
    runId: graph.runId,
    dagId: graph.dagId,
    ok: record.endedAt !== undefined && record.error === undefined,
    durationMs: to - from,
    functions: record.total,
    done: record.done,
    failed: record.failed,
    skipped: record.skipped,
    retries: record.retries,
    bytesFetched: record.bytesFetched,
    bytesMoved: record.bytesFetched + bytesSent(record, nodes, own),
    workMs,
    threads,
    efficiency: to > from && threads > 0 ? workMs / ((to - from) * threads) : null,
    nodes: counts,
    nodeUse: use,
    names: merged(names)
      .filter(({ count }) => count > 0)
      .map((each) => ({ ...each, meanMs: each.totalMs / each.count }))
      .sort((a, b) => b.totalMs - a.totalMs),
    criticalPath: criticalChain(record, new Map([...nodes].map(([name, { capabilities }]) => [name, capabilities]))),
  };
}

/** Bytes of results that other hosts fetched. Each host fetches a result once. */
function bytesSent(
  { graph, bytes, track, tracks }: RunRecord,
  nodes: ReadonlyMap<string, SummaryNode>,
  own: string,
): number {
  const hosts = tracks.map(({ node }) => nodes.get(node)?.host ?? own);
  if (hosts.every((host) => host === own)) return 0;
  const taken = new Map<number, Set<string>>();
  let sum = 0;
  graph.deps.forEach((deps, to) => {
    const host = track[to]! < 0 ? own : hosts[track[to]!]!;
    if (host === own) return;
    for (const from of deps) {
      const by = taken.get(from);
      if (track[from]! < 0 || hosts[track[from]!] === host || by?.has(host)) continue;
      if (by === undefined) taken.set(from, new Set([host]));
      else by.add(host);
      sum += bytes[from]!;
    }
  });
  return sum;
}

/** Merges functions of different modules with the same name. */
function merged<Named extends { readonly name: string; count: number; totalMs: number; maxMs: number }>(
  names: readonly Named[],
): Named[] {
  const byName = new Map<string, Named>();
  for (const each of names) {
    const known = byName.get(each.name);
    if (known === undefined) {
      byName.set(each.name, each);
      continue;
    }
    known.count += each.count;
    known.totalMs += each.totalMs;
    known.maxMs = Math.max(known.maxMs, each.maxMs);
  }
  return [...byName.values()];
}

function nodeUse(record: RunRecord, nodes: ReadonlyMap<string, SummaryNode>): Record<string, NodeSummary> {
  const { begun, ended, track, tracks } = record;
  const seen = Map.groupBy(tracks, ({ node }) => node);
  const busy = new Map<string, number>();
  const ran = new Map<string, number>();
  for (let i = 0; i < begun.length; i++) {
    if (track[i]! < 0) continue;
    const { node } = tracks[track[i]!]!;
    busy.set(node, (busy.get(node) ?? 0) + Math.max(0, ended[i]! - begun[i]!));
    ran.set(node, (ran.get(node) ?? 0) + 1);
  }
  const claims = claimsOf(holdingsOf(record));
  const names = [...new Set([...nodes.keys(), ...seen.keys()])];
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        threads: Math.max(nodes.get(name)?.threads ?? 0, seen.get(name)?.length ?? 0),
        functions: ran.get(name) ?? 0,
        busyMs: busy.get(name) ?? 0,
        peakClaimed: Object.fromEntries(
          [...(claims.get(name) ?? [])].map(([resource, steps]) => [resource, peakOf(steps)]),
        ),
        peakMemoryMb: nodes.get(name)?.peakMemoryMb ?? null,
      },
    ]),
  );
}
