/** Functions that are told the node of another, which must therefore be settled before they start. */
import { shortage } from '../resources/amounts.ts';
import { bindGroup, byRoom } from './groups.ts';
import { fixedNode, groupOf } from './ready.ts';
import type { Run, State } from './state.ts';

/**
 * Settles the node of every function that one of these must know: the one it is bound to, else where the one that asks runs if there is
 * room, else another with room for it.
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
      const able = [here, ...state.nodes].filter((node) => node.up && !node.draining && shortage(cost, node.capabilities) === undefined);
      bindGroup(run, group, fixed ?? byRoom(run, group, able)[0] ?? here);
    }
  }
}
