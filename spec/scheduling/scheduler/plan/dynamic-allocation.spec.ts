/** Allocators that are asked as functions become ready, by way of the simulator: the same machine, in virtual time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { faultsOf } from '../../../../bench/support/sched/validate.ts';
import { toDag } from '../../../../bench/support/sched/plan.ts';
import {
  type ClusterView,
  Dag,
  type DynamicAllocator,
  type FunctionSpec,
  type ReadyFunction,
} from '../../../../lib/index.ts';
import { simulate, type SimulateOptions } from '../../../../lib/simulate.ts';
import { thrownBy } from '../../../support/handoff.ts';
import { problems } from '../../planner/support/problems.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
const nodes: SimulateOptions['nodes'] = [
  { name: 'a', capabilities: { cpu: 2 } },
  { name: 'b', capabilities: { cpu: 1, gpu: 1 }, speed: 2 },
];
const dagOf = (...functions: Omit<FunctionSpec, 'code'>[]): Dag => {
  const dag = new Dag('d');
  for (const each of functions) dag.add({ code, duration: 10, ...each } as FunctionSpec);
  return dag;
};
const allTo = (node: string): DynamicAllocator => ({
  place: (ready) => Object.fromEntries(ready.map(({ id }) => [id, node])),
});
const run = (dag: Dag, allocationStrategy: DynamicAllocator): ReturnType<typeof simulate> =>
  simulate(dag, { nodes, allocationStrategy });

describe('an allocator with place()', () => {
  it('chooses a node for each function that becomes ready', () => {
    const asked: string[][] = [];
    const { schedule } = run(dagOf({ id: 'x' }, { id: 'y' }, { id: 'z', args: ['x', 'y'] }), {
      place(ready) {
        asked.push(ready.map(({ id }) => id));
        return Object.fromEntries(ready.map(({ id }) => [id, id === 'y' ? 'a' : 'b']));
      },
    });
    expect(Object.fromEntries(schedule.map(({ functionId, node }) => [functionId, node]))).toEqual({
      x: 'b',
      y: 'a',
      z: 'b',
    });
    expect(asked).toEqual([['x', 'y'], ['z']]);
  });

  it('sees the free capacity and running functions of nodes, and the place and size of inputs', () => {
    const seen: { ready: readonly ReadyFunction[]; view: ClusterView }[] = [];
    run(
      dagOf(
        { id: 'big', outputBytes: 5000, cost: { cpu: 1 }, node: 'b' },
        { id: 'long', duration: 50, cost: { cpu: 1.5 } },
        { id: 'next', args: ['big'], priority: 3 },
      ),
      {
        place(ready, view) {
          seen.push({ ready, view });
          return Object.fromEntries(ready.map(({ id }) => [id, 'a']));
        },
      },
    );
    expect(seen.map(({ ready }) => ready.map(({ id }) => id))).toEqual([['long'], ['next']]);
    expect(seen[1]!.ready[0]).toMatchObject({
      id: 'next',
      priority: 3,
      duration: 10,
      attempts: 0,
      inputs: [{ functionId: 'big', node: 'b', host: 0, bytes: 5000 }],
    });
    expect(seen[1]!.view).toMatchObject({
      dagId: 'd',
      elapsed: 5,
      nodes: [
        { name: 'a', capabilities: { cpu: 2 }, free: { cpu: 0.5 }, threads: 2, idle: 1, queue: 1, speed: 1 },
        { name: 'b', free: { cpu: 1, gpu: 1 }, idle: 1, queue: 0, speed: 2 },
      ],
    });
  });

  it('is asked again about functions it left out, whenever something changes', () => {
    let asked = 0;
    const { schedule } = run(dagOf({ id: 'first' }, { id: 'second' }), {
      place(ready, { nodes: [a] }) {
        asked++;
        return { [ready[0]!.id]: a!.queue === 0 ? 'a' : null };
      },
    });
    expect(schedule.map(({ start }) => start)).toEqual([0, 10]);
    expect(asked).toBe(2);
  });

  it('is not asked about pinned functions, and its answer applies to a whole group', () => {
    const { schedule } = run(
      dagOf(
        { id: 'root' },
        { id: 'mate', node: { collocatedWith: 'root' }, args: ['root'] },
        { id: 'pinned', node: 'a' },
      ),
      {
        place: (ready) => Object.fromEntries(ready.map(({ id }) => [id, id === 'root' ? 'b' : 'a'])),
      },
    );
    expect(Object.fromEntries(schedule.map(({ functionId, node }) => [functionId, node]))).toEqual({
      root: 'b',
      mate: 'b',
      pinned: 'a',
    });
  });

  it('is asked again when the node it chose is gone', () => {
    let answers = 0;
    const dag = dagOf(...Array.from({ length: 30 }, (_, i) => ({ id: `f${i}`, maxRetries: 9 })));
    const { outcome } = simulate(dag, {
      nodes,
      seed: 3,
      faults: { nodeDeaths: 30, nodeReturn: 40 },
      allocationStrategy: {
        place: (ready, view) => {
          answers++;
          return Object.fromEntries(ready.map(({ id }, i) => [id, view.nodes[i % view.nodes.length]!.name]));
        },
      },
    });
    expect(outcome).toEqual({ ok: true });
    expect(answers).toBeGreaterThan(1);
  });

  it('gives feasible schedules, whatever it chooses', () => {
    fc.assert(
      fc.property(problems({ maxSize: 20, maxMachines: 3, placed: false }), fc.nat(), (instance, salt) => {
        let turn = salt;
        const fits = ({ cost }: ReadyFunction, capabilities: Readonly<Record<string, number>>): boolean =>
          Object.entries(cost).every(([name, amount]) => (amount ?? 0) <= (capabilities[name] ?? 0));
        const { schedule } = simulate(toDag(instance), {
          nodes: instance.machines,
          ...(instance.bandwidth !== undefined && { bandwidth: instance.bandwidth }),
          ...(instance.latency !== undefined && { latency: instance.latency }),
          allocationStrategy: {
            place: (ready, view) =>
              Object.fromEntries(
                ready.map((each) => {
                  const able = view.nodes.filter(({ capabilities }) => fits(each, capabilities));
                  return [each.id, able[turn++ % able.length]!.name];
                }),
              ),
          },
        });
        expect(
          faultsOf(
            instance,
            schedule.map(({ functionId: id, node, start, finish }) => ({ id, node, start, finish })),
          ),
        ).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});

describe('an allocator that answers nonsense', () => {
  const wrong: readonly (readonly [string, DynamicAllocator['place']])[] = [
    [
      'throws',
      () => {
        throw new Error('lost the map');
      },
    ],
    ['names a node that is not there', (ready) => ({ [ready[0]!.id]: 'moon' })],
    ['names a node that could never run the function', (ready) => ({ [ready[0]!.id]: 'a' })],
    ['answers nothing', () => undefined as never],
    ['answers a promise', () => Promise.resolve({}) as never],
    ['places nothing although nothing runs', () => ({})],
  ];

  // What each of them is told is in spec/runtime/strategies.spec.ts: a simulation gives no message.
  it.each(wrong)('ends the run with ALLOCATION_ERROR when it %s, and without it does not', (_, place) => {
    const dag = dagOf({ id: 'x', cost: { gpu: 1 } });
    expect(run(dag, { place }).outcome).toEqual({ ok: false, code: 'ALLOCATION_ERROR', functionIds: [] });
    expect(run(dag, allTo('b')).outcome).toEqual({ ok: true });
  });

  it('is refused as an option when it is malformed', async () => {
    expect(await thrownBy(() => run(dagOf({ id: 'x' }), {} as never))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('allocate() or place()'),
    });
  });

  it('may leave the choice to a built-in strategy', () => {
    expect(run(dagOf({ id: 'x' }), allTo('b')).makespan).toBe(5);
  });
});
