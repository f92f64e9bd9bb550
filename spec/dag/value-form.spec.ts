import { describe, expect, it } from 'vitest';
import { choose, Dag, dag, fromSource, optional, tasks } from '../../lib/index.ts';
import { t, thrownBy } from '../support/handoff.ts';

describe('tasks', () => {
  it('gives the same reference every time', () => {
    expect(t.one).toBe(t.one);
    expect(new Dag().add({ id: 'a', code: t.one }).get('a')!.code).toEqual({
      module: new URL('../fixtures/tasks.ts', import.meta.url).href,
      export: 'one',
    });
  });

  it('can be returned from an async function without being called', async () => {
    const returned = await (async () => t)();
    expect(returned).toBe(t);
  });

  it('refuses a path, which would depend on who reads it', () => {
    expect(thrownBy(() => tasks('./tasks.ts')).code).toBe('INVALID_FUNCTION');
    expect(thrownBy(() => tasks('')).code).toBe('INVALID_FUNCTION');
  });

  it.each([
    'http://example.org/tasks.ts',
    'https://example.org/tasks.js',
    'blob:nodedata:1',
    'ftp://example.org/x',
    'C:\\tasks.ts',
  ])('refuses %s, which no thread could import, at once and in each form', (module) => {
    expect(thrownBy(() => tasks(module))).toMatchObject({
      code: 'INVALID_FUNCTION',
      message: expect.stringMatching(/it is a path|Node imports no modules/),
    });
    if (URL.canParse(module)) expect(thrownBy(() => tasks(new URL(module))).code).toBe('INVALID_FUNCTION');
    const reference = { module, export: 'x' };
    for (const more of [
      { code: reference },
      { code: t.one, retryIf: reference },
      { code: t.one, init: reference },
      { code: t.one, args: [{ id: 'y', serialize: { code: reference } }] },
    ]) {
      expect(thrownBy(() => new Dag().add({ id: 'a', ...more } as never))).toMatchObject({
        code: 'INVALID_FUNCTION',
        functionId: 'a',
      });
    }
  });
});

describe('inline', () => {
  it('refuses what has no source', () => {
    expect(thrownBy(() => fromSource(Math.max as () => number)).code).toBe('INVALID_FUNCTION');
    expect(thrownBy(() => fromSource((() => 1).bind(null))).code).toBe('INVALID_FUNCTION');
    expect(thrownBy(() => fromSource(7 as never)).code).toBe('INVALID_FUNCTION');
  });
});

describe('dag(name, outputs)', () => {
  it('holds what the outputs reach, dependencies first, and nothing else', () => {
    const raw = t.constant(1);
    t.double(t.one()); // not reached
    const made = dag('d', { x: t.double(t.increment(raw as never)) });
    expect(made).toBeInstanceOf(Dag);
    expect(made.id).toBe('d');
    expect([...made.functions.keys()]).toEqual(['constant#1', 'increment#1', 'double#1']);
  });

  it('numbers calls of the same function, past ids that were given', () => {
    const calls = [
      t.one(),
      t.one().with({ id: 'one#1' }),
      t.one(),
      fromSource(() => 1)(),
      fromSource(function named() {
        return 1;
      })(),
    ];
    expect([...dag('d', calls).functions.keys()]).toEqual(['one#2', 'one#1', 'one#3', 'anonymous#1', 'named#1']);
  });

  it('makes a plain function of a call whose calls come first', () => {
    const made = dag('d', t.add(t.one(), t.one(), 7).with({ id: 'sum', cost: { cpu: 1 } }));
    expect(made.get('sum')).toMatchObject({ args: ['one#1', 'one#2'], extraArgs: [7], cost: { cpu: 1 } });
    expect(made.get('sum')!.layout).toBeUndefined();
    const list = dag('l', t.sumList([t.one(), t.one()], 5).with({ id: 'sum' }));
    expect(list.get('sum')).toMatchObject({ args: ['one#1', 'one#2'], argumentInclusion: 'list', extraArgs: [5] });
  });

  it('takes all options of a function', () => {
    const base = t.one();
    const made = dag('d', [
      base,
      t
        .double(base)
        .with({ node: { collocatedWith: base }, priority: 1 })
        .with({ maxRetries: 2 }),
    ]);
    expect(made.get('double#1')).toMatchObject({ node: { collocatedWith: 'one#1' }, priority: 1, maxRetries: 2 });
  });

  it('counts a call with other options as another function', () => {
    const base = t.one();
    expect(dag('d', [base, base.with({ priority: 1 })]).size).toBe(2);
    expect(dag('d', [base, base]).size).toBe(1);
  });

  it('refuses outputs that are no calls', () => {
    expect(thrownBy(() => dag('d', { x: 1 as never })).code).toBe('INVALID_FUNCTION');
    expect(thrownBy(() => dag('d', undefined as never)).code).toBe('INVALID_FUNCTION');
    expect(thrownBy(() => dag('d', t.one().with({ type: 'inline' }))).code).toBe('INVALID_INLINE_FUNCTION');
  });

  it('takes choices as outputs: the first result that there is', () => {
    const [a, b] = [t.one().with({ id: 'a' }), t.one().with({ id: 'b' })];
    const record = dag('d', { first: choose(a, b), maybe: optional(a), b });
    expect(record.outputIds).toEqual({ first: { anyOf: ['a', 'b'] }, maybe: 'a', b: 'b' });
    expect(record.outputList).toEqual(['a', 'b']);
    expect(record.pick({ b: 2 })).toEqual({ first: 2, maybe: undefined, b: 2 });
    expect(record.pick({ a: 1, b: 2 })).toEqual({ first: 1, maybe: 1, b: 2 });
    expect(dag('d', choose(a, b)).pick({ b: 2 })).toBe(2);
    expect(dag('d', [choose(b, a), a]).pick({ a: 1 })).toEqual([1, 1]);
    expect(JSON.parse(JSON.stringify(record)).outputs).toEqual(record.outputIds);
  });

  it('refuses two calls under one id', () => {
    expect(thrownBy(() => dag('d', [t.one().with({ id: 'x' }), t.one().with({ id: 'x' })])).code).toBe(
      'DUPLICATE_FUNCTION',
    );
  });

  it('refuses collocation with a call that is not part of it', () => {
    expect(thrownBy(() => dag('d', t.one().with({ node: { collocatedWith: t.one() } }))).code).toBe(
      'INVALID_COLLOCATION',
    );
  });

  it('refuses a call inside an object, and an unknown option', () => {
    expect(thrownBy(() => dag('d', t.constant({ call: t.one() }))).code).toBe('NOT_SERIALIZABLE');
    expect(thrownBy(() => dag('d', t.collect(t.one(), [t.one(), () => 1]))).code).toBe('NOT_SERIALIZABLE');
    expect(thrownBy(() => dag('d', t.one().with({ prio: 1 } as never))).code).toBe('INVALID_FUNCTION');
  });

  it('walks 100,000 chained calls', () => {
    let chain = t.one();
    for (let i = 0; i < 100_000; i++) chain = t.increment(chain);
    expect(dag('chain', chain).size).toBe(100_001);
  });
});
