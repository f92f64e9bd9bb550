/** Growth: a thousand, a hundred thousand and a million functions in one process, with one main thread. */
import { Handoff } from '../lib/index.ts';
import { compile } from '../lib/dag/compile/compile.ts';
import { independent, layered, toDag } from './support/graphs.ts';
import { timed } from './support/measure.ts';
import type { Row } from './support/report.ts';

export async function million({ largest }: { readonly largest: number }): Promise<Row[]> {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }] });
  const rows: Row[] = [];
  try {
    for (let i = 0; i < 5; i++) await handoff.execute(toDag(independent(2000)));
    let first: number | undefined;
    for (const size of [1000, 10_000, 100_000, 1_000_000].filter((each) => each <= largest)) {
      // Many short runs of the small sizes, because a single one ends before V8 has compiled it.
      const times = Math.max(1, Math.floor(20_000 / size));
      const per = await perFunction(size, times, handoff);
      first ??= per.run;
      rows.push({
        group: 'growth',
        name: `${size.toLocaleString('en')} no-ops, compile alone`,
        unit: 'µs/function',
        ours: per.compile,
      });
      rows.push({
        group: 'growth',
        name: `${size.toLocaleString('en')} no-ops, from execute to results`,
        unit: 'µs/function',
        ours: per.run,
        ratio: first / per.run,
      });
      rows.push({
        group: 'growth',
        name: `${size.toLocaleString('en')} no-ops, memory while they run`,
        unit: 'bytes/function',
        ours: per.bytes,
      });
    }
    const deep = layered(largest / 100, 100);
    const { ms } = await timed(() => handoff.execute(toDag(deep), { collect: 'sinks' }));
    rows.push({
      group: 'growth',
      name: `${deep.length.toLocaleString('en')} in layers of 100, built and run`,
      unit: 'µs/function',
      ours: (ms * 1000) / deep.length,
    });
    return rows;
  } finally {
    await handoff.stop();
  }
}

async function perFunction(
  size: number,
  times: number,
  handoff: Handoff,
): Promise<{ compile: number; run: number; bytes: number }> {
  let compileMs = 0;
  let runMs = 0;
  let bytes = 0;
  for (let i = 0; i < times; i++) {
    const dag = toDag(independent(size));
    compileMs += (await timed(async () => compile(dag))).ms;
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
    runMs += (await timed(() => handoff.execute(dag))).ms;
    clearInterval(watch);
    bytes += Math.max(peak, process.memoryUsage().rss) - before;
  }
  const functions = size * times;
  return { compile: (compileMs * 1000) / functions, run: (runMs * 1000) / functions, bytes: bytes / functions };
}
