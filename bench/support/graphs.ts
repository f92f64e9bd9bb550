/** The DAGs of the benchmarks as plain vertices, from which each contestant builds its own form. */
import { Dag, type FunctionSpec, tasks } from '../../lib/index.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

export type TaskName = Exclude<keyof typeof import('./tasks.ts'), 'default'>;

export interface Vertex {
  readonly id: string;
  readonly task: TaskName;
  readonly args: readonly string[];
  readonly extra?: readonly unknown[];
}

/** Functions without dependencies. */
export function independent(count: number, task: TaskName = 'noop', extra: readonly unknown[] = []): Vertex[] {
  return Array.from({ length: count }, (_, i) => ({ id: `f${i}`, task, args: [], extra }));
}

/** `layers` of `width`, each function after two of the layer before, chosen at random with a fixed seed. */
export function layered(layers: number, width: number): Vertex[] {
  const random = numbers(7);
  return Array.from({ length: layers * width }, (_, i) => {
    const layer = Math.floor(i / width);
    const pick = (): string => `l${layer - 1}_${Math.floor(random() * width)}`;
    return { id: `l${layer}_${i % width}`, task: 'add', args: layer === 0 ? [] : [pick(), pick()] };
  });
}

/** A binary tree: `leaves`, then sums of two until one is left. */
export function tree(leaves: number): Vertex[] {
  const all: Vertex[] = Array.from({ length: leaves }, (_, i) => ({ id: `t0_${i}`, task: 'noop', args: [] }));
  for (let width = leaves / 2, level = 1; width >= 1; width /= 2, level++) {
    for (let i = 0; i < width; i++)
      all.push({ id: `t${level}_${i}`, task: 'add', args: [`t${level - 1}_${2 * i}`, `t${level - 1}_${2 * i + 1}`] });
  }
  return all;
}

/** `count` chains of `length`. */
export function chains(count: number, length: number): Vertex[] {
  return Array.from({ length: count * length }, (_, i) => {
    const step = Math.floor(i / count);
    return { id: `c${i % count}_${step}`, task: 'increment', args: step === 0 ? [] : [`c${i % count}_${step - 1}`] };
  });
}

/** Builds a `Dag`, new every time, so that nothing is cached from before. */
export function toDag(vertices: readonly Vertex[], options: Partial<FunctionSpec> = {}): Dag {
  const dag = new Dag();
  for (const { id, task, args, extra = [] } of vertices)
    dag.add({ id, code: t[task], args: [...args], extraArgs: extra, ...options });
  return dag;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t32 = Math.imul(state ^ (state >>> 15), 1 | state);
    t32 = (t32 + Math.imul(t32 ^ (t32 >>> 7), 61 | t32)) ^ t32;
    return ((t32 ^ (t32 >>> 14)) >>> 0) / 4294967296;
  };
}
