import { describe, expect, it } from 'vitest';
import { Dag, dag, type FunctionSpec, tasks } from '../../lib/index.ts';
import { compile } from '../../lib/dag/compile/compile.ts';
import { thrownBy } from '../support/handoff.ts';
import { check, code, dagOf, fn } from '../support/specs.ts';

const t = tasks<typeof import('../fixtures/tasks.ts')>(new URL('../fixtures/tasks.ts', import.meta.url));
describe('maps in the struct form', () => {
  it('are refused without a list, and where their elements could not run', () => {
    const list = fn('list');
    const refused = { code: 'INVALID_FUNCTION', functionId: 'm' };
    expect(check(list, fn('m', ['list'], { map: true, node: 'a' }))).toBeUndefined();
    expect(check(fn('m', [], { map: true }))).toMatchObject(refused);
    expect(check(list, fn('m', ['list'], { map: true, node: { collocatedWith: 'list' } }))).toMatchObject(refused);
    expect(check(list, fn('m', [{ id: 'list', serialize: { code } }], { map: true }))).toMatchObject(refused);
    expect(check(list, fn('l', ['list'], { map: true }), fn('m', [], { node: { collocatedWith: 'l' } }))).toMatchObject(
      refused,
    );
    expect(check(list, fn('m', ['list'], { map: true, type: 'inline' }))).toMatchObject({
      code: 'INVALID_INLINE_FUNCTION',
    });
  });

  it('refuse malformed options', () => {
    for (const map of [1, { concurrency: 0 }, { settle: 'yes' }, { expect: -1 }, { retries: 2 }])
      expect(thrownBy(() => dagOf(fn('m', ['a'], { map: map as never })))).toMatchObject({
        code: 'INVALID_FUNCTION',
        message: expect.stringContaining('map must be'),
      });
  });

  it('survive JSON', () => {
    const made = dagOf(
      fn('list'),
      fn('m', ['list'], { map: { concurrency: 2, settle: true } }),
      fn('n', ['m'], { map: true }),
    );
    const json = JSON.parse(JSON.stringify(made));
    expect(Dag.fromJSON(json).toJSON()).toEqual(json);
    expect(json.functions.map(({ map }: FunctionSpec) => map)).toEqual([
      undefined,
      { concurrency: 2, settle: true },
      {},
    ]);
  });

  it('take elements of each other only where nothing needs the whole list at once', () => {
    const { maps, indexOf } = compile(
      dagOf(
        fn('list'),
        fn('a', ['list'], { map: true }),
        fn('b', ['a', 'list'], { map: true }),
        fn('c', ['a', 'a'], { map: true }),
        fn('d', [{ optional: 'a' }], { map: true }),
      ),
    );
    const sourceOf = (id: string): number => maps!.get(indexOf(id))!.source;
    expect(['a', 'b', 'c', 'd'].map(sourceOf)).toEqual([-1, indexOf('a'), -1, -1]);
  });
});

describe('maps in the value form', () => {
  it('are the same as in the struct form', () => {
    const { functions } = dag('d', t.add.map(t.double.map([1, 2]), t.one()).with({ map: { concurrency: 3 } })).toJSON();
    expect(functions.map(({ id, args, extraArgs, map }) => ({ id, args, extraArgs, map }))).toEqual([
      { id: 'double#1', args: undefined, extraArgs: [[1, 2]], map: {} },
      { id: 'one#1', args: undefined, extraArgs: undefined, map: undefined },
      { id: 'add#1', args: ['double#1', 'one#1'], extraArgs: undefined, map: { concurrency: 3 } },
    ]);
  });
});
