/** `handoff nodes`: who is in the cluster. */
import type { Handoff } from '../runtime/handoff.ts';
import { ExitCode } from './exit.ts';
import type { HandoffFlags } from './flags.ts';
import { print, toTable } from './output.ts';
import { startHandoff } from './start.ts';

export interface ClusterNodesFlags extends HandoffFlags {
  readonly json?: boolean;
}

/** Prints the nodes of the cluster, and what they have; resolves to the exit code. */
export async function clusterNodes(flags: ClusterNodesFlags): Promise<number> {
  const handoff = await startHandoff(flags, 'visitor');
  try {
    const nodes = await handoff.discoverNodes();
    const hosts = hostsOf(handoff);
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

/** Addresses of the other hosts, or their ids where they do not listen. */
function hostsOf(handoff: Handoff): string[] {
  const info = (handoff.tree().children ?? []).find(({ id }) => id === 'transport')?.info;
  return [...((info?.['hosts'] as string[] | undefined) ?? [])].sort();
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
