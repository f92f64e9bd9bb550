import { describe, expect, it } from 'vitest';
import { fromSource, SimpleAllocator } from '../../lib/index.ts';
import { counter, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

describe('inline functions', () => {
  it('that fail after another of the same dependent cause no further failure', async () => {
    const late = fromSource(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      throw new Error('late');
    });
    const now = fromSource((): number => {
      throw new Error('now');
    });
    const error = await errorOf(
      handoff().execute(
        dagOf(
          { id: 'late', code: late, type: 'inline' },
          { id: 'now', code: now, type: 'inline' },
          { id: 'x', code: t.collect, args: ['late', 'now'], maxRetries: 0 },
          ...Array.from({ length: 4 }, (_, i) => ({
            id: `other${i}`,
            code: t.later,
            extraArgs: [20, i],
            maxRetries: 0,
          })),
        ),
        { failurePolicy: 'continue' },
      ),
    );
    expect(error.failures!.map(({ functionId }) => functionId)).toEqual(['x']);
    expect(error).toMatchObject({ cause: { message: 'now' } });
  });

  it('run once per dependent, and are in neither results nor allocations', async () => {
    const calls = counter();
    const { results, allocations } = await handoff().execute(
      dagOf(
        { id: 'i', code: t.failTimes, extraArgs: [calls.memory, 0], type: 'inline' },
        { id: 'x', code: t.collect, args: ['i'], extraArgs: ['x'] },
        { id: 'y', code: t.collect, args: ['i'], extraArgs: ['y'] },
      ),
    );
    expect(Object.keys(results)).toEqual(['x', 'y']);
    expect(Object.keys(allocations)).toEqual(['x', 'y']);
    expect([results['x'][0], results['y'][0]].sort()).toEqual([1, 2]);
    expect(calls.value).toBe(2);
  });

  it('pass on their dependencies to their dependents', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'slow', code: t.later, extraArgs: [5, 20] },
        { id: 'i', code: t.double, args: ['slow'], type: 'inline' },
        { id: 'j', code: t.increment, args: ['i'], type: 'inline' },
        { id: 'x', code: t.collect, args: ['j', 'slow', 'i'] },
      ),
    );
    expect(results).toEqual({ slow: 20, x: [41, 20, 40] });
  });

  it('run once for each path to a dependent', async () => {
    const calls = counter();
    await handoff().execute(
      dagOf(
        { id: 'i', code: t.count, extraArgs: [calls.memory, 1], type: 'inline' },
        { id: 'j', code: t.double, args: ['i'], type: 'inline' },
        { id: 'b', code: t.add, args: ['i', 'j'] },
        { id: 'b2', code: t.double, args: ['j'] },
      ),
    );
    expect(calls.value).toBe(3);
  });

  it('may return promises', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'i', code: t.later, extraArgs: [2, 3], type: 'inline' },
        { id: 'j', code: t.double, args: ['i'], type: 'inline' },
        { id: 'x', code: t.collect, args: ['j', 'i'] },
      ),
    );
    expect(results).toEqual({ x: [6, 3] });
  });

  it('take lists, and go into lists', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'a', code: t.one },
        { id: 'b', code: t.one },
        { id: 'i', code: t.sumList, args: ['a', 'b'], argumentInclusion: 'list', type: 'inline' },
        { id: 'x', code: t.sumList, args: ['i', 'a'], argumentInclusion: 'list', extraArgs: [10] },
      ),
    );
    expect(results['x']).toBe(13);
  });

  it('that no function needs never run', async () => {
    const calls = counter();
    const { results } = await handoff().execute(
      dagOf({ id: 'i', code: t.count, extraArgs: [calls.memory], type: 'inline' }, { id: 'x', code: t.one }),
    );
    expect(results).toEqual({ x: 1 });
    expect(calls.value).toBe(0);
  });

  it('fail their dependent when they fail, which is retried', async () => {
    const calls = counter();
    const { results } = await handoff().execute(
      dagOf(
        { id: 'i', code: t.failTimes, extraArgs: [calls.memory, 2], type: 'inline' },
        { id: 'x', code: t.double, args: ['i'] },
      ),
    );
    expect(results).toEqual({ x: 6 });
    const error = await errorOf(
      handoff().execute(
        dagOf({ id: 'i', code: t.boom, type: 'inline' }, { id: 'x', code: t.collect, args: ['i'], maxRetries: 0 }),
      ),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'x', cause: { name: 'TaskError' } });
  });

  it('that double at every step are refused instead of running a million times', async () => {
    const ladder = Array.from({ length: 30 }, (_, k) => ({
      id: `i${k}`,
      code: t.add,
      args: k === 0 ? [] : [`i${k - 1}`, `i${k - 1}`],
      type: 'inline' as const,
    }));
    const error = await errorOf(handoff().execute(dagOf(...ladder, { id: 'x', code: t.add, args: ['i29'] })));
    expect(error).toMatchObject({ code: 'INVALID_INLINE_FUNCTION', functionId: 'x' });
  });
});

describe('Arguments', () => {
  it('become functions that serialize and deserialize, which receive both nodes', async () => {
    const { results, allocations } = await handoff().execute(
      dagOf(
        { id: 'producer', code: t.constant, extraArgs: ['data'], node: 'b' },
        {
          id: 'consumer',
          code: t.collect,
          node: 'a',
          extraArgs: ['extra'],
          args: [
            'producer',
            {
              id: 'producer',
              serialize: { code: t.tagSerialized, extraArgs: ['s'] },
              deserialize: { code: t.tagDeserialized, extraArgs: ['d', 2] },
            },
          ],
        },
      ),
    );
    const serialized = { serialized: 'data', source: 'b', target: 'a', extra: ['s'] };
    const deserialized = { deserialized: serialized, source: 'b', target: 'a', extra: ['d', 2] };
    expect(results).toEqual({
      producer: 'data',
      'serialize:producer->consumer:1': serialized,
      'deserialize:producer->consumer:1': deserialized,
      consumer: ['data', deserialized, 'extra'],
    });
    expect(allocations).toEqual({
      producer: 'b',
      'serialize:producer->consumer:1': 'b',
      'deserialize:producer->consumer:1': 'a',
      consumer: 'a',
    });
  });

  it('call both sides also when the nodes are the same', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'p', code: t.constant, extraArgs: [1], node: 'b' },
        {
          id: 'c',
          code: t.collect,
          args: [{ id: 'p', serialize: { code: t.tagSerialized }, deserialize: { code: t.tagDeserialized } }],
          node: 'b',
        },
      ),
    );
    expect(results['c'][0]).toMatchObject({ source: 'b', target: 'b', deserialized: { source: 'b', target: 'b' } });
  });

  it('add no function for an omitted side', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'p', code: t.constant, extraArgs: [['x', 'y', 'z']] },
        { id: 'first', code: t.collect, args: [{ id: 'p', serialize: { code: t.pick, extraArgs: [1] } }] },
        { id: 'second', code: t.collect, args: [{ id: 'p', deserialize: { code: t.pick, extraArgs: [2] } }] },
        { id: 'third', code: t.collect, args: [{ id: 'p' }] },
      ),
    );
    expect(results).toMatchObject({ first: ['y'], second: ['z'], third: [['x', 'y', 'z']] });
    expect(Object.keys(results).sort()).toEqual([
      'deserialize:p->second:0',
      'first',
      'p',
      'second',
      'serialize:p->first:0',
      'third',
    ]);
  });

  it('decide where a free consumer runs before its producer is serialized', async () => {
    const { results, allocations } = await handoff().execute(
      dagOf(
        { id: 'p', code: t.constant, extraArgs: [1], node: 'a' },
        { id: 'c', code: t.collect, args: [{ id: 'p', serialize: { code: t.tagSerialized } }], cost: { gpu: 1 } },
      ),
    );
    expect(allocations['c']).toBe('b');
    expect(results['c'][0]).toMatchObject({ source: 'a', target: 'b' });
  });

  it('work on inline producers, and for inline consumers', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'i', code: t.constant, extraArgs: [7], type: 'inline' },
        {
          id: 'c',
          code: t.collect,
          args: [{ id: 'i', serialize: { code: t.tagSerialized }, deserialize: { code: t.tagDeserialized } }],
          node: 'b',
        },
        { id: 'p', code: t.constant, extraArgs: [8], node: 'a' },
        { id: 'j', code: t.collect, args: [{ id: 'p', deserialize: { code: t.tagDeserialized } }], type: 'inline' },
        { id: 'd', code: t.collect, args: ['j'], node: 'b' },
      ),
    );
    expect(results['c'][0]).toMatchObject({ deserialized: { serialized: 7 }, target: 'b' });
    expect(results['d']).toEqual([[{ deserialized: 8, source: 'a', target: 'b', extra: [] }]]);
  });

  it.each(['time-optimized', 'cost-optimized', new SimpleAllocator()] as const)(
    'are told both nodes also where each function has its node beforehand (%o)',
    async (allocationStrategy) => {
      const { results, allocations } = await handoff().execute(
        dagOf(
          { id: 'p', code: t.constant, extraArgs: [1], node: 'a' },
          {
            id: 'c',
            code: t.collect,
            args: [{ id: 'p', serialize: { code: t.tagSerialized }, deserialize: { code: t.tagDeserialized } }],
          },
        ),
        { allocationStrategy, timeout: 120_000 },
      );
      const nodes = { source: 'a', target: allocations['c'] };
      expect(results['c'][0]).toMatchObject({ ...nodes, deserialized: nodes });
    },
  );
});
