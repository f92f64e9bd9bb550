import { describe, expect, it } from 'vitest';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { Dag } from '../../../lib/dag/dag.ts';
import { type AutoInput, resolveStrategy } from '../../../lib/scheduling/planner/auto.ts';
import { simulate, type SimulateOptions } from '../../../lib/simulate.ts';

const code = { module: 'file:///tasks.js', export: 'run' };

/** Functions of some duration in ms; some of them unknown. */
function independent(size: number, duration: number | undefined, unknown = 0): Dag {
  const dag = new Dag();
  for (let i = 0; i < size; i++)
    dag.add({
      id: `f${i}`,
      code,
      ...(duration !== undefined && i >= unknown && { duration: duration * (1 + (i % 3)) }),
    });
  return dag;
}

const slow = { name: 'slow', capabilities: { cpu: 2 }, threads: 2, speed: 1, site: 0 };
const fast = { ...slow, name: 'fast', speed: 4 };
const like = { ...slow, name: 'like' };
const large = { ...slow, name: 'large', capabilities: { cpu: 8 }, threads: 8 };
const elsewhere = { ...like, name: 'elsewhere', site: 1 };

function chosen(dag: Dag, nodes: AutoInput['nodes'], given: Partial<AutoInput> = {}): unknown {
  const plan = compile(dag);
  return resolveStrategy('auto', () => ({
    plan,
    nodes,
    mayPlan: true,
    isKnown: (i) => plan.entries[i]!.traits.duration !== undefined,
    durationOf: (i) => plan.entries[i]!.traits.duration ?? 1,
    bytesOf: () => 0,
    ...given,
  }));
}

describe("'auto'", () => {
  it.each([
    ['nodes of unequal speed', [slow, fast]],
    ['nodes of unequal capacity', [slow, large]],
  ])('plans functions of known durations on %s', (_, nodes) => {
    expect(chosen(independent(40, 10), nodes)).toBe('time-optimized');
    expect(chosen(independent(40, 10, 4), nodes), 'a tenth unknown').toBe('time-optimized');
    expect(chosen(independent(40, 10, 5), nodes), 'more than a tenth unknown').not.toBe('time-optimized');
  });

  it('plans across hosts when results are large', () => {
    expect(chosen(independent(40, 10), [slow, elsewhere], { bytesOf: () => 2 ** 24 })).toBe('time-optimized');
    expect(chosen(independent(40, 10), [slow, elsewhere], { bytesOf: () => 100 })).toBe('first-available');
    expect(chosen(independent(40, 10), [slow, like], { bytesOf: () => 2 ** 24 })).toBe('first-available');
  });

  it('does not plan a run that would not gain from it', () => {
    expect(chosen(independent(40, 10), [fast])).toBe('first-available');
    expect(chosen(independent(40, 10), [slow, like])).toBe('first-available');
    expect(chosen(independent(1000, 0.01), [slow, fast]), 'short functions').toBe('load-balanced');
    expect(chosen(independent(2, 1), [slow, fast]), 'a short run').toBe('first-available');
  });

  it('does not plan a run that shares its nodes, waits for limits, has branches, or grows', () => {
    expect(chosen(independent(40, 10), [slow, fast], { mayPlan: false })).toBe('load-balanced');
    const limited = independent(40, 10).add({ id: 'x', code, duration: 10, uses: { db: 1 } });
    expect(chosen(limited, [slow, fast])).toBe('load-balanced');
    const branching = independent(40, 10).add({ id: 'x', code, duration: 10, when: 'f0' });
    expect(chosen(branching, [slow, fast])).toBe('load-balanced');
    const growing = independent(40, 10).add({ id: 'x', code, duration: 10, map: true, args: ['f0'] });
    expect(chosen(growing, [slow, fast])).toBe('load-balanced');
  });

  it('balances functions of unknown duration by speed, unless there are few', () => {
    expect(chosen(independent(40, undefined), [slow, fast])).toBe('load-balanced');
    expect(chosen(independent(4, undefined), [slow, fast])).toBe('first-available');
    expect(chosen(independent(40, undefined), [slow, large])).toBe('first-available');
  });

  it('keeps a strategy that the caller names', () => {
    const never = (): never => expect.unreachable();
    for (const name of ['first-available', 'load-balanced', 'time-optimized', 'cost-optimized'] as const)
      expect(resolveStrategy(name, never)).toBe(name);
    const own = { allocate: () => ({}) };
    expect(resolveStrategy(own, never)).toBe(own);
  });
});

describe('a simulation without a strategy', () => {
  const nodes = [
    { name: 'slow', capabilities: { cpu: 2 } },
    { name: 'fast', capabilities: { cpu: 2 }, speed: 4 },
  ];
  const schedule = (dag: Dag, allocationStrategy?: SimulateOptions['allocationStrategy']) =>
    simulate(dag, { nodes, ...(allocationStrategy !== undefined && { allocationStrategy }) }).schedule;

  it('is planned when durations are known, and balanced otherwise', () => {
    const known = independent(60, 10);
    expect(schedule(known)).toEqual(schedule(known, 'time-optimized'));
    expect(schedule(known)).not.toEqual(schedule(known, 'first-available'));
    const unknown = independent(60, undefined);
    expect(schedule(unknown)).toEqual(schedule(unknown, 'load-balanced'));
  });
});
