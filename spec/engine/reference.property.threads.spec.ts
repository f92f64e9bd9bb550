import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findImpossible } from '../../lib/scheduling/resources/feasibility.ts';
import { compile } from '../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec, type Handoff, HandoffError } from '../../lib/index.ts';
import { startTuned } from '../../lib/runtime/handoff.ts';
import type { Tuning } from '../../lib/scheduling/scheduler/state.ts';
import { afterFailures, interpret, vertices, type Vertex } from '../support/graphs.ts';
import { c, t, twoNodes } from '../support/handoff.ts';

function toDag(all: readonly Vertex[], withFailures: boolean): Dag {
  const dag = new Dag();
  for (const { failures, ...vertex } of all) {
    const head = withFailures ? [{ value: vertex.id }, { value: Math.min(failures, 1000) }] : [{ value: vertex.id }];
    const layout = [...head, ...vertex.args.map((_, arg) => ({ arg }))];
    dag.add({ ...vertex, code: withFailures ? c.combineAfter : t.combine, layout } as FunctionSpec);
  }
  return dag;
}

function possible(dag: Dag): boolean {
  return (
    findImpossible(compile(dag), Object.fromEntries(twoNodes.map(({ name, capabilities }) => [name, capabilities]))) ===
    undefined
  );
}

// The number of DAGs of each kind on each path. CHAOS=full runs 40,000 DAGs in all; PROPERTY_RUNS sets another number.
const runs = Number(process.env['PROPERTY_RUNS'] ?? (process.env['CHAOS'] === 'full' ? 5000 : 150));

const paths: [string, Partial<Tuning>][] = [
  ['one by one', { batchSize: 1, gangMs: 0 }],
  ['in batches', { fuse: false, batchMs: 20, gangMs: 0 }],
  ['fused', { batchMs: 20, gangMs: 0 }],
  ['running ahead', { batchMs: 1e3, gangMs: 1e3, gangGrainMs: 0, gangSlackMs: -1e3, minMs: 1e-9 }],
];

describe.each(paths)('real runs of random DAGs, %s, agree with the reference interpreter', (_, tuning) => {
  // Claims are made one by one, so that functions with costs are never sent ahead.
  const shape = {
    nodes: ['a', 'b'],
    costs: tuning.gangMs === 0,
    size: tuning.gangMs === 0 ? undefined : 'medium',
  } as const;

  async function withHandoff(use: (handoff: Handoff) => Promise<void>): Promise<void> {
    const handoff = await startTuned({ nodes: twoNodes }, tuning);
    try {
      await use(handoff);
    } finally {
      await handoff.stop({ drain: false });
    }
  }

  it(
    'in every value',
    () =>
      withHandoff(async (handoff) => {
        await fc.assert(
          fc.asyncProperty(vertices({ ...shape, failures: false, maxSize: 60 }), async (all) => {
            const dag = toDag(all, false);
            fc.pre(possible(dag));
            const { results, allocations } = await handoff.execute(dag);
            const expected = interpret(all);
            expect(results).toEqual(
              Object.fromEntries(all.filter(({ type }) => type === 'regular').map(({ id }) => [id, expected.get(id)])),
            );
            for (const { id, node } of all) if (typeof node === 'string') expect(allocations[id]).toBe(node);
            for (const { id, node } of all)
              if (typeof node === 'object') expect(allocations[id]).toBe(allocations[node.collocatedWith]);
          }),
          { numRuns: runs },
        );
      }),
    600_000,
  );

  it(
    'in failures, retries and remaining results',
    () =>
      withHandoff(async (handoff) => {
        await fc.assert(
          fc.asyncProperty(vertices(shape), fc.integer({ min: 0, max: 2 }), async (all, maxRetries) => {
            const dag = toDag(all, true);
            fc.pre(possible(dag));
            const { failing, lost, left } = afterFailures(all, maxRetries);
            const outcome: unknown = await handoff
              .execute(dag, { maxRetries, failurePolicy: 'continue' })
              .catch((error: unknown) => error);
            if (failing.size === 0) {
              expect((outcome as { results: unknown }).results).toEqual(left);
              return;
            }
            expect(outcome).toBeInstanceOf(HandoffError);
            const { results, failures } = outcome as HandoffError;
            expect(results).toEqual(left);
            const reached = [...failing].filter(
              (id) => !all.find((vertex) => vertex.id === id)!.args.some((arg) => lost.has(arg)),
            );
            expect(failures!.map((failure) => failure.functionId).sort()).toEqual(reached.sort());
          }),
          { numRuns: runs },
        );
      }),
    600_000,
  );
});
