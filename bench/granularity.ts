/**
 * Which share of two threads functions of a given length use: their work divided by the time of both threads. Compared
 * with a hand-written pool at each of its settings, because the best setting depends on the length.
 */
import { Handoff } from '../lib/index.ts';
import { createPool, runByHand } from './support/by-hand.ts';
import { independent, toDag, type Vertex } from './support/graphs.ts';
import { stepsPerMs } from './support/kernel.ts';
import { compete, type Contestant } from './support/measure.ts';
import type { Row } from './support/report.ts';
import { compute } from './support/tasks.ts';

const threads = 2;
/** How many tasks the hand-written pool sends to a thread ahead. */
const queued = [1, 2, 8, 32];
/** ms, and the goal for the used share of both threads, in %. */
const grains: readonly (readonly [ms: number, goal: number])[] = [
  [0.1, 85],
  [0.3, 95],
  [1, 98],
  [5, 99],
  [20, 99],
];
/** ms of work per round. */
const workMs = 400;

type Shape = 'independent' | 'with a claim' | 'chains of 100' | 'layered';

export async function granularity({
  rounds,
  full,
}: {
  readonly rounds: number;
  readonly full: boolean;
}): Promise<Row[]> {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: threads }, threads }] });
  const pools = queued.map((count) => createPool(threads, count));
  const rows: Row[] = [];
  const shapes: readonly Shape[] = full
    ? ['independent', 'with a claim', 'chains of 100', 'layered']
    : ['independent', 'with a claim'];
  for (const shape of shapes) {
    for (const [ms, goal] of grains) rows.push(await measure(handoff, pools, shape, ms, goal, rounds));
  }
  await handoff.stop();
  await Promise.all(pools.map((pool) => pool.destroy()));
  return rows;
}

async function measure(
  handoff: Handoff,
  pools: readonly ReturnType<typeof createPool>[],
  shape: Shape,
  ms: number,
  goal: number,
  rounds: number,
): Promise<Row> {
  const steps = Math.round(stepsPerMs() * ms);
  const vertices = graph(shape, Math.max(2 * threads, Math.round(workMs / ms)), steps);
  const cost = shape === 'with a claim' ? { cost: { cpu: 1 } } : {};
  const contestants: Record<string, Contestant['prepare']> = {
    ours: () => {
      const dag = toDag(vertices, cost);
      return () => handoff.execute(dag);
    },
    alone: () => async () => {
      for (const _ of vertices) compute(steps);
    },
  };
  pools.forEach((pool, k) => {
    contestants[`queue of ${queued[k]!}`] = () => () => runByHand((task, args) => pool.run([task, args]), vertices);
  });
  const measured = await compete(contestants, { rounds, warmUps: 2 });
  const shareOf = (name: string): number => (measured['alone']!.ms / (threads * measured[name]!.ms)) * 100;
  const best = queued.map((count) => `queue of ${count}`).reduce((a, b) => (shareOf(a) >= shareOf(b) ? a : b));
  return {
    group: 'granularity',
    name: `${ms} ms, ${shape}: share of both threads used`,
    unit: '%',
    ours: shareOf('ours'),
    beside: shareOf(best),
    what: `Piscina, ${best}`,
    ratio: shareOf('ours') / shareOf(best),
    goal: { atLeast: goal, ratioAtLeast: 1 },
  };
}

/** At most `count` functions of `steps` each. */
function graph(shape: Shape, count: number, steps: number): Vertex[] {
  if (shape === 'independent' || shape === 'with a claim') return independent(count, 'compute', [steps]);
  const width = shape === 'layered' ? 20 : Math.max(threads, Math.round(count / 100));
  const depth = Math.max(1, Math.floor(count / width));
  const argsOf = (layer: number, k: number): string[] => {
    if (layer === 0) return [];
    return shape === 'layered' ? [`v${layer - 1}_${k}`, `v${layer - 1}_${(k + 7) % width}`] : [`v${layer - 1}_${k}`];
  };
  return Array.from({ length: width * depth }, (_, i) => {
    const layer = Math.floor(i / width);
    return { id: `v${layer}_${i % width}`, task: 'computeAfter', args: argsOf(layer, i % width), extra: [steps] };
  });
}
