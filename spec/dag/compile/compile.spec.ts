import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { criticalPath } from '../../../lib/dag/compile/analysis.ts';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { Flag } from '../../../lib/dag/compile/compiled-dag.ts';
import { Dag } from '../../../lib/index.ts';
import { thrownBy } from '../../support/handoff.ts';
import { toSpecs, vertices, type Vertex } from '../../support/graphs.ts';

const code = { module: 'file:///tasks.js', export: 'fn' };
function build(all: readonly Vertex[]): Dag {
  return toSpecs(all, code).reduce((dag, spec) => dag.add(spec), new Dag());
}

describe('compile', () => {
  it('gives every function its dependencies and dependents, inline ones absorbed', () => {
    fc.assert(
      fc.property(vertices(), (all) => {
        const plan = compile(build(all));
        const byId = new Map(all.map((vertex) => [vertex.id, vertex]));
        const waits = (id: string): string[] =>
          byId.get(id)!.args.flatMap((arg) => (byId.get(arg)!.type === 'inline' ? waits(arg) : [arg]));
        const regular = all.filter(({ type }) => type === 'regular').map(({ id }) => id);
        expect(plan.entries.map((entry) => entry.id)).toEqual(regular);
        plan.entries.forEach((entry, i) => {
          const deps = [...plan.deps.subarray(plan.depOffset[i]!, plan.depOffset[i + 1]!)].map(
            (dep) => plan.entries[dep]!.id,
          );
          expect(new Set(deps)).toEqual(new Set(waits(entry.id)));
          expect(plan.inDegree[i]).toBe(deps.length);
          const outs = [...plan.outs.subarray(plan.outOffset[i]!, plan.outOffset[i + 1]!)];
          expect(new Set(outs.map((out) => plan.entries[out]!.id))).toEqual(
            new Set(regular.filter((id) => waits(id).includes(entry.id))),
          );
          expect(plan.indexOf(entry.id)).toBe(i);
        });
        for (const { id, type } of all) if (type === 'inline') expect(plan.indexOf(id)).toBe(-1);
      }),
    );
  });

  it('marks what must not run twice at once, also for the sake of an inline function', () => {
    const { flags } = compile(
      new Dag()
        .add({ id: 'plain', code })
        .add({ id: 'once', code, idempotent: false })
        .add({ id: 'inlined', code, type: 'inline', idempotent: false })
        .add({ id: 'further', code, type: 'inline', args: ['inlined'] })
        .add({ id: 'taker', code, args: ['further'] })
        .add({ id: 'other', code, args: ['taker'] }),
    );
    expect([...flags].map((flag) => (flag & Flag.once) !== 0)).toEqual([false, true, true, false]);
  });

  it('marks what waits for a function whose result it does not take', () => {
    const { flags } = compile(
      new Dag()
        .add({ id: 'a', code })
        .add({ id: 'b', code, args: ['a'] })
        .add({ id: 'c', code, args: ['a', 'b'], layout: [{ arg: 1 }] })
        .add({ id: 'd', code, args: ['a', 'b'], layout: [{ list: [{ arg: 1 }, { arg: 0 }] }] })
        .add({ id: 'e', code, args: ['a', 'b'], argumentInclusion: 'list' }),
    );
    expect([...flags].map((flag) => (flag & Flag.ordered) !== 0)).toEqual([false, false, true, false, false]);
  });

  it('ranks by priority, then by the longest way to go, then as added', () => {
    fc.assert(
      fc.property(vertices({ inline: false }), fc.boolean(), (all, timed) => {
        const dag = new Dag();
        for (const [i, spec] of toSpecs(all, code).entries()) dag.add(timed ? { ...spec, duration: i % 4 } : spec);
        const plan = compile(dag);
        const naive = (i: number): number => {
          const outs = [...plan.outs.subarray(plan.outOffset[i]!, plan.outOffset[i + 1]!)];
          return (timed ? i % 4 : 1) + Math.max(0, ...outs.map(naive));
        };
        plan.entries.forEach((_, i) => expect(plan.bLevel[i]).toBe(naive(i)));
        const order = [...plan.byRank];
        const priority = (i: number): number => plan.entries[i]!.traits.priority;
        expect(order).toEqual(
          [...order.keys()].sort((a, b) => priority(b) - priority(a) || plan.bLevel[b]! - plan.bLevel[a]! || a - b),
        );
        order.forEach((i, at) => expect(plan.rank[i]).toBe(at));
      }),
      { numRuns: 60 },
    );
  });

  it('finds the critical path', () => {
    const dag = new Dag()
      .add({ id: 'a', code, duration: 1 })
      .add({ id: 'b', code, args: ['a'], duration: 5 })
      .add({ id: 'c', code, args: ['a'], duration: 2 })
      .add({ id: 'd', code, args: ['c'], duration: 2 })
      .add({ id: 'e', code, args: ['b', 'd'], duration: 1 });
    const plan = compile(dag);
    expect(criticalPath(plan, plan.bLevel).map((i) => plan.entries[i]!.id)).toEqual(['a', 'b', 'e']);
    expect(criticalPath(compile(new Dag()), new Float64Array())).toEqual([]);
  });

  it('refuses what validation refuses, and what only streams know, naming function and field', () => {
    expect(thrownBy(() => compile(new Dag().add({ id: 'a', code, args: ['a'] }))).code).toBe('CYCLIC_DEPENDENCY');
    for (const [field, fields] of Object.entries({
      init: { init: code },
      parallelism: { parallelism: 2 },
      'parallelism ': { parallelism: 1 },
      batchSize: { batchSize: 10 },
      batchTimeout: { batchTimeout: 5 },
      "type 'input'": { code: null, type: 'input' as const },
    })) {
      const error = thrownBy(() =>
        compile(new Dag().add({ id: 'other', code }).add({ id: 'odd one', code, ...fields })),
      );
      expect(error).toMatchObject({ code: 'INVALID_FUNCTION', functionId: 'odd one' });
      expect(error.message).toContain(`Function "odd one" has ${field.trim()}`);
    }
    expect(
      thrownBy(() =>
        compile(new Dag().add({ id: 'a', code, type: 'inline', batchSize: 2 }).add({ id: 'b', code, args: ['a'] })),
      ).message,
    ).toContain('batchSize');
  });

  it('does not see what is added afterwards', () => {
    const dag = new Dag().add({ id: 'a', code });
    const plan = compile(dag);
    dag.add({ id: 'b', code });
    expect(plan.size).toBe(1);
    expect(plan.indexOf('b')).toBe(-1);
  });

  it('takes equal costs and equal code together', () => {
    const dag = new Dag();
    for (let i = 0; i < 6; i++)
      dag.add({ id: `f${i}`, code: { ...code }, cost: i % 2 === 0 ? { cpu: 1, memory: 2 } : { memory: 2, cpu: 1 } });
    const plan = compile(dag);
    expect(plan.codes).toHaveLength(1);
    expect(plan.costs).toHaveLength(2);
  });

  it('refuses a layout that names an argument which is not there', () => {
    expect(thrownBy(() => compile(new Dag().add({ id: 'a', code, layout: [{ arg: 0 }] }))).code).toBe(
      'INVALID_FUNCTION',
    );
  });
});
