/**
 * Functions that keep a core busy: the CPU cost of running them in parallel, the gain, and whether one delays the
 * others.
 */
import { Handoff } from '../lib/index.ts';
import { runByHand } from './support/by-hand.ts';
import { independent, toDag } from './support/graphs.ts';
import { stepsPerMs } from './support/kernel.ts';
import { compete } from './support/measure.ts';
import { piscina } from './support/peers.ts';
import type { Row } from './support/report.ts';
import { compute } from './support/tasks.ts';

const threads = 2;

export async function busy({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: threads }, threads }] });
  const pool = piscina(threads);
  const rows: Row[] = [];
  for (const [ms, count, atMost] of [
    [1, 400, 12],
    [20, 20, 2],
  ] as const) {
    const steps = Math.round(stepsPerMs() * ms);
    const vertices = independent(count, 'compute', [steps]);
    const { ours, byHand, alone } = await compete(
      {
        ours: () => {
          const dag = toDag(vertices);
          return () => handoff.execute(dag);
        },
        byHand: () => () => runByHand(pool.run, vertices),
        alone: () => async () => {
          for (let i = 0; i < count; i++) compute(steps);
        },
      },
      { rounds, warmUps: 2 },
    );
    const extra = (cpu: number): number => (cpu / alone.allCpu - 1) * 100;
    rows.push({
      group: 'busy',
      name: `${count} functions of ${ms} ms: extra CPU`,
      unit: '%',
      ours: extra(ours.allCpu),
      beside: extra(byHand.allCpu),
      goal: { atMost },
    });
    rows.push({
      group: 'busy',
      name: `${count} functions of ${ms} ms: speed-up over one thread`,
      unit: 'x',
      ours: alone.ms / ours.ms,
      beside: alone.ms / byHand.ms,
      ratio: byHand.ms / ours.ms,
    });
  }
  rows.push(await straggler(handoff, rounds));
  await handoff.stop();
  await pool.stop();
  return rows;
}

/** One function of 500 ms among 10,000 no-ops: the ratio to the longer of the two alone. */
async function straggler(handoff: Handoff, rounds: number): Promise<Row> {
  const steps = Math.round(stepsPerMs() * 500);
  const rest = independent(10_000);
  const mixed = [
    ...rest.slice(0, 5000),
    { id: 'long', task: 'compute', args: [], extra: [steps] } as const,
    ...rest.slice(5000),
  ];
  const { together, long, alone } = await compete(
    {
      together: () => {
        const dag = toDag(mixed);
        return () => handoff.execute(dag);
      },
      long: () => {
        const dag = toDag([mixed[5000]!]);
        return () => handoff.execute(dag);
      },
      alone: () => {
        const dag = toDag(rest);
        return () => handoff.execute(dag);
      },
    },
    { rounds: Math.min(rounds, 5), warmUps: 1 },
  );
  const longest = Math.max(long.ms, alone.ms);
  return {
    group: 'busy',
    name: '500 ms among 10,000 no-ops, over the longer of the two alone',
    unit: 'x',
    ours: together.ms / longest,
    goal: { atMost: 1.15 },
  };
}
