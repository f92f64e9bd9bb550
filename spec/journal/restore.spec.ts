/** What a resumed run restores. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../lib/dag/compile/compile.ts';
import type { CompiledDag } from '../../lib/dag/compile/compiled-dag.ts';
import { type Lineage, toRestore } from '../../lib/journal/restore.ts';
import { dagOf, t } from '../support/handoff.ts';

/** a ──► b ──► c ──► d */
const chain = compile(
  dagOf(
    { id: 'a', code: t.one },
    { id: 'b', code: t.increment, args: ['a'] },
    { id: 'c', code: t.increment, args: ['b'] },
    { id: 'd', code: t.increment, args: ['c'] },
  ),
);
const lineageOf = ({ size, depOffset, deps }: CompiledDag, parts = new Map<number, readonly number[]>()): Lineage => ({
  size,
  inputsOf: (i) => deps.subarray(depOffset[i]!, depOffset[i + 1]!),
  partsOf: (i) => parts.get(i),
  isOnce: () => false,
});
const only = (...indexes: number[]): Uint8Array =>
  Uint8Array.from({ length: 4 }, (_, i) => Number(indexes.includes(i)));
const restored = (recorded: number[], bytes: number[], kept: Uint8Array | null) =>
  toRestore(
    lineageOf(chain),
    (i) => recorded.includes(i),
    (i) => bytes.includes(i),
    kept,
  );

describe('what a resumed run restores', () => {
  it('is all that is recorded; results are read where somebody has yet to read them', () => {
    expect(restored([0, 1], [0, 1], only(3))).toEqual({ done: [0, 1], needed: [1] });
  });

  it('includes results that the run returns', () => {
    expect(restored([0, 1], [0, 1], null)).toEqual({ done: [0, 1], needed: [0, 1] });
  });

  it('leaves out a function whose bytes are gone and needed, and those above it whose bytes are gone too', () => {
    expect(restored([0, 1, 2], [0], only(3))).toEqual({ done: [0], needed: [0] });
    expect(restored([0, 1, 2], [1], only(3))).toEqual({ done: [0, 1], needed: [1] });
    expect(restored([0, 1, 2], [], only(3))).toEqual({ done: [], needed: [] });
  });

  it('includes a function whose bytes are gone when nobody needs them', () => {
    expect(restored([0, 1, 2], [2], only(3))).toEqual({ done: [0, 1, 2], needed: [2] });
  });

  it('reads nothing for a run that has everything and returns nothing of it', () => {
    expect(restored([0, 1, 2, 3], [], only())).toEqual({ done: [0, 1, 2, 3], needed: [] });
  });

  it('reads the result of a function that must not run again, in case that other results are lost', () => {
    const once: Lineage = { ...lineageOf(chain), isOnce: (i) => i < 2 };
    const isRecorded = (i: number): boolean => i < 3;
    expect(toRestore(once, isRecorded, (i) => i !== 1, only(3))).toEqual({ done: [0, 1, 2], needed: [0, 2] });
  });

  it('reads the parts of a result that is needed, and does not run what has parts', () => {
    // c is a map with the elements 4 and 5; d takes its list.
    const parts = new Map([[2, [4, 5]]]);
    const elements: Lineage = {
      ...lineageOf(chain, parts),
      size: 6,
      inputsOf: (i) => (i >= 4 ? [1] : lineageOf(chain).inputsOf(i)),
    };
    const restoredOf = (recorded: number[], bytes: number[]) =>
      toRestore(
        elements,
        (i) => recorded.includes(i),
        (i) => bytes.includes(i),
        Uint8Array.of(0, 0, 0, 1, 0, 0),
      );
    expect(restoredOf([0, 1, 4, 5], [0, 1, 4, 5])).toEqual({ done: [0, 1, 4, 5], needed: [4, 5] });
    expect(restoredOf([0, 1, 4], [0, 1, 4])).toEqual({ done: [0, 1, 4], needed: [1, 4] });
    expect(restoredOf([0, 1, 4, 5], [0, 1, 4])).toEqual({ done: [0, 1, 4], needed: [1, 4] });
    expect(restoredOf([0, 1, 3, 4, 5], [3])).toEqual({ done: [0, 1, 3, 4, 5], needed: [3] });
  });

  it('always gives every function that is to run the results it takes', () => {
    const graphs = fc.array(fc.array(fc.nat(20), { maxLength: 3 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(graphs, fc.func(fc.boolean()), fc.func(fc.boolean()), fc.func(fc.boolean()), (graph, r, b, k) => {
        const plan = compile(
          dagOf(
            ...graph.map((deps, i) => ({
              id: `f${i}`,
              code: t.add,
              args: [...new Set(deps.filter((dep) => dep < i))].map((dep) => `f${dep}`),
            })),
          ),
        );
        const kept = Uint8Array.from(graph, (_, i) => Number(k(i)));
        const { done, needed } = toRestore(lineageOf(plan), r, b, kept);
        const isDone = new Set(done);
        const isNeeded = new Set(needed);
        for (const i of done) expect(r(i), 'only what is recorded is done').toBe(true);
        for (const i of needed) expect(b(i) && isDone.has(i), 'only what can be read is needed').toBe(true);
        for (let i = 0; i < plan.size; i++) {
          if (isDone.has(i)) {
            if (kept[i] === 1) expect(isNeeded.has(i), 'what is returned is there').toBe(true);
          } else {
            for (let e = plan.depOffset[i]!; e < plan.depOffset[i + 1]!; e++) {
              const dep = plan.deps[e]!;
              expect(!isDone.has(dep) || isNeeded.has(dep), 'inputs run again, or are there').toBe(true);
            }
          }
        }
      }),
    );
  });
});
