/** What a finished run gives its caller. */
import { setKey } from '../workers/store/run-results.ts';
import type { CompiledDag } from '../dag/compiled-dag.ts';
import type { ActiveRun } from '../engine/active-run.ts';

export interface RunStats {
  /** ms from the call to the last result. */
  readonly durationMs: number;
  /** Functions that were run; inline ones are part of others. */
  readonly functions: number;
  /** Attempts that failed and were tried again. */
  readonly retries: number;
  /** Functions that took long and were run once more beside: see `speculate`. */
  readonly speculated: number;
  /** How many of those were done by the second of the two. */
  readonly speculatedWon: number;
  /** What attempts cost by the `price`s of the nodes they ran on; not those of which nobody said how long they took, as their thread died or their time was over. */
  readonly price: number;
  /** How many functions ran on each node. */
  readonly nodes: Readonly<Record<string, number>>;
}

export interface ExecuteResult {
  /** By which the run's results are found with `getResult`, as long as they are retained. */
  readonly runId: string;
  readonly dagId: string;
  /** By function id: those that `collect` asked for. */
  readonly results: Record<string, any>; // the struct form has no types for its results
  /** Function id to the name of the node it ran on. */
  readonly allocations: Record<string, string>;
  readonly stats: RunStats;
}

/** @param nodeName the name of a node by its index */
export function toResult(active: ActiveRun, startedAt: number, nodeName: (index: number) => string): ExecuteResult {
  const run = active.run!;
  const { plan, node } = run;
  const counts: number[] = [];
  for (let i = 0; i < plan.size; i++) counts[node[i]!] = (counts[node[i]!] ?? 0) + 1;
  const nodes: Record<string, number> = {};
  counts.forEach((count, index) => (nodes[nodeName(index)] = count));
  let allocations: Record<string, string> | undefined;
  return {
    ...active.ids,
    results: active.results.toRecord(run.settings.kept),
    // Made when it is looked at: for small functions, a record of all of them is a good part of what a run costs.
    get allocations() {
      return (allocations ??= toAllocations(plan, node, nodeName));
    },
    stats: { durationMs: performance.now() - startedAt, functions: plan.size, retries: run.retries, speculated: run.copies.started, speculatedWon: run.copies.won, price: active.price, nodes },
  };
}

function toAllocations(plan: CompiledDag, node: Int32Array, nodeName: (index: number) => string): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i < plan.size; i++) setKey(record, plan.entries[i]!.id, nodeName(node[i]!));
  return record;
}
