/**
 * Task Bench (Slaughter et al., "Task Bench: A Parameterized Benchmark for Evaluating Parallel Runtime Performance",
 * SC20): grids of functions with the dependence patterns of real programs. Measures how long a function must be for
 * half of the machine's work to be useful.
 *
 * ```
 *   efficiency   useful steps per second, relative to all cores doing nothing else
 *   granularity  wall time × cores / functions
 *   METG(50%)    the smallest granularity with an efficiency of at least 50 %
 * ```
 */
import { writeFileSync } from 'node:fs';
import { Handoff } from '../lib/index.ts';
import { runByHand } from './support/by-hand.ts';
import { toDag, type Vertex } from './support/graphs.ts';
import { stepsPerMs } from './support/kernel.ts';
import { timed } from './support/measure.ts';
import { grid, type Pattern, patterns, run, type Kernel } from './support/patterns.ts';
import { piscina } from './support/peers.ts';
import type { Row } from './support/report.ts';
import { metg, plot, type Point } from './support/efficiency.ts';

const threads = 2;
const width = 16;
const steps = 60;
/** µs of kernel per function, from coarse to fine. */
const grains = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1];

type Runner = 'handoff' | 'by hand on Piscina' | 'main thread alone';

export async function taskBench({
  full,
  svg,
}: {
  readonly full: boolean;
  readonly svg: string | undefined;
}): Promise<Row[]> {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: threads }, threads }] });
  const pool = piscina(threads);
  const runners: Readonly<
    Record<Runner, { readonly cores: number; run(vertices: readonly Vertex[]): Promise<unknown> }>
  > = {
    handoff: { cores: threads, run: (vertices) => handoff.execute(toDag(vertices)) },
    'by hand on Piscina': { cores: threads, run: (vertices) => runByHand(pool.run, vertices) },
    'main thread alone': { cores: 1, run: async (vertices) => run(vertices) },
  };
  const rows: Row[] = [];
  const points: (Point & { readonly runner: Runner; readonly pattern: Pattern })[] = [];
  for (const pattern of full ? patterns : (['trivial', 'stencil_1d', 'tree'] as const)) {
    const found = {} as Record<Runner, number>;
    for (const [runner, measured] of Object.entries(await measure(pattern, 'compute', runners, full ? 5 : 3)) as [
      Runner,
      Point[],
    ][]) {
      found[runner] = metg(measured, 0.5);
      points.push(...measured.map((point) => ({ ...point, runner, pattern })));
    }
    rows.push({
      group: 'taskbench',
      name: `METG(50%), ${pattern}`,
      unit: 'µs',
      ours: found.handoff,
      beside: found['by hand on Piscina'],
      ratio: found['by hand on Piscina'] / found.handoff,
      goal: { ratioAtLeast: 4 },
    });
  }
  for (const kernel of full
    ? (['imbalanced', 'memory', 'communicate 16 B', 'communicate 4 KiB', 'communicate 256 KiB'] as const)
    : []) {
    const { handoff: ours, 'by hand on Piscina': byHand } = await measure('stencil_1d', kernel, runners, 3);
    rows.push({
      group: 'taskbench',
      name: `METG(50%), stencil_1d, ${kernel}`,
      unit: 'µs',
      ours: metg(ours, 0.5),
      beside: metg(byHand, 0.5),
      ratio: metg(byHand, 0.5) / metg(ours, 0.5),
    });
  }
  if (svg !== undefined) writeFileSync(svg, await plot(points));
  await handoff.stop();
  await pool.stop();
  return rows;
}

/** The points of every runner, measured alternately. */
async function measure(
  pattern: Pattern,
  kernel: Kernel,
  runners: Readonly<Record<Runner, { readonly cores: number; run(vertices: readonly Vertex[]): Promise<unknown> }>>,
  rounds: number,
): Promise<Record<Runner, Point[]>> {
  const found = Object.fromEntries(Object.keys(runners).map((name) => [name, []])) as unknown as Record<
    Runner,
    Point[]
  >;
  for (const grain of grains) {
    const count = Math.max(1, Math.round((stepsPerMs() * grain) / 1000));
    const vertices = grid(pattern, width, steps, kernel, count);
    const best = Object.fromEntries(Object.keys(runners).map((name) => [name, Infinity])) as Record<Runner, number>;
    for (let round = -1; round < rounds; round++) {
      for (const [name, runner] of Object.entries(runners) as [Runner, (typeof runners)[Runner]][]) {
        const { ms } = await timed(() => runner.run(vertices));
        if (round >= 0) best[name] = Math.min(best[name], ms);
      }
    }
    for (const [name, { cores }] of Object.entries(runners) as [Runner, (typeof runners)[Runner]][]) {
      const useful = (vertices.length * grain) / 1000; // ms of one core
      found[name].push({
        efficiency: useful / (best[name] * cores),
        granularity: (best[name] * cores * 1000) / vertices.length,
      });
    }
  }
  return found;
}
