import { describe, expect, it } from 'vitest';
import { Dag, dag, fromSource } from '../../lib/index.ts';
import { counter, dagOf, errorOf, t, twoNodes, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

describe('execute', () => {
  it('gives the id, the results and the allocations of a DAG', async () => {
    const result = await handoff().execute(
      new Dag('simple')
        .add({ id: 'source', code: t.constant, extraArgs: [42] })
        .add({ id: 'target', code: t.add, args: ['source'], extraArgs: [10] }),
    );
    expect(result.dagId).toBe('simple');
    expect(result.results).toEqual({ source: 42, target: 52 });
    expect(Object.keys(result.allocations)).toEqual(['source', 'target']);
    expect(result.stats).toMatchObject({ functions: 2, retries: 0 });
    expect(Object.values(result.stats.nodes).reduce((sum, n) => sum + n)).toBe(2);
    expect(result.stats.durationMs).toBeGreaterThan(0);
  });

  it('runs an empty DAG', async () => {
    const { results, allocations } = await handoff().execute(new Dag());
    expect(results).toEqual({});
    expect(allocations).toEqual({});
  });

  it('runs in dependency order, whatever the order of adding', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'c', code: t.double, args: ['b'] },
        { id: 'b', code: t.increment, args: ['a'] },
        { id: 'a', code: t.one },
      ),
    );
    expect(results).toEqual({ a: 1, b: 2, c: 4 });
  });

  it('passes values of several dependencies in the order of args, also the same one twice', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'x', code: t.constant, extraArgs: ['x'] },
        { id: 'y', code: t.constant, extraArgs: ['y'] },
        { id: 'z', code: t.collect, args: ['y', 'x', 'y'], extraArgs: ['!', null] },
      ),
    );
    expect(results['z']).toEqual(['y', 'x', 'y', '!', null]);
  });

  it('passes one list with argumentInclusion list', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'a', code: t.constant, extraArgs: [10] },
        { id: 'b', code: t.constant, extraArgs: [20] },
        { id: 'sum', code: t.sumList, args: ['a', 'b'], argumentInclusion: 'list', extraArgs: [5] },
      ),
    );
    expect(results['sum']).toBe(35);
  });

  it.each([[undefined], [null], [false], [0], [''], [NaN], [-0], [10n]])('passes %s on as it is', async (value) => {
    const { results } = await handoff().execute(
      dagOf({ id: 'a', code: t.constant, extraArgs: [value] }, { id: 'b', code: t.collect, args: ['a'] }),
    );
    expect(Object.hasOwn(results, 'a')).toBe(true);
    expect(results['a']).toBe(value);
    expect(results['b']).toEqual([value]);
  });

  it('takes any string as an id, __proto__ too', async () => {
    const { results, allocations } = await handoff().execute(
      dagOf({ id: '__proto__', code: t.one }, { id: 'toString', code: t.one }),
    );
    expect(Object.entries(results)).toEqual([
      ['__proto__', 1],
      ['toString', 1],
    ]);
    expect(Object.keys(allocations)).toEqual(['__proto__', 'toString']);
  });

  it('waits for promises that functions return', async () => {
    const { results } = await handoff().execute(dagOf({ id: 'a', code: t.later, extraArgs: [5, 'late'] }));
    expect(results['a']).toBe('late');
  });

  it('runs the same DAG again, and never sees old values', async () => {
    const calls = counter();
    const again = new Dag('again')
      .add({ id: 'a', code: t.failTimes, extraArgs: [calls.memory, 0] })
      .add({ id: 'b', code: t.double, args: ['a'] });
    expect((await handoff().execute(again)).results).toEqual({ a: 1, b: 2 });
    expect((await handoff().execute(again)).results).toEqual({ a: 2, b: 4 });
  });

  it('sees functions that were added since it ran before', async () => {
    const grown = dagOf({ id: 'a', code: t.one });
    await handoff().execute(grown);
    grown.add({ id: 'b', code: t.double, args: ['a'] });
    expect((await handoff().execute(grown)).results).toEqual({ a: 1, b: 2 });
  });

  it('keeps two runs at once apart', async () => {
    const build = (id: string, value: string): Dag =>
      new Dag(id)
        .add({ id: 'source', code: t.constant, extraArgs: [value] })
        .add({ id: 'target', code: t.collect, args: ['source'] });
    const [one, two] = await Promise.all([handoff().execute(build('one', '1')), handoff().execute(build('two', '2'))]);
    expect(one.results).toEqual({ source: '1', target: ['1'] });
    expect(two.results).toEqual({ source: '2', target: ['2'] });
    expect(await handoff().getLocalValue('one', 'source')).toBe('1');
    expect(await handoff().getLocalValue('two', 'source')).toBe('2');
  });

  it('is also executeDistributed', async () => {
    expect((await handoff().executeDistributed(dagOf({ id: 'a', code: t.one }))).results).toEqual({ a: 1 });
  });

  it('says where the caller was, and where the function failed', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: t.boom, maxRetries: 0 })));
    expect(error.stack).toContain('execute.threads.spec.ts');
    expect((error.cause as Error).stack).toContain('fixtures/tasks.ts');
  });

  it('refuses what is not a DAG', async () => {
    expect((await errorOf(handoff().execute({} as Dag))).code).toBe('INVALID_FUNCTION');
  });
});

describe('executeLocal', () => {
  it('ignores pins and costs', async () => {
    const { results, allocations } = await handoff().executeLocal(
      dagOf(
        { id: 'a', code: t.one, node: 'nowhere', cost: { gpu: 99 } },
        { id: 'b', code: t.double, args: ['a'], node: { collocatedWith: 'a' } },
      ),
    );
    expect(results).toEqual({ a: 1, b: 2 });
    expect(twoNodes.map((node) => node.name)).toContain(allocations['a']);
  });

  it('runs inline functions', async () => {
    const { results } = await handoff().executeLocal(
      dagOf({ id: 'x', code: t.one, type: 'inline' }, { id: 'y', code: t.double, args: ['x'] }),
    );
    expect(results).toEqual({ y: 2 });
  });
});

describe('run', () => {
  it('gives the outputs in their shape', async () => {
    const raw = t.constant([3, 1, 2]);
    const sum = t.sumList([t.one(), 4, t.double(t.one())], 10);
    expect(await handoff().run(dag('record', { raw, sum }))).toEqual({ raw: [3, 1, 2], sum: 17 });
    expect(await handoff().run(dag('list', [sum, raw]))).toEqual([17, [3, 1, 2]]);
    expect(await handoff().run(dag('one', sum))).toBe(17);
  });

  it('mixes calls and values in any position, also in lists of lists', async () => {
    const nested = t.collect('a', t.one(), [t.one(), [t.double(t.one()), 'x']], { plain: true });
    expect(await handoff().run(dag('nested', nested))).toEqual(['a', 1, [1, [2, 'x']], { plain: true }]);
  });

  it('orders without data by after()', async () => {
    const calls = counter();
    const first = t.count(calls.memory, 'first');
    const second = t.failTimes(calls.memory, 0).after(first);
    expect(await handoff().run(dag('after', second))).toBe(2);
  });

  it('runs functions given as source', async () => {
    const scaled = fromSource((x: number, by: number) => x * by)(t.one(), 7);
    expect(await handoff().run(dag('inline', fromSource(async (x: number) => x + 1)(scaled)))).toBe(8);
  });

  it('runs a chain of 20,000 calls', async () => {
    let chain = t.one();
    for (let i = 0; i < 20_000; i++) chain = t.increment(chain);
    expect(await handoff().run(dag('chain', chain))).toBe(20_001);
  });

  it('refuses a Dag without outputs', async () => {
    expect((await errorOf(handoff().run(new Dag() as never))).code).toBe('INVALID_FUNCTION');
  });
});

describe('code that is not there', () => {
  const module = new URL('../fixtures/tasks.ts', import.meta.url).href;

  it('is refused before anything runs, with a suggestion', async () => {
    const calls = counter();
    const error = await errorOf(
      handoff().execute(
        dagOf(
          { id: 'first', code: t.count, extraArgs: [calls.memory] },
          { id: 'second', code: { module, export: 'doubel' }, args: ['first'] },
        ),
      ),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_NOT_FOUND', functionId: 'second', module, suggestion: 'double' });
    expect(calls.value).toBe(0);
  });

  it('says so of an export that is no function', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: { module, export: 'version' } })));
    expect(error).toMatchObject({ code: 'FUNCTION_NOT_FOUND' });
    expect(error.message).toContain('not a function');
  });

  it('says why a module cannot be imported', async () => {
    const missing = new URL('../fixtures/absent.ts', import.meta.url).href;
    expect(await errorOf(handoff().execute(dagOf({ id: 'a', code: { module: missing, export: 'x' } })))).toMatchObject({
      code: 'FUNCTION_NOT_FOUND',
      module: missing,
    });
    const broken = new URL('../fixtures/broken/throws.ts', import.meta.url).href;
    const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: { module: broken, export: 'x' } })));
    expect(error).toMatchObject({
      code: 'MODULE_FAILED',
      module: broken,
      file: new URL(broken).pathname,
      line: 1,
      cause: { message: 'thrown while it was imported' },
    });
    expect(error.message).toContain('throws.ts:1');
  });

  it('finds functions of packages from the working directory', async () => {
    const { results } = await handoff().execute(
      dagOf({ id: 'a', code: { module: 'fastest-levenshtein', export: 'distance' }, extraArgs: ['abc', 'abd'] }),
    );
    expect(results['a']).toBe(1);
    expect(
      (await errorOf(handoff().execute(dagOf({ id: 'a', code: { module: 'no-such-package-anywhere', export: 'x' } }))))
        .code,
    ).toBe('FUNCTION_NOT_FOUND');
  });

  it('names the variable that source needs from around it', async () => {
    const factor = 3;
    const error = await errorOf(handoff().run(dag('closure', fromSource((x: number) => x * factor)(t.one()))));
    expect(error).toMatchObject({ code: 'INLINE_CLOSURE', variable: 'factor' });
  });
});
