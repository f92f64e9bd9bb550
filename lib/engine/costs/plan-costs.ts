/** Costs of the functions of a plan: declared, learned, or assumed. */
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { reweigh } from '../../dag/compile/analysis.ts';
import type { Moments } from '../../scheduling/scheduler/dispatch/estimate.ts';
import { type CostModel, longFrom } from '../../scheduling/costs/cost-model.ts';
import type { ResolvedCode } from '../module-resolver.ts';

export interface PlanCosts {
  /** Whether the duration is declared or learned, and not assumed. */
  isKnown(i: number): boolean;
  /** Duration in ms on a node of speed 1, by function. */
  durationOf(i: number): number;
  /** Bytes of the result, by function. */
  bytesOf(i: number): number;
}

export function costsOf({ entries, code }: CompiledDag, { codes }: ResolvedCode, learned: CostModel): PlanCosts {
  const knownDurationOf = (i: number): number | undefined =>
    entries[i]!.traits.duration ?? learned.durationOf(codes[code[i]!]!, entries[i]!.id);
  return {
    isKnown: (i) => knownDurationOf(i) !== undefined,
    durationOf: (i) => knownDurationOf(i) ?? 1,
    bytesOf: (i) => entries[i]!.traits.outputBytes ?? learned.bytesOf(codes[code[i]!]!, entries[i]!.id) ?? 0,
  };
}

/** The plan ordered by learned durations, if that is worth it and durations are not declared. */
export function inLearnedOrder(plan: CompiledDag, code: ResolvedCode, learned: CostModel): CompiledDag {
  if (!learned.isSlow(code.codes, plan.size) || plan.entries.every(({ traits }) => traits.duration !== undefined))
    return plan;
  const { entries, code: codeOf } = plan;
  return reweigh(
    plan,
    (i) => entries[i]!.traits.duration ?? learned.typicalOf(code.codes[codeOf[i]!]!, entries[i]!.id) ?? 1,
  );
}

/**
 * Durations in ms on a node of speed 1, for functions unlike others of the same code; undefined when there are none.
 * O(codes) in that case.
 */
export function knownOf(
  plan: CompiledDag,
  { codes }: ResolvedCode,
  learned: CostModel,
): ReadonlyMap<number, number> | undefined {
  const own = codes.map((code) => learned.functionsOf(code).size);
  const known = new Map<number, number>();
  const note = (i: number, { mean, count }: Moments): void => {
    if (mean > 0) known.set(i, count > 0 ? mean : Math.max(mean, longFrom)); // a suspect is sent alone, too
  };
  // Iterates over the smaller set: the functions of the plan, or those with their own costs.
  if (own.reduce((sum, size) => sum + size, 0) > plan.size) {
    for (let i = 0; i < plan.size; i++) {
      const costs = learned.functionsOf(codes[plan.code[i]!]!).get(plan.entries[i]!.id);
      if (costs !== undefined) note(i, costs.ms);
    }
  } else {
    for (const [k, code] of codes.entries()) {
      for (const [id, { ms }] of learned.functionsOf(code)) {
        const i = plan.indexOf(id);
        if (i >= 0 && plan.code[i] === k) note(i, ms);
      }
    }
  }
  return known.size === 0 ? undefined : known;
}
