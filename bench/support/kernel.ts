/** The speed of this machine, in steps of the kernel that keeps cores busy. */
import { median } from './measure.ts';
import { compute } from './tasks.ts';

let known = 0;

/** Steps of `compute` per ms on one core. */
export function stepsPerMs(): number {
  if (known > 0) return known;
  const once = (): number => {
    const before = performance.now();
    compute(2e6);
    return 2e6 / (performance.now() - before);
  };
  for (let i = 0; i < 5; i++) once();
  return (known = median(Array.from({ length: 9 }, once)));
}
