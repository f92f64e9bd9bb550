/** `handoff nodes`: who is in the cluster. */
import { ExitCode } from './exit.ts';
import type { HandoffFlags } from './flags.ts';
import { print, toTable } from './output.ts';
import { startHandoff } from './start.ts';
import { otherHosts } from './tree.ts';

export interface ClusterNodesFlags extends HandoffFlags {
  readonly json?: boolean;
}

/** Prints the nodes of the cluster, and what they have; resolves to the exit code. */
export async function clusterNodes(flags: ClusterNodesFlags): Promise<number> {
  const handoff = await startHandoff(flags, 'visitor');
  try {
    const nodes = await handoff.discoverNodes();
    const hosts = otherHosts(handoff);
    if (flags.json === true) {
      print(JSON.stringify({ hosts, nodes }, undefined, 2));
      return ExitCode.done;
    }
    const resources = [...new Set(Object.values(nodes).flatMap(Object.keys))];
    print(toTable(['node', ...resources], Object.entries(nodes).map(([name, capabilities]) => [name, ...resources.map((resource) => capabilities[resource] ?? 0)])));
    process.stderr.write(`${counted(Object.keys(nodes).length, 'node')} on ${counted(hosts.length, 'host')}: ${hosts.join(', ')}\n`);
    return ExitCode.done;
  } finally {
    await handoff.stop();
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
