/** The cost of one planning pass per function, for many functions. */
import { compile } from '../../../lib/dag/compile/compile.ts';
import { planSchedule } from '../../../lib/scheduling/planner/plan-schedule.ts';
import { toProblem } from '../../../lib/scheduling/planner/problem.ts';
import { median } from '../measure.ts';
import { numbers } from '../graphs.ts';
import type { Instance, Machine, Work } from './instance.ts';
import { toDag } from './plan.ts';

const size = 100_000;

/** µs per function of one pass over 100,000, on one and on a few nodes, from a plan to a schedule. */
export function large(): string {
  const machine = (name: string, threads: number, speed: number): Machine => ({
    name,
    threads,
    speed,
    capabilities: { cpu: threads },
  });
  const places: Readonly<Record<string, { readonly machines: readonly Machine[]; readonly bandwidth?: number }>> = {
    '1 node, 8 threads': { machines: [machine('a', 8, 1)] },
    '4 equal nodes': { machines: ['a', 'b', 'c', 'd'].map((name) => machine(name, 4, 1)) },
    '4 unequal nodes, transfers': {
      machines: ['a', 'b', 'c', 'd'].map((name, k) => machine(name, 4, 0.5 + k)),
      bandwidth: 1e9,
    },
  };
  const graphs = { independent: work(0), layered: work(2), 'with costs': work(2, true) };
  const heading = ['one pass, 100,000 functions, µs per function', ...Object.keys(places)];
  const rows = Object.entries(graphs).map(([name, each]) => [
    name,
    ...Object.values(places).map(({ machines, bandwidth }) => {
      const instance: Instance = { name, set: 'large', work: each, machines, best: 1 };
      const plan = compile(toDag(instance));
      const options = { nodes: machines, ...(bandwidth !== undefined && { bandwidth }) };
      const times = [0, 1, 2].map(() => {
        const before = performance.now();
        planSchedule(toProblem(plan, options));
        return performance.now() - before;
      });
      return ((median(times) * 1000) / size).toFixed(2);
    }),
  ]);
  return [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Layers of 1,000, each function after `needs` of the layer before. */
function work(needs: number, costs = false): Work[] {
  const random = numbers(11);
  return Array.from({ length: size }, (_, i) => {
    const layer = Math.floor(i / 1000);
    const deps =
      layer === 0 ? [] : Array.from({ length: needs }, () => `f${(layer - 1) * 1000 + Math.floor(random() * 1000)}`);
    return {
      id: `f${i}`,
      duration: 1 + Math.floor(random() * 20),
      deps: [...new Set(deps)],
      bytes: Math.floor(random() * 1e6),
      ...(costs && { cost: { cpu: 1 + (i % 2) } }),
    };
  });
}
