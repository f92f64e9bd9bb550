import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Handoff, tasks } from '../../lib/index.ts';
import { startTuned } from '../../lib/runtime/handoff.ts';
import type { Tuning } from '../../lib/scheduling/scheduler/state.ts';
import { comparable, limits, randomProgram, resultsOf, toDag } from '../support/growing-programs.ts';
import { twoNodes } from '../support/handoff.ts';

const t = tasks<typeof import('../fixtures/growing-program-tasks.ts')>(
  new URL('../fixtures/growing-program-tasks.ts', import.meta.url),
);

// The number of programs on each path. PROPERTY_RUNS sets another number.
const runs = Number(process.env['PROPERTY_RUNS'] ?? (process.env['CHAOS'] === 'full' ? 3000 : 60));

const paths: [string, Partial<Tuning>][] = [
  ['one by one', { batchSize: 1, gangMs: 0 }],
  ['in batches', { batchMs: 20, gangMs: 0 }],
  ['running ahead', { batchMs: 1e3, gangMs: 1e3, gangGrainMs: 0, gangSlackMs: -1e3, minMs: 1e-9 }],
];

describe.each(paths)('random programs that grow and branch, %s, agree with the reference interpreter', (_, tuning) => {
  async function withHandoff(use: (handoff: Handoff) => Promise<void>): Promise<void> {
    const handoff = await startTuned({ nodes: twoNodes, limits }, tuning);
    try {
      await use(handoff);
    } finally {
      await handoff.stop({ drain: false });
    }
  }

  it(
    'in every result, and in what is skipped',
    () =>
      withHandoff(async (handoff) => {
        await fc.assert(
          fc.asyncProperty(fc.integer(), fc.boolean(), async (seed, all) => {
            const program = randomProgram(seed);
            const expected = resultsOf(program);
            const dag = toDag(program, t.perform);
            const { results, stats } = await handoff.execute(dag, { collect: all ? 'all' : 'sinks' });
            const wanted = Object.keys(results);
            if (all) expect(wanted.sort()).toEqual([...expected.keys()].sort());
            expect(comparable(Object.entries(results))).toEqual(
              comparable(wanted.map((id) => [id, expected.get(id)] as const)),
            );
            expect(stats.skipped).toBeGreaterThanOrEqual(program.steps.length - expected.size);
          }),
          { numRuns: runs },
        );
      }),
    600_000,
  );
});
