/**
 * `node bench/agreement.ts [--data DIR] [--ms N]`: compares the duration of runs with their simulation. Runs workflows
 * whose functions sleep, scaled to at least about N ms (default 2500), on four nodes. Without a data folder it uses
 * task graphs of this repository.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { Dag, Handoff, tasks } from '../lib/index.ts';
import { simulate } from '../lib/simulate.ts';
import type { Instance } from './support/sched/instance.ts';
import { readGraphs, readWorkflows } from './support/sched/read.ts';
import { toText } from './support/text-table.ts';

const t = tasks<typeof import('./support/placed-tasks.ts')>(new URL('./support/placed-tasks.ts', import.meta.url));
const { values } = parseArgs({ options: { data: { type: 'string' }, ms: { type: 'string', default: '2500' } } });
const beside = fileURLToPath(new URL('../../shared/data/sched', import.meta.url));
const data = values.data ?? (existsSync(beside) ? beside : fileURLToPath(new URL('data', import.meta.url)));

const nodes = [0.5, 1, 1, 2].map((speed, k) => ({ name: `n${k}`, capabilities: { cpu: 2 }, threads: 2, speed }));
const speeds = Object.fromEntries(nodes.map(({ name, speed }) => [name, speed]));
const strategies = ['first-available', 'load-balanced', 'time-optimized'] as const;
const rounds = 3;

const workflows = readWorkflows(data, '8 equal').filter(({ work }) => work.length <= 1200);
const instances = (workflows.length > 0 ? workflows : readGraphs(data)).slice(0, 5);

/** The workflow with scaled durations, as functions that sleep for as long as their node takes. */
function toDag({ name, work }: Instance, scale: number): Dag {
  const dag = new Dag(name);
  for (const { id, duration, deps } of work)
    dag.add({
      id,
      code: t.sleepFor,
      args: deps,
      argumentInclusion: 'list',
      extraArgs: [duration * scale, speeds],
      duration: duration * scale,
    });
  return dag;
}

const handoff = await Handoff.start({ nodes });
const rows: string[][] = [];
let worst = 0;
try {
  for (const instance of instances) {
    const whole = simulate(toDag(instance, 1), { nodes, allocationStrategy: 'time-optimized' }).makespan;
    const scale = Number(values.ms) / whole;
    for (const allocationStrategy of strategies) {
      const { makespan } = simulate(toDag(instance, scale), { nodes, allocationStrategy });
      const measured: number[] = [];
      for (let round = 0; round < rounds; round++)
        measured.push((await handoff.execute(toDag(instance, scale), { allocationStrategy })).stats.durationMs);
      const median = measured.toSorted((a, b) => a - b)[rounds >> 1]!;
      const off = (median / makespan - 1) * 100;
      worst = Math.max(worst, Math.abs(off));
      rows.push([
        instance.name,
        String(instance.work.length),
        allocationStrategy,
        makespan.toFixed(0),
        median.toFixed(0),
        `${off >= 0 ? '+' : ''}${off.toFixed(1)} %`,
      ]);
    }
  }
} finally {
  await handoff.stop();
}
process.stdout.write(
  `${toText(['workflow', 'functions', 'strategy', 'simulated ms', `measured ms (median of ${rounds})`, ''], rows)}\n\nat most ${worst.toFixed(1)} % apart\n`,
);
