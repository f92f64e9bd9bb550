import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dag, type DagError, type FunctionSpec } from '../../../lib/index.ts';
import { vertices, toSpecs } from '../../support/graphs.ts';

const code = { module: 'file:///tasks.js', export: 'fn' };
const fn = (id: string, args: FunctionSpec['args'] = [], more: Partial<FunctionSpec> = {}): FunctionSpec => ({
  id,
  code,
  args,
  ...more,
});

function check(...functions: FunctionSpec[]): DagError | undefined {
  const validation = functions.reduce((dag, spec) => dag.add(spec), new Dag()).validate();
  return validation.ok ? undefined : validation.error;
}

describe('validation', () => {
  it('passes a chain, and an empty DAG', () => {
    expect(check(fn('a'), fn('b', ['a']))).toBeUndefined();
    expect(check()).toBeUndefined();
  });

  it('names the function, what it misses, and what was meant', () => {
    const error = check(fn('load_images'), fn('b', ['load_image']));
    expect(error).toMatchObject({
      code: 'MISSING_FUNCTION',
      functionId: 'b',
      missing: 'load_image',
      suggestion: 'load_images',
    });
    expect(error!.message).toContain('Did you mean "load_images"?');
    expect(check(fn('b', ['zzz']))!.suggestion).toBeUndefined();
  });

  it('names the consumer when an Argument misses its producer', () => {
    expect(check(fn('c', [{ id: 'nope', serialize: { code } }]))).toMatchObject({
      code: 'MISSING_FUNCTION',
      functionId: 'c',
      missing: 'nope',
    });
  });

  it('gives the whole cycle in the order values would flow, and only it', () => {
    const error = check(fn('x'), fn('a', ['x', 'c']), fn('b', ['a']), fn('c', ['b']), fn('y', ['c']));
    expect(error).toMatchObject({ code: 'CYCLIC_DEPENDENCY', cycle: ['a', 'b', 'c'] });
    expect(error!.message).toContain('a -> b -> c -> a');
  });

  it('finds a function that depends on itself', () => {
    expect(check(fn('x', ['x']))).toMatchObject({ code: 'CYCLIC_DEPENDENCY', cycle: ['x'] });
  });

  it('finds a cycle through inline functions and Arguments', () => {
    expect(check(fn('a', ['b']), fn('b', ['a'], { type: 'inline' }))).toMatchObject({ cycle: ['a', 'b'] });
    expect(check(fn('a', [{ id: 'b', serialize: { code } }]), fn('b', ['a']))!.cycle).toHaveLength(3);
  });

  it('reports a cycle before a missing function', () => {
    expect(check(fn('a', ['a', 'nope']))!.code).toBe('CYCLIC_DEPENDENCY');
  });

  it.each<[string, Partial<FunctionSpec>]>([
    ['node', { node: 'a' }],
    ['init', { init: code }],
    ['cost', { cost: { cpu: 1 } }],
  ])('refuses an inline function with %s', (what, more) => {
    const error = check(fn('i', [], { type: 'inline', ...more }));
    expect(error).toMatchObject({ code: 'INVALID_INLINE_FUNCTION', functionId: 'i' });
    expect(error!.message).toContain(what);
  });

  it.each<[string, Partial<FunctionSpec>]>([
    ['args', { args: ['a'] }],
    ['code', { code }],
    ['a cost', { cost: { cpu: 1 } }],
    ['init', { init: code }],
    ['extraArgs', { extraArgs: [1] }],
  ])('refuses an input function with %s', (what, more) => {
    const error = check(fn('a'), { id: 'in', code: null, type: 'input', ...more });
    expect(error).toMatchObject({ code: 'INVALID_INPUT_FUNCTION', functionId: 'in' });
    expect(error!.message).toContain(what);
  });

  it.each<[string, FunctionSpec[], string]>([
    ['a missing function', [fn('a', [], { node: { collocatedWith: 'nope' } })], 'not in the DAG'],
    ['an inline function', [fn('i', [], { type: 'inline' }), fn('a', [], { node: { collocatedWith: 'i' } })], 'inline'],
    ['an input', [{ id: 'in', code: null, type: 'input' }, fn('a', [], { node: { collocatedWith: 'in' } })], 'input'],
    ['itself', [fn('a', [], { node: { collocatedWith: 'a' } })], 'circle: a -> a'],
    [
      'itself by way of another',
      [fn('a', [], { node: { collocatedWith: 'b' } }), fn('b', [], { node: { collocatedWith: 'a' } })],
      'circle: a -> b -> a',
    ],
  ])('refuses collocation with %s', (_, functions, mention) => {
    const error = check(...functions);
    expect(error!.code).toBe('INVALID_COLLOCATION');
    expect(error!.message).toContain(mention);
  });

  it('follows a chain of 20,000 collocated functions', () => {
    const dag = new Dag();
    for (let i = 0; i < 20_000; i++) dag.add(fn(`f${i}`, [], i === 0 ? {} : { node: { collocatedWith: `f${i - 1}` } }));
    expect(dag.validate()).toEqual({ ok: true });
  });

  it('finds a cycle of 20,000 functions', () => {
    const dag = new Dag();
    for (let i = 0; i < 20_000; i++) dag.add(fn(`f${i}`, [`f${(i + 1) % 20_000}`]));
    const validation = dag.validate();
    expect(validation.ok === false && validation.error.cycle!.length).toBe(20_000);
  });

  it('passes any DAG in a topological order, and finds the cycle that an edge back closes', () => {
    fc.assert(
      fc.property(vertices({ nodes: ['a'] }), fc.nat(), fc.nat(), (all, x, y) => {
        expect(check(...toSpecs(all, code))).toBeUndefined();
        fc.pre(all.length >= 2);
        const [from, to] = [x % all.length, y % all.length].sort((a, b) => a - b) as [number, number];
        const looped = all.map((vertex, i) => (i === from ? { ...vertex, args: [...vertex.args, `f${to}`] } : vertex));
        const reaches = (start: number, goal: number): boolean =>
          start === goal ||
          looped.some((vertex, i) => i > start && vertex.args.includes(`f${start}`) && reaches(i, goal));
        fc.pre(reaches(from, to));
        const { cycle } = check(...toSpecs(looped, code))!;
        cycle!.forEach((id, k) => {
          const next = looped.find((vertex) => vertex.id === cycle![(k + 1) % cycle!.length])!;
          expect(next.args).toContain(id);
        });
        expect(new Set(cycle).size).toBe(cycle!.length);
      }),
    );
  });
});
