/** Checks, before anything runs, that every function fits a node that it may run on. */
import { show } from '../../core/show.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';
import type { Capabilities, Cost } from '../../dag/types.ts';
import { HandoffError } from '../../core/errors.ts';
import { formatAmounts, shortage } from './amounts.ts';

/**
 * An error for a function that no known node could ever run, with its cost and the nodes' capabilities; undefined when
 * all functions fit.
 *
 * The total cost does not matter, because resources are claimed as functions start. The costs of collocated functions
 * are added up.
 *
 * @param nodes capabilities by node name
 */
export function findImpossible(
  plan: CompiledDag,
  nodes: Readonly<Record<string, Capabilities>>,
): HandoffError | undefined {
  const checked = new Set<number>(); // costs that fit some node
  for (const { root, need, pin } of plan.groups) {
    const error = checkFit(plan.entries[root]!.id, plan.costs[need], pin, nodes);
    if (error !== undefined) return error;
  }
  for (const [i, pin] of plan.pins) {
    const error = checkFit(plan.entries[i]!.id, plan.costs[plan.cost[i]!], pin, nodes);
    if (error !== undefined) return error;
  }
  for (let i = 0; i < plan.size; i++) {
    const cost = plan.cost[i]!;
    if (cost === 0 || checked.has(cost) || plan.pins.has(i) || (plan.group !== null && plan.group[i]! >= 0)) continue;
    const error = checkFit(plan.entries[i]!.id, plan.costs[cost], undefined, nodes);
    if (error !== undefined) return error;
    checked.add(cost);
  }
  return undefined;
}

/** Checks that a function fits its node or, without one, any node. Returns an error or undefined. */
export function checkFit(
  functionId: string,
  cost: Cost = {},
  node: string | undefined,
  nodes: Readonly<Record<string, Capabilities>>,
): HandoffError | undefined {
  if (node !== undefined && !Object.hasOwn(nodes, node)) {
    const suggestion = nearest(node, Object.keys(nodes));
    const known = Object.keys(nodes).join(', ') || 'none';
    return new HandoffError(
      'ALLOCATION_ERROR',
      `Function ${show(functionId)} must run on node ${show(node)}, which does not exist. Existing nodes: ${known}.${didYouMean(suggestion)}`,
      { functionId, node, cost, offers: nodes, ...(suggestion !== undefined && { suggestion }) },
    );
  }
  const allowed = node === undefined ? nodes : { [node]: nodes[node]! };
  const short = Object.values(allowed).map((capabilities) => shortage(cost, capabilities));
  if (short.includes(undefined)) return undefined;
  const resource = scarcest(cost, allowed) ?? short[0];
  const offers = Object.entries(allowed)
    .map(([name, capabilities]) => `${name} has ${formatAmounts(capabilities)}`)
    .join('; ');
  return new HandoffError(
    'ALLOCATION_ERROR',
    `${node === undefined ? 'No node could ever run' : `Insufficient resources on node ${node} for`} function ${show(functionId)}: ` +
      `it asks ${formatAmounts(cost)}, but ${offers || 'there is no node'}.` +
      (node !== undefined ? '' : ' Lower its cost, or start a node that has as much.'),
    {
      functionId,
      cost,
      offers: allowed,
      ...(node !== undefined && { node }),
      ...(resource !== undefined && { resource }),
    },
  );
}

/** A resource of which every node has too little; undefined if there is none. */
function scarcest(cost: Cost, nodes: Readonly<Record<string, Capabilities>>): string | undefined {
  return Object.keys(cost).find((name) =>
    Object.values(nodes).every((capabilities) => shortage({ [name]: cost[name]! }, capabilities) !== undefined),
  );
}
