/** What counting needs to know of a run: which function has which name, and what it depends on. */
import { nameOf } from '../dag/code.ts';
import type { CompiledDag } from '../dag/compiled-dag.ts';
import type { RunGraph } from '../events/run-graph.ts';

export interface RunShape {
  readonly size: number;
  /** The function of an id; below 0 when there is none. */
  indexOf(id: string): number;
  /** By function: into `names`. */
  readonly code: ArrayLike<number>;
  readonly names: readonly string[];
  /** The functions whose results it takes; some may come more than once. */
  depsOf(i: number): Iterable<number>;
}

export function shapeOfPlan(plan: CompiledDag): RunShape {
  const { size, code, codes, deps, depOffset } = plan;
  return { size, code, names: codes.map(nameOf), indexOf: (id) => plan.indexOf(id), depsOf: (i) => deps.subarray(depOffset[i]!, depOffset[i + 1]!) };
}

export function shapeOfGraph({ ids, code, names, deps }: RunGraph): RunShape {
  const indexes = new Map(ids.map((id, i) => [id, i]));
  return { size: ids.length, code, names, indexOf: (id) => indexes.get(id) ?? -1, depsOf: (i) => deps[i]! };
}
