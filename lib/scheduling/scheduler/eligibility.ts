/** The nodes that a ready function may run on. */
import { shortage } from '../resources/amounts.ts';
import type { Demand } from './ready-queue.ts';
import type { Node, Run } from './state.ts';

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
