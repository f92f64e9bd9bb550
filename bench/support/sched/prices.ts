/** The price of workflows on nodes of different prices with the strategy `'cost-optimized'`. */
import { toText } from '../text-table.ts';
import type { Instance } from './instance.ts';
import { carryOut } from './plan.ts';
import { readWorkflows } from './read.ts';
import { faultsOf } from './validate.ts';

/** The price of a node by its speed: faster nodes cost more per unit of work, less, or at random. */
const lists: Readonly<Record<string, (speed: number, k: number) => number>> = {
  'speed^1.5': (speed) => speed ** 1.5,
  'speed^0.7': (speed) => speed ** 0.7,
  'at random': (_, k) => [3, 1, 2, 5, 4, 2.5, 6, 1.5][k]!,
};

/**
 * Means over the workflows: price relative to the minimum, and makespan relative to `'time-optimized'`, without a
 * deadline and with several.
 */
export function prices(data: string): { readonly table: string; readonly faults: readonly string[] } | undefined {
  const workflows = readWorkflows(data, '8 unequal, 1 Gb/s');
  if (workflows.length === 0) return undefined;
  const faults: string[] = [];
  const rows = Object.entries(lists).map(([name, priceOf]) => {
    const sums = [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ];
    for (const workflow of workflows) {
      const instance = {
        ...workflow,
        machines: workflow.machines.map((machine, k) => ({ ...machine, price: priceOf(machine.speed, k) })),
      };
      const run = (strategy: Parameters<typeof carryOut>[1]): { price: number; makespan: number } => {
        const { placed, price } = carryOut(instance, strategy);
        const wrong = faultsOf(instance, placed);
        if (wrong.length > 0) faults.push(`${instance.name}, prices ${name}: ${wrong[0]}`);
        return { price, makespan: placed.reduce((latest, { finish }) => Math.max(latest, finish), 0) };
      };
      const fast = run({ allocationStrategy: 'time-optimized' });
      const outcomes = [
        fast,
        ...[undefined, 1.5, 3].map((factor) => {
          const found = run({
            allocationStrategy: 'cost-optimized',
            ...(factor !== undefined && { deadline: fast.makespan * factor }),
          });
          if (factor !== undefined && found.makespan > fast.makespan * factor * (1 + 1e-9))
            faults.push(
              `${instance.name}, prices ${name}: ${found.makespan} is beyond the deadline of ${factor} times ${fast.makespan}`,
            );
          return found;
        }),
      ];
      for (const [k, { price, makespan }] of outcomes.entries()) {
        sums[k]![0]! += price / least(instance) / workflows.length;
        sums[k]![1]! += makespan / fast.makespan / workflows.length;
      }
    }
    return [name, ...sums.map(([price, makespan]) => `${price!.toFixed(2)}x at ${makespan!.toFixed(2)}x`)];
  });
  return {
    table: toText(
      [
        'price over the least, at makespan over the fastest',
        'time-optimized',
        'cost-optimized',
        'deadline 1.5x',
        'deadline 3x',
      ],
      rows,
    ),
    faults,
  };
}

function least({ work, machines }: Instance): number {
  return work.reduce(
    (sum, { duration }) => sum + duration * Math.min(...machines.map(({ price = 0, speed }) => price / speed)),
    0,
  );
}
