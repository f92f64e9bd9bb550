/**
 * Large results between hosts move no more than they must. The orchestrator is this process and has no node; hosts B
 * and C are others.
 */
import { describe, expect, it } from 'vitest';
import { Dag } from '../../../lib/index.ts';
import { errorOf } from '../../support/handoff.ts';
import { next, startHere, useCluster } from '../../support/hosts.ts';
import { f, Folder } from './folder.ts';

const cluster = useCluster(
  { nodes: [] },
  { nodes: [{ name: 'b', capabilities: { cpu: 2 }, threads: 2 }] },
  { nodes: [{ name: 'c', capabilities: { cpu: 2 }, threads: 2 }] },
);
const length = 2 ** 18;

/** A tree of sums; what each function gives is 2 MiB. */
function tree(leaves: number, outputBytes?: number): Dag {
  const dag = new Dag();
  const more = { duration: 20, ...(outputBytes !== undefined && { outputBytes }) };
  for (let i = 0; i < leaves; i++) dag.add({ id: `0:${i}`, code: f.ramp, extraArgs: [length, i], ...more });
  for (let level = 1; leaves >> level > 0; level++) {
    for (let i = 0; i < leaves >> level; i++)
      dag.add({
        id: `${level}:${i}`,
        code: f.blend,
        args: [`${level - 1}:${2 * i}`, `${level - 1}:${2 * i + 1}`],
        ...more,
      });
  }
  return dag;
}

/** How often a result had to go to another node. */
function moves(dag: Dag, allocations: Readonly<Record<string, string>>): number {
  return new Set(
    [...dag.functions.values()].flatMap(({ id, args }) =>
      args.filter((arg) => allocations[arg as string] !== allocations[id]).map((arg) => `${arg} ${allocations[id]}`),
    ),
  ).size;
}

describe("'time-optimized'", () => {
  it('moves one result of a tree of sixteen leaves when it knows their sizes, and uses both hosts', async () => {
    const dag = tree(16, length * 8);
    const { allocations, results } = await cluster.handoff.execute(dag, {
      allocationStrategy: 'time-optimized',
      collect: 'sinks',
    });
    expect(moves(dag, allocations)).toBe(1);
    expect(new Set(Object.values(allocations))).toEqual(new Set(['b', 'c']));
    expect(results['4:0'][1]).toBe(16 + (15 * 16) / 2);
  });

  it('likewise when it has learned that from a run before', async () => {
    await cluster.handoff.execute(tree(16), { collect: [] });
    const dag = tree(16);
    const { allocations } = await cluster.handoff.execute(dag, { allocationStrategy: 'time-optimized', collect: [] });
    expect(moves(dag, allocations)).toBe(1);
  });
});

describe('executeLocal', () => {
  it('refuses an allocator that names a node of another host, and does not wait for it', async () => {
    const handoff = await startHere({
      nodes: [{ name: 'there', capabilities: { cpu: 1 } }],
      join: [cluster.hosts[0]!.address],
    });
    const dag = new Dag().add({ id: 'x', code: f.pid });
    expect(
      await errorOf(handoff.executeLocal(dag, { allocationStrategy: { allocate: () => ({ x: 'b' }) } })),
    ).toMatchObject({ code: 'ALLOCATION_ERROR', functionId: 'x' });
  });
});

describe('a result of a planned run', () => {
  it('is sent to the host of its consumer before that can start', async () => {
    const handoff = await startHere({
      nodes: [{ name: 'here', capabilities: { cpu: 1 } }],
      join: [cluster.hosts[0]!.address],
    });
    const folder = new Folder();
    const dag = new Dag()
      .add({ id: 'made', code: f.ramp, extraArgs: [length], node: 'b', duration: 5, outputBytes: length * 8 })
      .add({ id: 'late', code: f.passDoor, extraArgs: [folder.path, 'late'], node: 'c', duration: 500 })
      .add({ id: 'taken', code: f.sumAfter, args: ['made', 'late'], node: 'here', duration: 5 });
    const fetched = next(handoff, 'result:fetched', ({ functionId }) => functionId === 'made');
    const running = handoff.execute(dag, { allocationStrategy: 'time-optimized', collect: 'sinks' });
    await folder.arrived(1);
    await fetched;
    expect(folder.lines.map(([sign]) => sign)).toEqual(['+']); // what takes it still waits for `late`
    folder.open();
    expect((await running).results['taken']).toBe((length * (length - 1)) / 2);
  });
});
