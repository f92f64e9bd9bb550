/** The parts in isolation, in this thread: building, validating, compiling, encoding. Uses tinybench. */
import { Bench } from 'tinybench';
import { compile } from '../lib/dag/compile/compile.ts';
import { encode } from '../lib/workers/store/encode.ts';
import { layered, toDag } from './support/graphs.ts';
import type { Row } from './support/report.ts';

export async function pieces({ time }: { readonly time: number }): Promise<Row[]> {
  const vertices = layered(100, 100);
  const dag = toDag(vertices);
  const small = { id: 7, name: 'a row', when: 12.5, tags: ['x', 'y'] };
  const rows = Array.from({ length: 10_000 }, (_, id) => ({ id, name: `row ${id}`, amount: id / 3 }));
  const per = new Map<string, number>();
  const bench = new Bench({ time, warmupTime: time / 4 });
  const add = (name: string, divisor: number, run: () => unknown): void => {
    per.set(name, divisor);
    bench.add(name, () => void run());
  };
  add('build a DAG of 10,000, per function', vertices.length, () => toDag(vertices));
  add('validate it, per function', vertices.length, () => dag.validate());
  add('compile it, per function', vertices.length, () => compile(dag));
  add('look through a small result', 1, () => encode(small));
  add('encode a result of 10,000 rows, per row', rows.length, () => encode(rows));
  await bench.run();
  return bench.tasks.map(({ name, result }) => {
    const ms = 'latency' in result ? result.latency.p50 : NaN;
    return { group: 'pieces', name, unit: 'µs', ours: (ms * 1000) / per.get(name)! };
  });
}
