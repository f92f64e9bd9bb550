import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../../lib/dag/compile/compile.ts';
import type { CompiledDag } from '../../../lib/dag/compile/compiled-dag.ts';
import { Templates } from '../../../lib/dag/compile/templates.ts';
import { sharedJsonOf } from '../../../lib/dag/dag.ts';
import { Dag, type FunctionSpec, tasks } from '../../../lib/index.ts';

const t = tasks<Record<'a' | 'b' | 'c', (...args: unknown[]) => unknown>>(new URL('file:///tasks.js'));

const dagOf = (functions: readonly FunctionSpec[], id = 'd'): Dag =>
  functions.reduce((dag, spec) => dag.add(spec), new Dag(id));

/** What can be compared of a plan: all but functions. */
const dataOf = (plan: CompiledDag): unknown => ({ ...plan, indexOf: undefined });

/** Functions in an order in which each takes results of earlier ones. */
const shapes = fc
  .array(fc.record({ code: fc.constantFrom('a', 'b', 'c'), args: fc.array(fc.nat(5), { maxLength: 3 }) }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((all) =>
    all.map(({ code, args }, i) => ({
      id: `f${i}`,
      code: t[code as 'a'],
      args: args.filter((arg) => arg < i).map((arg) => `f${arg}`),
    })),
  );

describe('plans of DAGs that differ only in values', () => {
  it('are what compiling each would give', () => {
    const templates = new Templates(false);
    fc.assert(
      fc.property(shapes, fc.array(fc.integer(), { maxLength: 2 }), (functions, extraArgs) => {
        templates.compile(dagOf(functions), false);
        const other = dagOf(
          functions.map((spec) => ({ ...spec, extraArgs })),
          'other',
        );
        const expected = compile(other);
        for (const plan of [templates.compile(other, false), templates.planOf(sharedJsonOf(other))!]) {
          expect(dataOf(plan)).toEqual(dataOf(expected));
          for (const { id } of [...functions, { id: 'missing' }]) expect(plan.indexOf(id)).toBe(expected.indexOf(id));
        }
      }),
    );
  });

  it('share what does not depend on values', () => {
    const templates = new Templates(false);
    const of = (value: number): CompiledDag =>
      templates.compile(dagOf([{ id: 'f', code: t.a, extraArgs: [value] }]), false);
    const [first, second, third] = [of(1), of(2), of(3)];
    expect(third.codes).toBe(second.codes);
    expect([first, second, third].map(({ entries }) => entries[0]!.extraArgs)).toEqual([[1], [2], [3]]);
  });

  it('do not change when functions are added to the DAG later', () => {
    const templates = new Templates(false);
    const dag = dagOf([{ id: 'f', code: t.a }]);
    templates.compile(dag, false);
    const again = templates.compile(dag, false);
    dag.add({ id: 'g', code: t.b });
    expect(again.entries.map(({ id }) => id)).toEqual(['f']);
    expect(again.indexOf('g')).toBe(-1);
  });
});

describe('plans of other shapes', () => {
  const alike: readonly (readonly FunctionSpec[])[] = [
    [{ id: 'f', code: t.a }],
    [{ id: 'f', code: t.b }],
    [{ id: 'g', code: t.a }],
    [{ id: 'f;0:1:g', code: t.a }],
    [
      { id: 'f', code: t.a },
      { id: 'g', code: t.a },
    ],
    [
      { id: 'f', code: t.a },
      { id: 'g', code: t.a, args: ['f'] },
    ],
    [
      { id: 'f', code: t.a },
      { id: 'g', code: t.a, args: ['f', 'f'] },
    ],
    [
      { id: 'f,1:f', code: t.a },
      { id: 'g', code: t.a, args: ['f,1:f'] },
    ],
    [
      { id: 'g', code: t.a },
      { id: 'f', code: t.a },
    ],
  ];

  it('are their own, however alike ids are', () => {
    const templates = new Templates(false);
    for (const functions of [...alike, ...alike])
      expect(dataOf(templates.compile(dagOf(functions), false))).toEqual(dataOf(compile(dagOf(functions))));
  });

  it('are right after more shapes than are kept', () => {
    const templates = new Templates(false);
    const of = (i: number): Dag => dagOf([{ id: `f${i % 700}`, code: i % 2 === 0 ? t.a : t.b }]);
    for (let i = 0; i < 1500; i++) expect(dataOf(templates.compile(of(i), false))).toEqual(dataOf(compile(of(i))));
  });
});

describe('a DAG that has no shape', () => {
  const chain = (length: number): FunctionSpec[] =>
    Array.from({ length }, (_, i) => ({ id: `f${i}`, code: t.a, ...(i > 0 && { args: [`f${i - 1}`] }) }));

  it.each<[string, readonly FunctionSpec[]]>([
    ['has a function with a further field', [{ id: 'f', code: t.a, priority: 1 }]],
    ['has a cost', [{ id: 'f', code: t.a, cost: { cpu: 1 } }]],
    ['has code given as source', [{ id: 'f', code: { source: '() => 1', name: 'one' } }]],
    ['is large', chain(65)],
    ['is empty', []],
  ])('is compiled each time: one that %s', (_, functions) => {
    const templates = new Templates(false);
    const dag = dagOf(functions);
    for (let round = 0; round < 2; round++) expect(dataOf(templates.compile(dag, false))).toEqual(dataOf(compile(dag)));
    expect(templates.planOf(sharedJsonOf(dag))).toBeUndefined();
  });

  it('is refused like by compiling, each time', () => {
    const templates = new Templates(false);
    const dag = dagOf([{ id: 'f', code: t.a, args: ['g'] }]);
    for (let round = 0; round < 2; round++)
      expect(() => templates.compile(dag, false)).toThrow('takes "g", which is not in the DAG');
  });
});

describe('plain data', () => {
  const known = { id: 'f', code: { module: 'file:///tasks.js', export: 'a' } };

  it('of a known shape has a plan with its own values', () => {
    const templates = new Templates(false);
    templates.compile(dagOf([{ id: 'f', code: t.a, extraArgs: ['large'] }]), false);
    expect(templates.planOf({ id: 'x', functions: [known] })!.entries[0]!.extraArgs).toEqual([]);
    expect(templates.planOf({ id: 'x', functions: [{ ...known, extraArgs: [7] }] })).toMatchObject({
      dagId: 'x',
      entries: [{ id: 'f', extraArgs: [7] }],
    });
  });

  it.each([
    ['an unknown shape', { id: 'x', functions: [{ ...known, id: 'g' }] }],
    ['no functions', { id: 'x', functions: undefined }],
    ['no id', { functions: [known] }],
    ['a function that is none', { id: 'x', functions: [null] }],
    ['a further field', { id: 'x', functions: [{ ...known, priority: 0 }] }],
    ['an id that is no text', { id: 'x', functions: [{ ...known, id: 7 }] }],
    ['code that names no export', { id: 'x', functions: [{ ...known, code: { module: 'file:///tasks.js' } }] }],
    ['no code', { id: 'x', functions: [{ id: 'f' }] }],
    ['an argument that is no id', { id: 'x', functions: [{ ...known, args: [{ optional: 'f' }] }] }],
    ['values that are no list', { id: 'x', functions: [{ ...known, extraArgs: { length: 1 } }] }],
  ])('with %s has none, so it is checked as a whole', (_, json) => {
    const templates = new Templates(false);
    templates.compile(dagOf([{ id: 'f', code: t.a }]), false);
    expect(templates.planOf(json as never)).toBeUndefined();
  });
});
