/** What the counters need to know of a run: the names and the dependencies of its functions. */
import { nameOf } from '../dag/code.ts';
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import type { RunGraph } from '../events/run-graph.ts';

export interface RunShape {
  readonly size: number;
  /** Index of the function with this id; negative if there is none. */
  indexOf(id: string): number;
  /** For each function: the index of its code in `names`. */
  readonly code: ArrayLike<number>;
  readonly names: readonly string[];
  /** Functions whose results this function takes; may contain duplicates. */
  depsOf(i: number): Iterable<number>;
}

export function shapeOfPlan(plan: CompiledDag): RunShape {
  const { size, code, codes, deps, depOffset } = plan;
  return {
    size,
    code,
    names: codes.map(nameOf),
    indexOf: (id) => plan.indexOf(id),
    depsOf: (i) => deps.subarray(depOffset[i]!, depOffset[i + 1]!),
  };
}

export function shapeOfGraph({ ids, code, names, deps }: RunGraph): RunShape {
  const indexes = new Map(ids.map((id, i) => [id, i]));
  return { size: ids.length, code, names, indexOf: (id) => indexes.get(id) ?? -1, depsOf: (i) => deps[i]! };
}
