/** What the readers of events need to know of a DAG that runs: its functions, what code they are of, and its edges. */
import { nameOf } from '../dag/code.ts';
import type { CompiledDag } from '../dag/compiled-dag.ts';
import type { Cost } from '../dag/types.ts';

/** Plain data, so that it can go to other hosts and into files. Inline functions are not in it: they are parts of others. */
export interface RunGraph {
  readonly runId: string;
  readonly dagId: string;
  /** By function, in the order they were added. */
  readonly ids: readonly string[];
  /** By function: the name of its code, into `names`. */
  readonly code: readonly number[];
  /** The names of exported functions. */
  readonly names: readonly string[];
  /** By function: the functions whose results it takes, each once. */
  readonly deps: readonly (readonly number[])[];
  /** By function: the node it is pinned to; null: none. */
  readonly pins: readonly (string | null)[];
  /** By function: what it holds while it runs, into `costs`. */
  readonly cost: readonly number[];
  readonly costs: readonly (Cost | null)[];
  /** By function: ms on a node of speed 1 that it says it takes, or that were learned; null: nobody knows. */
  readonly duration: readonly (number | null)[];
}

/** @param durationOf ms by function; undefined when nothing is known */
export function toRunGraph(plan: CompiledDag, runId: string, durationOf: (i: number) => number | undefined = () => undefined): RunGraph {
  const { size, entries, code, codes, cost, costs, pins, depOffset, deps } = plan;
  const each = <Value>(of: (i: number) => Value): Value[] => {
    const values: Value[] = [];
    for (let i = 0; i < size; i++) values.push(of(i));
    return values;
  };
  return withEdges({
    runId,
    dagId: plan.dagId,
    ids: each((i) => entries[i]!.id),
    code: each((i) => code[i]!),
    names: codes.map(nameOf),
    pins: pins.size === 0 ? Array<null>(size).fill(null) : each((i) => pins.get(i) ?? null),
    cost: each((i) => cost[i]!),
    costs: costs.map((amounts) => amounts ?? null),
    duration: each((i) => entries[i]!.traits.duration ?? durationOf(i) ?? null),
  }, depOffset, deps);
}

/** A run that is about to begin waits for its graph: the edges, of which many are never read, are made when they are. Of the plan nothing else is kept. */
function withEdges(graph: Omit<RunGraph, 'deps'>, offset: Int32Array, deps: Int32Array): RunGraph {
  return Object.defineProperty(graph, 'deps', {
    enumerable: true, configurable: true,
    get() {
      const value = graph.ids.map((_, i) => distinct(deps, offset[i]!, offset[i + 1]!));
      Object.defineProperty(graph, 'deps', { value, enumerable: true });
      return value;
    },
  }) as RunGraph;
}

const none: readonly number[] = [];

/** Made for every function of a run that is about to begin: a list that is written out is made much faster than one that grows. */
function distinct(list: Int32Array, from: number, to: number): readonly number[] {
  const first = list[from]!;
  const second = list[from + 1]!;
  switch (to - from) {
    case 0: return none;
    case 1: return [first];
    case 2: return first === second ? [first] : [first, second];
    default: return [...new Set(list.subarray(from, to))];
  }
}
