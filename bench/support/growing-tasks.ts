/** Functions of graphs that grow. */
import { expand, type Expand, tasks } from '../../lib/task.ts';

const self = tasks<typeof import('./growing-tasks.ts')>(import.meta.url);

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

export function same(x: number): number {
  return x;
}

export function add(a: number, b: number): number {
  return a + b;
}

export function sum(from: number, to: number): number | Expand<number> {
  if (to - from === 1) return from;
  const middle = (from + to) >> 1;
  return expand(self.add(self.sum(from, middle), self.sum(middle, to)));
}
