/** Small functions: how many a second, and what each costs the main thread, beside the same by hand on Piscina. */
import type { Piscina } from 'piscina';
import { Handoff } from '../lib/index.ts';
import { createPool, runByHand } from './support/by-hand.ts';
import { chains, independent, layered, toDag, tree, type Vertex } from './support/graphs.ts';
import { compete } from './support/measure.ts';
import type { Row } from './support/report.ts';

const threads = 2;
const shapes: readonly (readonly [name: string, vertices: Vertex[]])[] = [
  ['10,000 independent no-ops', independent(10_000)],
  ['layered random, 100 × 100', layered(100, 100)],
  ['binary tree sum, 1,024 leaves', tree(1024)],
  ['100 chains × 100', chains(100, 100)],
];

export async function throughput({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: threads }, threads }] });
  const pool = createPool(threads);
  try {
    const rows: Row[] = [];
    for (const [name, vertices] of shapes) rows.push(...await measure(name, vertices, handoff, pool, rounds));
    return rows;
  } finally {
    await handoff.stop();
    await pool.destroy();
  }
}

async function measure(name: string, vertices: readonly Vertex[], handoff: Handoff, pool: Piscina, rounds: number): Promise<Row[]> {
  const [ours, byHand] = (await compete([
    { name: 'handoff', prepare: () => { const dag = toDag(vertices); return () => handoff.execute(dag); } },
    { name: 'by hand on Piscina', prepare: () => () => runByHand(pool, vertices) },
  ], { rounds })) as [Awaited<ReturnType<typeof compete>>[0], Awaited<ReturnType<typeof compete>>[0]];
  const perSecond = (ms: number): number => (vertices.length / ms) * 1000;
  return [
    { group: 'throughput', name, unit: 'functions/s', ours: perSecond(ours.ms), byHand: perSecond(byHand.ms), ratio: byHand.ms / ours.ms, better: 'higher' },
    { group: 'throughput', name: `${name}: main-thread CPU`, unit: 'µs/function', ours: ours.cpu / vertices.length, byHand: byHand.cpu / vertices.length, ratio: byHand.cpu / ours.cpu, better: 'lower' },
  ];
}
