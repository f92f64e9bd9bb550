/**
 * `node bench/many-hosts.ts [--hosts 2,8,20] [--transport tcp|nats] [--functions N] [--rounds N]`: what
 * grows with the number of hosts. Each host is a process with one thread; this process only orchestrates. Says how
 * long joining takes, what a no-op costs the orchestrator, and how many packets (TCP) or messages (NATS) it causes.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Handoff } from '../lib/index.ts';
import { NatsServer } from '../spec/support/nats-server-process.ts';
import { independent, toDag } from './support/graphs.ts';
import { type Far, startHost } from './support/hosts.ts';
import { median, timed } from './support/measure.ts';
import { toText } from './support/text-table.ts';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '2,8,20' },
    transport: { type: 'string', default: 'tcp' },
    rounds: { type: 'string', default: '9' },
    functions: { type: 'string', default: '10000' },
  },
});
const root = new URL('..', import.meta.url).pathname;
const functionCount = Number(values.functions);
const warmUps = 5;

/** What carries the messages, and how many it has carried so far. */
interface Carrier {
  readonly unit: string;
  carried(): Promise<number>;
  optionsOf(hosts: readonly Far[]): Readonly<Record<string, unknown>>;
  readonly hostOptions: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const carriers: Readonly<Record<string, () => Promise<Carrier>>> = {
  tcp: async () => ({
    unit: 'packets',
    // All that goes over loopback: nothing else should use it meanwhile.
    carried: async () => Number(/lo:\s*\d+\s+(\d+)/.exec(readFileSync('/proc/net/dev', 'utf8'))![1]),
    optionsOf: (hosts) => ({ type: 'tcp', root, join: hosts.map(({ address }) => address) }),
    hostOptions: {},
    stop: async () => {},
  }),
  nats: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'handoff-bench-'));
    const server = await NatsServer.start('http: "127.0.0.1:-1"', -1, folder);
    const ports = JSON.parse(readFileSync(join(folder, `nats-server_${server.pid}.ports`), 'utf8')) as {
      monitoring: [string];
    };
    const at = { type: 'nats', servers: server.url };
    return {
      unit: 'messages',
      carried: async () => {
        const counts = (await (await fetch(`${ports.monitoring[0]}/varz`)).json()) as Record<'in_msgs', number>;
        return counts.in_msgs;
      },
      optionsOf: () => ({ ...at, root }),
      hostOptions: at,
      stop: () => server.stop(),
    };
  },
};

/** Resolves when all nodes can be used. */
async function joined(handoff: Handoff, count: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = async (): Promise<void> => {
      if (Object.keys(await handoff.discoverNodes()).length === count) resolve();
    };
    handoff.on('node:up', () => void look());
    void look();
  });
}

async function rowOf(count: number, carrier: Carrier): Promise<string[]> {
  const hosts = await Promise.all(
    Array.from({ length: count }, (_, i) => startHost(`far${i}`, { transport: carrier.hostOptions })),
  );
  try {
    const before = performance.now();
    const handoff = await Handoff.start({ nodes: [], transport: carrier.optionsOf(hosts) as { type: 'tcp' } });
    await joined(handoff, count);
    const joinMs = performance.now() - before;
    try {
      const run = (): Promise<unknown> => handoff.execute(toDag(independent(functionCount)), { collect: [] });
      for (let round = 0; round < warmUps; round++) await run();
      const [cpu, messages]: [number[], number[]] = [[], []];
      for (let round = 0; round < Number(values.rounds); round++) {
        const carriedBefore = await carrier.carried();
        const sample = await timed(run);
        cpu.push(sample.allCpu / functionCount);
        messages.push(((await carrier.carried()) - carriedBefore) / functionCount);
      }
      return [`${count}`, joinMs.toFixed(0), median(cpu).toFixed(2), median(messages).toFixed(3)];
    } finally {
      await handoff.stop();
    }
  } finally {
    for (const host of hosts) host.end();
  }
}

const carrier = await carriers[values.transport]!();
try {
  const rows: string[][] = [];
  for (const count of values.hosts.split(',')) rows.push(await rowOf(Number(count), carrier));
  const head = ['hosts', 'ms to join', 'CPU µs of the orchestrator per no-op', `${carrier.unit} per no-op`];
  process.stdout.write(`${toText(head, rows)}\n`);
} finally {
  await carrier.stop();
}
