/** Placement as functions become ready: which of the nodes that could take one now should. */
import type { Cost } from '../../dag/types.ts';
import type { AllocationStrategy, StrategyName } from './allocator.ts';
import { amountOf } from '../resources/amounts.ts';

/** A node as a strategy sees it. */
export interface Candidate {
  readonly capabilities: Readonly<Record<string, number>>;
  readonly threads: number;
  /** How fast it runs a function compared with a node of speed 1. */
  readonly speed: number;
  /** Threads with nothing to do. */
  readonly idle: number;
  /** What is claimed of it. */
  readonly claimed: Readonly<Record<string, number>>;
}

/**
 * Chooses among nodes with an idle thread, in order of declaration. Takes the first that `claim` grants.
 *
 * @param nodes candidates
 * @param cost what the function holds while it runs
 * @param claim asks the resource tracker; true when it was granted
 */
export type Strategy = <Node extends Candidate>(nodes: readonly Node[], cost: Cost | undefined, claim: (node: Node) => boolean) => Node | undefined;

const firstAvailable: Strategy = (nodes, _cost, claim) => nodes.find((node) => node.idle > 0 && claim(node));

/** The least loaded first: by the largest share of anything that is in use, threads among them, the less the faster a node is. */
const loadBalanced: Strategy = (nodes, cost, claim) => {
  const open = nodes.filter((node) => node.idle > 0);
  if (open.length > 1) open.sort((a, b) => load(a, cost) / a.speed - load(b, cost) / b.speed);
  return open.find(claim);
};

/** How full a node would be with `cost` on top: the largest share of any resource or of its threads. */
function load(node: Candidate, cost: Cost = {}): number {
  let highest = (node.threads - node.idle + 1) / node.threads;
  for (const name in node.capabilities) {
    const has = node.capabilities[name]!;
    const share = has > 0 ? (amountOf(node.claimed, name) + amountOf(cost, name)) / has : 0;
    if (share > highest) highest = share;
  }
  return highest;
}

/** The way to place functions as they become ready; of those that are decided otherwise, for what is left to be decided. */
export function strategyOf(strategy: AllocationStrategy): Strategy {
  return strategies[typeof strategy === 'string' ? strategy : 'first-available'];
}

export const strategies: Readonly<Record<StrategyName, Strategy>> = {
  'first-available': firstAvailable,
  'load-balanced': loadBalanced,
  // Decided beforehand; this is for functions that lost their node.
  'cost-optimized': firstAvailable,
  'time-optimized': firstAvailable,
};
