/**
 * What is to be scheduled, as typed arrays: functions with demands, nodes with capacities. A thread is a resource like any other, of
 * which every function asks one.
 */
import { amountOf, shortage } from '../resources/amounts.ts';
import { findImpossible } from '../resources/feasibility.ts';
import type { Links } from '../../dag/links.ts';
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import type { Capabilities, Cost } from '../../dag/types.ts';
import { type Precedence, precedenceOf } from './precedence.ts';

export interface PlannerNode {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly threads: number;
  /** A function takes `duration / speed` ms. */
  readonly speed: number;
  /** What each ms costs that a function runs there. Default 0. */
  readonly price?: number | undefined;
  /** Between nodes of one site, as the nodes of a host are, results need not move. Default: each node is a site of its own. */
  readonly site?: number;
}

export interface ProblemOptions {
  readonly nodes: readonly PlannerNode[];
  /** ms on a node of speed 1, by function. Default: what the functions say, 1 where they say nothing. */
  readonly durationOf?: (i: number) => number;
  /** Bytes of the result, by function. Default: what the functions say, 0 where they say nothing. */
  readonly bytesOf?: (i: number) => number;
  /** ms before the first byte of a result is on another node. Default 0. */
  readonly latency?: number;
  /** Bytes per second between nodes. Default: without limit. */
  readonly bandwidth?: number;
}

export interface Problem extends Precedence {
  readonly duration: Float64Array;
  /** Higher first where there is a choice; null when no function has a priority of its own. */
  readonly priority: Float64Array | null;
  readonly nodes: readonly string[];
  readonly speed: Float64Array;
  /** What each ms costs that a function runs there. */
  readonly price: Float64Array;
  /** By node: results move in no time between nodes of the same site. */
  readonly site: Int32Array;
  /** How many resources can run short at all; others are left out. */
  readonly resources: number;
  /** By node, then resource. */
  readonly capacity: Float64Array;
  /** By function: which row of `demand` is its own. */
  readonly demandOf: Int32Array;
  /** By kind of demand, then resource. */
  readonly demand: Float64Array;
  /** By function: which of `eligible` are its nodes. */
  readonly placesOf: Int32Array;
  /** Nodes on which functions may run, fastest first. */
  readonly eligible: readonly Int32Array[];
  /** By function: functions of the same group, -1 for none, share a node. Null when there are no groups. */
  readonly group: Int32Array | null;
}

/** @throws `ALLOCATION_ERROR` when a function fits no node that it may run on */
export function toProblem(plan: CompiledDag, options: ProblemOptions): Problem {
  const nodes = options.nodes.filter(({ threads }) => threads > 0);
  const capabilities = Object.fromEntries(nodes.map((node) => [node.name, node.capabilities]));
  const error = findImpossible(plan, capabilities);
  if (error !== undefined) throw error;
  const { durationOf = (i) => plan.entries[i]!.traits.duration ?? 1, bytesOf = (i) => plan.entries[i]!.traits.outputBytes ?? 0, latency = 0, bandwidth = Infinity } = options;
  const duration = new Float64Array(plan.size);
  for (let i = 0; i < plan.size; i++) duration[i] = durationOf(i);
  const site = siteOf(nodes);
  const free = !site.some((each) => each !== site[0]) || (latency === 0 && bandwidth === Infinity);
  return {
    ...precedenceOf(plan as Links, free ? undefined : (i) => latency + (bytesOf(i) / bandwidth) * 1000),
    duration,
    priority: plan.prioritized ? Float64Array.from(plan.entries, ({ traits }) => traits.priority) : null,
    nodes: nodes.map(({ name }) => name),
    speed: Float64Array.from(nodes, ({ speed }) => speed),
    price: Float64Array.from(nodes, ({ price = 0 }) => price),
    site,
    ...amounts(plan, nodes),
    ...places(plan, nodes),
    group: plan.group,
  };
}

/** Sites by number, from 0 on; those of nodes that say none are new. */
function siteOf(nodes: readonly PlannerNode[]): Int32Array {
  const known = new Map<number, number>();
  let count = 0;
  return Int32Array.from(nodes, ({ site }) => {
    if (site === undefined) return count++;
    if (!known.has(site)) known.set(site, count++);
    return known.get(site)!;
  });
}

/** Capacities and demands of what can run short: of a resource that suffices for all functions at once there is nothing to plan. */
function amounts(plan: CompiledDag, nodes: readonly PlannerNode[]): Pick<Problem, 'resources' | 'capacity' | 'demand' | 'demandOf'> {
  const times = new Float64Array(plan.costs.length);
  for (const cost of plan.cost) times[cost]!++;
  const names = new Set(plan.costs.flatMap((cost, k) => (times[k]! > 0 ? Object.keys(cost ?? {}) : [])));
  const rows: { offer(node: PlannerNode): number; ask(cost: Cost | undefined): number }[] = [
    { offer: ({ threads }) => threads, ask: () => 1 },
    ...[...names].map((name) => ({ offer: (node: PlannerNode) => amountOf(node.capabilities, name), ask: (cost: Cost = {}) => amountOf(cost, name) })),
  ];
  const scarce = rows.filter(({ offer, ask }) => {
    const all = plan.costs.reduce((sum, cost, k) => sum + times[k]! * ask(cost), 0);
    return nodes.some((node) => offer(node) < all);
  });
  return {
    resources: scarce.length,
    capacity: Float64Array.from(nodes.flatMap((node) => scarce.map(({ offer }) => offer(node)))),
    demand: Float64Array.from(plan.costs.flatMap((cost) => scarce.map(({ ask }) => ask(cost)))),
    demandOf: plan.cost,
  };
}

/** Where each function may run: where it is pinned to, or where its cost fits; of a group, where the costs of all together do. */
function places(plan: CompiledDag, nodes: readonly PlannerNode[]): Pick<Problem, 'placesOf' | 'eligible'> {
  const known = new Map<string, number>();
  const eligible: Int32Array[] = [];
  const placesFor = (cost: number, pin: string | undefined): number => {
    const key = `${cost} ${pin ?? ''}`;
    let index = known.get(key);
    if (index !== undefined) return index;
    const fitting = nodes.flatMap((node, k) => ((pin === undefined || node.name === pin) && shortage(plan.costs[cost] ?? {}, node.capabilities) === undefined ? [k] : []));
    index = eligible.push(Int32Array.from(fitting.toSorted((a, b) => nodes[b]!.speed - nodes[a]!.speed || a - b))) - 1;
    known.set(key, index);
    return index;
  };
  const byCost = plan.costs.map((_, cost) => placesFor(cost, undefined));
  const placesOf = new Int32Array(plan.size);
  for (let i = 0; i < plan.size; i++) placesOf[i] = byCost[plan.cost[i]!]!;
  for (const { members, need, pin } of plan.groups) for (const i of members) placesOf[i] = placesFor(need, pin);
  for (const [i, pin] of plan.pins) placesOf[i] = placesFor(plan.cost[i]!, pin);
  return { placesOf, eligible };
}
