/** `handoff nodes`: lists the nodes of a cluster. */
import { ExitCode } from '../exit.ts';
import type { HandoffFlags } from '../flags/flags.ts';
import { overviewOf } from '../../runtime/handoff.ts';
import { formatNumber, toTable } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import { withHandoff } from '../start.ts';
import { print } from '../output/stdout.ts';
import { otherHosts } from '../output/tree.ts';

export interface NodesFlags extends HandoffFlags {
  readonly json?: boolean;
}

/** Prints the nodes of the cluster with their resources. Resolves to the exit code. */
export function listNodes(flags: NodesFlags): Promise<number> {
  return withHandoff(flags, 'visitor', async (handoff) => {
    const [nodes, activity] = await Promise.all([handoff.discoverNodes(), overviewOf(handoff).nodes()]);
    const hosts = otherHosts(handoff);
    if (flags.json === true) {
      print(JSON.stringify({ hosts, nodes, activity }, undefined, 2));
      return ExitCode.done;
    }
    const resources = [...new Set(Object.values(nodes).flatMap(Object.keys))];
    print(
      toTable(
        ['node', 'host', 'busy threads', ...resources.map(printable)],
        activity
          .filter(({ isUp }) => isUp)
          .map(({ name, host, threads, declared, claimed }) => [
            printable(name),
            printable(host),
            `${threads.filter(({ running }) => running !== null).length} of ${threads.length}`,
            ...resources.map((resource) => claimedOf(claimed[resource] ?? 0, declared[resource] ?? 0)),
          ]),
      ),
    );
    process.stderr.write(
      `${counted(Object.keys(nodes).length, 'node')} on ${counted(hosts.length, 'host')}: ${hosts.map(printable).join(', ')}\n`,
    );
    return ExitCode.done;
  });
}

/** The amount of a resource, and how much of it is claimed if any is. */
function claimedOf(claimed: number, declared: number): string | number {
  return claimed === 0 ? declared : `${formatNumber(claimed)} of ${formatNumber(declared)}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
