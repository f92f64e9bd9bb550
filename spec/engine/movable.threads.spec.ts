/** Plans and allocators say where functions had better run: when the world turns out otherwise, they run elsewhere. */
import { afterEach, describe, expect, it } from 'vitest';
import { Dag, type DynamicAllocator, Handoff, type HandoffOptions } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { c, counter, dagOf, errorOf, t } from '../support/handoff.ts';

const planned = ['time-optimized', 'cost-optimized'] as const;
const nodes: NonNullable<HandoffOptions['nodes']> = [
  { name: 'a', capabilities: { cpu: 4 }, threads: 1, price: 3 },
  { name: 'b', capabilities: { cpu: 4 }, threads: 1, speed: 2, price: 1 },
];
let handoff: Handoff;
afterEach(() => handoff.stop({ drain: false }));

describe.each(planned)('%s', (allocationStrategy) => {
  it('moves elsewhere when a node has less than the plan assumed', async () => {
    handoff = await Handoff.start({ nodes });
    const gate = new Gate();
    const dag = new Dag();
    for (let i = 0; i < 6; i++)
      dag.add({ id: `f${i}`, code: t.waitAtGate, extraArgs: [gate.memory], duration: 50, cost: { cpu: 3 } });
    const running = handoff.execute(dag, { allocationStrategy });
    await gate.arrived(1);
    await handoff.updateCapabilities('b', { cpu: 2 });
    gate.release();
    expect((await running).stats.nodes['a']).toBeGreaterThanOrEqual(4);
  });

  it('plans with nodes whose threads are restarting', async () => {
    handoff = await Handoff.start({ nodes });
    await errorOf(handoff.execute(dagOf({ id: 'x', code: t.exit, extraArgs: [1], node: 'a', maxRetries: 0 })));
    expect(
      (await handoff.execute(dagOf({ id: 'y', code: t.one, node: 'a' }), { allocationStrategy })).allocations,
    ).toEqual({ y: 'a' });
  });

  it('goes on without a node that leaves between the plan and the run', async () => {
    handoff = await Handoff.start({ nodes });
    await handoff.execute(dagOf({ id: 'x', code: t.one }));
    const dag = new Dag();
    for (let i = 0; i < 6; i++) dag.add({ id: `f${i}`, code: t.one, duration: 20 });
    const running = handoff.execute(dag, { allocationStrategy });
    await handoff.removeNode('b');
    expect(Object.keys((await running).stats.nodes)).toContain('a');
  });

  it('retries a failed function on another node than the planned one', async () => {
    handoff = await Handoff.start({ nodes });
    const { allocations } = await handoff.execute(dagOf({ id: 'x', code: c.failOn, extraArgs: ['b'] }), {
      allocationStrategy,
    });
    expect(allocations).toEqual({ x: 'a' });
  });

  it('runs where the tracker allows', async () => {
    const only = (name: string): boolean => name === 'a';
    handoff = await Handoff.start({
      nodes,
      resourceTracker: { register() {}, available: only, request: only, release() {} },
    });
    const { allocations } = await handoff.execute(dagOf({ id: 'x', code: t.one, cost: { cpu: 1 } }), {
      allocationStrategy,
    });
    expect(allocations).toEqual({ x: 'a' });
  });

  it('plans no more functions at once than maxConcurrency', async () => {
    handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 4 }, threads: 4 }] });
    const dag = new Dag();
    for (let i = 0; i < 6; i++) dag.add({ id: `f${i}`, code: t.one, duration: 10 });
    expect((await handoff.plan(dag, { allocationStrategy, maxConcurrency: 1 })).makespan).toBe(60);
    expect((await handoff.plan(dag, { allocationStrategy, maxConcurrency: 2 })).makespan).toBe(30);
  });
});

describe('an allocator with place()', () => {
  it('is asked about every function, also about short ones that follow others', async () => {
    handoff = await Handoff.start({ nodes });
    const allocationStrategy: DynamicAllocator = {
      place: (ready) => Object.fromEntries(ready.map(({ id }) => [id, id.startsWith('x') ? 'a' : 'b'])),
    };
    for (let round = 0; round < 3; round++) {
      const dag = new Dag();
      for (let i = 0; i < 100; i++)
        dag.add({ id: `x${i}`, code: t.one }).add({ id: `y${i}`, code: t.increment, args: [`x${i}`] });
      const { allocations } = await handoff.execute(dag, { allocationStrategy });
      expect(Object.entries(allocations).filter(([id, node]) => node !== (id.startsWith('x') ? 'a' : 'b'))).toEqual([]);
    }
  });

  it('may leave a function out while the only thread for it restarts', async () => {
    handoff = await Handoff.start({
      nodes: [
        { name: 'a', capabilities: { cpu: 1 } },
        { name: 'gpu', capabilities: { cpu: 1, gpu: 1 } },
      ],
    });
    const calls = counter();
    const { allocations } = await handoff.execute(
      dagOf({ id: 'x', code: t.exitOnce, extraArgs: [calls.memory, 1], cost: { gpu: 1 } }),
      {
        allocationStrategy: {
          place: (ready, view) =>
            Object.fromEntries(
              ready.flatMap(({ id }) =>
                view.nodes.some(({ name, idle }) => name === 'gpu' && idle > 0) ? [[id, 'gpu']] : [],
              ),
            ),
        },
      },
    );
    expect(allocations).toEqual({ x: 'gpu' });
  });

  it('receives the needs of a whole group while that has no node', async () => {
    handoff = await Handoff.start({
      nodes: [
        { name: 'small', capabilities: { cpu: 2 } },
        { name: 'big', capabilities: { cpu: 4 } },
      ],
    });
    const { allocations } = await handoff.execute(
      dagOf(
        { id: 'x', code: t.one, cost: { cpu: 2 } },
        { id: 'y', code: t.one, cost: { cpu: 2 }, node: { collocatedWith: 'x' } },
      ),
      {
        allocationStrategy: {
          place: (ready, view) =>
            Object.fromEntries(
              ready.map(({ id, cost }) => [
                id,
                view.nodes.find(({ capabilities }) => capabilities['cpu']! >= cost.cpu!)!.name,
              ]),
            ),
        },
      },
    );
    expect(allocations).toEqual({ x: 'big', y: 'big' });
  });

  it('makes plan() fail as execute() does', async () => {
    handoff = await Handoff.start({ nodes });
    const dag = dagOf({ id: 'x', code: t.one });
    expect(
      await errorOf(
        handoff.plan(dag, {
          allocationStrategy: {
            place: () => {
              throw new Error('lost the map');
            },
          },
        }),
      ),
    ).toMatchObject({ code: 'ALLOCATION_ERROR', message: expect.stringContaining('lost the map') });
    expect(await errorOf(handoff.plan(dag, { allocationStrategy: { place: () => ({ x: 'nowhere' }) } }))).toMatchObject(
      { code: 'ALLOCATION_ERROR', functionId: 'x' },
    );
  });
});
