import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../lib/dag/compile/compile.ts';
import { reweigh } from '../../lib/dag/compile/analysis.ts';
import { Dag, type FunctionSpec } from '../../lib/index.ts';
import { toSpecs, vertices } from '../support/graphs.ts';

const code = { module: 'file:///tasks.js', export: 'fn' };
const build = (specs: readonly FunctionSpec[]): Dag => specs.reduce((dag, spec) => dag.add(spec), new Dag('run'));
const order = (plan: ReturnType<typeof compile>): string[] => [...plan.byRank].map((i) => plan.entries[i]!.id);

describe('reweigh', () => {
  it('gives the order that the DAG would have, had its functions said how long they take', () => {
    fc.assert(
      fc.property(vertices(), fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 30, maxLength: 30 }), (all, ms) => {
        const specs = toSpecs(all, code);
        const said = compile(
          build(specs.map((spec, i) => (spec.type === 'inline' ? spec : { ...spec, duration: ms[i]! }))),
        );
        const silent = compile(build(specs));
        const { rank, byRank, bLevel, ...rest } = reweigh(silent, (i) => ms[Number(silent.entries[i]!.id.slice(1))]!);
        expect([...byRank]).toEqual([...said.byRank]);
        expect([...rank]).toEqual([...said.rank]);
        expect([...bLevel]).toEqual([...said.bLevel]);
        const { rank: _, byRank: _b, bLevel: _l, ...before } = silent;
        expect(rest).toEqual(before); // nothing else is touched
      }),
    );
  });

  it('puts a long function before many short ones that follow each other', () => {
    const plan = compile(
      build([
        { id: 'a', code },
        { id: 'b', code, args: ['a'] },
        { id: 'c', code, args: ['b'] },
        { id: 'long', code },
      ]),
    );
    expect(order(plan)).toEqual(['a', 'b', 'c', 'long']);
    expect(order(reweigh(plan, (i) => (plan.entries[i]!.id === 'long' ? 500 : 5)))).toEqual(['long', 'a', 'b', 'c']);
  });

  it('leaves priority first', () => {
    const plan = compile(
      build([
        { id: 'long', code },
        { id: 'urgent', code, priority: 1 },
      ]),
    );
    expect(order(reweigh(plan, (i) => (plan.entries[i]!.id === 'long' ? 500 : 5)))).toEqual(['urgent', 'long']);
  });

  it('takes an empty DAG', () => {
    expect(order(reweigh(compile(build([])), () => 1))).toEqual([]);
  });
});
