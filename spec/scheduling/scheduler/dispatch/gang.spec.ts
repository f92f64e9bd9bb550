import { describe, expect, it } from 'vitest';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import type { Batch, Tuning } from '../../../../lib/scheduling/scheduler/state.ts';
import { World } from '../world.ts';

const code = { module: 'file:///tasks.js', export: 'combine' };

/** Columns of functions, each of which needs its neighbours of the step before. */
function stencil(width: number, steps: number, more: Partial<FunctionSpec> = {}): Dag {
  const dag = new Dag('run');
  for (let t = 0; t < steps; t++) {
    for (let x = 0; x < width; x++) {
      const args = t === 0 ? [] : [x - 1, x, x + 1].filter((n) => n >= 0 && n < width).map((n) => `${t - 1},${n}`);
      dag.add({ id: `${t},${x}`, code, args, ...more } as FunctionSpec);
    }
  }
  return dag;
}

/** What is sent when a DAG of functions of 10 µs is submitted to idle threads. */
function firstSent(
  dag: Dag,
  {
    threads = 2,
    tuning = {},
    maxConcurrency = Infinity,
  }: { threads?: number; tuning?: Partial<Tuning>; maxConcurrency?: number } = {},
): Batch[] {
  const world = new World({ nodes: [{ name: 'a', capabilities: { cpu: 8 }, threads }], random: () => 0.5, tuning });
  Object.assign(world.state.estimates[0]!, { mean: 0.01, count: 100 });
  world.submit(compile(dag), { maxConcurrency });
  return [...world.state.batches.values()];
}

const imports = (batches: readonly Batch[]): number =>
  batches.reduce((sum, { gang }) => sum + (gang?.imports.size ?? 0), 0);

describe('a gang', () => {
  it('is formed when too little is ready for the threads, and includes what follows', () => {
    const batches = firstSent(stencil(8, 20));
    expect(batches).toHaveLength(2);
    expect(batches.map(({ size }) => size)).toEqual([80, 80]);
  });

  it('gives neighbours to the same thread, so that few results are handed over', () => {
    const batches = firstSent(stencil(8, 20));
    expect(imports(batches)).toBe(2 * 19); // one result in each direction, each step but the last
  });

  it('puts functions that need results of another thread at the end of their level', () => {
    const dag = stencil(8, 20);
    const { entries } = compile(dag);
    const [first] = firstSent(dag);
    expect(first!.functions.slice(4, 8).map((i) => entries[i]!.id)).toEqual(['1,0', '1,1', '1,2', '1,3']);
    const last = [...first!.gang!.imports.keys()].map((i) => entries[i]!.id);
    expect(last.slice(0, 2)).toEqual(['0,4', '1,4']);
  });

  it('holds as much work as the limit allows', () => {
    const batches = firstSent(stencil(8, 20), { tuning: { gangMs: 0.405 } });
    expect(batches.map(({ size }) => size)).toEqual([40, 40]);
  });

  it('uses no more threads than maxConcurrency, and none when that is 1', () => {
    expect(firstSent(stencil(8, 20), { threads: 4, maxConcurrency: 3 })).toHaveLength(3);
    expect(imports(firstSent(stencil(8, 20), { threads: 4, maxConcurrency: 1 }))).toBe(0);
  });

  it.each([
    ['priorities, which are to be kept to', { priority: 1 }],
    ['costs, which are to be claimed', { cost: { cpu: 1 } }],
    ['timeouts, so that each runs alone', { timeout: 100 }],
  ])('is not formed of functions with %s', (_, traits) => {
    expect(imports(firstSent(stencil(8, 20, traits)))).toBe(0);
  });

  it('is not formed when enough is ready', () => {
    expect(firstSent(stencil(200, 3)).every(({ gang }) => gang === null)).toBe(true);
  });
});
