/** The order of dispatch by how long functions really take, where that is known only after the DAG was compiled. */
import { bLevels, ranks } from './analysis.ts';
import { sortTopologically } from './links.ts';
import type { Plan } from './plan.ts';

/**
 * The same plan, its functions ordered as `compile` would order them had they said so: by priority, then b-level, then as added.
 * O(arguments + functions log functions).
 *
 * @param durationOf ms, by function
 */
export function reweigh(plan: Plan, durationOf: (i: number) => number): Plan {
  const weight = new Float64Array(plan.size);
  for (let i = 0; i < plan.size; i++) weight[i] = durationOf(i);
  const bLevel = bLevels(plan, sortTopologically(plan), weight);
  return { ...plan, bLevel, ...ranks(plan.entries, [], bLevel, false) };
}
