/**
 * `node bench/bytes.ts [--mib N]`: bytes of large results that travel between hosts, compared with the best placement
 * that uses both: two hosts of two threads in separate processes, and an orchestrator without nodes.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Dag, Handoff, tasks } from '../lib/index.ts';
import { startHost } from './support/hosts.ts';
import { toText } from './support/text-table.ts';

const t = tasks<typeof import('./support/placed-tasks.ts')>(new URL('./support/placed-tasks.ts', import.meta.url));
const { values } = parseArgs({ options: { mib: { type: 'string', default: '64' } } });
const mib = Number(values.mib);

interface Shape {
  readonly name: string;
  /** By function: its dependencies. */
  readonly edges: readonly (readonly number[])[];
  /** Results that must move, each to one host, when each host does half of the work. */
  readonly best: number;
}

const chains = (count: number, length: number): Shape => ({
  name: `${count} chains of ${length}`,
  best: 0,
  edges: Array.from({ length: count * length }, (_, i) => (i < count ? [] : [i - count])),
});
const tree = (leaves: number): Shape => {
  const edges: number[][] = Array.from({ length: leaves }, () => []);
  for (let level = Array.from(edges.keys()); level.length > 1;) {
    const next: number[] = [];
    for (let k = 0; k < level.length; k += 2) next.push(edges.push([level[k]!, level[k + 1]!]) - 1);
    level = next;
  }
  return { name: `tree of ${leaves} leaves`, best: 1, edges };
};
const fanOut = (readers: number): Shape => ({
  name: `one read by ${readers}`,
  best: 1,
  edges: [[], ...Array.from({ length: readers }, () => [0])],
});

const strategies = ['first-available', 'load-balanced', 'time-optimized'] as const;
/** MiB sent over loopback by all processes; NaN where the system does not report it. */
function overLoopback(): number {
  const file = '/proc/net/dev';
  return existsSync(file) ? Number(/lo:\s*(\d+)/.exec(readFileSync(file, 'utf8'))?.[1]) / 2 ** 20 : Number.NaN;
}

const rows: string[][] = [];
const hosts = await Promise.all(['a', 'b'].map((name) => startHost(name, { threads: 2 })));
const handoff = await Handoff.start({
  nodes: [],
  transport: { type: 'tcp', join: hosts.map(({ address }) => address), root: new URL('..', import.meta.url).pathname },
});
try {
  for (const { name, edges, best } of [chains(4, 4), tree(16), fanOut(8)]) {
    for (const allocationStrategy of strategies) {
      for (const knows of [false, true]) {
        const moved: number[] = [];
        const took: number[] = [];
        const before = overLoopback();
        for (let round = 0; round < 5; round++) {
          const dag = new Dag();
          for (const [i, inputs] of edges.entries()) {
            dag.add({
              id: `f${i}`,
              code: t.emit,
              args: inputs.map((each) => `f${each}`),
              argumentInclusion: 'list',
              extraArgs: [30 + 10 * (i % 3), mib * 2 ** 20],
              ...(knows && { outputBytes: mib * 2 ** 20, duration: 30 + 10 * (i % 3) }),
            });
          }
          const { allocations, stats } = await handoff.execute(dag, { allocationStrategy, collect: [] });
          const moves = new Set(
            edges.flatMap((inputs, i) =>
              inputs
                .filter((each) => allocations[`f${each}`] !== allocations[`f${i}`])
                .map((each) => `${each} ${allocations[`f${i}`]}`),
            ),
          );
          moved.push(moves.size);
          took.push(stats.durationMs);
        }
        const middle = (list: number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!;
        rows.push([
          name,
          allocationStrategy,
          knows ? 'given' : 'learned',
          `${best * mib}`,
          moved.map((each) => each * mib).join(' '),
          ((overLoopback() - before) / 5).toFixed(0),
          middle(took).toFixed(0),
        ]);
      }
    }
  }
} finally {
  await handoff.stop();
  for (const host of hosts) host.end();
}
process.stdout.write(
  `${toText(['DAG', 'strategy', 'sizes', 'best MiB', 'MiB moved by where functions ran, run by run', 'MiB over loopback (mean)', 'ms (median)'], rows)}\n`,
);
