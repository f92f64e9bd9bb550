import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance, Work } from '../../../bench/support/sched/instance.ts';
import { plan } from '../../../bench/support/sched/plan.ts';
import { faultsOf } from '../../../bench/support/sched/validate.ts';
import { thrownBy } from '../../support/handoff.ts';
import { problems, shortestOf } from './support/problems.ts';

const instanceOf = (work: readonly Work[], machines: Instance['machines'], rest: Partial<Instance> = {}): Instance => ({
  name: 'made',
  set: 'made',
  best: NaN,
  work,
  machines,
  ...rest,
});
const machine = (
  name: string,
  threads = 1,
  speed = 1,
  capabilities: Record<string, number> = {},
): Instance['machines'][number] => ({ name, threads, speed, capabilities });

describe('a schedule', () => {
  it.each([1, 2, 3, 4, 40])('is feasible, on one node and on several, with a budget of %i', (budget) => {
    fc.assert(
      fc.property(problems({ maxSize: 25, maxMachines: 4 }), fc.nat(), (instance, seed) => {
        const { placed, makespan, lowerBound, candidates } = plan(instance, budget, seed);
        expect(faultsOf(instance, placed)).toEqual([]);
        expect(makespan).toBe(Math.max(0, ...placed.map(({ finish }) => finish)));
        expect(lowerBound).toBeLessThanOrEqual(makespan * (1 + 1e-9));
        expect(candidates).toBeLessThanOrEqual(budget);
      }),
      { numRuns: budget === 40 ? 60 : 150 },
    );
  });

  it('is the same for the same seed', () => {
    fc.assert(
      fc.property(problems({ maxSize: 25, maxMachines: 3 }), fc.nat(), (instance, seed) => {
        expect(plan(instance, 60, seed).placed).toEqual(plan(instance, 60, seed).placed);
      }),
      { numRuns: 40 },
    );
  });

  it('does not get longer with a larger budget', () => {
    fc.assert(
      fc.property(problems({ maxSize: 20, maxMachines: 3 }), (instance) => {
        expect(plan(instance, 50).makespan).toBeLessThanOrEqual(plan(instance, 1).makespan);
      }),
      { numRuns: 60 },
    );
  });

  it('is never shorter than the optimum, mostly equal to it, and never below the bound', () => {
    const reached = [0, 0];
    fc.assert(
      fc.property(problems({ maxSize: 6, maxMachines: 2, placed: false }), (instance) => {
        const shortest = shortestOf(instance);
        const { makespan, lowerBound } = plan(instance, 300);
        expect(makespan).toBeGreaterThanOrEqual(shortest - 1e-9);
        expect(lowerBound).toBeLessThanOrEqual(shortest + 1e-9);
        reached[makespan <= shortest + 1e-9 ? 0 : 1]!++;
      }),
      { numRuns: 120, seed: 5 },
    );
    expect(reached[0]! / (reached[0]! + reached[1]!)).toBeGreaterThan(0.9);
  });

  it.each([
    ['one node', 1],
    ['several', 4],
  ])('of very many functions can be carried out too, on %s', (_, count) => {
    const work = Array.from({ length: 21_000 }, (_each, i) => ({
      id: `f${i}`,
      duration: 1 + ((i * 7919) % 13),
      bytes: i % 5000,
      cost: { cpu: 1 + (i % 3) },
      deps:
        i < 300
          ? []
          : [`f${i - 300 + ((i * 31) % 200)}`, `f${i - 290}`].filter((dep, k, all) => all.indexOf(dep) === k),
    }));
    const instance = instanceOf(
      work,
      Array.from({ length: count }, (_each, k) => machine(`m${k}`, 4, 1 + k / 2, { cpu: 5 })),
      { bandwidth: 1_000_000 },
    );
    for (const budget of [1, 2]) {
      const { placed, makespan, lowerBound } = plan(instance, budget);
      expect(faultsOf(instance, placed)).toEqual([]);
      expect(makespan / lowerBound).toBeLessThan(1.3);
    }
  });

  it('of an empty DAG is empty', () => {
    expect(plan(instanceOf([], [machine('a')]), 10)).toMatchObject({ placed: [], makespan: 0, lowerBound: 0 });
  });
});

describe('one pass', () => {
  it('starts the longest path first', () => {
    const work = [
      { id: 'short', duration: 1, deps: [] },
      { id: 'long', duration: 4, deps: [] },
      { id: 'chain', duration: 2, deps: [] },
      { id: 'end', duration: 2, deps: ['chain'] },
    ];
    expect(plan(instanceOf(work, [machine('a', 2)]), 1).makespan).toBe(5);
  });

  it('waits for a fast node that is busy rather than take a slow one', () => {
    const work = [
      { id: 'a', duration: 10, deps: [] },
      { id: 'b', duration: 10, deps: [] },
    ];
    const { makespan, placed } = plan(instanceOf(work, [machine('fast', 1, 10), machine('slow', 1, 0.1)]), 1);
    expect(makespan).toBe(2);
    expect(placed.map(({ node }) => node)).toEqual(['fast', 'fast']);
  });

  it('keeps functions on one host when moving results costs more than it gains', () => {
    const work = [
      { id: 'a', duration: 1, deps: [], bytes: 1000 },
      { id: 'b', duration: 1, deps: ['a'], bytes: 0 },
      { id: 'c', duration: 1, deps: ['a'], bytes: 0 },
    ];
    const machines = [machine('m', 1), machine('n', 1)];
    expect(new Set(plan(instanceOf(work, machines, { bandwidth: 1000 }), 1).placed.map(({ node }) => node)).size).toBe(
      1,
    );
    expect(plan(instanceOf(work, machines), 1).makespan).toBe(2);
  });

  it('fills gaps', () => {
    const work = [
      { id: 'a', duration: 2, deps: [], bytes: 3000 },
      { id: 'b', duration: 9, deps: ['a'], node: 'n' },
      { id: 'small', duration: 3, deps: [], node: 'n' },
    ];
    expect(plan(instanceOf(work, [machine('m'), machine('n')], { bandwidth: 1_000_000 }), 1).makespan).toBe(14);
  });

  it('takes higher priorities first', () => {
    const work = [
      { id: 'long', duration: 9, deps: [] },
      { id: 'urgent', duration: 1, deps: [], priority: 1 },
    ];
    for (const budget of [1, 50]) {
      const { placed } = plan(instanceOf(work, [machine('a')]), budget);
      expect(placed.find(({ id }) => id === 'urgent')!.start).toBe(0);
    }
  });

  it('packs fractional claims without waste', () => {
    const work = Array.from({ length: 30 }, (_, i) => ({ id: `f${i}`, duration: 1, deps: [], cost: { cpu: 0.1 } }));
    expect(plan(instanceOf(work, [machine('a', 64, 1, { cpu: 1 })]), 1)).toMatchObject({
      makespan: 3,
      lowerBound: expect.closeTo(3),
    });
  });
});

describe('placement', () => {
  it('puts a whole group on the node that suits all of it best', () => {
    const work = [
      { id: 'root', duration: 1, deps: [] },
      ...Array.from({ length: 8 }, (_, i) => ({
        id: `f${i}`,
        duration: 9,
        deps: ['root'],
        node: { collocatedWith: 'root' },
      })),
    ];
    const { makespan, placed } = plan(instanceOf(work, [machine('near', 1, 1), machine('fast', 1, 3)]), 1);
    expect(new Set(placed.map(({ node }) => node))).toEqual(new Set(['fast']));
    expect(makespan).toBeCloseTo(73 / 3);
  });

  it('rejects what no node can run, as execute does', () => {
    const machines = [machine('a', 1, 1, { cpu: 2 })];
    expect(
      thrownBy(() => plan(instanceOf([{ id: 'f', duration: 1, deps: [], cost: { cpu: 3 } }], machines), 1)),
    ).toMatchObject({ code: 'ALLOCATION_ERROR', functionId: 'f' });
    expect(
      thrownBy(() => plan(instanceOf([{ id: 'f', duration: 1, deps: [], node: 'b' }], machines), 1)),
    ).toMatchObject({ code: 'ALLOCATION_ERROR' });
  });
});
