/** Small functions: how many per second, and the main thread's time for each, compared with hand-written code. */
import { Handoff } from '../lib/index.ts';
import { runByHand } from './support/by-hand.ts';
import { chains, independent, layered, toDag, tree, type Vertex } from './support/graphs.ts';
import { compete } from './support/measure.ts';
import { piscina, startPeers } from './support/peers.ts';
import type { Goal, Row } from './support/report.ts';

const threads = 2;
const oneNode = { nodes: [{ name: 'n', capabilities: { cpu: threads }, threads }] };

interface Shape {
  readonly name: string;
  readonly vertices: readonly Vertex[];
  readonly goal: Goal;
  readonly cpuGoal?: Goal;
}

const shapes: readonly Shape[] = [
  { name: '10,000 independent no-ops', vertices: independent(10_000), goal: { atLeast: 200_000, ratioAtLeast: 5 } },
  {
    name: 'layered random, 100 × 100',
    vertices: layered(100, 100),
    goal: { atLeast: 200_000, ratioAtLeast: 5 },
    cpuGoal: { atMost: 4 },
  },
  { name: 'binary tree sum, 1,024 leaves', vertices: tree(1024), goal: { atLeast: 400_000, ratioAtLeast: 10 } },
  { name: '100 chains × 100', vertices: chains(100, 100), goal: { atLeast: 800_000, ratioAtLeast: 20 } },
];

export async function throughput({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const handoff = await Handoff.start(oneNode);
  const pool = piscina(threads);
  const rows: Row[] = [];
  for (const { name, vertices, goal, cpuGoal } of shapes) {
    const { ours, byHand } = await compete(
      {
        ours: () => {
          const dag = toDag(vertices);
          return () => handoff.execute(dag);
        },
        byHand: () => () => runByHand(pool.run, vertices),
      },
      { rounds, warmUps: rounds },
    );
    const perSecond = (ms: number): number => (vertices.length / ms) * 1000;
    rows.push({
      group: 'throughput',
      name,
      unit: 'functions/s',
      ours: perSecond(ours.ms),
      beside: perSecond(byHand.ms),
      ratio: byHand.ms / ours.ms,
      goal,
    });
    rows.push({
      group: 'throughput',
      name: `${name}: main-thread CPU`,
      unit: 'µs/function',
      ours: ours.cpu / vertices.length,
      beside: byHand.cpu / vertices.length,
      ratio: byHand.cpu / ours.cpu,
      ...(cpuGoal !== undefined && { goal: cpuGoal }),
    });
  }
  await handoff.stop();
  await pool.stop();
  return rows;
}

/** The same on other pools, each under the same hand-written scheduler. */
export async function peers({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const handoff = await Handoff.start(oneNode);
  const others = await startPeers(threads);
  const rows: Row[] = [];
  for (const { name, vertices } of shapes) {
    const contestants: Record<string, () => () => Promise<unknown>> = {
      handoff: () => {
        const dag = toDag(vertices);
        return () => handoff.execute(dag);
      },
    };
    for (const { name: peer, run } of others) contestants[peer] = () => () => runByHand(run, vertices);
    const measured = await compete(contestants, { rounds, warmUps: 2 });
    const ours = measured['handoff']!;
    for (const { name: peer } of others) {
      const { ms } = measured[peer]!;
      rows.push({
        group: 'peers',
        name: `${name}: ${peer}`,
        unit: 'functions/s',
        ours: (vertices.length / ours.ms) * 1000,
        beside: (vertices.length / ms) * 1000,
        what: peer,
        ratio: ms / ours.ms,
      });
    }
  }
  await handoff.stop();
  for (const peer of others) await peer.stop();
  return rows;
}
