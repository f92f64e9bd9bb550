/** Handoff as shipped, with its journal in SQLite (its first argument is `sync`) or PostgreSQL. */
import { Dag, Handoff, tasks } from '../../dist/index.js';
import type * as steps from './handoff-tasks.ts';
import { jobOf, measured, runId } from './work.ts';

const [sync, ...given] = process.argv.slice(2) as ['normal' | 'full', ...string[]];
const { store, steps: count, order, marks } = jobOf(given);
const t = tasks<typeof steps>(new URL('./handoff-tasks.ts', import.meta.url));

const handoff = await Handoff.start({
  nodes: [{ name: 'here', capabilities: { cpu: 1 }, threads: 1 }],
  journal: store.startsWith('postgres:') ? { type: 'postgres', url: store } : { type: 'sqlite', path: store, sync },
  orchestrate: false,
});
const dag = new Dag('steps');
for (let k = 0; k < count; k++) {
  const isAfter = order === 'sequence' && k > 0;
  dag.add({
    id: `step-${k}`,
    code: isAfter ? t.stepAfter : t.step,
    args: isAfter ? [`step-${k - 1}`] : [],
    extraArgs: [k, marks],
  });
}
await measured(() => handoff.execute(dag, { runId }));
await handoff.stop();
