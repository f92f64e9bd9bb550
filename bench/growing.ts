/** Graphs that grow, beside static DAGs of the same functions, alternating in one process. */
import { Dag, Handoff, tasks } from '../lib/index.ts';
import { compete, timed } from './support/measure.ts';
import type { Row } from './support/report.ts';

const t = tasks<typeof import('./support/growing-tasks.ts')>(new URL('./support/growing-tasks.ts', import.meta.url));

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** As many functions as the map has elements, each with its own argument. */
function flat(count: number): Dag {
  const dag = new Dag('flat');
  for (let i = 0; i < count; i++) dag.add({ id: `f${i}`, code: t.same, extraArgs: [i] });
  return dag;
}

function map(count: number): Dag {
  return new Dag('map')
    .add({ id: 'list', code: t.numbers, extraArgs: [count] })
    .add({ id: 'm', code: t.same, args: ['list'], map: true });
}

function mapsOfMaps(count: number): Dag {
  return new Dag('maps')
    .add({ id: 'list', code: t.numbers, extraArgs: [count] })
    .add({ id: 'a', code: t.same, args: ['list'], map: true })
    .add({ id: 'b', code: t.same, args: ['a'], map: true })
    .add({ id: 'c', code: t.same, args: ['b'], map: true });
}

/** Chains as long as the maps of maps are deep. */
function chains(count: number, length: number): Dag {
  const dag = new Dag('chains');
  for (let i = 0; i < count; i++) {
    dag.add({ id: `f${i}.0`, code: t.same, extraArgs: [i] });
    for (let k = 1; k < length; k++) dag.add({ id: `f${i}.${k}`, code: t.same, args: [`f${i}.${k - 1}`] });
  }
  return dag;
}

export async function growing({ largest }: { readonly largest: number }): Promise<Row[]> {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }] });
  const run = (dag: Dag) => () => () => handoff.execute(dag, { collect: 'sinks' });
  try {
    const rows: Row[] = [];
    const row = (name: string, functions: number, ms: number, before?: number): void =>
      void rows.push({
        group: 'graphs that grow',
        name,
        unit: 'functions/s',
        ours: (functions / ms) * 1000,
        ...(before !== undefined && { ratio: before / ms }),
      });
    const once = await compete(
      { flat: run(flat(10_000)), map: run(map(10_000)), maps: run(mapsOfMaps(10_000)), chains: run(chains(10_000, 3)) },
      { rounds: 9, warmUps: 4 },
    );
    row('map over 10,000 no-ops; ratio to the same functions in a static DAG', 10_000, once.map.ms, once.flat.ms);
    row('map of map of map, 10,000 each; ratio to as many chains of 3', 30_000, once.maps.ms, once.chains.ms);

    const leaves = 2 ** 14;
    const tree = new Dag('tree').add({ id: 'sum', code: t.sum, extraArgs: [0, leaves] });
    const expanded = await compete({ tree: run(tree) }, { rounds: 3, warmUps: 2 });
    row(`recursive expand, ${leaves.toLocaleString('en')} leaves`, 3 * leaves - 2, expanded.tree.ms);

    for (const size of [10_000, 100_000, 1_000_000].filter((each) => each <= largest)) {
      const { ms, bytes } = await grown(handoff, size);
      rows.push({
        group: 'graphs that grow',
        name: `map over ${size.toLocaleString('en')}, time`,
        unit: 'µs/element',
        ours: (ms * 1000) / size,
      });
      rows.push({
        group: 'graphs that grow',
        name: `map over ${size.toLocaleString('en')}, memory while it runs`,
        unit: 'bytes/element',
        ours: bytes / size,
      });
    }
    return rows;
  } finally {
    await handoff.stop();
  }
}

async function grown(handoff: Handoff, size: number): Promise<{ ms: number; bytes: number }> {
  const dag = new Dag('m').add({ id: 'm', code: t.same, extraArgs: [upTo(size)], map: true });
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
  const { ms } = await timed(() => handoff.execute(dag, { maxFunctions: 2 * size }));
  clearInterval(watch);
  return { ms, bytes: Math.max(peak, process.memoryUsage().rss) - before };
}
