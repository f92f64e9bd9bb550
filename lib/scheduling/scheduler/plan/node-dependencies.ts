/** Functions that need the node of another function, which must be settled before they start. */
import { shortage } from '../../resources/amounts.ts';
import { bindGroup, byRoom } from '../dispatch/groups.ts';
import { fixedNode, groupOf } from '../ready.ts';
import type { Run, State } from '../state.ts';

/**
 * Settles the nodes that these functions need: the node that a function is bound to; otherwise the node of the function
 * that needs it, if there is room; otherwise another node with room.
 */
export function settleNeighbours(state: State, run: Run, functions: readonly number[]): void {
  const { plan } = run;
  for (const i of functions) {
    for (const wanted of plan.nodesNeeded.get(i) ?? []) {
      const group = groupOf(run, wanted);
      if (fixedNode(run, wanted) >= 0 || group < 0) continue;
      const { need, pin } = plan.groups[group]!;
      const cost = plan.costs[need] ?? {};
      const here = state.nodes[run.node[i]!]!;
      const fixed = pin === undefined ? undefined : state.nodeByName.get(pin);
      const able = [here, ...state.nodes].filter(
        (node) => node.up && !node.draining && shortage(cost, node.capabilities) === undefined,
      );
      bindGroup(run, group, fixed ?? byRoom(run, group, able)[0] ?? here);
    }
  }
}
