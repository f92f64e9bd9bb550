/** The DAG of a run for readers of events: functions, their code, and edges. */
import { nameOf } from '../dag/code.ts';
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import type { Cost } from '../dag/types.ts';

/**
 * Plain data, so that it can go to other hosts and into files. Inline functions are not included: they are parts of
 * other functions.
 */
export interface RunGraph {
  readonly runId: string;
  readonly dagId: string;
  /** Ids of the functions, in the order they were added. */
  readonly ids: readonly string[];
  /** For each function: the index of its code in `names`. */
  readonly code: readonly number[];
  /** Names of exported functions. */
  readonly names: readonly string[];
  /** For each function: the functions whose results it takes, each once. */
  readonly deps: readonly (readonly number[])[];
  /** For each function: the node it is pinned to, or null. */
  readonly pins: readonly (string | null)[];
  /** For each function: the index of its cost in `costs`. */
  readonly cost: readonly number[];
  readonly costs: readonly (Cost | null)[];
  /** For each function: its declared or learned duration in ms on a node of speed 1; null if unknown. */
  readonly duration: readonly (number | null)[];
  /** What the run has grown by, in order. These functions are the last of `ids`. Absent as long as it has not grown. */
  readonly growth?: readonly Growth[];
}

/** The elements of a map, or the graph that a function answered with. */
export interface Growth {
  /** Index of the map, or of the function that answered. */
  readonly owner: number;
  /** Index of the first function that it brought. */
  readonly first: number;
  readonly count: number;
  readonly isMap: boolean;
}

/** @param durationOf ms for a function; undefined if unknown */
export function toRunGraph(
  plan: CompiledDag,
  runId: string,
  durationOf: (i: number) => number | undefined = () => undefined,
): RunGraph {
  const { size, entries, code, codes, cost, costs, pins, depOffset, deps } = plan;
  const each = <Value>(of: (i: number) => Value): Value[] => {
    const values: Value[] = [];
    for (let i = 0; i < size; i++) values.push(of(i));
    return values;
  };
  return withEdges(
    {
      runId,
      dagId: plan.dagId,
      ids: each((i) => entries[i]!.id),
      code: each((i) => code[i]!),
      names: codes.map(nameOf),
      pins: pins.size === 0 ? Array<null>(size).fill(null) : each((i) => pins.get(i) ?? null),
      cost: each((i) => cost[i]!),
      costs: costs.map((amounts) => amounts ?? null),
      duration: each((i) => entries[i]!.traits.duration ?? durationOf(i) ?? null),
    },
    depOffset,
    deps,
  );
}

/**
 * A run waits for its graph before it starts, so the edges are built on first access: many graphs are never read. Only
 * the edge arrays of the plan are kept.
 */
function withEdges(graph: Omit<RunGraph, 'deps'>, offset: Int32Array, deps: Int32Array): RunGraph {
  return Object.defineProperty(graph, 'deps', {
    enumerable: true,
    configurable: true,
    get() {
      const value = graph.ids.map((_, i) => distinct(deps, offset[i]!, offset[i + 1]!));
      Object.defineProperty(graph, 'deps', { value, enumerable: true });
      return value;
    },
  }) as RunGraph;
}

const none: readonly number[] = [];

/** Called for every function before a run starts. Writing the short cases out is much faster than growing a list. */
function distinct(list: Int32Array, from: number, to: number): readonly number[] {
  const first = list[from]!;
  const second = list[from + 1]!;
  switch (to - from) {
    case 0:
      return none;
    case 1:
      return [first];
    case 2:
      return first === second ? [first] : [first, second];
    default:
      return [...new Set(list.subarray(from, to))];
  }
}
