/** Strategies that place functions as they become ready: they choose among the nodes that can take one now. */
import type { Cost } from '../../dag/types.ts';
import type { ResolvedStrategy, StrategyName } from './allocator.ts';
import { amountOf } from '../resources/amounts.ts';

/** A node as a strategy sees it. */
export interface Candidate {
  readonly capabilities: Readonly<Record<string, number>>;
  readonly threadsUp: number;
  /** The node's speed relative to a node of speed 1. */
  readonly speed: number;
  /** The number of idle threads. */
  readonly idle: number;
  /** The number of threads with concurrent functions, and those of them that have room. Default none. */
  readonly sharing?: number;
  readonly shared?: { readonly size: number };
  /** The number of concurrent functions, and how many a thread holds. Default none. */
  readonly seated?: number;
  readonly concurrency?: number;
  /** The claimed amounts. */
  readonly claimed: Readonly<Record<string, number>>;
}

/**
 * Chooses a node with an idle or shared thread: the first, in the strategy's order, whose claim is granted.
 *
 * @param nodes candidates, in order of declaration
 * @param cost the amounts the function holds while it runs
 * @param claim asks the resource tracker; returns true when it grants the claim and a thread can take the function
 */
export type Strategy = <Node extends Candidate>(
  nodes: readonly Node[],
  cost: Cost | undefined,
  claim: (node: Node) => boolean,
) => Node | undefined;

const firstAvailable: Strategy = (nodes, _cost, claim) => nodes.find((node) => isOpen(node) && claim(node));

/**
 * The least loaded node first. The load is the largest used share of any resource or of the threads, divided by the
 * node's speed.
 */
const loadBalanced: Strategy = (nodes, cost, claim) => {
  const open = nodes.filter(isOpen);
  if (open.length > 1) open.sort((a, b) => load(a, cost) / a.speed - load(b, cost) / b.speed);
  return open.find(claim);
};

/** Whether a thread is idle, or shared by concurrent functions and not full. */
function isOpen({ idle, shared }: Candidate): boolean {
  return idle > 0 || (shared !== undefined && shared.size > 0);
}

/** The load of a node with `cost` added: the largest used share of any resource or of its threads. */
function load(node: Candidate, cost: Cost = {}): number {
  const { sharing = 0, seated = 0, concurrency = 1 } = node;
  let highest = (node.threadsUp - node.idle - sharing + seated / concurrency + 1) / node.threadsUp;
  for (const name in node.capabilities) {
    const has = node.capabilities[name]!;
    const share = has > 0 ? (amountOf(node.claimed, name) + amountOf(cost, name)) / has : 0;
    if (share > highest) highest = share;
  }
  return highest;
}

/**
 * How a strategy places functions as they become ready. For a strategy that plans ahead: how it places functions
 * without a plan.
 */
export function strategyOf(strategy: ResolvedStrategy): Strategy {
  return strategies[typeof strategy === 'string' ? strategy : 'first-available'];
}

export const strategies: Readonly<Record<Exclude<StrategyName, 'auto'>, Strategy>> = {
  'first-available': firstAvailable,
  'load-balanced': loadBalanced,
  // Planned before the run. This applies to functions that lost their node.
  'cost-optimized': firstAvailable,
  'time-optimized': firstAvailable,
};
