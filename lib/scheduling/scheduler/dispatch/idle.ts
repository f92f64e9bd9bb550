/** The count of idle threads, by node and in total, and the nodes that have any. */
import type { Node, State } from '../state.ts';

/** A thread of a node is idle from now on. */
export function addIdle(state: State, node: Node): void {
  state.idle++;
  if (node.idle++ === 0) state.idleNodes.splice(placeOf(state.idleNodes, node), 0, node);
}

/** A thread of a node is not idle any more. */
export function removeIdle(state: State, node: Node): void {
  state.idle--;
  if (--node.idle === 0) state.idleNodes.splice(placeOf(state.idleNodes, node), 1);
}

/** Where a node is or belongs in a list in the order of indexes. */
function placeOf(nodes: readonly Node[], { index }: Node): number {
  let from = 0;
  let end = nodes.length;
  while (from < end) {
    const middle = (from + end) >> 1;
    if (nodes[middle]!.index < index) from = middle + 1;
    else end = middle;
  }
  return from;
}
