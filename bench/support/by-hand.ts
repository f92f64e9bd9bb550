/**
 * What users would write themselves: a pool that runs a function on a thread and promises its result, and a scheduler
 * of twenty lines that counts the missing inputs of each function.
 */
import { Piscina } from 'piscina';
import type { TaskName, Vertex } from './graphs.ts';

/** Runs one function on some thread. */
export type RunTask = (task: TaskName, args: readonly unknown[]) => Promise<unknown>;

/** @param queued how many tasks a thread receives ahead; 32 is the best setting for small functions */
export function createPool(threads: number, queued = 32): Piscina {
  return new Piscina({
    filename: new URL('./tasks.ts', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: queued,
    idleTimeout: Infinity,
    recordTiming: false,
  });
}

export function runByHand(runTask: RunTask, vertices: readonly Vertex[]): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  const dependents = new Map<string, Vertex[]>();
  const missing = new Map<string, number>();
  for (const vertex of vertices) {
    missing.set(vertex.id, vertex.args.length);
    for (const arg of vertex.args) {
      const known = dependents.get(arg);
      if (known === undefined) dependents.set(arg, [vertex]);
      else known.push(vertex);
    }
  }
  return new Promise((resolve, reject) => {
    let left = vertices.length;
    const start = ({ id, task, args, extra = [] }: Vertex): void => {
      runTask(task, [...args.map((arg) => results[arg]), ...extra]).then((value) => {
        results[id] = value;
        for (const next of dependents.get(id) ?? []) {
          const still = missing.get(next.id)! - 1;
          missing.set(next.id, still);
          if (still === 0) start(next); // eslint-disable-line promise/no-callback-in-promise -- what users would write
        }
        if (--left === 0) resolve(results);
      }, reject);
    };
    for (const vertex of vertices) if (vertex.args.length === 0) start(vertex);
  });
}
