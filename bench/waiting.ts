/**
 * Functions that wait 100 ms each for a web server, and share their threads meanwhile: beside a pool with as many tasks
 * per thread, and beside `Promise.all` on one thread.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Piscina } from 'piscina';
import { Dag, Handoff, tasks } from '../lib/index.ts';
import { compete } from './support/measure.ts';
import type { Row } from './support/report.ts';
import { request } from './support/waiting-tasks.ts';

const module = new URL('./support/waiting-tasks.ts', import.meta.url);
const t = tasks<typeof import('./support/waiting-tasks.ts')>(module, { concurrent: true });
const count = 1000;
const delayMs = 100;
const threads = 2;

export async function waiting({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const server = fork(new URL('./support/waiting-server.ts', import.meta.url), [String(delayMs)]);
  const [port] = (await once(server, 'message')) as [number];
  const rows = [
    await beside('64 at a time per thread', 64, port, rounds),
    await beside('all at once', 512, port, rounds),
  ];
  server.disconnect();
  await once(server, 'exit');
  return rows.flat();
}

async function beside(how: string, concurrency: number, port: number, rounds: number): Promise<Row[]> {
  const node = { name: 'n', capabilities: { cpu: threads }, threads, concurrency };
  const handoff = await Handoff.start({ nodes: [node] });
  const pool = new Piscina({
    filename: module.href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: concurrency,
    idleTimeout: Infinity,
    recordTiming: false,
  });
  const all = <Value>(make: () => Value): Value[] => Array.from({ length: count }, make);
  const { ours, byPool, together } = await compete(
    {
      ours: () => {
        const dag = new Dag();
        for (let k = 0; k < count; k++) dag.add({ id: `f${k}`, code: t.request, extraArgs: [port] });
        return () => handoff.execute(dag);
      },
      byPool: () => () => Promise.all(all(() => pool.run(port))),
      together: () => () => Promise.all(all(() => request(port))),
    },
    { rounds, warmUps: 2 },
  );
  await handoff.stop();
  await pool.destroy();
  const name = `1,000 functions that wait ${delayMs} ms, ${how}`;
  const isBounded = concurrency < count / threads;
  return [
    {
      group: 'waiting',
      name,
      unit: 'ms',
      ours: ours.ms,
      beside: byPool.ms,
      what: `Piscina, ${concurrency} tasks per thread`,
      ratio: byPool.ms / ours.ms,
      goal: { ratioAtLeast: 1 / 1.1 },
    },
    ...(isBounded
      ? []
      : [
          {
            group: 'waiting',
            name: `${name}, beside one thread`,
            unit: 'ms',
            ours: ours.ms,
            beside: together.ms,
            what: '`Promise.all` on one thread',
            ratio: together.ms / ours.ms,
            goal: { ratioAtLeast: 1 / 1.3 },
          },
        ]),
    {
      group: 'waiting',
      name: `… main-thread CPU per function, ${how}`,
      unit: 'µs',
      ours: ours.cpu / count,
      beside: byPool.cpu / count,
      what: `Piscina, ${concurrency} tasks per thread`,
      ratio: byPool.cpu / ours.cpu,
    },
  ];
}
