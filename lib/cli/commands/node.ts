/** `handoff node`: runs a host that offers its nodes to others, until it is stopped. */
import { messageOf } from '../../core/message-of.ts';
import { ExitCode } from '../exit.ts';
import type { HandoffFlags } from '../flags/flags.ts';
import { onInterrupt } from '../interrupt.ts';
import { formatCapabilities } from '../flags/nodes.ts';
import { printable, printableLine } from '../output/printable.ts';
import { withHandoff } from '../start.ts';
import type { Handoff } from '../../runtime/handoff.ts';
import { print, written } from '../output/stdout.ts';
import { ownNodes } from '../output/tree.ts';

export interface NodeFlags extends HandoffFlags {
  readonly json?: boolean;
}

/** Runs a host. Resolves to the exit code when it ends. */
export function node(flags: NodeFlags): Promise<number> {
  return withHandoff(flags, 'host', (handoff) => serve(handoff, flags));
}

async function serve(handoff: Handoff, flags: NodeFlags): Promise<number> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const interrupt = onInterrupt(
    'draining: running functions finish, and other hosts fetch their results (again to end at once)',
    () => handoff.stop(),
  );
  handoff.on('node:up', ({ node: name, capabilities }) =>
    say(`node ${printable(name)} is up: ${formatCapabilities(capabilities)}`),
  );
  handoff.on('node:down', ({ node: name, error }) => {
    // When this host leaves, the nodes of other hosts go down too.
    if (interrupt.exitCode === undefined) say(`node ${printable(name)} is down: ${printableLine(messageOf(error))}`);
  });
  handoff.on('worker:crashed', ({ node: name, reason, error }) =>
    say(
      `a thread of node ${printable(name)} has died (${reason})${error instanceof Error ? `: ${printableLine(error.message)}` : ''}`,
    ),
  );
  handoff.on('connection:refused', ({ error, others }) =>
    say(`refused: ${printableLine(messageOf(error))}${others === 0 ? '' : ` (and ${others} more)`}`),
  );
  const nodes = await handoff.discoverNodes();
  const names = ownNodes(handoff);
  say(`listening on ${handoff.address}`);
  for (const [name, capabilities] of Object.entries(nodes))
    say(`node ${printable(name)}${names.includes(name) ? ', of this host' : ''}: ${formatCapabilities(capabilities)}`);
  if (flags.json === true)
    print(
      JSON.stringify({
        address: handoff.address,
        ...(handoff.dashboard !== undefined && { dashboard: handoff.dashboard.url }),
        nodes: Object.fromEntries(names.map((name) => [name, nodes[name]])),
      }),
    );
  await written(); // a script that started this host waits for this line
  const code = await Promise.race([interrupt.ended, givenUp()]);
  interrupt.dispose();
  return code;
}

/** Resolves when the nodes failed repeatedly and the supervision tree has given up. */
function givenUp(): Promise<number> {
  return new Promise((resolve) =>
    process.once('beforeExit', () => {
      process.stderr.write('the nodes of this host failed repeatedly; the supervision tree gave up\n');
      resolve(ExitCode.functionFailed);
    }),
  );
}
