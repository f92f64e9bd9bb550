/** Strategies for real: allocators that are asked as work appears, and prices. */
import { describe, expect, it } from 'vitest';
import { type ClusterView, type DynamicAllocator, type ReadyFunction } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff({
  nodes: [
    { name: 'dear', capabilities: { cpu: 2 }, threads: 2, speed: 2, price: 10 },
    { name: 'cheap', capabilities: { cpu: 1, gpu: 1 }, threads: 1, price: 1 },
  ],
});

describe('an allocator with place()', () => {
  it('is asked as functions become ready, with their inputs, and decides where they go', async () => {
    const asked: (readonly ReadyFunction[])[] = [];
    const views: ClusterView[] = [];
    const allocationStrategy: DynamicAllocator = {
      place(ready, view) {
        asked.push(ready);
        views.push(view);
        return Object.fromEntries(ready.map(({ id }, i) => [id, i % 2 === 0 ? 'cheap' : 'dear']));
      },
    };
    const dag = dagOf(
      { id: 'x', code: t.one },
      { id: 'y', code: t.bytes, extraArgs: [100_000] },
      { id: 'z', code: t.collect, args: ['x', 'y'] },
    );
    const { allocations, results } = await handoff().execute(dag, { allocationStrategy });
    expect(allocations).toEqual({ x: 'cheap', y: 'dear', z: 'cheap' });
    expect(results.z).toHaveLength(2);
    expect(asked.map((ready) => ready.map(({ id }) => id))).toEqual([['x', 'y'], ['z']]);
    expect(asked[1]![0]!.inputs.map(({ functionId, node, bytes }) => [functionId, node, bytes])).toEqual([
      ['x', 'cheap', 0],
      ['y', 'dear', 100_000],
    ]);
    expect(views[0]!.nodes.map(({ name, threads, speed, free }) => ({ name, threads, speed, free }))).toEqual([
      { name: 'dear', threads: 2, speed: 2, free: { cpu: 2 } },
      { name: 'cheap', threads: 1, speed: 1, free: { cpu: 1, gpu: 1 } },
    ]);
  });

  it('sees the claims while functions wait, and may hold functions back until there is room', async () => {
    const gate = new Gate();
    const seen: number[] = [];
    const dag = dagOf(
      ...['a', 'b', 'c'].map((id) => ({ id, code: t.waitAtGate, extraArgs: [gate.memory], cost: { cpu: 1 } })),
    );
    const running = handoff().execute(dag, {
      allocationStrategy: {
        place(ready, { nodes }) {
          const dear = nodes.find(({ name }) => name === 'dear')!;
          seen.push(dear.free['cpu']!);
          return Object.fromEntries(ready.slice(0, Math.floor(dear.free['cpu']!)).map(({ id }) => [id, 'dear']));
        },
      },
    });
    await gate.arrived(2);
    gate.release();
    expect(Object.values((await running).allocations)).toEqual(['dear', 'dear', 'dear']);
    expect(seen[0]).toBe(2);
    expect(seen).toContain(1);
  });

  it.each([
    [
      'throws',
      () => {
        throw new TypeError('no idea');
      },
      { code: 'ALLOCATION_ERROR', message: expect.stringContaining('no idea'), cause: expect.any(TypeError) },
    ],
    [
      'names a node that is not there',
      () => ({ x: 'nowhere' }),
      {
        code: 'ALLOCATION_ERROR',
        functionId: 'x',
        message: expect.stringMatching(/"nowhere".*expected one of: dear, cheap/),
      },
    ],
    [
      'names a node that can never run it',
      () => ({ x: 'dear' }),
      { code: 'ALLOCATION_ERROR', functionId: 'x', resource: 'gpu' },
    ],
    [
      'answers a promise',
      () => Promise.resolve({ x: 'cheap' }) as never,
      { code: 'ALLOCATION_ERROR', message: expect.stringContaining('at once') },
    ],
    [
      'places nothing though nothing runs',
      () => ({}),
      { code: 'ALLOCATION_ERROR', functionId: 'x', message: expect.stringContaining('placed none') },
    ],
  ] as const)('ends the run when it %s, and nothing hangs', async (_, place, error) => {
    const dag = dagOf({ id: 'x', code: t.one, cost: { gpu: 1 } });
    expect(await errorOf(handoff().execute(dag, { allocationStrategy: { place } }))).toMatchObject(error);
    expect((await handoff().execute(dagOf({ id: 'x', code: t.one }))).results.x).toBe(1);
  });

  it('is refused in options when it is neither allocate() nor place()', async () => {
    expect(
      await errorOf(
        handoff().execute(dagOf({ id: 'x', code: t.one }), { allocationStrategy: { put: () => ({}) } as never }),
      ),
    ).toMatchObject({ code: 'INVALID_OPTION', option: 'allocationStrategy' });
  });
});

describe("'cost-optimized'", () => {
  const dag = () => dagOf(...Array.from({ length: 12 }, (_, i) => ({ id: `f${i}`, code: t.one, duration: 10 })));

  it('uses cheap nodes, and expensive ones only to meet a deadline', async () => {
    const [cheap, quick] = [
      await handoff().plan(dag(), { allocationStrategy: 'cost-optimized' }),
      await handoff().plan(dag(), { allocationStrategy: 'cost-optimized', deadline: 40 }),
    ];
    expect(cheap.price).toBe(120);
    expect(new Set(Object.values(cheap.allocations))).toEqual(new Set(['cheap']));
    expect(quick.makespan).toBeLessThanOrEqual(40);
    expect(quick.price).toBeGreaterThan(120);
    expect(quick.price).toBeLessThan((await handoff().plan(dag(), { allocationStrategy: 'time-optimized' })).price);
  });

  it('runs what it planned, and reports the price', async () => {
    const { allocations, stats } = await handoff().execute(dag(), { allocationStrategy: 'cost-optimized' });
    expect(new Set(Object.values(allocations))).toEqual(new Set(['cheap']));
    expect(stats.price).toBeGreaterThan(0);
    expect(stats.price).toBeLessThan(stats.durationMs);
  });

  it.each([{ deadline: 0 }, { deadline: -1 }, { deadline: NaN }] as const)('refuses %o', async (wrong) => {
    expect(await errorOf(handoff().execute(dag(), wrong))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'deadline',
    });
  });
});
