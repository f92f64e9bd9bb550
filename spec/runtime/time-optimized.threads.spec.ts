import { describe, expect, it } from 'vitest';
import { Dag, type FunctionSpec } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff({
  nodes: [
    { name: 'slow', capabilities: { cpu: 1 }, threads: 1, speed: 0.5 },
    { name: 'fast', capabilities: { cpu: 1 }, threads: 1, speed: 2 },
  ],
});

/** Four chains. */
function chains(): Dag {
  const dag = new Dag();
  for (let i = 0; i < 20; i++)
    dag.add({ id: `f${i}`, code: t.one, duration: 10 + i, args: i < 4 ? [] : [`f${i - 4}`] } as FunctionSpec);
  return dag;
}

describe("'time-optimized'", () => {
  it('plans a shorter makespan than greedy scheduling, and never below the lower bound', async () => {
    const [taken, planned, best] = [
      await handoff().plan(chains(), { allocationStrategy: 'first-available' }),
      await handoff().plan(chains(), { allocationStrategy: 'time-optimized' }),
      await handoff().plan(chains(), { budget: 1000 }),
    ];
    expect(planned.makespan).toBeLessThan(taken.makespan);
    expect(best.makespan).toBeLessThanOrEqual(planned.makespan);
    expect(best.makespan).toBeGreaterThanOrEqual(best.lowerBound);
    expect(best.schedule.map(({ functionId }) => functionId).sort()).toEqual(
      Array.from({ length: 20 }, (_, i) => `f${i}`).sort(),
    );
  });

  it('runs each function where it was planned', async () => {
    const { allocations } = await handoff().plan(chains(), { allocationStrategy: 'time-optimized' });
    const ran = await handoff().execute(chains(), { allocationStrategy: 'time-optimized' });
    expect(ran.allocations).toEqual(allocations);
  });

  it('is the default where durations are known and nodes differ', async () => {
    const { allocations } = await handoff().plan(chains(), { allocationStrategy: 'time-optimized' });
    expect((await handoff().plan(chains())).allocations).toEqual(allocations);
    expect((await handoff().execute(chains())).allocations).toEqual(allocations);
  });

  it('leaves pins where they are, and puts a long function on the fast node though that is busy first', async () => {
    const dag = dagOf(
      { id: 'pinned', code: t.one, duration: 5, node: 'slow' },
      { id: 'short', code: t.one, duration: 4 },
      { id: 'long', code: t.one, duration: 100 },
    );
    const { allocations } = await handoff().execute(dag, { allocationStrategy: 'time-optimized' });
    expect(allocations).toMatchObject({ pinned: 'slow', long: 'fast' });
  });

  it('continues on other nodes when a planned node is lost', async () => {
    await handoff().registerNode('third', { cpu: 1 });
    const gate = new Gate();
    const dag = new Dag();
    for (let i = 0; i < 8; i++)
      dag.add({ id: `w${i}`, code: t.waitAtGate, extraArgs: [gate.memory], duration: 50, maxRetries: 0 });
    const running = handoff().execute(dag, { allocationStrategy: 'time-optimized' });
    await gate.arrived(2);
    await handoff().removeNode('third');
    gate.release();
    expect(Object.values((await running).allocations)).not.toContain('third');
  });
});
