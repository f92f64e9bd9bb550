/**
 * A web server that runs a DAG for each request, from a cold start and warm; and the cost of many concurrent DAGs of
 * four functions.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { Handoff } from '../lib/index.ts';
import { runByHand } from './support/by-hand.ts';
import { toDag, type Vertex } from './support/graphs.ts';
import { compete, median, quantile } from './support/measure.ts';
import { piscina } from './support/peers.ts';
import type { Usage } from './support/report-server.ts';
import type { Row } from './support/report.ts';

const threads = 2;
const connections = 200;
const body = 'The quick brown fox jumps over the lazy dog. It barks! Does the fox care? It does not. '.repeat(10);

interface Server {
  readonly port: number;
  usage(): Promise<Usage>;
  stop(): void;
}

interface Load {
  /** ms of each answered request. */
  readonly times: readonly number[];
  readonly failed: number;
  readonly ms: number;
}

/** @param seconds how long the warm server is kept busy */
export async function requests({
  rounds,
  seconds,
}: {
  readonly rounds: number;
  readonly seconds: number;
}): Promise<Row[]> {
  return [...(await served(rounds, seconds)), await fourFunctions(rounds)];
}

async function served(rounds: number, seconds: number): Promise<Row[]> {
  const cold: Load[] = [];
  const coldBeside: Load[] = [];
  let most = 0;
  let own: Server | undefined;
  let beside: Server | undefined;
  for (let round = 0; round < rounds; round++) {
    own?.stop();
    beside?.stop();
    own = await start('handoff');
    cold.push(await load(own, { ms: 0 }));
    most = Math.max(most, (await own.usage()).threads);
    beside = await start('piscina');
    coldBeside.push(await load(beside, { ms: 0 }));
  }
  const warm: Load[] = [];
  const warmBeside: Load[] = [];
  for (let round = 0; round < rounds; round++) {
    warm.push(await load(own!, { ms: 1000 }));
    warmBeside.push(await load(beside!, { ms: 1000 }));
  }
  // Until V8 has sized its heaps, the process grows whatever it runs.
  await load(own!, { ms: (seconds * 1000) / 3 });
  const before = (await own!.usage()).rss;
  const long = await load(own!, { ms: seconds * 1000 });
  const after = await own!.usage();
  own!.stop();
  beside!.stop();
  const slowest = (loads: readonly Load[]): number => Math.max(...loads.flatMap(({ times }) => times));
  const perSecond = (loads: readonly Load[]): number =>
    median(loads.map(({ times, ms }) => (times.length / ms) * 1000));
  const p99 = (loads: readonly Load[]): number =>
    quantile(
      loads.flatMap(({ times }) => times),
      0.99,
    );
  const group = 'requests';
  return [
    {
      group,
      name: `${connections} connections from a cold start: not answered`,
      unit: '',
      ours: sum(cold),
      beside: sum(coldBeside),
      goal: { atMost: 0 },
    },
    {
      group,
      name: `${connections} connections from a cold start: slowest request`,
      unit: 'ms',
      ours: slowest(cold),
      beside: slowest(coldBeside),
      ratio: slowest(coldBeside) / slowest(cold),
      goal: { atMost: 3000 },
    },
    {
      group,
      name: `${threads} threads: the most at once`,
      unit: '',
      ours: Math.max(most, after.threads),
      goal: { atMost: threads + 1 },
    },
    {
      group,
      name: 'requests, warm',
      unit: '/s',
      ours: perSecond(warm),
      beside: perSecond(warmBeside),
      ratio: perSecond(warm) / perSecond(warmBeside),
    },
    {
      group,
      name: 'requests, warm, p99',
      unit: 'ms',
      ours: p99(warm),
      beside: p99(warmBeside),
      ratio: p99(warmBeside) / p99(warm),
    },
    {
      group,
      name: `growth of memory over ${seconds} s, ${long.times.length.toLocaleString('en')} requests`,
      unit: 'MiB',
      ours: (after.rss - before) / 2 ** 20,
      goal: { atMost: 32 },
    },
  ];
}

function sum(loads: readonly Load[]): number {
  return loads.reduce((all, { failed }) => all + failed, 0);
}

async function start(who: 'handoff' | 'piscina'): Promise<Server> {
  const child = fork(fileURLToPath(new URL('./support/report-server.ts', import.meta.url)), [who, String(threads)]);
  const [port] = (await once(child, 'message')) as [number];
  return {
    port,
    async usage() {
      child.send('usage');
      return (await once(child, 'message'))[0] as Usage;
    },
    stop: () => void child.kill(),
  };
}

/** Each connection sends requests for `ms`, at least one. */
async function load({ port }: Server, { ms }: { readonly ms: number }): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const times: number[] = [];
  let failed = 0;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      do {
        const at = performance.now();
        if (await ask(agent, port)) times.push(performance.now() - at);
        else failed++;
      } while (performance.now() - begun < ms);
    }),
  );
  agent.destroy();
  return { times, failed, ms: performance.now() - begun };
}

function ask(agent: Agent, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    request(
      {
        agent,
        port,
        host: '127.0.0.1',
        method: 'POST',
        path: '/report',
        headers: { 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        response.resume().once('end', () => resolve(response.statusCode === 200));
      },
    )
      .once('error', () => resolve(false))
      .end(body);
  });
}

const dags = 2000;

/** 2,000 concurrent DAGs of four functions: the CPU time of each. */
async function fourFunctions(rounds: number): Promise<Row> {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: threads }, threads }] });
  const pool = piscina(threads);
  const vertices: readonly Vertex[] = [
    { id: 'a', task: 'noop', args: [] },
    { id: 'b', task: 'noop', args: ['a'] },
    { id: 'c', task: 'noop', args: ['a'] },
    { id: 'd', task: 'noop', args: ['b', 'c'] },
  ];
  const { ours, byHand } = await compete(
    {
      ours: () => () => Promise.all(Array.from({ length: dags }, () => handoff.execute(toDag(vertices)))),
      byHand: () => () => Promise.all(Array.from({ length: dags }, () => runByHand(pool.run, vertices))),
    },
    { rounds: rounds * 2 + 1, warmUps: 2 },
  );
  await handoff.stop();
  await pool.stop();
  return {
    group: 'requests',
    name: `${dags.toLocaleString('en')} DAGs of 4 no-ops at once: CPU of each`,
    unit: 'µs',
    ours: ours.allCpu / dags,
    beside: byHand.allCpu / dags,
    ratio: byHand.allCpu / ours.allCpu,
  };
}
