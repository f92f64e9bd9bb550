import { describe, expect, it } from 'vitest';
import { Dag } from '../../lib/index.ts';
import { counter, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();
const timed = (id: string, duration: number, args: string[] = [], more = {}) => ({
  id,
  code: t.collect,
  duration,
  args,
  ...more,
});

describe('plan', () => {
  it('returns what would run where and when, and runs nothing', async () => {
    const calls = counter();
    const plan = await handoff().plan(
      new Dag('planned')
        .add({ id: 'a', code: t.count, extraArgs: [calls.memory], duration: 10 })
        .add(timed('b', 20, ['a'], { cost: { cpu: 2 } }))
        .add(timed('c', 5, ['a'], { cost: { cpu: 2 } }))
        .add(timed('d', 1, ['b', 'c'])),
    );
    expect(plan).toMatchObject({ dagId: 'planned', makespan: 31, criticalPath: ['a', 'b', 'd'], lowerBound: 31 });
    expect(plan.schedule).toEqual([
      { functionId: 'a', node: 'a', start: 0, finish: 10 },
      { functionId: 'b', node: 'a', start: 10, finish: 30 },
      { functionId: 'c', node: 'b', start: 10, finish: 15 },
      { functionId: 'd', node: 'a', start: 30, finish: 31 },
    ]);
    expect(plan.allocations).toEqual({ a: 'a', b: 'a', c: 'b', d: 'a' });
    expect(calls.value).toBe(0);
  });

  it.each(['first-available', 'time-optimized'] as const)(
    'shows a map as the elements that it expects, with %s',
    async (allocationStrategy) => {
      const dag = new Dag('mapped')
        .add(timed('list', 10))
        .add(timed('m', 20, ['list'], { map: { expect: 4 } }))
        .add(timed('m2', 5, ['m'], { map: true }))
        .add(timed('end', 1, ['m2']));
      const { schedule, makespan, allocations, criticalPath } = await handoff().plan(dag, { allocationStrategy });
      expect(schedule.map(({ functionId }) => functionId).toSorted()).toEqual(
        ['list', ...[0, 1, 2, 3].flatMap((k) => [`m[${k}]`, `m2[${k}]`]), 'end'].toSorted(),
      );
      for (const { functionId, start, finish } of schedule)
        if (functionId.startsWith('m[')) expect([start >= 10, finish - start]).toEqual([true, 20]);
      expect(Object.keys(allocations)).toContain('m[3]');
      expect(makespan).toBe(Math.max(...schedule.map(({ finish }) => finish)));
      expect(criticalPath).toEqual(['list', 'm', 'm2', 'end']);
    },
  );

  it('shows a map that states no width as one element, and one of nothing as none', async () => {
    const planOf = (width?: number) =>
      handoff().plan(new Dag('m').add(timed('list', 10)).add(timed('m', 20, ['list'], { map: { expect: width } })));
    expect((await planOf()).makespan).toBe(30);
    expect(await planOf(0)).toMatchObject({ makespan: 10, lowerBound: 10, allocations: { list: 'a' } });
  });

  it('waits where resources are short, and never claims more than there is', async () => {
    const plan = await handoff().plan(
      dagOf(...Array.from({ length: 6 }, (_, i) => timed(`f${i}`, 10, [], { cost: { memory: 2000 } }))),
    );
    const at = (time: number, node: string): number =>
      plan.schedule.filter(({ node: n, start, finish }) => n === node && start <= time && time < finish).length;
    for (const { start } of plan.schedule) {
      expect(at(start, 'a')).toBeLessThanOrEqual(1);
      expect(at(start, 'b')).toBeLessThanOrEqual(2);
    }
    expect(plan.makespan).toBe(20);
    expect(plan.lowerBound).toBe(20);
  });

  it('respects threads and maxConcurrency', async () => {
    const five = dagOf(...Array.from({ length: 5 }, (_, i) => timed(`f${i}`, 10)));
    expect((await handoff().plan(five)).makespan).toBe(20);
    expect((await handoff().plan(five, { maxConcurrency: 1 })).makespan).toBe(50);
  });

  it('starts the longest way first', async () => {
    const { schedule } = await handoff().plan(dagOf(timed('short', 1), timed('long', 9)), { maxConcurrency: 1 });
    expect(schedule.map(({ functionId }) => functionId)).toEqual(['long', 'short']);
  });

  it('takes strategies and allocators', async () => {
    const two = dagOf(timed('x', 1), timed('y', 1));
    expect((await handoff().plan(two, { allocationStrategy: 'load-balanced' })).allocations).toEqual({
      x: 'a',
      y: 'b',
    });
    const { allocations } = await handoff().plan(two, { allocationStrategy: { allocate: () => ({ x: 'b', y: 'b' }) } });
    expect(allocations).toEqual({ x: 'b', y: 'b' });
  });

  it('is empty for an empty DAG', async () => {
    expect(await handoff().plan(new Dag('none'))).toEqual({
      dagId: 'none',
      allocations: {},
      schedule: [],
      makespan: 0,
      criticalPath: [],
      lowerBound: 0,
      price: 0,
      assumed: [],
    });
  });

  it('refuses what execute would', async () => {
    expect((await errorOf(handoff().plan(dagOf({ id: 'a', code: t.one, cost: { tpu: 1 } })))).code).toBe(
      'ALLOCATION_ERROR',
    );
    expect((await errorOf(handoff().plan(dagOf({ id: 'a', code: t.one, args: ['a'] })))).code).toBe(
      'CYCLIC_DEPENDENCY',
    );
    expect((await errorOf(handoff().plan(dagOf(), { budget: 0 }))).code).toBe('INVALID_OPTION');
  });
});
