/**
 * What gangs gain, in which threads run ahead of the main thread: the same graphs with and without gangs, alternating
 * in one process.
 */
import { startTuned } from '../lib/runtime/handoff.ts';
import { toDag, tree, type Vertex } from './support/graphs.ts';
import { stepsPerMs } from './support/kernel.ts';
import { median, timed } from './support/measure.ts';
import { grid } from './support/patterns.ts';
import type { Row } from './support/report.ts';

/** µs of kernel per function. */
const grain = 8;

export async function ahead({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const nodes = [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }];
  // The second also sends out as much as it can, one thread at a time.
  const [on, off] = [await startTuned({ nodes }, {}), await startTuned({ nodes }, { gangMs: 0 })];
  const rows: Row[] = [];
  for (const [name, vertices] of Object.entries(graphs())) {
    const times: [number[], number[]] = [[], []];
    for (let round = -3; round < rounds; round++) {
      for (const [k, handoff] of [on, off].entries()) {
        const { ms } = await timed(() => handoff.execute(toDag(vertices)));
        if (round >= 0) times[k]!.push(ms);
      }
    }
    const [ours, beside] = times.map(median) as [number, number];
    rows.push({
      group: 'ahead',
      name: `${name}, functions of ${grain} µs`,
      unit: 'ms',
      ours,
      beside,
      what: 'not running ahead',
      ratio: beside / ours,
    });
  }
  await Promise.all([on.stop(), off.stop()]);
  return rows;
}

function graphs(): Record<string, Vertex[]> {
  const steps = Math.round((stepsPerMs() * grain) / 1000);
  const patterns = (['no_comm', 'stencil_1d', 'nearest', 'fft', 'spread'] as const).map(
    (pattern) => [pattern, grid(pattern, 16, 60, 'compute', steps)] as const,
  );
  const leaves = tree(256).map((vertex): Vertex => ({ ...vertex, task: 'computeAfter', extra: [steps] }));
  return { ...Object.fromEntries(patterns), 'binary tree, 256 leaves': leaves };
}
