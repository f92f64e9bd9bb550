import { describe, expect, it } from 'vitest';
import { Dag, type FunctionSpec } from '../../../lib/index.ts';
import { simulate, type SimulateOptions } from '../../../lib/simulate.ts';

const code = { module: 'file:///tasks.js', export: 'work' };

const makespan = (
  count: number,
  more: Partial<FunctionSpec>,
  node: Partial<SimulateOptions['nodes'][number]>,
): number => {
  const dag = new Dag('d');
  for (let k = 0; k < count; k++) dag.add({ id: `f${k}`, code, duration: 10, ...more });
  return simulate(dag, { nodes: [{ name: 'a', capabilities: { cpu: 4 }, threads: 1, ...node }] }).makespan;
};

describe('concurrent functions in a simulation', () => {
  it('overlap on a thread, up to the concurrency of the node', () => {
    expect(makespan(10, {}, {})).toBe(100);
    expect(makespan(10, { concurrent: true }, {})).toBe(10);
    expect(makespan(10, { concurrent: true }, { concurrency: 5 })).toBe(20);
    expect(makespan(10, { concurrent: true }, { concurrency: 5, threads: 2 })).toBe(10);
    expect(makespan(65, { concurrent: true }, {})).toBe(20);
  });

  it('hold their claims while they wait', () => {
    expect(makespan(10, { concurrent: true, cost: { cpu: 2 } }, {})).toBe(50);
  });

  it('leave no thread to one that is not concurrent until they have ended', () => {
    const dag = new Dag('d');
    for (let k = 0; k < 4; k++) dag.add({ id: `f${k}`, code, duration: 10, concurrent: true });
    dag.add({ id: 'plain', code, duration: 10 });
    dag.add({ id: 'late', code, duration: 10, concurrent: true });
    const { schedule } = simulate(dag, { nodes: [{ name: 'a', capabilities: {}, threads: 1, concurrency: 2 }] });
    expect(schedule.map(({ functionId, start, finish }) => [functionId, start, finish])).toEqual([
      ['f0', 0, 10],
      ['f1', 0, 10],
      ['f2', 10, 20],
      ['f3', 10, 20],
      ['plain', 20, 30],
      ['late', 30, 40],
    ]);
  });
});
