/**
 * First steps: a DAG of three functions, the validation of two wrong ones, and the first DAG again with types on its
 * edges.
 */
// In a project of your own: from 'handoffjs'.
import { Dag, dag, Handoff, tasks } from '../../lib/index.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

const handoff = await Handoff.start({ nodes: [{ name: 'local', capabilities: { cpu: 2, memory: 2000 } }] });
try {
  // 1. Functions by id: each names the functions whose results it takes. `extraArgs` follow them.
  const doubled = new Dag('doubled')
    .add({ id: 'source', code: t.source })
    .add({ id: 'double', code: t.double, args: ['source'] })
    .add({ id: 'sum', code: t.sum, args: ['double'], extraArgs: [100], cost: { cpu: 1, memory: 200 } });
  const { results, allocations } = await handoff.execute(doubled);
  console.log('results:    ', results);
  console.log('allocations:', allocations);

  // 2. A DAG can be validated before it runs; `execute` also does it.
  const misspelt = new Dag().add({ id: 'source', code: t.source }).add({ id: 'sum', code: t.sum, args: ['sorce'] });
  const circular = new Dag()
    .add({ id: 'a', code: t.double, args: ['b'] })
    .add({ id: 'b', code: t.double, args: ['a'] });
  for (const wrong of [misspelt, circular]) {
    const check = wrong.validate();
    if (!check.ok) console.log(`${check.error.code}: ${check.error.message}`);
  }

  // 3. The same as calls: a call stands for its result. An edge of the wrong type does not compile.
  const numbers = t.source();
  const outputs = await handoff.run(dag('typed', { total: t.sum(t.double(numbers), 100), numbers }));
  console.log('outputs:    ', outputs);
} finally {
  await handoff.stop();
}
