/** Explains the state of a function: what it waits for, and which functions hold that. Does not change the state. */
import { Flag } from '../../dag/compile/compiled-dag.ts';
import { amountOf } from '../resources/amounts.ts';
import type { Cost } from '../../dag/types.ts';
import { accepts } from './dispatch/eligibility.ts';
import { elementsOf, expansionOfOwner, functionAt, inputsOf, rankOf, spanOf, spanOfOwner } from './growth/growth.ts';
import { demandOf, nodesFor } from './ready.ts';
import { type ShortLimit, shortOf } from './claims/limits.ts';
import { waitingBefore } from './plan/planned-order.ts';
import { batchesOn } from './dispatch/seats.ts';
import { causesOfSkip, isRefusedBy } from './growth/skipping.ts';
import { type Node, type Run, type State, Status } from './state.ts';

/** A batch that holds resources of a node. */
export interface Holder {
  readonly run: Run;
  /** The functions of the batch. */
  readonly functions: readonly number[];
  readonly claim: Cost;
}

/** A node where a function could run if there were room. */
export interface Candidate {
  readonly node: string;
  /** The resources of which the node has too little free; empty if it has enough. */
  readonly lacks: readonly { readonly resource: string; readonly needs: number; readonly free: number }[];
  /** The batches that hold those resources. */
  readonly holders: readonly Holder[];
  readonly idleThreads: number;
  /** The function for which the node is kept free, if it is another one. */
  readonly reservedFor: { readonly run: Run; readonly index: number } | undefined;
}

export type Wait =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed' }
  /** It is a map that waits for the length of its list. */
  | { readonly kind: 'list' }
  /** It is a map: `done` of its `count` elements are done. */
  | { readonly kind: 'elements'; readonly done: number; readonly count: number }
  /** It answered with a graph: `done` of its `count` functions are done; or, with `count` 0, that is being checked. */
  | { readonly kind: 'graph'; readonly done: number; readonly count: number }
  /** It is an element of a map that runs at most `limit` elements at a time. */
  | { readonly kind: 'place'; readonly limit: number }
  /** A condition does not hold, or inputs were skipped: the functions concerned. */
  | { readonly kind: 'skipped'; readonly because: readonly number[]; readonly isCondition: boolean }
  /** A dependency failed for good. */
  | { readonly kind: 'unreachable'; readonly failed: readonly number[] }
  /** Inputs are missing. */
  | { readonly kind: 'results'; readonly missing: readonly number[] }
  /** Its inputs are there, and it is being looked up among earlier results. */
  | { readonly kind: 'lookup' }
  | { readonly kind: 'retry'; readonly attempts: number }
  /**
   * It was sent to a thread: it is at position `at` of a batch of which `done` functions were reported. While a copy
   * runs, `copy` names the other thread.
   */
  | {
      readonly kind: 'sent';
      readonly node: string;
      readonly thread: number;
      readonly batch: number;
      readonly at: number;
      readonly done: number;
      readonly attempt: number;
      readonly copy?: { readonly node: string; readonly thread: number };
    }
  /** Its run already uses as many threads as it may. */
  | { readonly kind: 'concurrency'; readonly limit: number }
  /** Its dynamic allocator has not placed it yet. */
  | { readonly kind: 'allocator' }
  /** Its run is planned, and other functions come before it on its node. */
  | { readonly kind: 'turn'; readonly node: string; readonly before: readonly number[] }
  /** No eligible node is up. */
  | { readonly kind: 'node'; readonly nodes: string; readonly returning: 'restarted' | 'out-of-reach' | undefined }
  /** A limit of the program is used up, or another function waits for it first. */
  | { readonly kind: 'limit'; readonly limits: readonly ShortLimit[] }
  /** Every eligible node lacks a resource or an idle thread, or the tracker refuses. */
  | { readonly kind: 'room'; readonly candidates: readonly Candidate[] };

/** @param now ms on the clock of events; for the rates of limits */
export function explain(state: State, run: Run, i: number, now = 0): Wait {
  switch (run.status[i]) {
    case Status.done:
      return { kind: 'done' };
    case Status.failed:
      return { kind: 'failed' };
    case Status.skipped:
      return explainSkip(run, i);
    case Status.unreachable:
      return { kind: 'unreachable', failed: ancestors(run, i, Status.failed) };
    case Status.growing:
      return (run.plan.flags[i]! & Flag.map) === 0 ? { kind: 'graph', done: 0, count: 0 } : { kind: 'list' };
    case Status.open: {
      const kind = (run.plan.flags[i]! & Flag.map) === 0 ? 'graph' : 'elements';
      const { left, count } = spanOfOwner(run, i) ?? expansionOfOwner(run, i)!;
      return { kind, done: count - left, count };
    }
    case Status.waiting:
      return explainWaiting(run, i);
    case Status.delayed:
      return { kind: 'retry', attempts: run.attempts[i]! };
    case Status.dispatched: {
      const batch = state.batches.get(run.batch[i]!)!;
      const other = batch.contest?.rival?.thread;
      const copy = other && { copy: { node: other.node.name, thread: other.index } };
      return {
        ...copy,
        kind: 'sent',
        node: batch.thread.node.name,
        thread: batch.thread.index,
        batch: batch.id,
        at: run.tally[i]!,
        done: batch.done,
        attempt: run.attempts[i]! + 1,
      };
    }
    default:
      return explainReady(state, run, i, now);
  }
}

function explainWaiting(run: Run, i: number): Wait {
  const span = spanOf(run, i);
  if (run.missing[i] === 0 && span !== undefined) return { kind: 'place', limit: span.map.concurrency };
  const results = missing(run, i);
  return results.length === 0 && run.gated?.[i] === 1 ? { kind: 'lookup' } : { kind: 'results', missing: results };
}

function explainSkip(run: Run, i: number): Wait {
  const because = causesOfSkip(run, i);
  return { kind: 'skipped', because, isCondition: because.some((dep) => isRefusedBy(run, i, dep)) };
}

function explainReady(state: State, run: Run, i: number, now: number): Wait {
  const { maxConcurrency } = run.settings;
  if (run.threads >= maxConcurrency) return { kind: 'concurrency', limit: maxConcurrency };
  const demand = demandOf(state, run, i);
  const { candidates, node: names } = nodesFor(state, run, i);
  const open = candidates.filter((node) => accepts(run, demand, node));
  if (run.queue.unplaced.has(rankOf(run, i))) return { kind: 'allocator' };
  const before = waitingBefore(run, i);
  if (before.length > 0) return { kind: 'turn', node: state.nodes[run.assigned![i]!]!.name, before };
  if (open.length === 0) return { kind: 'node', nodes: names, returning: returningAs(candidates) };
  const limits = shortOf(state, run, rankOf(run, i), run.plan.uses[run.plan.cost[i]!] ?? {}, now);
  if (limits.length > 0) return { kind: 'limit', limits };
  const cost = run.plan.costs[run.plan.cost[i]!] ?? {};
  return { kind: 'room', candidates: open.map((node) => toCandidate(state, run, i, node, cost)) };
}

/** How one of the nodes will come back, if at all. */
function returningAs(nodes: readonly Node[]): 'restarted' | 'out-of-reach' | undefined {
  const node = nodes.find(({ returning }) => returning);
  return node && (node.host === 0 ? 'restarted' : 'out-of-reach');
}

function toCandidate(state: State, run: Run, i: number, node: Node, cost: Cost): Candidate {
  const lacks = Object.entries(cost).flatMap(([resource, needs = 0]) => {
    const free = amountOf(node.capabilities, resource) - amountOf(node.claimed, resource);
    return needs > free + 1e-9 ? [{ resource, needs, free }] : [];
  });
  const batches = node.threads.flatMap(batchesOn);
  const holders = batches
    .filter(({ claim }) => lacks.some(({ resource }) => amountOf(claim ?? {}, resource) > 0))
    .map((batch): Holder => ({ run: batch.run, functions: batch.functions, claim: batch.claim! }));
  return { node: node.name, lacks, holders, idleThreads: node.idle, reservedFor: reservedFor(state, run, i, node) };
}

/** The function that holds the reservation of a node, unless it is this one or comes after it. */
function reservedFor({ reservation }: State, run: Run, i: number, node: Node): Candidate['reservedFor'] {
  if (reservation === null || reservation.node !== node || reservation.from.heap.size === 0) return undefined;
  const { run: holder, from } = reservation;
  if (run.plan.costs[run.plan.cost[i]!] === undefined || (holder === run && rankOf(run, i) <= from.heap.top))
    return undefined;
  return { run: holder, index: functionAt(holder, from.heap.top) };
}

/** The missing results among its own arguments, without repeats. */
function missing(run: Run, i: number): number[] {
  return [...new Set(inputsOf(run, i))].filter(
    (dep) => run.status[dep] !== Status.done && run.status[dep] !== Status.skipped,
  );
}

const nothing = { base: 0, count: 0 };

/** All its direct and indirect dependencies with this status. */
function ancestors(run: Run, i: number, status: number): number[] {
  const seen = new Set([i]);
  for (const at of seen) {
    for (const dep of inputsOf(run, at)) seen.add(dep);
    const span = spanOfOwner(run, at);
    for (const element of elementsOf(span ?? expansionOfOwner(run, at) ?? nothing)) seen.add(element);
  }
  return [...seen].filter((at) => run.status[at] === status);
}
