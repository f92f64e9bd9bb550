/** Branches over hosts. The orchestrator is this process, with node a; host B has node b. */
import { expect, it } from 'vitest';
import { Dag } from '../../../lib/index.ts';
import { useCluster } from '../../support/hosts.ts';
import { f } from './folder.ts';

const cluster = useCluster(
  { nodes: [{ name: 'a', capabilities: { cpu: 1 }, threads: 1 }] },
  { nodes: [{ name: 'b', capabilities: { cpu: 1 }, threads: 1 }] },
);
const length = 2 ** 18; // 2 MiB: the result stays on its host

it('a large result of another host decides a branch, and is an input beside a skipped one', async () => {
  const dag = new Dag()
    .add({ id: 'big', code: f.ramp, extraArgs: [length, 1], node: 'b' })
    .add({ id: 'yes', code: f.ramp, extraArgs: [length, 2], node: 'b', when: 'big' })
    .add({ id: 'no', code: f.ramp, extraArgs: [length, 3], node: 'b', when: { id: 'big', not: true } })
    .add({ id: 'here', code: f.blend, args: [{ anyOf: ['no', 'yes'] }, 'big'], node: 'a' })
    .add({ id: 'there', code: f.blend, args: ['here', { anyOf: ['no', 'big'] }], node: 'b' });
  const { results, allocations } = await cluster.handoff.execute(dag, { collect: ['here', 'there'] });
  expect(allocations).toEqual({ big: 'b', yes: 'b', here: 'a', there: 'b' });
  expect([results['here'].length, results['there'].length]).toEqual([length, length]);
});
