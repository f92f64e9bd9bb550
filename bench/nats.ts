/**
 * The cost of hosts that meet at a NATS server, here with server and hosts on one machine, compared with TCP between
 * the same hosts and with a bare request through the server.
 */
import { spawnSync } from 'node:child_process';
import { connect } from '@nats-io/transport-node';
import { Dag, Handoff, tasks } from '../lib/index.ts';
import { NatsServer } from '../spec/support/nats-server-process.ts';
import { independent, toDag } from './support/graphs.ts';
import { startHost } from './support/hosts.ts';
import { compete, quantile } from './support/measure.ts';
import type { Row } from './support/report.ts';

const t = tasks<typeof import('./support/tasks.ts')>(new URL('./support/tasks.ts', import.meta.url));
const bytes = 64 * 2 ** 20;
const root = new URL('..', import.meta.url).pathname;

export async function nats({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  if (spawnSync('nats-server', ['--version']).status !== 0) {
    process.stderr.write('nats: left out, because nats-server is not on PATH\n');
    return [];
  }
  const server = await NatsServer.start();
  const ends: (() => unknown)[] = [() => server.stop()];
  const cluster = async (transport: Readonly<Record<string, string>>): Promise<Handoff> => {
    const hosts = await Promise.all(['far', 'farther'].map((name) => startHost(name, { transport })));
    const handoff = await Handoff.start({
      nodes: [],
      transport:
        transport['type'] === 'nats'
          ? { ...transport, type: 'nats', root }
          : { type: 'tcp', join: hosts.map(({ address }) => address), root },
    });
    await new Promise<void>((resolve) => {
      const look = async (): Promise<void> => {
        if (Object.keys(await handoff.discoverNodes()).length === hosts.length) resolve();
      };
      handoff.on('node:up', () => void look());
      void look();
    });
    ends.push(async () => {
      await handoff.stop({ drain: false });
      for (const host of hosts) host.end();
    });
    return handoff;
  };
  try {
    const at = { type: 'nats', servers: server.url };
    const secret = 'of a benchmark, long and random';
    return await measure(
      {
        tcp: await cluster({}),
        nats: await cluster({ ...at, namespace: 'direct' }),
        broker: await cluster({ ...at, namespace: 'broker', bulk: 'broker' }),
        secret: await cluster({ ...at, namespace: 'secret', bulk: 'broker', secret }),
      },
      server.url,
      rounds,
    );
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

type Ways = Readonly<Record<'tcp' | 'nats' | 'broker' | 'secret', Handoff>>;

async function measure(ways: Ways, servers: string, rounds: number): Promise<Row[]> {
  const each = (dag: () => Dag) =>
    Object.fromEntries(
      Object.entries(ways).map(([way, handoff]) => [
        way,
        () => {
          const run = dag();
          return () => handoff.execute(run);
        },
      ]),
    ) as Record<keyof Ways, () => () => Promise<unknown>>;

  const [asker, answerer] = [await connect({ servers }), await connect({ servers })];
  const message = new Uint8Array(100).fill(1);
  answerer.subscribe('echo', { callback: (_, asked) => void asked.respond(message) });
  await answerer.flush();
  const trips = await compete(
    {
      ...each(() => new Dag().add({ id: 'f', code: t.noop, node: 'far' })),
      bare: () => () => asker.request('echo', message),
    },
    { rounds: rounds * 100, warmUps: rounds * 50 },
  );
  await Promise.all([asker.close(), answerer.close()]);
  const large = await compete(
    each(() => new Dag().add({ id: 'f', code: t.sharedArray, extraArgs: [bytes / 8], node: 'far' })),
    { rounds, warmUps: 3 },
  );
  const flat = await compete(
    each(() => toDag(independent(10_000))),
    { rounds, warmUps: 5 },
  );

  const median = (name: keyof typeof trips): number =>
    quantile(
      trips[name].samples.map(({ ms }) => ms * 1000),
      0.5,
    );
  const trip = (name: string, own: number, what: string, beside: number): Row => ({
    group: 'nats',
    name,
    unit: 'µs',
    ours: own,
    beside,
    what,
    ratio: beside / own,
  });
  const rate = (way: keyof Ways): number => bytes / 2 ** 30 / (large[way].ms / 1000);
  const perSecond = (way: keyof Ways): number => 10_000 / (flat[way].ms / 1000);
  const row = (name: string, unit: string, of: (way: keyof Ways) => number, way: keyof Ways): Row => ({
    group: 'nats',
    name,
    unit,
    ours: of(way),
    beside: of('tcp'),
    what: 'TCP',
    ratio: of(way) / of('tcp'),
  });
  const far = '64 MiB from another host';
  const noOps = '10,000 independent no-ops over 2 hosts';
  return [
    {
      ...trip('1 no-op on another host, p50', median('nats'), 'a bare request', median('bare')),
      goal: { ratioAtLeast: 0.4 },
    },
    trip('1 no-op on another host, p50, beside TCP', median('nats'), 'TCP', median('tcp')),
    trip('1 no-op on another host, p50, with a secret', median('secret'), 'TCP', median('tcp')),
    row(`${far}, directly`, 'GiB/s', rate, 'nats'),
    row(`${far}, through the server`, 'GiB/s', rate, 'broker'),
    row(`${far}, through the server, with a secret`, 'GiB/s', rate, 'secret'),
    { ...row(noOps, 'functions/s', perSecond, 'nats'), goal: { atLeast: 60_000 } },
    row(`${noOps}, with a secret`, 'functions/s', perSecond, 'secret'),
  ];
}
