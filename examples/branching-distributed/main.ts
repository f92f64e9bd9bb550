/**
 * The branching DAG of the original library on two hosts: one value, two parallel branches in separate processes, and
 * their sum.
 */
import { randomBytes } from 'node:crypto';
// In a project of your own: from 'handoffjs'.
import { Dag, Handoff, tasks } from '../../lib/index.ts';
import { startHost } from '../distributed-image-processing/hosts.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

// Each node has two cpus and each branch needs two, so both branches run at the same time only on two nodes. `double` is
// pinned: these branches are so short that the first host could run both before the second one has begun.
const branching = new Dag('branching')
  .add({ id: 'input', code: t.input, cost: { cpu: 1, memory: 100 } })
  .add({ id: 'increment', code: t.increment, args: ['input'], cost: { cpu: 2, memory: 500 } })
  .add({ id: 'double', code: t.double, args: ['input'], cost: { cpu: 2, memory: 500 }, node: 'there' })
  .add({ id: 'sum', code: t.sum, args: ['increment', 'double'], cost: { cpu: 1, memory: 100 }, node: 'here' });

const secret = randomBytes(32).toString('hex');
const there = await startHost('there', 'cpu=2,memory=2000', secret);
let handoff: Handoff | undefined;
try {
  handoff = await Handoff.start({
    nodes: [{ name: 'here', capabilities: { cpu: 2, memory: 2000 } }],
    transport: { type: 'tcp', join: [there.address], secret },
  });
  const { results, allocations } = await handoff.execute(branching);
  console.log('increment:  ', results['increment'].values);
  console.log('double:     ', results['double'].values);
  console.log('sum:        ', results['sum'].total, `(63 + 120), of branches in ${results['sum'].processes} processes`);
  console.log('allocations:', { ...allocations });
} finally {
  await handoff?.stop();
  await there.stop();
}
