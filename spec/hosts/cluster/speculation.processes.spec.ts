import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Dag, tasks } from '../../../lib/index.ts';
import { useCluster } from '../../support/hosts.ts';
import { f, Folder, temporary, until } from './folder.ts';

const s = tasks<typeof import('../../fixtures/straggler-tasks.ts')>(
  new URL('../../fixtures/straggler-tasks.ts', import.meta.url),
);

const cluster = useCluster(
  { nodes: [{ name: 'here', capabilities: { cpu: 1 }, threads: 1 }] },
  { nodes: [{ name: 'far', capabilities: { cpu: 1 }, threads: 1 }] },
);
const speculate = { factor: 1, minMs: 200 };

/** Enough to know what is typical, on one node, and `slow`, which waits on one until it is told to stop. */
function dagWith(slowNode: string, stopped: string): Dag {
  const dag = new Dag();
  for (let i = 0; i < 6; i++)
    dag.add({
      id: `f${i}`,
      code: s.slowOn,
      node: 'far',
      idempotent: false,
      args: i === 0 ? [] : [`f${i - 1}`],
      layout: [{ value: slowNode }, { value: stopped }],
    });
  return dag.add({
    id: 'slow',
    code: s.slowOn,
    args: ['f5'],
    layout: [{ value: slowNode }, { value: stopped }],
    cost: { cpu: 1 },
  });
}

describe('a function that takes long', () => {
  it('on this host gets a second attempt on another, whose result is brought here', async () => {
    const stopped = join(temporary(), 'stopped');
    const { results, allocations, stats } = await cluster.handoff.execute(dagWith('here', stopped), { speculate });
    expect(results['slow'].every((each: number) => each === 2)).toBe(true);
    expect(allocations['slow']).toBe('far');
    expect(stats).toMatchObject({ speculated: 1, speculatedWon: 1, retries: 0 });
    await until(() => existsSync(stopped));
  });

  it('on another host gets a second attempt here; its late result there is dropped, and its claim released', async () => {
    const folder = new Folder();
    const stopped = join(folder.path, 'stopped');
    const dag = dagWith('far', stopped).add({
      id: 'first',
      code: f.passDoor,
      extraArgs: [folder.path, 'first'],
      node: 'here',
      cost: { cpu: 1 },
    });
    const running = cluster.handoff.execute(dag, { speculate, collect: ['slow'] });
    await folder.arrived(1);
    await until(() => cluster.handoff.explain(dag.id, 'slow').functions[0]!.node === 'far');
    folder.open();
    const { results, allocations } = await running;
    expect(results['slow'].every((each: number) => each === 2)).toBe(true);
    expect(allocations['slow']).toBe('here');
    await until(() => existsSync(stopped));
    const after = await cluster.handoff.execute(
      new Dag().add({ id: 'slow', code: s.slowOn, extraArgs: ['none', stopped], node: 'far', cost: { cpu: 1 } }),
    );
    expect(after.allocations).toEqual({ slow: 'far' });
    await until(async () => Object.values((await cluster.hosts[0]!.claims('far')).now).every((amount) => amount === 0));
  });
});
