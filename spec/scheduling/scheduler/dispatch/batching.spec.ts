import { describe, expect, it } from 'vitest';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import type { Batch } from '../../../../lib/scheduling/scheduler/state.ts';
import { World } from '../world.ts';

const code = { module: 'file:///tasks.js', export: 'work' };

function independent(count: number, more: Partial<FunctionSpec> = {}, id = 'run'): Dag {
  const dag = new Dag(id);
  for (let i = 0; i < count; i++) dag.add({ id: `f${i}`, code, args: [], ...more } as FunctionSpec);
  return dag;
}

/** A world of two threads in which functions are known to take some ms, with some variance. */
function worldOf({ mean = 1, variance = 0, count = 100 } = {}): World {
  const world = new World({ nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads: 2 }], random: () => 0.5 });
  Object.assign(world.state.estimates[0]!, { mean, variance, count });
  return world;
}

function sent(world: World, dag: Dag): Batch[] {
  world.submit(compile(dag));
  return [...world.state.batches.values()].filter(({ run }) => run.id === dag.id);
}

const sizes = (batches: readonly Batch[]): number[] => batches.map(({ size }) => size);

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

describe('functions of 1 ms', () => {
  it('travel several at a time, with as many waiting behind them, while their run has many more', () => {
    expect(sizes(sent(worldOf(), independent(1000)))).toEqual([12, 12, 12, 12]);
  });

  it('travel one at a time when few are left, so that all threads end together', () => {
    expect(sizes(sent(worldOf(), independent(8)))).toEqual([1, 1, 1, 1]);
  });

  it('travel one at a time while their duration is uncertain', () => {
    expect(sizes(sent(worldOf({ count: 3 }), independent(1000)))).toEqual([1, 1]);
  });

  it('travel one at a time when their order is given by priorities', () => {
    expect(sizes(sent(worldOf(), independent(1000, { priority: 1 })))).toEqual([1, 1]);
  });

  it('are taken back for another run, and travel in smaller batches while there are two', () => {
    const world = worldOf();
    const before = sizes(sent(world, independent(1000, {}, 'first')));
    expect(sizes(sent(world, independent(1000, {}, 'second')))).toEqual([1]);
    const after = [...world.state.batches.values()].filter(({ run }) => run.id === 'first');
    expect(sum(sizes(after))).toBeLessThan(sum(before) / 2);
  });

  it('follow each other in a chain up to the size of a batch', () => {
    const dag = new Dag('run');
    for (let i = 0; i < 1000; i++) dag.add({ id: `f${i}`, code, args: i === 0 ? [] : [`f${i - 1}`] } as FunctionSpec);
    expect(sizes(sent(worldOf(), dag))).toEqual([12]);
  });

  it('run side by side after a function that several depend on', () => {
    const dag = new Dag('run');
    dag.add({ id: 'first', code, args: [] } as FunctionSpec);
    for (let i = 0; i < 1000; i++) dag.add({ id: `f${i}`, code, args: ['first'] } as FunctionSpec);
    expect(sizes(sent(worldOf(), dag))).toEqual([1]);
  });
});

describe('the report of a batch', () => {
  it('can wait when durations are well known', () => {
    expect(sent(worldOf(), independent(1000)).every(({ steady }) => steady)).toBe(true);
  });

  it('does not wait when durations scatter', () => {
    expect(sent(worldOf({ variance: 400 }), independent(1000)).some(({ steady }) => steady)).toBe(false);
  });
});
