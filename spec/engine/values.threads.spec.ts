import { describe, expect, it } from 'vitest';
import { dag, fromSource, tasks } from '../../lib/index.ts';
import { dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const memoryTasks = tasks<typeof import('../fixtures/instance-memory-tasks.ts')>(
  new URL('../fixtures/instance-memory-tasks.ts', import.meta.url),
);
const handoff = useHandoff();
/** Passes a value through two functions, so that it crosses threads both ways. */
async function roundTrip(value: unknown): Promise<any> {
  const { results } = await handoff().execute(
    dagOf({ id: 'a', code: t.constant, extraArgs: [value] }, { id: 'b', code: t.constant, args: ['a'] }),
  );
  return results['b'];
}

describe('results keep their structure', () => {
  const circular: Record<string, unknown> = { name: 'loop' };
  circular['self'] = circular;
  const shared = { x: 1 };

  it.each<[string, unknown]>([
    [
      'Map',
      new Map<unknown, unknown>([
        ['a', 1],
        [{ k: 1 }, new Set([1, 2])],
      ]),
    ],
    ['Date', new Date(86_400_000)],
    ['RegExp', /a+b/giu],
    ['BigInt', { big: 2n ** 70n }],
    ['typed array', new Int16Array([1, -2, 3])],
    ['view of a part', new Float32Array([1, 2, 3, 4]).subarray(1, 3)],
    ['DataView', new DataView(new Uint8Array([1, 2, 3]).buffer, 1)],
    ['ArrayBuffer', new Uint8Array([1, 2, 3]).buffer],
    ['Buffer', Buffer.from('hello')],
    ['nested', { list: [1, [2, { three: [3] }]], none: null, not: undefined }],
    ['sparse array', [1, , 3]], // eslint-disable-line no-sparse-arrays
    ['long string', 'ä'.repeat(100_000)],
    ['large object', Array.from({ length: 5000 }, (_, i) => ({ i, s: `row ${i}`, d: new Date(i) }))],
    ['large Map', new Map(Array.from({ length: 5000 }, (_, i) => [i, { i }]))],
    ['large typed array', new Float64Array(20_000).fill(1.5)],
    ['large Buffer', Buffer.alloc(100_000, 3)],
    ['large ArrayBuffer', new Uint8Array(100_000).fill(9).buffer],
    [
      'views in a large object',
      { a: new Uint8Array(70_000).fill(1), b: new Float64Array(3).fill(2), c: Buffer.alloc(5000, 4), text: 'x' },
    ],
  ])('%s', async (_, value) => {
    const back = await roundTrip(value);
    expect(back).toEqual(value);
    expect(back?.constructor?.name).toBe((value as object)?.constructor?.name);
  });

  it.each([
    0,
    -0,
    1,
    -1,
    2 ** 29 - 1,
    2 ** 29,
    -(2 ** 29),
    -(2 ** 29) - 1,
    2 ** 31,
    -(2 ** 31),
    2 ** 53,
    0.1,
    NaN,
    Infinity,
  ])('the number %d', async (value) => {
    expect(await roundTrip(value)).toBe(value);
  });

  it('a view of a part of a buffer, without the rest of it', async () => {
    const { results } = await handoff().execute(
      dagOf({ id: 'part', code: fromSource(() => new Uint8Array(1_000_000).fill(7).subarray(10, 20)) }),
    );
    expect(results['part']).toEqual(new Uint8Array(10).fill(7));
    expect(results['part'].buffer.byteLength).toBe(10);
  });

  it('programs larger than the memory shared for them', async () => {
    const count = 60_000;
    const sources = Array.from({ length: count }, (_, i) => ({ id: `s${i}`, code: t.constant, extraArgs: [i] }));
    const { results } = await handoff().execute(
      dagOf(...sources, { id: 'all', code: t.collect, args: sources.map(({ id }) => id) }),
      { collect: ['all'] },
    );
    expect(results['all']).toEqual(sources.map((_, i) => i));
  });

  it('cycles', async () => {
    const back = await roundTrip(circular);
    expect(back.self).toBe(back);
  });

  it('one object in two places', async () => {
    const back = await roundTrip({ one: shared, two: shared, filler: 'x'.repeat(100_000) });
    expect(back.one).toBe(back.two);
  });

  it('errors inside, with their class and fields', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'e', code: t.returnError },
        { id: 'list', code: t.collect, args: ['e', 'e'] },
        { id: 'again', code: t.constant, args: ['list'] },
      ),
    );
    const [first] = results['again'] as [Error & { code: string }];
    expect(first).toBeInstanceOf(TypeError);
    expect(first).toMatchObject({ name: 'TaskError', code: 'E_TASK', details: { at: [1, 2] } });
  });
});

describe('large results', () => {
  it('live in shared memory, which every reader sees as it is', async () => {
    const big = t.float64(100_000, 2);
    const [shared, sum, value] = await handoff().run(dag('big', [t.isShared(big), t.total(big), big]));
    expect(shared).toBe(true);
    expect(sum).toBe(200_000);
    expect(value).toBeInstanceOf(Float64Array);
    expect(value.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('that are small travel as copies', async () => {
    expect(await handoff().run(dag('small', t.isShared(t.float64(10, 1))))).toBe(false);
  });
});

describe("arguments are a function's own", () => {
  it('even when it runs right after its producer on one thread', async () => {
    const list = fromSource(() => [3, 1, 2]);
    for (let round = 0; round < 30; round++) {
      // until both are known to be fast, and travel together
      const raw = list();
      const [before, sorted] = await handoff().run(dag('own', [raw, t.sortInPlace(raw as never)]));
      expect(before).toEqual([3, 1, 2]);
      expect(sorted).toEqual([1, 2, 3]);
    }
  });

  it('and results keep their values from the return of the function', async () => {
    const gave = await handoff().executeLocal(
      dagOf(...Array.from({ length: 200 }, (_, i) => ({ id: `f${i}`, code: t.reuseScratch }))),
      { maxConcurrency: 1 },
    );
    const lengths = Object.values(gave.results)
      .map((list: number[]) => list.length)
      .sort((a, b) => a - b);
    expect(new Set(lengths).size).toBe(lengths.length);
  });
});

describe('collect', () => {
  const chain = () =>
    dagOf(
      { id: 'a', code: t.one },
      { id: 'b', code: t.double, args: ['a'] },
      { id: 'c', code: t.double, args: ['b'] },
      { id: 'd', code: t.one },
    );

  it('all is the default', async () => {
    expect((await handoff().execute(chain())).results).toEqual({ a: 1, b: 2, c: 4, d: 1 });
  });

  it('sinks returns functions without dependents', async () => {
    const { results, allocations } = await handoff().execute(chain(), { collect: 'sinks' });
    expect(results).toEqual({ c: 4, d: 1 });
    expect(Object.keys(allocations)).toHaveLength(4);
  });

  it('ids returns only those; the rest is dropped after its last reader', async () => {
    const whole = chain();
    const { results } = await handoff().execute(whole, { collect: ['b'] });
    expect(results).toEqual({ b: 2 });
    expect(await handoff().getLocalValue(whole.id, 'b')).toBe(2);
    await expect(handoff().getLocalValue(whole.id, 'a')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('refuses an id that is not there', async () => {
    await expect(handoff().execute(chain(), { collect: ['bb'] })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'collect',
    });
  });
});

describe('values written into a DAG', () => {
  it('are copied when the function is added', async () => {
    const options = { factor: 2 };
    const dagOfThree = dagOf(
      { id: 'a', code: t.constant, extraArgs: [options] },
      { id: 'b', code: t.collect, args: ['a'], extraArgs: [[options]] },
    );
    options.factor = 3;
    const running = handoff().execute(dagOfThree);
    options.factor = 4;
    expect((await running).results).toEqual({ a: { factor: 2 }, b: [{ factor: 2 }, [{ factor: 2 }]] });
  });

  it('may be lists that are nearly all holes', async () => {
    const sparse: number[] = [1];
    sparse[2e8] = 2;
    const { results } = await handoff().execute(
      dagOf({ id: 'a', code: t.constant, extraArgs: [{ sparse }] }, { id: 'b', code: t.constant, args: ['a'] }),
    );
    expect(results['b'].sparse.length).toBe(2e8 + 1);
    expect(Object.keys(results['b'].sparse)).toEqual(['0', '200000000']);
  });
});

it('a result that is a call, a DAG or a task is refused where it is returned', async () => {
  const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: t.uncalled, maxRetries: 0 })));
  expect(error.cause).toMatchObject({ code: 'NOT_SERIALIZABLE', message: expect.stringContaining('result is a call') });
});

describe('results in the memory of a WebAssembly instance', () => {
  it.each([
    [16, false],
    [16, true],
    [100_000, false],
    [100_000, true],
  ])('keep their values from the return of the function (%i bytes, shared: %s)', async (length, shared) => {
    const functions = Array.from({ length: 12 }, (_, i) => ({
      id: `f${i}`,
      code: memoryTasks.fillMemory,
      extraArgs: [i, length, shared],
    }));
    const { results } = await handoff().execute(dagOf(...functions));
    for (let i = 0; i < 12; i++) expect(new Set(results[`f${i}`].bytes)).toEqual(new Set([i]));
  });
});
