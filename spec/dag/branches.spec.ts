import { describe, expect, it } from 'vitest';
import { choose, Dag, dag, optional, tasks, toDot, toMermaid } from '../../lib/index.ts';
import { thrownBy } from '../support/handoff.ts';
import { check, dagOf, fn } from '../support/specs.ts';

const t = tasks<typeof import('../fixtures/tasks.ts')>(new URL('../fixtures/tasks.ts', import.meta.url));
const branches = [
  fn('test'),
  fn('yes', [], { when: 'test' }),
  fn('no', [], { when: { id: 'test', not: true } }),
] as const;

describe('branches in the struct form', () => {
  it('pass, joined by anyOf and optional', () => {
    expect(check(...branches, fn('join', [{ anyOf: ['yes', 'no'] }, { optional: 'no' }]))).toBeUndefined();
  });

  it('name the function that a condition or a choice misses', () => {
    expect(check(fn('a', [], { when: 'nope' }))).toMatchObject({ code: 'MISSING_FUNCTION', missing: 'nope' });
    expect(check(...branches, fn('b', [{ anyOf: ['yes', 'noo'] }]))).toMatchObject({
      missing: 'noo',
      suggestion: 'no',
    });
    expect(check(fn('c', [{ optional: 'nope' }]))).toMatchObject({ functionId: 'c', missing: 'nope' });
  });

  it('refuse a function that is its own condition', () => {
    expect(check(fn('a', [], { when: 'a' }))).toMatchObject({ code: 'CYCLIC_DEPENDENCY', cycle: ['a'] });
  });

  it('refuse a function that needs both branches, directly or through others', () => {
    const impossible = { code: 'INVALID_FUNCTION', functionId: 'both', message: expect.stringContaining('"test"') };
    expect(check(...branches, fn('both', ['yes', 'no']))).toMatchObject(impossible);
    expect(check(...branches, fn('x', ['yes']), fn('y', ['no']), fn('both', ['x', 'y']))).toMatchObject(impossible);
    expect(check(...branches, fn('both', ['yes'], { when: { id: 'test', not: true } }))).toMatchObject(impossible);
    expect(check(...branches, fn('x', ['yes']), fn('both', ['x', { optional: 'no' }]))).toBeUndefined();
  });

  it('refuse inline functions, which have no result of their own and are never skipped', () => {
    const inline = fn('i', [], { type: 'inline' });
    expect(check(fn('c'), { ...inline, when: 'c' })).toMatchObject({
      code: 'INVALID_INLINE_FUNCTION',
      functionId: 'i',
    });
    for (const consumer of [fn('x', [], { when: 'i' }), fn('x', [{ optional: 'i' }]), fn('x', [{ anyOf: ['i'] }])])
      expect(check(inline, consumer)).toMatchObject({ code: 'INVALID_FUNCTION', functionId: 'x' });
  });

  it('refuse malformed conditions and choices', () => {
    for (const args of [
      [{ anyOf: [] }],
      [{ anyOf: ['a', 'a'] }],
      [{ optional: '' }],
      [{ anyOf: ['a'], optional: 'a' }],
    ])
      expect(thrownBy(() => dagOf(fn('x', args as never)))).toMatchObject({ code: 'INVALID_FUNCTION' });
    for (const when of ['', { id: 'a', not: 1 }, { id: 'a', or: true }, 7])
      expect(thrownBy(() => dagOf(fn('x', [], { when: when as never })))).toMatchObject({ code: 'INVALID_FUNCTION' });
  });

  it('survive JSON', () => {
    const made = dagOf(
      ...branches,
      fn('join', [{ anyOf: ['yes', 'no'] }, 'test', { optional: 'no' }], {
        when: 'test',
        layout: [{ list: [{ arg: 2 }, { arg: 0 }] }, { value: 1 }],
      }),
    );
    const json = JSON.parse(JSON.stringify(made));
    expect(Dag.fromJSON(json).toJSON()).toEqual(json);
    expect(json.functions[3].args).toEqual([{ anyOf: ['yes', 'no'] }, 'test', { optional: 'no' }]);
  });

  it('are drawn with dashed edges, and skipped functions with dashed boxes', () => {
    const made = dagOf(...branches, fn('join', [{ anyOf: ['yes', 'no'] }, 'test']));
    const mermaid = toMermaid(made, { skipped: ['no'] });
    expect(mermaid).toContain('f0 -.->|when| f1');
    expect(mermaid).toContain('f0 -.->|when not| f2');
    expect(mermaid).toContain('f1 -.-> f3');
    expect(mermaid).toContain('f0 --> f3');
    expect(mermaid).toContain('style f2 stroke-dasharray');
    expect(mermaid).not.toContain('style f1');
    const dot = toDot(made, { skipped: ['no'] });
    expect(dot).toContain('f0 -> f1 [style=dashed, label="when", fontsize=9];');
    expect(dot).toMatch(/f2 \[.*style="rounded,dashed"/);
    expect(dot).not.toMatch(/f1 \[label.*dashed/);
  });
});

describe('branches in the value form', () => {
  it('are written as conditions and choices of the struct form', () => {
    const test = t.double(0);
    const yes = t.increment(1).when(test);
    const no = t.increment(2).when(test, { not: true });
    const { functions } = dag('d', t.collect(choose(yes, no), optional(no), [optional(yes)])).toJSON();
    expect(functions.map(({ id, args, when, layout }) => ({ id, args, when, layout }))).toEqual([
      { id: 'double#1', args: undefined, when: undefined, layout: undefined },
      { id: 'increment#1', args: undefined, when: { id: 'double#1', not: false }, layout: undefined },
      { id: 'increment#2', args: undefined, when: { id: 'double#1', not: true }, layout: undefined },
      {
        id: 'collect#1',
        args: [{ anyOf: ['increment#1', 'increment#2'] }, { optional: 'increment#2' }, { optional: 'increment#1' }],
        when: undefined,
        layout: [{ arg: 0 }, { arg: 1 }, { list: [{ arg: 2 }] }],
      },
    ]);
  });

  it('refuse what is not a call', () => {
    const call = t.double(1);
    for (const make of [
      () => call.when(true as never),
      () => choose(...([] as never[] as [never])),
      () => choose(call, 3 as never),
      () => optional('x' as never),
      () => dag('d', { x: 3 } as never),
    ])
      expect(thrownBy(make)).toMatchObject({ code: 'INVALID_FUNCTION' });
  });
});
