/** Large results: from a function on one thread to one on another, and the memory they take. */
import type { Piscina } from 'piscina';
import { dag, Handoff, tasks } from '../lib/index.ts';
import { createPool } from './support/by-hand.ts';
import { type TaskName, toDag, type Vertex } from './support/graphs.ts';
import { compete, type Measured } from './support/measure.ts';
import type { Row } from './support/report.ts';

const MiB = 1024 * 1024;
const t = tasks<typeof import('./support/tasks.ts')>(new URL('./support/tasks.ts', import.meta.url));

export async function results({ rounds, full }: { readonly rounds: number; readonly full: boolean }): Promise<Row[]> {
  // One thread each, so that the array must change threads.
  const handoff = await Handoff.start({
    nodes: ['a', 'b'].map((name) => ({ name, capabilities: { cpu: 1 }, threads: 1 })),
  });
  const pool = createPool(1);
  const other = createPool(1);
  const rows: Row[] = [];
  const ours = (task: TaskName, bytes: number) => () => {
    const graph = toDag([]);
    graph
      .add({ id: 'make', code: t[task as 'sharedArray'], extraArgs: [bytes / 8], node: 'a' })
      .add({ id: 'use', code: t.ends, args: ['make'], node: 'b' });
    return () => handoff.execute(graph, { collect: ['use'] });
  };
  const byHand = (bytes: number) => () => async () =>
    other.run(['ends', [await pool.run(['ordinaryArray', [bytes / 8]])]]);
  let smallest: Measured | undefined;
  for (const size of full ? [1, 16, 64, 256] : [1, 64]) {
    const contestants = {
      shared: ours('sharedArray', size * MiB),
      ordinary: ours('ordinaryArray', size * MiB),
      byHand: byHand(size * MiB),
    };
    const measured = await compete(contestants, { rounds: size > 64 ? 3 : rounds, warmUps: 2 });
    smallest ??= measured.shared;
    const beside = { beside: measured.byHand.ms, what: 'cloned' };
    rows.push({
      group: 'results',
      name: `${size} MiB in shared memory, thread to thread`,
      unit: 'ms',
      ours: measured.shared.ms,
      ...beside,
      ratio: measured.byHand.ms / measured.shared.ms,
      goal: { atMost: 5 },
    });
    rows.push({
      group: 'results',
      name: `${size} MiB in an ordinary array, thread to thread`,
      unit: 'ms',
      ours: measured.ordinary.ms,
      ...beside,
      ratio: measured.byHand.ms / measured.ordinary.ms,
    });
  }
  rows.push(await objects(handoff, pool, rounds));
  rows.push(await memory(handoff, full ? 10_000 : 1000));
  await Promise.all([handoff.stop(), pool.destroy(), other.destroy()]);
  return rows;
}

const objectCount = 500_000;

/** Many small objects, from a thread to the caller. */
async function objects(handoff: Handoff, pool: Piscina, rounds: number): Promise<Row> {
  const { ours, byHand } = await compete(
    {
      ours: () => () => handoff.run(dag('objects', { made: t.objects(objectCount) })),
      byHand: () => () => pool.run(['objects', [objectCount]]),
    },
    { rounds, warmUps: 2 },
  );
  return {
    group: 'results',
    name: `${objectCount.toLocaleString('en')} small objects (50 MB), thread to caller: CPU`,
    unit: 'ms',
    ours: ours.allCpu / 1000,
    beside: byHand.allCpu / 1000,
    ratio: byHand.allCpu / ours.allCpu,
    what: 'cloned',
    goal: { atMost: (1.1 * byHand.allCpu) / 1000 },
  };
}

/** Chains of functions, each with a result of 1 MiB that only the next one reads. */
async function memory(handoff: Handoff, count: number): Promise<Row> {
  const vertices: Vertex[] = Array.from({ length: count }, (_, i) => ({
    id: `r${i}`,
    task: 'freshArray',
    args: i < 4 ? [] : [`r${i - 4}`],
    extra: [],
  }));
  const graph = toDag([]);
  for (const { id, args } of vertices)
    graph.add({
      id,
      code: t.freshArray,
      args: [...args],
      extraArgs: [MiB / 8],
      layout: [{ value: MiB / 8 }, ...args.map((_, arg) => ({ arg }))],
    });
  let before = 0;
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 50);
  await handoff.execute(graph, {
    collect: [],
    onProgress: ({ done }) => {
      if (before === 0 && done >= count / 10) before = peak = process.memoryUsage().rss;
    },
  });
  clearInterval(watch);
  return {
    group: 'results',
    name: `${count.toLocaleString('en')} results of 1 MiB: growth of the process after the first tenth`,
    unit: 'MiB',
    ours: (peak - before) / MiB,
    goal: { atMost: 256 },
  };
}
