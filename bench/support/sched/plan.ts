/** Our planner on an instance, by way of a DAG as a user would write it. */
import { compile } from '../../../lib/dag/compile.ts';
import { Dag } from '../../../lib/dag/dag.ts';
import { planSchedule } from '../../../lib/planner/plan-schedule.ts';
import { toProblem } from '../../../lib/planner/problem.ts';
import type { Schedule } from '../../../lib/planner/schedule.ts';
import type { Instance, Placed } from './instance.ts';

const code = { module: 'file:///scheduling.js', export: 'work' };

export function toDag({ work }: Instance): Dag {
  const dag = new Dag();
  for (const { id, duration, deps, cost, bytes, node, priority } of work) {
    dag.add({
      id, code, args: deps, duration, ...(cost !== undefined && { cost }), ...(bytes !== undefined && { outputBytes: bytes }),
      ...(node !== undefined && { node }), ...(priority !== undefined && { priority }),
    });
  }
  return dag;
}

export interface Answer extends Schedule {
  readonly placed: readonly Placed[];
  /** What planning took, without compiling. */
  readonly ms: number;
}

export function plan(instance: Instance, budget: number, seed = 1): Answer {
  const compiled = compile(toDag(instance));
  const { machines, latency, bandwidth } = instance;
  const before = performance.now();
  const problem = toProblem(compiled, { nodes: machines, ...(latency !== undefined && { latency }), ...(bandwidth !== undefined && { bandwidth }) });
  const schedule = planSchedule(problem, { budget, seed });
  const ms = performance.now() - before;
  const placed = compiled.entries.map(({ id }, i) => ({ id, node: problem.nodes[schedule.node[i]!]!, start: schedule.start[i]!, finish: schedule.finish[i]! }));
  return { ...schedule, placed, ms };
}
