/** Why a function is where it is: what it waits for, and who holds that. Reads the state, changes nothing. */
import { amountOf } from '../resources/amounts.ts';
import type { Cost } from '../../dag/types.ts';
import { accepts } from './eligibility.ts';
import { demandOf, nodesFor } from './ready.ts';
import { waitingBefore } from './planned-order.ts';
import { type Node, type Run, type State, Status } from './state.ts';

/** Who holds something of a node. */
export interface Holder {
  readonly run: Run;
  /** The functions of the batch that holds it. */
  readonly functions: readonly number[];
  readonly claim: Cost;
}

/** A node where a function could run, were there room. */
export interface Candidate {
  readonly node: string;
  /** What it lacks of a resource; empty when it lacks none. */
  readonly lacks: readonly { readonly resource: string; readonly needs: number; readonly free: number }[];
  /** Who holds of what it lacks. */
  readonly holders: readonly Holder[];
  readonly idleThreads: number;
}

export type Wait =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed' }
  /** Something it needs has failed for good. */
  | { readonly kind: 'unreachable'; readonly failed: readonly number[] }
  /** Results that it takes are not there. */
  | { readonly kind: 'results'; readonly missing: readonly number[] }
  | { readonly kind: 'retry'; readonly attempts: number }
  /** It is with a thread: at position `at` of a batch of which `done` have been told; and with another as `copy`, while both run it. */
  | { readonly kind: 'sent'; readonly node: string; readonly lane: number; readonly batch: number; readonly at: number; readonly done: number; readonly attempt: number; readonly copy?: { readonly node: string; readonly lane: number } }
  /** As many functions of its run are under way as may be. */
  | { readonly kind: 'concurrency'; readonly limit: number }
  /** An allocator that is asked as functions become ready has given it no node yet. */
  | { readonly kind: 'allocator' }
  /** Its run was planned, and others come before it on its node. */
  | { readonly kind: 'turn'; readonly node: string; readonly before: readonly number[] }
  /** Where it could run, none is up. */
  | { readonly kind: 'node'; readonly nodes: string; readonly returning: 'restarted' | 'out-of-reach' | undefined }
  /** Some node that is up lacks what it costs, or all threads are busy, or the tracker refuses. */
  | { readonly kind: 'room'; readonly candidates: readonly Candidate[] };

export function explain(state: State, run: Run, i: number): Wait {
  switch (run.status[i]) {
    case Status.done: return { kind: 'done' };
    case Status.failed: return { kind: 'failed' };
    case Status.unreachable: return { kind: 'unreachable', failed: ancestors(run, i, Status.failed) };
    case Status.waiting: return { kind: 'results', missing: missing(run, i) };
    case Status.delayed: return { kind: 'retry', attempts: run.attempts[i]! };
    case Status.dispatched: {
      const batch = state.batches.get(run.batch[i]!)!;
      const other = batch.contest?.rival?.lane;
      const copy = other && { copy: { node: other.node.name, lane: other.index } };
      return { ...copy, kind: 'sent', node: batch.lane.node.name, lane: batch.lane.index, batch: batch.id, at: run.tally[i]!, done: batch.done, attempt: run.attempts[i]! + 1 };
    }
    default: return explainReady(state, run, i);
  }
}

function explainReady(state: State, run: Run, i: number): Wait {
  const { maxConcurrency } = run.settings;
  if (run.lanes >= maxConcurrency) return { kind: 'concurrency', limit: maxConcurrency };
  const demand = demandOf(state, run, i);
  const { candidates, node: names } = nodesFor(state, run, i);
  const open = candidates.filter((node) => accepts(run, demand, node));
  if (run.queue.unplaced.has(run.plan.rank[i]!)) return { kind: 'allocator' };
  const before = waitingBefore(run, i);
  if (before.length > 0) return { kind: 'turn', node: state.nodes[run.assigned![i]!]!.name, before };
  if (open.length === 0) return { kind: 'node', nodes: names, returning: returningAs(candidates) };
  const cost = run.plan.costs[run.plan.cost[i]!] ?? {};
  return { kind: 'room', candidates: open.map((node) => toCandidate(node, cost)) };
}

/** How one of them comes back, if any does. */
function returningAs(nodes: readonly Node[]): 'restarted' | 'out-of-reach' | undefined {
  const node = nodes.find(({ returning }) => returning);
  return node && (node.host === 0 ? 'restarted' : 'out-of-reach');
}

function toCandidate(node: Node, cost: Cost): Candidate {
  const lacks = Object.entries(cost).flatMap(([resource, needs = 0]) => {
    const free = amountOf(node.capabilities, resource) - amountOf(node.claimed, resource);
    return needs > free + 1e-9 ? [{ resource, needs, free }] : [];
  });
  const batches = node.lanes.flatMap((lane) => lane.batches);
  const holders = batches.filter(({ claim }) => lacks.some(({ resource }) => amountOf(claim ?? {}, resource) > 0))
    .map(({ run, functions, claim }): Holder => ({ run, functions, claim: claim! }));
  return { node: node.name, lacks, holders, idleThreads: node.idle };
}

/** The results it takes itself that are not there, each once. */
function missing(run: Run, i: number): number[] {
  const { depOffset, deps } = run.plan;
  return [...new Set(deps.subarray(depOffset[i]!, depOffset[i + 1]!))].filter((dep) => run.status[dep] !== Status.done);
}

/** The functions it depends on, however far, that are of some status. */
function ancestors(run: Run, i: number, status: number): number[] {
  const { depOffset, deps } = run.plan;
  const seen = new Set([i]);
  for (const at of seen) for (let k = depOffset[at]!; k < depOffset[at + 1]!; k++) seen.add(deps[k]!);
  return [...seen].filter((at) => run.status[at] === status);
}
