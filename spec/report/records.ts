/** Records of runs that never were: from what ran when. */
import fc from 'fast-check';
import type { RunGraph } from '../../lib/events/run-graph.ts';
import { RunRecord } from '../../lib/report/run-record.ts';
import type { Cost } from '../../lib/index.ts';

/** A function, and its last attempt. Times in ms from the start of the run, which is at `origin`. */
export interface Ran {
  readonly id: string;
  readonly name?: string;
  readonly deps?: readonly string[];
  readonly cost?: Cost;
  readonly declared?: number;
  readonly node?: string;
  readonly thread?: number;
  readonly attempts?: number;
  readonly fails?: boolean;
  /** `[begun, ended]`; it has not ended when there is none. */
  readonly at?: readonly [number, number];
}

export const origin = 1_000_000;

export function graphOf(all: readonly Ran[], dagId = 'd'): RunGraph {
  const names = [...new Set(all.map(({ id, name = id }) => name))];
  const costs: (Cost | null)[] = [null, ...all.flatMap(({ cost }) => (cost === undefined ? [] : [cost]))];
  return {
    runId: dagId,
    dagId,
    names,
    costs,
    ids: all.map(({ id }) => id),
    code: all.map(({ id, name = id }) => names.indexOf(name)),
    deps: all.map(({ deps = [] }) => deps.map((dep) => all.findIndex(({ id }) => id === dep))),
    pins: all.map(() => null),
    cost: all.map(({ cost }) => (cost === undefined ? 0 : costs.indexOf(cost))),
    duration: all.map(({ declared }) => declared ?? null),
  };
}

/** @param end of the run, in ms from its start; it is under way when there is none */
export function recordOf(all: readonly Ran[], end?: number, error?: unknown): RunRecord {
  const record = new RunRecord(graphOf(all));
  const of = { runId: 'd', dagId: 'd', at: origin };
  record.record({ type: 'run:started', ...of, functions: all.length });
  for (const { id, node = 'a', thread = 0, attempts = 1, fails = false, at } of all) {
    if (at === undefined) continue;
    const spans = at.map((ms) => origin + ms);
    record.record({
      type: 'attempts',
      ...of,
      node,
      thread,
      functionIds: [id],
      attempts: [attempts],
      spans,
      bytes: [0],
      failed: fails ? [0] : [],
    });
    if (fails)
      record.record({
        type: 'function:failed',
        ...of,
        at: spans[1]!,
        functionId: id,
        node,
        attempt: attempts,
        error: new Error(`${id} failed`),
      });
  }
  if (end === undefined) return record;
  if (error === undefined)
    record.record({
      type: 'run:finished',
      runId: 'd',
      dagId: 'd',
      at: origin + end,
      functions: all.length,
      retries: 0,
      durationMs: end,
    });
  else record.record({ type: 'run:failed', runId: 'd', dagId: 'd', at: origin + end, error, durationMs: end });
  return record;
}

/** Runs of any kind: also such as no scheduler would make, as clocks that differ and results that are made again do. */
export const anyRuns: fc.Arbitrary<readonly Ran[]> = fc
  .array(
    fc.record({
      picks: fc.array(fc.nat(), { maxLength: 3 }),
      node: fc.constantFrom('a', 'b'),
      thread: fc.integer({ min: 0, max: 2 }),
      begun: fc.integer({ min: -5, max: 200 }),
      took: fc.integer({ min: 0, max: 60 }),
      attempts: fc.constantFrom(1, 1, 1, 2),
      ended: fc.integer({ min: 0, max: 9 }),
      cost: fc.constantFrom(undefined, { cpu: 1 }, { memory: 600 }),
    }),
    { maxLength: 25 },
  )
  .map((seeds) =>
    seeds.map(({ picks, begun, took, ended, cost, ...rest }, i) => ({
      ...rest,
      id: `f${i}`,
      name: `n${i % 4}`,
      deps: i === 0 ? [] : [...new Set(picks.map((pick) => `f${pick % i}`))],
      ...(cost !== undefined && { cost }),
      ...(ended > 0 && { at: [begun, begun + took] as const }),
    })),
  );
