import { describe, expect, it } from 'vitest';
import { compile } from '../../lib/dag/compile/compile.ts';
import { Dag, dag, type DagJson, resultOf, tasks } from '../../lib/index.ts';
import { simulate } from '../../lib/simulate.ts';
import { thrownBy } from '../support/handoff.ts';
import { check, dagOf, fn } from '../support/specs.ts';

const t = tasks<typeof import('../fixtures/tasks.ts')>(new URL('../fixtures/tasks.ts', import.meta.url));
const other = { resultOf: { runId: 'r', id: 'x' } };

describe('the result of another run in the struct form', () => {
  it('is an argument, and no dependency', () => {
    expect(check(fn('a', [other]), fn('b', ['a', other, { optional: 'a' }]))).toBeUndefined();
    expect(dagOf(fn('a'), fn('b', ['a', other])).get('b')!.args).toEqual(['a']);
    expect(check(fn('m', [other], { map: true }))).toBeUndefined();
  });

  it('survives JSON', () => {
    const json = JSON.stringify(dagOf(fn('a', [other, resultOf('r', 'm[3]')])));
    const again = Dag.fromJSON(JSON.parse(json) as DagJson);
    expect(JSON.stringify(again)).toBe(json);
    expect(again.toJSON().functions[0]!.args).toEqual([other, { resultOf: { runId: 'r', id: 'm[3]' } }]);
  });

  it('keeps its place among the arguments, and equal ones are one', () => {
    const { calls, others } = compile(dagOf(fn('a'), fn('b', [other, 'a', { ...other }], { extraArgs: [7] })));
    const taken = { kind: 'resultOf', runId: 'r', id: 'x' };
    expect(others).toEqual([taken]);
    expect(calls.get(1)).toEqual([taken, { kind: 'result', of: 0 }, taken, { kind: 'value', value: 7 }]);
    expect(calls.get(1)![0]).toBe(calls.get(1)![2]);
    expect(compile(dagOf(fn('a'), fn('b', ['a']))).others).toEqual([]);
  });

  it.each<unknown>([
    { resultOf: 'x' },
    { resultOf: { runId: 'r' } },
    { resultOf: { runId: '', id: 'x' } },
    { resultOf: { runId: 'r', id: 1 } },
    { resultOf: { runId: 'r', id: 'x', more: 1 } },
    { resultOf: { runId: 'r', id: 'x' }, id: 'y' },
  ])('is refused when it is malformed: %j', (arg) => {
    expect(thrownBy(() => dagOf(fn('a', [arg as never])))).toMatchObject({
      code: 'INVALID_FUNCTION',
      functionId: 'a',
      message: expect.stringContaining('{ resultOf: { runId, id } }'),
    });
  });

  it('is there from the start in a simulation', () => {
    const made = dagOf(fn('a', [other], { duration: 5 }), fn('b', ['a', other], { duration: 7 }));
    expect(simulate(made, { nodes: [{ name: 'n', capabilities: {} }] }).makespan).toBe(12);
  });
});

describe('the result of another run in the value form', () => {
  it('is an argument, an item of a list, and a list of a map', () => {
    const table = t.constant([1, 2]).with({ id: 'table' });
    const made = dag('d', [
      t.collect(t.one(), resultOf('r', table), 'text', [resultOf('r', 'm[0]'), [resultOf('r', table)]]),
      t.double.map(resultOf<number[]>('r', 'table')),
      t.collect([resultOf('r', 'x')]),
    ]);
    expect(made.validate()).toEqual({ ok: true });
    const { others, calls } = compile(made);
    expect(others.map(({ id }) => id).sort()).toEqual(['m[0]', 'table', 'x']);
    const [element, taken, x] = others.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    expect(calls.get(1)).toEqual([
      { kind: 'result', of: 0 },
      taken,
      { kind: 'value', value: 'text' },
      { kind: 'list', parts: [element, { kind: 'list', parts: [taken] }] },
    ]);
    expect(calls.get(2)).toEqual([taken]);
    expect(calls.get(3)).toEqual([{ kind: 'list', parts: [x] }]);
    expect(Dag.fromJSON(JSON.parse(JSON.stringify(made)) as DagJson).validate()).toEqual({ ok: true });
  });

  it('needs ids, and a call with an id of its own', () => {
    expect(thrownBy(() => resultOf('', 'x'))).toMatchObject({ code: 'INVALID_FUNCTION' });
    expect(thrownBy(() => resultOf('r', ''))).toMatchObject({ code: 'INVALID_FUNCTION' });
    expect(thrownBy(() => resultOf(undefined as never, 'x')).message).toContain('got undefined');
    expect(thrownBy(() => resultOf('r', t.one()))).toMatchObject({
      code: 'INVALID_FUNCTION',
      message: expect.stringContaining('.with({ id: "one" })'),
    });
  });

  it('is no plain value', () => {
    expect(thrownBy(() => dag('d', t.collect({ x: resultOf('r', 'x') })))).toMatchObject({ code: 'NOT_SERIALIZABLE' });
    expect(thrownBy(() => dagOf(fn('a', [], { extraArgs: [resultOf('r', 'x')] })))).toMatchObject({
      code: 'NOT_SERIALIZABLE',
      functionId: 'a',
    });
    expect(thrownBy(() => dag('d', resultOf('r', 'x') as never)).code).toBe('INVALID_FUNCTION');
  });
});
