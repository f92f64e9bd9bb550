/**
 * The cost of running functions on other hosts, here processes on the same machine, compared with plain sockets between
 * the same processes.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Socket } from 'node:net';
import { Dag, Handoff, tasks } from '../lib/index.ts';
import { independent, toDag } from './support/graphs.ts';
import { type Far, startHost } from './support/hosts.ts';
import { compete, quantile } from './support/measure.ts';
import type { Row } from './support/report.ts';

const t = tasks<typeof import('./support/tasks.ts')>(new URL('./support/tasks.ts', import.meta.url));
const bytes = 64 * 2 ** 20;

export async function tcp({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const hosts = await Promise.all(['far', 'farther'].map((name) => startHost(name, { bytes })));
  const handoff = await Handoff.start({
    nodes: [],
    transport: {
      type: 'tcp',
      join: hosts.map(({ address }) => address),
      root: new URL('..', import.meta.url).pathname,
    },
  });
  try {
    return [
      ...(await roundTrip(handoff, hosts[0]!, rounds)),
      ...(await bulk(handoff, hosts[0]!, rounds)),
      ...(await flat(handoff, rounds)),
    ];
  } finally {
    await handoff.stop({ drain: false });
    for (const host of hosts) host.end();
  }
}

/** One no-op there and back. */
async function roundTrip(handoff: Handoff, { echo }: Far, rounds: number): Promise<Row[]> {
  const socket = await open(echo);
  const message = Buffer.alloc(100, 1);
  const { ours, bare } = await compete(
    {
      ours: () => {
        const dag = new Dag().add({ id: 'f', code: t.noop, node: 'far' });
        return () => handoff.execute(dag);
      },
      bare: () => () =>
        new Promise<void>((resolve) => {
          socket.once('data', () => resolve());
          socket.write(message);
        }),
    },
    { rounds: rounds * 100, warmUps: rounds * 50 },
  );
  socket.destroy();
  const of = (samples: typeof ours.samples): number =>
    quantile(
      samples.map(({ ms }) => ms * 1000),
      0.5,
    );
  const [own, byHand] = [of(ours.samples), of(bare.samples)];
  return [
    {
      group: 'tcp',
      name: '1 no-op on another host, p50',
      unit: 'µs',
      ours: own,
      beside: byHand,
      what: 'a bare socket',
      ratio: byHand / own,
      goal: { ratioAtLeast: 1 / 3 },
    },
  ];
}

/** Fetches 64 MiB from there. */
async function bulk(handoff: Handoff, { sender }: Far, rounds: number): Promise<Row[]> {
  const socket = await open(sender);
  const { ours, bare } = await compete(
    {
      ours: () => {
        const dag = new Dag().add({ id: 'f', code: t.sharedArray, extraArgs: [bytes / 8], node: 'far' });
        return () => handoff.execute(dag);
      },
      bare: () => () => received(socket),
    },
    { rounds, warmUps: 3 },
  );
  socket.destroy();
  const rate = (ms: number): number => bytes / 2 ** 30 / (ms / 1000);
  return [
    {
      group: 'tcp',
      name: '64 MiB from another host',
      unit: 'GiB/s',
      ours: rate(ours.ms),
      beside: rate(bare.ms),
      what: 'a bare socket',
      ratio: bare.ms / ours.ms,
      goal: { ratioAtLeast: 0.6 },
    },
  ];
}

async function flat(handoff: Handoff, rounds: number): Promise<Row[]> {
  const { ours } = await compete(
    {
      ours: () => {
        const dag = toDag(independent(10_000));
        return () => handoff.execute(dag);
      },
    },
    { rounds, warmUps: 5 },
  );
  return [
    {
      group: 'tcp',
      name: '10,000 independent no-ops over 2 hosts',
      unit: 'functions/s',
      ours: 10_000 / (ours.ms / 1000),
      goal: { atLeast: 60_000 },
    },
  ];
}

/** The cost of encryption: a secret, no secret, and a Unix socket, which needs none; alternating. */
export async function encryption({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'handoff-bench-'));
  const ways = {
    plain: {},
    secret: { secret: randomBytes(32).toString('hex') },
    unix: { host: `unix:${folder}/x` },
  } as const;
  const root = new URL('..', import.meta.url).pathname;
  const made = await Promise.all(
    Object.entries(ways).map(async ([way, transport]) => {
      const host = await startHost('far', { bytes, transport });
      const { secret } = transport as { readonly secret?: string };
      const handoff = await Handoff.start({
        nodes: [],
        transport: { type: 'tcp', join: [host.address], root, ...(secret !== undefined && { secret }) },
      });
      return [way, { host, handoff }] as const;
    }),
  );
  const by = Object.fromEntries(made) as Record<keyof typeof ways, (typeof made)[number][1]>;
  const each = (dag: () => Dag) =>
    Object.fromEntries(
      made.map(([way, { handoff }]) => [
        way,
        () => {
          const run = dag();
          return () => handoff.execute(run);
        },
      ]),
    ) as Record<keyof typeof ways, () => () => Promise<unknown>>;
  try {
    const trips = await compete(
      each(() => new Dag().add({ id: 'f', code: t.noop, node: 'far' })),
      { rounds: rounds * 100, warmUps: rounds * 50 },
    );
    const large = await compete(
      each(() => new Dag().add({ id: 'f', code: t.sharedArray, extraArgs: [bytes / 8], node: 'far' })),
      { rounds, warmUps: 3 },
    );
    const median = (way: keyof typeof ways): number =>
      quantile(
        trips[way].samples.map(({ ms }) => ms * 1000),
        0.5,
      );
    const rate = (way: keyof typeof ways): number => bytes / 2 ** 30 / (large[way].ms / 1000);
    return (['secret', 'unix'] as const).flatMap((way): Row[] => [
      {
        group: 'encryption',
        name: `1 no-op on another host, p50, ${way}`,
        unit: 'µs',
        ours: median(way),
        beside: median('plain'),
        what: 'no secret',
        ratio: median('plain') / median(way),
      },
      {
        group: 'encryption',
        name: `64 MiB from another host, ${way}`,
        unit: 'GiB/s',
        ours: rate(way),
        beside: rate('plain'),
        what: 'no secret',
        ratio: large.plain.ms / large[way].ms,
      },
    ]);
  } finally {
    await Promise.all(Object.values(by).map(({ handoff }) => handoff.stop({ drain: false })));
    for (const { host } of Object.values(by)) host.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Reads everything, as users would write it. */
function received(socket: Socket): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const whole = Buffer.allocUnsafe(bytes);
  let length = 0;
  const onData = (data: Buffer): void => {
    length += data.copy(whole, length);
    if (length < bytes) return;
    socket.off('data', onData);
    resolve(whole);
  };
  socket.on('data', onData);
  socket.write('x');
  return promise;
}
