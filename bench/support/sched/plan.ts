/** Runs our planner on an instance, through a DAG as users write it. */
import { compile } from '../../../lib/dag/compile/compile.ts';
import { Dag } from '../../../lib/dag/dag.ts';
import { planSchedule } from '../../../lib/scheduling/planner/plan-schedule.ts';
import { toProblem } from '../../../lib/scheduling/planner/problem.ts';
import type { Schedule } from '../../../lib/scheduling/planner/schedule.ts';
import { simulate, type SimulateOptions } from '../../../lib/simulate.ts';
import type { Instance, Placed } from './instance.ts';

const code = { module: 'file:///scheduling.js', export: 'work' };

export function toDag({ work }: Instance): Dag {
  const dag = new Dag();
  for (const { id, duration, deps, cost, bytes, node, priority } of work) {
    dag.add({
      id,
      code,
      args: deps,
      duration,
      ...(cost !== undefined && { cost }),
      ...(bytes !== undefined && { outputBytes: bytes }),
      ...(node !== undefined && { node }),
      ...(priority !== undefined && { priority }),
    });
  }
  return dag;
}

/** Runs the scheduler in virtual time on an instance, with a strategy. */
export function carryOut(
  { machines, latency, bandwidth, ...rest }: Instance,
  strategy: Omit<SimulateOptions, 'nodes' | 'latency' | 'bandwidth'>,
): { readonly placed: readonly Placed[]; readonly ms: number; readonly price: number } {
  const dag = toDag({ machines, ...rest });
  const before = performance.now();
  const { schedule, price } = simulate(dag, {
    nodes: machines,
    ...(latency !== undefined && { latency }),
    ...(bandwidth !== undefined && { bandwidth }),
    ...strategy,
  });
  const ms = performance.now() - before;
  return {
    placed: schedule.map(({ functionId, node, start, finish }) => ({ id: functionId, node, start, finish })),
    ms,
    price,
  };
}

export interface Answer extends Schedule {
  readonly placed: readonly Placed[];
  /** ms of planning, without compiling. */
  readonly ms: number;
}

export function plan(instance: Instance, budget: number, seed = 1): Answer {
  const compiled = compile(toDag(instance));
  const { machines, latency, bandwidth } = instance;
  const before = performance.now();
  const problem = toProblem(compiled, {
    nodes: machines,
    ...(latency !== undefined && { latency }),
    ...(bandwidth !== undefined && { bandwidth }),
  });
  const schedule = planSchedule(problem, { budget, seed });
  const ms = performance.now() - before;
  const placed = compiled.entries.map(({ id }, i) => ({
    id,
    node: problem.nodes[schedule.node[i]!]!,
    start: schedule.start[i]!,
    finish: schedule.finish[i]!,
  }));
  return { ...schedule, placed, ms };
}
