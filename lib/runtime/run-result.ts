/** The result of a finished run. */
import { setKey } from '../workers/store/run-results.ts';
import type { ActiveRun } from '../engine/active-run.ts';

export interface RunStats {
  /** Time from the call to the last result, in ms. */
  readonly durationMs: number;
  /** Functions that ran, without inline ones, which run as part of others. */
  readonly functions: number;
  /** Functions that were skipped. */
  readonly skipped: number;
  /** How many of them an earlier process of the run had done. */
  readonly restored: number;
  /** How many of them did not run, because their results came from the cache. */
  readonly cached: number;
  /** Failed attempts that were retried. */
  readonly retries: number;
  /** Slow functions for which a second attempt was started; see `speculate`. */
  readonly speculated: number;
  /** How many of those the second attempt finished first. */
  readonly speculatedWon: number;
  /**
   * Cost of the attempts by the `price` of their nodes. Attempts whose thread died or that timed out have no known
   * duration and are left out.
   */
  readonly price: number;
  /** How many functions ran on each node. */
  readonly nodes: Readonly<Record<string, number>>;
}

export interface ExecuteResult {
  /** The id of the run. `getResult` finds its results by it while they are kept. */
  readonly runId: string;
  readonly dagId: string;
  /** Values by function id, for the functions selected by `collect`. */
  readonly results: Record<string, any>; // the struct form has no types for its results
  /** Node name by function id. */
  readonly allocations: Record<string, string>;
  readonly stats: RunStats;
}

/** @param nodeName returns the name of a node by index */
export function toResult(active: ActiveRun, startedAt: number, nodeName: (index: number) => string): ExecuteResult {
  const run = active.run!;
  const { plan, node } = run;
  const counts: number[] = [];
  const cached = active.request.cache?.cached;
  for (let i = 0; i < plan.size; i++)
    if (node[i]! >= 0 && cached?.has(i) !== true) counts[node[i]!] = (counts[node[i]!] ?? 0) + 1;
  const nodes: Record<string, number> = {};
  counts.forEach((count, index) => (nodes[nodeName(index)] = count));
  let allocations: Record<string, string> | undefined;
  return {
    ...active.ids,
    results: active.results.toRecord(run.settings.kept),
    // Lazy: for small functions, building this record is a large part of the cost of a run.
    get allocations() {
      return (allocations ??= toAllocations(active, nodeName));
    },
    stats: {
      durationMs: performance.now() - startedAt,
      functions: plan.size - run.skipped - (run.growth?.byOwner.size ?? 0),
      skipped: run.skipped,
      restored: run.settings.restored?.size ?? 0,
      cached: active.request.cache?.cached.size ?? 0,
      retries: run.retries,
      speculated: run.copies.started,
      speculatedWon: run.copies.won,
      price: active.price,
      nodes,
    },
  };
}

/** Functions that did not run have no node. */
function toAllocations({ run, request }: ActiveRun, nodeName: (index: number) => string): Record<string, string> {
  const { plan, node, settings } = run!;
  const record: Record<string, string> = {};
  for (let i = 0; i < plan.size; i++) {
    if (request.cache?.cached.has(i) === true) continue;
    const name = settings.restored?.get(i)?.node ?? (node[i]! >= 0 ? nodeName(node[i]!) : undefined);
    if (name) setKey(record, plan.entries[i]!.id, name);
  }
  return record;
}
