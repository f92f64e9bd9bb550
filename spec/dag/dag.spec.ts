import { describe, expect, it } from 'vitest';
import { Dag, fromSource, type FunctionSpec } from '../../lib/index.ts';
import { t, thrownBy } from '../support/handoff.ts';

const resources = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, k) => [`r${k}`, 1]));

const code = { module: 'file:///tasks.js', export: 'fn' };

describe('a DAG', () => {
  it('is empty at first', () => {
    expect(new Dag().functions.size).toBe(0);
    expect(new Dag().size).toBe(0);
  });

  it('has the id it was given, or one of its own', () => {
    expect(new Dag('mine').id).toBe('mine');
    expect(new Dag().id).not.toBe(new Dag().id);
  });

  it('stores an added function under its id, defaults filled in', () => {
    const dag = new Dag().add({ id: 'a', code: t.one, args: ['b'], extraArgs: [1], cost: { cpu: 1 } });
    expect(dag.get('a')).toEqual({
      id: 'a',
      args: ['b'],
      code: { module: new URL('../fixtures/tasks.ts', import.meta.url).href, export: 'one' },
      extraArgs: [1],
      cost: { cpu: 1 },
      type: 'regular',
      argumentInclusion: 'variadic',
      priority: 0,
      idempotent: true,
      concurrent: false,
      retryDelay: 0,
      parallelism: 1,
    });
    expect([...dag.functions.keys()]).toEqual(['a']);
    expect(dag.has('a')).toBe(true);
    expect(dag.has('b')).toBe(false);
    expect(dag.get('b')).toBeUndefined();
  });

  it('has streaming defaults: no init, parallelism 1, no batch size, no batch timeout', () => {
    const fn = new Dag().add({ id: 'a', code }).get('a')!;
    expect(fn).toMatchObject({ parallelism: 1 });
    expect(fn.init).toBeUndefined();
    expect(fn.batchSize).toBeUndefined();
    expect(fn.batchTimeout).toBeUndefined();
  });

  it('takes init as a reference, or with arguments', () => {
    const dag = new Dag()
      .add({ id: 'a', code, init: t.one })
      .add({ id: 'b', code, init: { code: t.add, extraArgs: [1] } });
    expect(dag.get('a')!.init).toMatchObject({ code: { export: 'one' }, extraArgs: [] });
    expect(dag.get('b')!.init).toMatchObject({ code: { export: 'add' }, extraArgs: [1] });
  });

  it('takes an input without code', () => {
    const dag = new Dag().add({ id: 'in', code: null, type: 'input' }).add({ id: 'a', code, args: ['in'] });
    expect(dag.validate()).toEqual({ ok: true });
  });

  it('does not change when the caller changes what it was made of', () => {
    const args = ['a'];
    const extraArgs = [1];
    const cost = { cpu: 1 };
    const dag = new Dag().add({ id: 'a', code }).add({ id: 'b', code, args, extraArgs, cost });
    args.push('x');
    extraArgs.push(2);
    cost.cpu = 7;
    expect(dag.get('b')).toMatchObject({ args: ['a'], extraArgs: [1], cost: { cpu: 1 } });
  });
});

describe('adding', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['no id', { code }, 'id'],
    ['an empty id', { id: '', code }, 'id'],
    ['an id that is no string', { id: 7, code }, 'id'],
    ['an id that is too long for other hosts', { id: 'a'.repeat(4097), code }, '1 to 4096 characters'],
    ['no code', { id: 'a' }, 'code'],
    ['null as code', { id: 'a', code: null }, 'code'],
    ['a closure as code', { id: 'a', code: () => 1 }, 'closure'],
    ['args that are no list', { id: 'a', code, args: 'b' }, 'args'],
    ['args that are no ids', { id: 'a', code, args: [1] }, 'args'],
    ['an Argument with an unknown side', { id: 'a', code, args: [{ id: 'b', serialise: { code } }] }, 'args'],
    ['an Argument with a closure', { id: 'a', code, args: [{ id: 'b', serialize: { code: () => 1 } }] }, 'args'],
    ['extraArgs that are no list', { id: 'a', code, extraArgs: {} }, 'extraArgs'],
    ['an unknown inclusion', { id: 'a', code, argumentInclusion: 'as_list' }, 'argumentInclusion'],
    ['an unknown type', { id: 'a', code, type: 'inlined' }, 'type'],
    ['a negative cost', { id: 'a', code, cost: { cpu: -1 } }, 'cost'],
    ['an infinite cost', { id: 'a', code, cost: { cpu: Infinity } }, 'cost'],
    ['a cost that is no number', { id: 'a', code, cost: { cpu: '1' } }, 'cost'],
    ['more resources than a host accepts', { id: 'a', code, cost: resources(1001) }, 'cost'],
    ['a resource with too long a name', { id: 'a', code, cost: { ['r'.repeat(4097)]: 0 } }, 'cost'],
    ['half a retry', { id: 'a', code, maxRetries: 0.5 }, 'maxRetries'],
    ['a negative delay', { id: 'a', code, retryDelay: -1 }, 'retryDelay'],
    ['a delay with too much jitter', { id: 'a', code, retryDelay: { initial: 1, jitter: 2 } }, 'retryDelay'],
    ['a closure as retryIf', { id: 'a', code, retryIf: () => true }, 'retryIf'],
    ['a timeout of 0', { id: 'a', code, timeout: 0 }, 'timeout'],
    ['a priority that is no number', { id: 'a', code, priority: 'high' }, 'priority'],
    ['text for whether it is idempotent', { id: 'a', code, idempotent: 'no' }, 'idempotent'],
    ['a negative duration', { id: 'a', code, duration: -1 }, 'duration'],
    ['an odd node', { id: 'a', code, node: { with: 'b' } }, 'node'],
    ['a closure as init', { id: 'a', code, init: () => 1 }, 'init'],
    ['no parallelism', { id: 'a', code, parallelism: 0 }, 'parallelism'],
    ['an unknown field', { id: 'a', code, arg: ['b'] }, 'args'],
  ])('refuses %s, and leaves the DAG as it was', (_, spec, mention) => {
    const dag = new Dag().add({ id: 'first', code });
    const error = thrownBy(() => dag.add(spec as unknown as FunctionSpec));
    expect(error.code).toBe('INVALID_FUNCTION');
    expect(error.message).toContain(mention);
    expect([...dag.functions.keys()]).toEqual(['first']);
  });

  it('names the function, the field, what was expected and what was got', () => {
    const error = thrownBy(() => new Dag().add({ id: 'train', code, cost: { gpu: NaN } }));
    expect(error.functionId).toBe('train');
    expect(error.message).toMatchInlineSnapshot(
      `"Function "train": cost must be amounts by resource, each a finite number of at least 0, got {"gpu":"NaN"}."`,
    );
  });

  it('refuses an id that is taken', () => {
    const dag = new Dag().add({ id: 'a', code });
    expect(thrownBy(() => dag.add({ id: 'a', code }))).toMatchObject({ code: 'DUPLICATE_FUNCTION', functionId: 'a' });
    expect(dag.size).toBe(1);
  });

  it('refuses an Argument whose functions would take ids that are taken', () => {
    const dag = new Dag().add({ id: 'serialize:p->c:0', code });
    expect(thrownBy(() => dag.add({ id: 'c', code, args: [{ id: 'p', serialize: { code } }] })).code).toBe(
      'DUPLICATE_FUNCTION',
    );
    expect(dag.size).toBe(1);
  });

  it.each<[string, unknown, string]>([
    ['a function', [1, { f() {} }], 'extraArgs[0][1].f'],
    ['a symbol', Symbol('s'), 'extraArgs[0]'],
    ['a promise', { p: Promise.resolve() }, 'extraArgs[0].p'],
    ['a call', { call: t.one() }, 'extraArgs[0].call'],
    ['a WeakMap in a Map', new Map([['k', new WeakMap()]]), 'extraArgs[0].get(k)'],
  ])('refuses %s among extraArgs, saying where', (_, value, path) => {
    const error = thrownBy(() => new Dag().add({ id: 'a', code, extraArgs: [value] }));
    expect(error).toMatchObject({ code: 'NOT_SERIALIZABLE', functionId: 'a', path });
  });

  it('refuses an id of the DAG that is no name', () => {
    expect(thrownBy(() => new Dag('')).code).toBe('INVALID_FUNCTION');
    expect(thrownBy(() => new Dag(7 as never)).code).toBe('INVALID_FUNCTION');
    expect(thrownBy(() => new Dag('d'.repeat(4097))).code).toBe('INVALID_FUNCTION');
  });
});

describe('an Argument', () => {
  it('adds a function on each side, tied to producer and consumer', () => {
    const dag = new Dag().add({ id: 'p', code }).add({
      id: 'c',
      code,
      args: [
        'p',
        { id: 'p', serialize: { code: t.tagSerialized, extraArgs: [1] }, deserialize: { code: t.tagDeserialized } },
      ],
    });
    expect([...dag.functions.keys()]).toEqual(['p', 'serialize:p->c:1', 'deserialize:p->c:1', 'c']);
    expect(dag.get('serialize:p->c:1')).toMatchObject({
      args: ['p'],
      node: { collocatedWith: 'p' },
      code: { export: 'tagSerialized' },
    });
    expect(dag.get('deserialize:p->c:1')).toMatchObject({
      args: ['serialize:p->c:1'],
      node: { collocatedWith: 'c' },
      code: { export: 'tagDeserialized' },
    });
    expect(dag.get('c')!.args).toEqual(['p', 'deserialize:p->c:1']);
  });

  it('does so whatever placement the consumer has', () => {
    const dag = new Dag()
      .add({ id: 'p', code })
      .add({ id: 'c', code, node: 'b', args: [{ id: 'p', deserialize: { code } }] });
    expect(dag.get('deserialize:p->c:0')!.node).toEqual({ collocatedWith: 'c' });
  });
});

describe('as JSON', () => {
  it('comes back as it was', () => {
    const dag = new Dag('json')
      .add({
        id: 'p',
        code: t.one,
        extraArgs: [1, { x: 2 }],
        cost: { cpu: 1 },
        retryDelay: { initial: 5 },
        priority: 2,
        idempotent: false,
      })
      .add({ id: 'i', code: fromSource((x: number) => x + 1), args: ['p'], type: 'inline' })
      .add({
        id: 'c',
        code: t.add,
        args: ['i', { id: 'p', serialize: { code: t.tagSerialized, extraArgs: [1] } }],
        argumentInclusion: 'list',
        retryIf: t.isTaskError,
        init: t.one,
        node: 'b',
      });
    const back = Dag.fromJSON(JSON.parse(JSON.stringify(dag)));
    expect(back.id).toBe('json');
    expect(back.functions).toEqual(dag.functions);
    expect(back.toJSON()).toEqual(dag.toJSON());
  });

  it('is refused when it is none', () => {
    expect(thrownBy(() => Dag.fromJSON({ id: 'x' } as never)).code).toBe('INVALID_FUNCTION');
    expect(thrownBy(() => Dag.fromJSON({ id: 'x', functions: [{ id: 'a' }] } as never)).code).toBe('INVALID_FUNCTION');
  });
});
