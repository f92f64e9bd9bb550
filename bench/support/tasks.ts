/** The functions that benchmarks run. */

export function noop(): number {
  return 1;
}

export function add(a = 0, b = 0): number {
  return (a + b + 1) | 0;
}

export function increment(x = 0): number {
  return x + 1;
}

/** Keeps a core busy. */
export function spin(ms: number): number {
  const end = performance.now() + ms;
  let n = 0;
  while (performance.now() < end) n++;
  return n > 0 ? 1 : 0;
}

/** What `by-hand.ts` has its pool run: one function of this module, by name. */
export default function call([name, args]: [keyof typeof functions, unknown[]]): unknown {
  return (functions[name] as (...values: unknown[]) => unknown)(...args);
}

const functions = { noop, add, increment, spin };
