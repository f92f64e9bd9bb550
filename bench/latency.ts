/** The cost of a single function, and the time from nothing to a first result. */
import { Worker } from 'node:worker_threads';
import { Handoff } from '../lib/index.ts';
import { importBuilt } from './support/built.ts';
import { createPool } from './support/by-hand.ts';
import { independent, toDag } from './support/graphs.ts';
import { compete, quantile } from './support/measure.ts';
import type { Row } from './support/report.ts';

const oneNode = { nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }] };

export async function latency({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  return [...(await roundTrip(rounds * 100)), ...(await startUp(rounds))];
}

/** One warm no-op. */
async function roundTrip(times: number): Promise<Row[]> {
  const handoff = await Handoff.start(oneNode);
  const pool = createPool(2);
  const worker = new Worker(new URL('./support/peers/bare-worker.ts', import.meta.url));
  const { ours, piscina, port } = await compete(
    {
      ours: () => {
        const dag = toDag(independent(1));
        return () => handoff.execute(dag);
      },
      piscina: () => () => pool.run(['noop', []]),
      port: () => () =>
        new Promise((resolve) => {
          worker.once('message', resolve);
          worker.postMessage([0, 'noop', []]);
        }),
    },
    { rounds: times, warmUps: times },
  );
  await Promise.all([handoff.stop(), pool.destroy(), worker.terminate()]);
  const rows: Row[] = [];
  for (const [name, part] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    const of = (samples: typeof ours.samples): number =>
      quantile(
        samples.map(({ ms }) => ms * 1000),
        part,
      );
    const [own, byPiscina, byPort] = [of(ours.samples), of(piscina.samples), of(port.samples)];
    rows.push({
      group: 'latency',
      name: `1 no-op, warm, ${name}`,
      unit: 'µs',
      ours: own,
      beside: byPort,
      what: 'a raw port',
      ratio: byPort / own,
      ...(part === 0.5 && { goal: { ratioAtLeast: 1 / 3 } }),
    });
    rows.push({
      group: 'latency',
      name: `1 no-op, warm, ${name}`,
      unit: 'µs',
      ours: own,
      beside: byPiscina,
      what: 'pool.run',
      ratio: byPiscina / own,
    });
  }
  return rows;
}

/** From nothing to a first result, with two threads. */
async function startUp(rounds: number): Promise<Row[]> {
  const stops: (() => Promise<unknown>)[] = [];
  const { Dag, Handoff: Shipped, tasks } = await importBuilt();
  const t = tasks<typeof import('./support/tasks.ts')>(new URL('./support/tasks.ts', import.meta.url));
  const { ours, byHand } = await compete(
    {
      ours: () => {
        const dag = new Dag().add({ id: 'first', code: t.noop });
        return async () => {
          const handoff = await Shipped.start(oneNode);
          await handoff.execute(dag);
          stops.push(() => handoff.stop());
        };
      },
      byHand: () => async () => {
        const pool = createPool(2);
        await pool.run(['noop', []]);
        stops.push(() => pool.destroy());
      },
    },
    { rounds, warmUps: 2 },
  );
  await Promise.all(stops.map((stop) => stop()));
  return [
    {
      group: 'latency',
      name: 'start with 2 threads, to the first result',
      unit: 'ms',
      ours: ours.ms,
      beside: byHand.ms,
      ratio: byHand.ms / ours.ms,
      goal: { ratioAtLeast: 1 / 1.5 },
    },
  ];
}
