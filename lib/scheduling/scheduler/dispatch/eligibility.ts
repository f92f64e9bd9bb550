/** The nodes that a ready function may run on. */
import { amountOf, shortage } from '../../resources/amounts.ts';
import type { Cost } from '../../../dag/types.ts';
import type { Demand } from '../ready-queue.ts';
import type { Node, Run } from '../state.ts';

/** Whether a node is eligible for this request. `avoid` is a soft preference and is ignored here. */
export function accepts(run: Run, { node, need }: Demand, candidate: Node): boolean {
  if (
    !candidate.up ||
    candidate.draining ||
    (node !== -1 && node !== candidate.index) ||
    (run.settings.hereOnly === true && candidate.host !== 0)
  )
    return false;
  return need === 0 || shortage(run.plan.costs[need]!, candidate.capabilities) === undefined;
}

/** Whether a node has the free amounts, by the scheduler's own count. */
export function fits(node: Node, cost: Cost): boolean {
  for (const name in cost)
    if (cost[name]! > amountOf(node.capabilities, name) - amountOf(node.claimed, name) + 1e-9) return false;
  return true;
}
