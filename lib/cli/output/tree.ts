/** Reads the hosts and nodes of the cluster from the supervision tree. */
import type { TreeNode } from '../../workers/supervision/child.ts';
import type { Handoff } from '../../runtime/handoff.ts';

/** Names of the nodes of this host. */
export function ownNodes(handoff: Handoff): string[] {
  return child(handoff, 'nodes')?.children?.map(({ id }) => id) ?? [];
}

/** Addresses of the other hosts; the id of a host that does not listen. */
export function otherHosts(handoff: Handoff): string[] {
  return [...((child(handoff, 'transport')?.info?.['hosts'] as string[] | undefined) ?? [])].sort();
}

function child(handoff: Handoff, id: string): TreeNode | undefined {
  return (handoff.tree().children ?? []).find((each) => each.id === id);
}
