import { describe, expect, it } from 'vitest';
import { Dag } from '../../../lib/index.ts';
import { simulate, type SimulateOptions } from '../../../lib/simulate.ts';
import { thrownBy } from '../../support/handoff.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
const nodes = ['a', 'b'].map((name) => ({ name, capabilities: { cpu: 2 } }));

function played(options: Partial<SimulateOptions>): ReturnType<typeof simulate> {
  const dag = new Dag();
  for (let i = 0; i < 40; i++) dag.add({ id: `f${i}`, code, duration: 10 });
  return simulate(dag, { nodes, seed: 3, faults: { slow: 0.1 }, ...options });
}

describe('simulate with speculation', () => {
  it('ends sooner on average', () => {
    const total = (speculate: boolean): number =>
      Array.from({ length: 30 }, (_, seed) => played({ seed, speculate }).makespan).reduce((sum, ms) => sum + ms);
    expect(total(true)).toBeLessThan(0.9 * total(false));
  });

  it('reports each copy, and the attempts of both', () => {
    const { events, schedule, outcome } = played({ speculate: true });
    const copies = events.filter(({ type }) => type === 'function:speculated');
    expect(copies.length).toBeGreaterThan(0);
    expect(outcome).toEqual({ ok: true });
    expect(schedule).toHaveLength(40 + copies.length);
    expect(played({}).events.filter(({ type }) => type === 'function:speculated')).toEqual([]);
  });

  it('makes no copy when the threshold is higher', () => {
    expect(played({ speculate: { factor: 11 } }).makespan).toBe(played({}).makespan);
  });

  it('refuses a malformed option', () => {
    expect(thrownBy(() => played({ speculate: { factor: 0 } }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'speculate',
    });
  });
});
