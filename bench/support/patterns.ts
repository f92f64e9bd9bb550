/**
 * The dependence patterns of Task Bench as grids of functions: `width` in each of `steps`, each after some of the step
 * before.
 */
import { numbers, type Vertex } from './graphs.ts';
import call from './tasks.ts';

export const patterns = [
  'trivial',
  'no_comm',
  'stencil_1d',
  'stencil_1d_periodic',
  'dom',
  'tree',
  'fft',
  'nearest',
  'spread',
  'random_nearest',
] as const;
export type Pattern = (typeof patterns)[number];

/** What each function does; `communicate` returns the given number of bytes. */
export type Kernel = 'compute' | 'imbalanced' | 'memory' | `communicate ${string}`;

const bytes: Readonly<Record<string, number>> = { '16 B': 16, '4 KiB': 4096, '256 KiB': 256 * 1024 };

/** @param count steps of the kernel per function */
export function grid(pattern: Pattern, width: number, steps: number, kernel: Kernel, count: number): Vertex[] {
  const random = numbers(11);
  return Array.from({ length: width * steps }, (_, at) => {
    const t = Math.floor(at / width);
    const i = at % width;
    const args =
      t === 0
        ? []
        : [...new Set(dependencies(pattern, width, t, i, random))]
            .filter((k) => k >= 0 && k < width)
            .map((k) => `t${t - 1}_${k}`);
    return { id: `t${t}_${i}`, args, ...work(kernel, count, random) };
  });
}

/** The functions of the previous step that function (t, i) depends on. */
function dependencies(pattern: Pattern, width: number, t: number, i: number, random: () => number): number[] {
  switch (pattern) {
    case 'trivial':
      return [];
    case 'no_comm':
      return [i];
    case 'stencil_1d':
      return [i - 1, i, i + 1];
    case 'stencil_1d_periodic':
      return [(i - 1 + width) % width, i, (i + 1) % width];
    case 'dom':
      return [i - 1, i];
    // Down a binary tree repeatedly: a function that is new at this level takes from its parent.
    case 'tree':
      return [Math.floor(i / 2)];
    case 'fft':
      return [i, i - 2 ** ((t - 1) % Math.log2(width)), i + 2 ** ((t - 1) % Math.log2(width))];
    case 'nearest':
      return [i - 2, i - 1, i, i + 1, i + 2];
    case 'spread':
      return Array.from({ length: 5 }, (_, k) => (i + Math.floor((k * width) / 5) + t) % width);
    case 'random_nearest':
      return [i - 2, i - 1, i, i + 1, i + 2].filter(() => random() < 0.5);
  }
}

function work(kernel: Kernel, count: number, random: () => number): Pick<Vertex, 'task' | 'extra'> {
  if (kernel === 'compute') return { task: 'computeAfter', extra: [count] };
  if (kernel === 'imbalanced') return { task: 'computeAfter', extra: [Math.round(count * 2 * random())] };
  if (kernel === 'memory') return { task: 'sweepAfter', extra: [count] };
  return { task: 'emitAfter', extra: [count, bytes[kernel.slice('communicate '.length)]!] };
}

/** Runs the functions one after the other on this thread. */
export function run(vertices: readonly Vertex[]): Map<string, unknown> {
  const results = new Map<string, unknown>();
  for (const { id, task, args, extra = [] } of vertices) {
    results.set(id, call([task, [...args.map((arg) => results.get(arg)), ...extra]]));
  }
  return results;
}
