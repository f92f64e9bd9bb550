/** DBOS Transact on PostgreSQL: one workflow, each step a `DBOS.runStep`. */
import { DBOS } from '@dbos-inc/dbos-sdk';
import { jobOf, measured, runId, step } from './work.ts';

const { store, steps, order, marks } = jobOf(process.argv.slice(2));

const workflow = DBOS.registerWorkflow(
  async () => {
    const one = (k: number): Promise<number> => DBOS.runStep(() => step(k, marks), { name: `step-${k}` });
    if (order === 'parallel') await Promise.all(Array.from({ length: steps }, (_, k) => one(k)));
    else for (let k = 0; k < steps; k++) await one(k);
  },
  { name: 'steps' },
);
DBOS.setConfig({ name: 'peers', systemDatabaseUrl: store, logLevel: 'error' });
await DBOS.launch();
await measured(async () => {
  const handle = await DBOS.startWorkflow(workflow, { workflowID: runId })();
  await handle.getResult();
});
await DBOS.shutdown();
