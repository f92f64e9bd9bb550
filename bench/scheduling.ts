/**
 * `node bench/scheduling.ts [--data DIR] [--budget N] [--svg FILE]`: the planner on published scheduling problems,
 * compared with reference rules and published figures; an independent validator checks every schedule. Without a data
 * folder it uses the one beside the repository, or else the few instances of this repository.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { Instance } from './support/sched/instance.ts';
import { carryOut, plan } from './support/sched/plan.ts';
import { prices } from './support/sched/prices.ts';
import { readGraphs, readProjects, readWorkflows, settings } from './support/sched/read.ts';
import { dispatchReady, heft } from './support/sched/reference.ts';
import { large } from './support/sched/large.ts';
import {
  compare,
  type Figures,
  measure,
  plot,
  type Reference,
  type Strategy,
  toTable,
} from './support/sched/tables.ts';

const { values } = parseArgs({
  options: { data: { type: 'string' }, budget: { type: 'string', default: '1000' }, svg: { type: 'string' } },
});
const beside = fileURLToPath(new URL('../../shared/data/sched', import.meta.url));
const data = values.data ?? (existsSync(beside) ? beside : fileURLToPath(new URL('data', import.meta.url)));
const most = Number(values.budget);
const budgets = [...new Set([1, 3, 10, 100, most])].filter((budget) => budget <= most).sort((a, b) => a - b);

const fifo: Strategy = { name: 'FIFO, first idle', run: (instance) => ({ placed: dispatchReady(instance, 'fifo') }) };
const bLevel: Strategy = { name: 'b-level', run: (instance) => ({ placed: dispatchReady(instance, 'b-level') }) };
const idleOnly: Strategy = {
  name: 'b-level + earliest finish, idle only',
  run: (instance) => ({ placed: dispatchReady(instance, 'b-level, earliest finish') }),
};
const reference: Strategy = { name: 'HEFT', run: (instance) => ({ placed: heft(instance) }) };
const carried = (['first-available', 'load-balanced', 'auto', 'time-optimized'] as const).map(
  (allocationStrategy): Strategy => ({
    name: `simulate, ${allocationStrategy}`,
    run: (instance) => carryOut(instance, { allocationStrategy }),
  }),
);
const ours = budgets.map((budget): Strategy => ({
  name: `planner, budget ${budget}`,
  run: (instance) => plan(instance, budget),
}));

/** Figures from the data's README, over complete sets. */
const published: Readonly<Record<'projects' | 'graphs' | 'workflows', Reference>> = {
  projects: {
    'README: FIFO': { j30: 7.7, j60: 9.4, j120: 20.3 },
    'README: b-level': { j30: 4.5, j60: 5.3, j120: 10.5 },
    'README: LFT + 1 improvement (budget 3)': { j30: 2.4, j60: 3, j120: 6.7 },
    'README: GA + FBI, 1,000': { j30: 0.42, j60: 1.06, j120: 3.54 },
  },
  graphs: {
    'README: FIFO': { stg50: 3.89, stg100: 2.68, stg1000: 1.69, applications: 16.7 },
    'README: b-level': { stg50: 0.66, stg100: 0.18, stg1000: 0.08, applications: 0.59 },
    'README: GA + FBI, 1,000': { stg50: 0.01, stg100: 0, applications: 0.1 },
  },
  workflows: {
    'README: FIFO': Object.fromEntries(settings.map((setting, k) => [setting, [15.4, 112.9, 88.9, 70.9][k]!])),
    'README: HEFT': Object.fromEntries(settings.map((setting, k) => [setting, [10.1, 8.9, 9.2, 12.1][k]!])),
  },
};

const last = ours.at(-1)!.name;
const all: { readonly group: string; readonly figures: Figures }[] = [];
show(
  'PSPLIB, % above best known',
  readProjects(data),
  [fifo, bLevel, ...carried, ...ours],
  published.projects,
  'b-level',
);
show(
  'STG, % above optimum or best known',
  readGraphs(data),
  [fifo, bLevel, ...carried, ...ours],
  published.graphs,
  'b-level',
);
show(
  'workflows, % above max(critical path, work / capacity)',
  settings.flatMap((setting) => readWorkflows(data, setting)),
  [fifo, idleOnly, reference, ...carried, ...ours],
  published.workflows,
  'HEFT',
);
const bills = prices(data);
if (bills !== undefined) process.stdout.write(`${bills.table}\n\n`);
process.stdout.write(`${large()}\n`);
if (values.svg !== undefined) {
  const points = all.flatMap(({ group, figures }) =>
    figures.outcomes.flatMap(({ strategy, set, above }) => {
      const budget = /^planner, budget (\d+)$/.exec(strategy)?.[1];
      return budget === undefined ? [] : [{ group, set, above, budget: Number(budget) }];
    }),
  );
  writeFileSync(values.svg, await plot(points));
}
const faults = [...all.flatMap(({ figures }) => figures.faults), ...(bills?.faults ?? [])];
process.stderr.write(
  faults.length === 0
    ? `${all.reduce((sum, { figures }) => sum + figures.outcomes.length, 0)} schedules, all valid\n`
    : `${faults.join('\n')}\n`,
);
process.exitCode = faults.length === 0 ? 0 : 1;

function show(
  group: string,
  instances: readonly Instance[],
  strategies: readonly Strategy[],
  figures: Reference,
  rival: string,
): void {
  if (instances.length === 0) return;
  process.stderr.write(`${group} …\n`);
  const measured = measure(instances, strategies);
  all.push({ group, figures: measured });
  process.stdout.write(
    `${toTable(group, measured, figures)}\n\n${[carried[0]!.name, carried[2]!.name, ours[0]!.name, last].map((name) => compare(measured, name, rival)).join('\n')}\n\n`,
  );
}
