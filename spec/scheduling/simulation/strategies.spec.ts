/**
 * Every strategy through the simulator: what is carried out is valid by a validator of its own, and what was planned
 * comes true.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance, Placed } from '../../../bench/support/sched/instance.ts';
import { toDag } from '../../../bench/support/sched/plan.ts';
import { faultsOf } from '../../../bench/support/sched/validate.ts';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { planRun } from '../../../lib/scheduling/planner/planned.ts';
import { simulate, type SimulateOptions, type SimulateResult } from '../../../lib/simulate.ts';
import { thrownBy } from '../../support/handoff.ts';
import { problems } from '../planner/support/problems.ts';

const optionsOf = ({ machines, bandwidth, latency }: Instance): SimulateOptions => ({
  nodes: machines,
  ...(bandwidth !== undefined && { bandwidth }),
  ...(latency !== undefined && { latency }),
});
const placedOf = ({ schedule }: SimulateResult): Placed[] =>
  schedule.map(({ functionId, node, start, finish }) => ({ id: functionId, node, start, finish }));
/** Faster is dearer, and more so than it is faster. */
const priced = ({ machines }: Instance): SimulateOptions['nodes'] =>
  machines.map((machine) => ({ ...machine, price: machine.speed ** 1.5 }));

describe.each(['first-available', 'load-balanced', 'time-optimized', 'cost-optimized'] as const)(
  '%s',
  (allocationStrategy) => {
    it('gives schedules that can be carried out', () => {
      fc.assert(
        fc.property(problems({ maxSize: 25, maxMachines: 4 }), (instance) => {
          const result = simulate(toDag(instance), { ...optionsOf(instance), allocationStrategy });
          expect(faultsOf(instance, placedOf(result))).toEqual([]);
          expect(result.outcome).toEqual({ ok: true });
        }),
        { numRuns: 150 },
      );
    });
  },
);

describe.each(['time-optimized', 'cost-optimized'] as const)('what %s plans', (aim) => {
  it('matches the simulation when messages take no time', () => {
    fc.assert(
      fc.property(problems({ maxSize: 25, maxMachines: 4 }), (instance) => {
        // What takes no time takes no thread in a plan, and must have one when it is run.
        const { latency: _, ...rest } = instance;
        const calm = { ...rest, work: rest.work.map((each) => ({ ...each, duration: each.duration || 0.5 })) };
        const dag = toDag(calm);
        const nodes = priced(calm);
        const options = { ...optionsOf(calm), nodes, budget: 20 };
        const planned = planRun(compile(dag), {
          aim,
          budget: 20,
          nodes: nodes.map((node) => ({ ...node, threads: node.threads!, speed: node.speed! })),
          ...(calm.bandwidth !== undefined && { bandwidth: calm.bandwidth }),
        });
        const { makespan, price } = simulate(dag, { ...options, allocationStrategy: aim });
        expect(makespan).toBeLessThanOrEqual(planned.schedule.makespan * (1 + 1e-9) + 1e-9);
        expect(price).toBeCloseTo(planned.price, 6);
      }),
      { numRuns: 200 },
    );
  });
});

describe('short functions of a plan, which are sent before a thread is free', () => {
  // Small cases that the property above once found.
  const fast = { name: 'a', capabilities: { cpu: 25 }, threads: 2, speed: 3, price: 1 };
  const slow = { name: 'b', capabilities: {}, threads: 1, speed: 0.5, price: 1 };
  const compare = (
    nodes: readonly (typeof fast | typeof slow)[],
    work: Instance['work'],
    bandwidth = Infinity,
  ): { made: number; planned: number } => {
    const dag = toDag({ name: 'made', set: 'made', best: NaN, machines: [], work });
    const made = simulate(dag, { nodes, budget: 20, allocationStrategy: 'time-optimized', bandwidth }).makespan;
    return {
      made,
      planned: planRun(compile(dag), { aim: 'time-optimized', budget: 20, nodes, bandwidth }).schedule.makespan,
    };
  };

  it('run on the thread that is free first, although no duration was measured yet', () => {
    const durations = [0.5, 0.5, 0.5, 0.5, 0.5, 3, 8, 1, 3, 3, 3];
    const deps: Record<number, string[]> = { 4: ['f3'], 5: ['f2', 'f4'], 8: ['f0'] };
    const run = compare(
      [fast],
      durations.map((duration, i) => ({ id: `f${i}`, duration, deps: deps[i] ?? [], bytes: 0, node: 'a' })),
    );
    expect(run.made).toBeCloseTo(run.planned, 9);
  });

  it('do not wait for one thread when another, which runs a function with a claim, is free first', () => {
    const run = compare(
      [{ ...fast, speed: 2 }],
      [
        { id: 'f0', duration: 0.5, deps: [] },
        { id: 'f1', duration: 0.5, deps: [] },
        { id: 'f2', duration: 8, deps: [], cost: { cpu: 1 } },
        { id: 'f3', duration: 8, deps: [] },
        { id: 'f4', duration: 3, deps: ['f0'] },
      ].map((each) => ({ ...each, bytes: 0, node: 'a' })),
    );
    expect(run.made).toBeCloseTo(run.planned, 9);
  });

  it('get their inputs from other nodes while they wait', () => {
    const work = [0.5, 0.5, 0.5, 0.5, 8, 13.7, 0.5].map((duration, i) => ({
      id: `f${i}`,
      duration,
      deps: i === 5 ? ['f0'] : i === 6 ? ['f4'] : [],
      bytes: i === 0 ? 100 : 0,
      node: i === 0 ? 'b' : 'a',
    }));
    const run = compare([{ ...fast, threads: 1 }, slow], work, 100_000);
    expect(run.made).toBeCloseTo(run.planned, 9);
  });
});

describe('cost-optimized', () => {
  const chain = toDag({
    name: 'made',
    set: 'made',
    best: NaN,
    machines: [],
    work: Array.from({ length: 40 }, (_, i) => ({ id: `f${i}`, duration: 10, deps: i < 4 ? [] : [`f${i - 4}`] })),
  });
  const nodes = [
    { name: 'fast', capabilities: { cpu: 2 }, speed: 2, price: 8 },
    { name: 'slow', capabilities: { cpu: 2 }, speed: 1, price: 1 },
  ];
  const run = (more: Partial<SimulateOptions> = {}): SimulateResult =>
    simulate(chain, { nodes, allocationStrategy: 'cost-optimized', ...more });

  it('spends hardly more than the minimum, without a deadline', () => {
    expect(run().price).toBeLessThanOrEqual(400 * 1.05);
    expect(run().makespan).toBeLessThanOrEqual(200);
  });

  it('keeps a deadline, and spends less when that is later', () => {
    const fastest = run({ allocationStrategy: 'time-optimized', budget: 200 });
    const prices = [1, 1.2, 1.5, 2, 3].map((factor) => {
      const { makespan, price } = run({ deadline: fastest.makespan * factor });
      expect(makespan).toBeLessThanOrEqual(fastest.makespan * factor * (1 + 1e-9));
      return price;
    });
    expect(prices).toEqual(prices.toSorted((a, b) => b - a));
    expect(prices.at(-1)).toBeLessThan(prices[0]! / 1.5);
  });

  it('comes as close as it can to a deadline that cannot be met', () => {
    expect(run({ deadline: 1 }).makespan).toBeLessThanOrEqual(
      run({ allocationStrategy: 'time-optimized' }).makespan * (1 + 1e-9),
    );
  });

  it('is as fast as possible when all nodes cost the same', () => {
    const even = nodes.map((node) => ({ ...node, price: node.speed }));
    expect(run({ nodes: even }).makespan).toBe(run({ nodes: even, allocationStrategy: 'time-optimized' }).makespan);
  });

  it('keeps groups together and respects pins', () => {
    fc.assert(
      fc.property(
        problems({ maxSize: 20, maxMachines: 3 }),
        fc.double({ min: 1, max: 4, noNaN: true }),
        (instance, factor) => {
          const options = { ...optionsOf(instance), nodes: priced(instance) };
          const fastest = simulate(toDag(instance), { ...options, allocationStrategy: 'time-optimized' });
          const result = simulate(toDag(instance), {
            ...options,
            allocationStrategy: 'cost-optimized',
            deadline: Math.max(1e-3, fastest.makespan * factor),
          });
          expect(faultsOf(instance, placedOf(result))).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it.each([{ deadline: 0 }, { deadline: NaN }, { budget: 0 }, { nodes: [{ name: 'a', capabilities: {}, price: -1 }] }])(
    'refuses %o',
    async (wrong) => {
      expect(await thrownBy(() => run(wrong))).toMatchObject({ code: 'INVALID_OPTION' });
    },
  );
});
