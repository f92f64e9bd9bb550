/** Planned runs: nodes take their functions in the order of the plan, but nobody waits for ever. */
import { describe, expect, it } from 'vitest';
import { dagOf, t, useHandoff } from '../../../support/handoff.ts';
import { Gate } from '../../../support/gate.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import { simulate } from '../../../../lib/simulate.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
const nodes = [{ name: 'a', capabilities: { cpu: 1 } }];

function planned(
  functions: readonly Omit<FunctionSpec, 'code'>[],
  more: Partial<Parameters<typeof simulate>[1]> = {},
): ReturnType<typeof simulate> {
  const dag = new Dag('d');
  for (const each of functions) dag.add({ code, ...each } as FunctionSpec);
  return simulate(dag, {
    nodes: [...nodes, { name: 'b', capabilities: { cpu: 1 } }],
    allocationStrategy: 'time-optimized',
    budget: 200,
    ...more,
  });
}

describe('a planned run', () => {
  it('leaves a thread idle for a function that comes soon, where the plan says so', () => {
    // Whoever takes what is ready starts `later` on a as soon as that is idle, and has `urgent` and its chain wait.
    const functions = [
      { id: 'start', duration: 10, node: 'a' },
      { id: 'short', duration: 12, node: 'b' },
      { id: 'urgent', duration: 50, args: ['short'], node: 'a' },
      { id: 'last', duration: 50, args: ['urgent'], node: 'b' },
      { id: 'later', duration: 40, args: ['start'], node: 'a' },
    ];
    const { makespan, schedule } = planned(functions);
    expect(schedule.find(({ functionId }) => functionId === 'urgent')!.start).toBe(12);
    expect(makespan).toBe(112);
  });

  it('is not held up by retries for longer than its plan says', () => {
    const functions = Array.from({ length: 40 }, (_, i) => ({
      id: `f${i}`,
      duration: 10,
      args: i < 4 ? [] : [`f${i - 4}`],
      maxRetries: 50,
      retryDelay: 30,
    }));
    for (let seed = 1; seed <= 20; seed++)
      expect(planned(functions, { seed, faults: { failure: 0.3, crash: 0.05, nodeDeaths: 1 } }).outcome).toEqual({
        ok: true,
      });
  });
});

describe('what a function of a planned run waits for', () => {
  const handoff = useHandoff({ nodes: [{ name: 'a', capabilities: { cpu: 1 }, threads: 2 }] });

  it('is its turn, while the plan puts others before it', async () => {
    const gate = new Gate();
    const dag = dagOf(
      { id: 'first', code: t.waitAtGate, extraArgs: [gate.memory], duration: 60_000, cost: { cpu: 0.5 } },
      { id: 'second', code: t.one, args: ['first'], duration: 50_000, cost: { cpu: 1 } },
      { id: 'third', code: t.one, duration: 40_000, cost: { cpu: 0.7 } },
    );
    const running = handoff().execute(dag, { allocationStrategy: 'time-optimized' });
    await gate.arrived(1);
    expect(handoff().explain(dag.id, 'third')).toMatchObject({
      functions: [{ state: 'turn', functions: ['second'], node: 'a' }],
      text: expect.stringContaining('waits for its turn on a: the plan has second come before it'),
    });
    gate.release();
    await running;
  });

  it('is the allocator, while that has not given it a node', async () => {
    const gate = new Gate();
    const dag = dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory] }, { id: 'y', code: t.one });
    const running = handoff().execute(dag, {
      allocationStrategy: { place: (ready, { nodes: [a] }) => (a!.queue === 0 ? { [ready[0]!.id]: 'a' } : {}) },
    });
    await gate.arrived(1);
    expect(handoff().explain(dag.id, 'y').functions[0]).toMatchObject({
      state: 'allocator',
      text: expect.stringContaining('waits for the allocator'),
    });
    gate.release();
    await running;
  });
});
