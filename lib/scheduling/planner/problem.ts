/**
 * A scheduling problem as typed arrays: functions with demands, nodes with capacities. A thread is a resource like any
 * other, and every function demands one.
 */
import { amountOf, shortage } from '../resources/amounts.ts';
import { findImpossible } from '../resources/feasibility.ts';
import type { Links } from '../../dag/compile/links.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { Capabilities, Cost } from '../../dag/types.ts';
import { type Precedence, precedenceOf } from './precedence.ts';

export interface PlannerNode {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly threads: number;
  /** A function takes `duration / speed` ms. */
  readonly speed: number;
  /** The price of a ms of a function's run time. Default 0. */
  readonly price?: number | undefined;
  /**
   * Results need not move between nodes of one site, such as the nodes of a host. Default: each node is a site of its
   * own.
   */
  readonly site?: number;
}

export interface ProblemOptions {
  readonly nodes: readonly PlannerNode[];
  /** ms on a node of speed 1, by function. Default: the function's `duration`, or 1. */
  readonly durationOf?: (i: number) => number;
  /** Bytes of the result, by function. Default: the function's `outputBytes`, or 0. */
  readonly bytesOf?: (i: number) => number;
  /** ms until the first byte of a result arrives on another node. Default 0. */
  readonly latency?: number;
  /** Bytes per second between nodes. Default: unlimited. */
  readonly bandwidth?: number;
}

export interface Problem extends Precedence {
  readonly duration: Float64Array;
  /** Higher goes first, and what it needs with it; null when no function has a priority. */
  readonly priority: Float64Array | null;
  readonly nodes: readonly string[];
  readonly speed: Float64Array;
  /** By node: the price of a ms of a function's run time. */
  readonly price: Float64Array;
  /** By node: moves between nodes of the same site take no time. */
  readonly site: Int32Array;
  /** The number of resources that can be scarce. Others are left out. */
  readonly resources: number;
  /** By node, then resource. */
  readonly capacity: Float64Array;
  /** By function: its row in `demand`. */
  readonly demandOf: Int32Array;
  /** By kind of demand, then resource. */
  readonly demand: Float64Array;
  /** By function: its index in `eligible`. */
  readonly placesOf: Int32Array;
  /** The nodes that functions may run on, fastest first. */
  readonly eligible: readonly Int32Array[];
  /** By function: its group, or -1. The functions of a group share a node. Null when there are no groups. */
  readonly group: Int32Array | null;
}

/** @throws `ALLOCATION_ERROR` when a function fits none of the nodes that it may run on */
export function toProblem(plan: CompiledDag, options: ProblemOptions): Problem {
  const nodes = options.nodes.filter(({ threads }) => threads > 0);
  const capabilities = Object.fromEntries(nodes.map((node) => [node.name, node.capabilities]));
  const error = findImpossible(plan, capabilities);
  if (error !== undefined) throw error;
  const {
    durationOf = (i) => plan.entries[i]!.traits.duration ?? 1,
    bytesOf = (i) => plan.entries[i]!.traits.outputBytes ?? 0,
  } = options;
  const { latency = 0, bandwidth = Infinity } = options;
  const duration = new Float64Array(plan.size);
  for (let i = 0; i < plan.size; i++) duration[i] = durationOf(i);
  const site = siteOf(nodes);
  const free = !site.some((each) => each !== site[0]) || (latency === 0 && bandwidth === Infinity);
  const precedence = precedenceOf(plan as Links, free ? undefined : (i) => latency + (bytesOf(i) / bandwidth) * 1000);
  return {
    ...precedence,
    duration,
    priority: plan.prioritized ? priorities(plan, precedence) : null,
    nodes: nodes.map(({ name }) => name),
    speed: Float64Array.from(nodes, ({ speed }) => speed),
    price: Float64Array.from(nodes, ({ price = 0 }) => price),
    site,
    ...amounts(plan, nodes),
    ...places(plan, nodes),
    group: plan.group,
  };
}

/** By function: its own priority, or the highest of those that need it, so that they do not wait for less urgent ones. */
function priorities(plan: CompiledDag, { order, after }: Precedence): Float64Array {
  const priority = Float64Array.from(plan.entries, ({ traits }) => traits.priority);
  for (const i of order.toReversed())
    for (let k = after.offset[i]!; k < after.offset[i + 1]!; k++)
      priority[i] = Math.max(priority[i]!, priority[after.ends[k]!]!);
  return priority;
}

/** Site numbers from 0 on. Each node without a site gets its own number. */
function siteOf(nodes: readonly PlannerNode[]): Int32Array {
  const known = new Map<number, number>();
  let count = 0;
  return Int32Array.from(nodes, ({ site }) => {
    if (site === undefined) return count++;
    if (!known.has(site)) known.set(site, count++);
    return known.get(site)!;
  });
}

/**
 * Capacities and demands of the scarce resources. A resource that suffices for all functions at once needs no planning.
 */
function amounts(
  plan: CompiledDag,
  nodes: readonly PlannerNode[],
): Pick<Problem, 'resources' | 'capacity' | 'demand' | 'demandOf'> {
  const times = new Float64Array(plan.costs.length);
  for (const cost of plan.cost) times[cost]!++;
  const names = new Set(plan.costs.flatMap((cost, k) => (times[k]! > 0 ? Object.keys(cost ?? {}) : [])));
  const rows: { offer(node: PlannerNode): number; ask(cost: Cost | undefined): number }[] = [
    { offer: ({ threads }) => threads, ask: () => 1 },
    ...[...names].map((name) => ({
      offer: (node: PlannerNode) => amountOf(node.capabilities, name),
      ask: (cost: Cost = {}) => amountOf(cost, name),
    })),
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

/**
 * The eligible nodes of each function: the pinned node, or those where its cost fits. For a group, the sum of the costs
 * must fit.
 */
function places(plan: CompiledDag, nodes: readonly PlannerNode[]): Pick<Problem, 'placesOf' | 'eligible'> {
  const known = new Map<string, number>();
  const eligible: Int32Array[] = [];
  const placesFor = (cost: number, pin: string | undefined): number => {
    const key = `${cost} ${pin ?? ''}`;
    let index = known.get(key);
    if (index !== undefined) return index;
    const fits = (node: PlannerNode): boolean => shortage(plan.costs[cost] ?? {}, node.capabilities) === undefined;
    const fitting = nodes.flatMap((node, k) => ((pin === undefined || node.name === pin) && fits(node) ? [k] : []));
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
