import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag } from '../../../../lib/index.ts';
import { learn } from '../../../../lib/scheduling/scheduler/completion.ts';
import {
  createEstimate,
  createMoments,
  type Moments,
  observe,
} from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { RunSettings } from '../../../../lib/scheduling/scheduler/events.ts';
import type { State } from '../../../../lib/scheduling/scheduler/state.ts';
import { World } from '../world.ts';

interface Group {
  readonly count: number;
  readonly total: number;
}

const group: fc.Arbitrary<Group> = fc
  .record({ count: fc.integer({ min: 1, max: 50 }), each: fc.double({ min: 0, max: 1000, noNaN: true }) })
  .map(({ count, each }) => ({ count, total: count * each }));

function after(groups: readonly Group[], memory = Infinity): Moments {
  const moments = createMoments();
  for (const { count, total } of groups) observe(moments, count, total, memory);
  return moments;
}

/**
 * Straight from the definition: the mean of all, and the deviations of the groups' means, weighed by how many each
 * stands for.
 */
function plainly(groups: readonly Group[]): { mean: number; variance: number } {
  const count = groups.reduce((sum, each) => sum + each.count, 0);
  const mean = groups.reduce((sum, { total }) => sum + total, 0) / count;
  const squares = groups.reduce((sum, each) => sum + each.count * (each.total / each.count - mean) ** 2, 0);
  return { mean, variance: groups.length < 2 ? 0 : squares / (groups.length - 1) };
}

describe('moments', () => {
  it('are the mean and variance of all values while all are remembered', () => {
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 40 }), (groups) => {
        const { mean, variance, count } = after(groups);
        const plain = plainly(groups);
        expect(mean).toBeCloseTo(plain.mean, 6);
        expect(Math.abs(variance - plain.variance)).toBeLessThanOrEqual(1e-9 * (1 + plain.variance + plain.mean ** 2));
        expect(count).toBe(groups.reduce((sum, each) => sum + each.count, 0));
      }),
    );
  });

  it('of single values have the variance of a sample', () => {
    const values = [3, 7, 7, 19];
    expect(after(values.map((total) => ({ count: 1, total })))).toMatchObject({ mean: 9, variance: 48, count: 4 });
  });

  it('know nothing of the variance within the first group', () => {
    expect(after([{ count: 10, total: 50 }])).toEqual({ mean: 5, variance: 0, count: 10, groups: 1 });
  });

  it('fade exponentially beyond the memory', () => {
    const old = Array.from({ length: 100 }, () => ({ count: 1, total: 8 }));
    expect(after([...old, { count: 1, total: 0 }], 4)).toMatchObject({ mean: 6, count: 4 });
    expect(after([...old, { count: 1, total: 0 }, { count: 2, total: 0 }], 4)).toMatchObject({ mean: 3, count: 4 });
    const { mean, variance } = after([...old, ...old.map(() => ({ count: 1, total: 2 }))], 4);
    expect(mean).toBeCloseTo(2, 9);
    expect(variance).toBeCloseTo(0, 9);
  });

  it('forget all earlier values when a group exceeds the memory', () => {
    expect(
      after(
        [
          { count: 1, total: 900 },
          { count: 10, total: 20 },
        ],
        4,
      ),
    ).toMatchObject({ mean: 2, count: 4 });
  });
});

describe('the scheduler', () => {
  it('learns durations scaled to a node of speed 1, and bytes unscaled', () => {
    const state = { estimates: [createEstimate(), createEstimate()] } as unknown as State;
    learn(state, [{ code: 1, count: 2, ms: 10, bytes: 600 }], 4);
    learn(state, [{ code: 1, count: 2, ms: 40 }], 1);
    expect(state.estimates[1]).toMatchObject({ mean: 20, count: 4, bytes: { mean: 150, count: 4 } });
    expect(state.estimates[0]!.count).toBe(0);
  });

  it('sends functions alone that take longer than others of their code', () => {
    const dag = new Dag('run');
    for (let i = 0; i < 100; i++) dag.add({ id: `f${i}`, code: { module: 'file:///tasks.js', export: 'work' } });
    const sentWith = (settings: Partial<RunSettings>): number[][] => {
      const world = new World({ nodes: [{ name: 'a', capabilities: { cpu: 8 }, threads: 1 }], random: () => 0.5 });
      Object.assign(world.state.estimates[0]!, { mean: 0.001, count: 100 });
      world.submit(compile(dag), settings);
      const sent = new Map<number, number[]>();
      while (world.state.runs.size > 0) {
        for (const { id, functions } of world.state.batches.values()) sent.set(id, [...functions]);
        world.step();
      }
      return [...sent.values()];
    };
    expect(sentWith({}).find((batch) => batch.includes(40))!.length).toBeGreaterThan(1);
    const sent = sentWith({ known: new Map([[40, 500]]) });
    expect(sent.find((batch) => batch.includes(40))).toEqual([40]);
    expect(sent.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });
});
