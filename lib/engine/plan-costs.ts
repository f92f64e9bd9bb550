/** What the functions of a plan cost: what they say, what was learned, or what is assumed of those of which nothing is known. */
import type { CompiledDag } from '../dag/compiled-dag.ts';
import { reweigh } from '../dag/analysis.ts';
import type { Moments } from '../scheduling/scheduler/estimate.ts';
import { type CostModel, longFrom } from '../scheduling/costs/cost-model.ts';
import type { ResolvedCode } from './module-resolver.ts';

export interface PlanCosts {
  /** Whether the duration of a function is declared or learned; otherwise it is assumed. */
  isKnown(i: number): boolean;
  /** ms on a node of speed 1, by function. */
  durationOf(i: number): number;
  /** Bytes of the result, by function. */
  bytesOf(i: number): number;
}

export function costsOf({ entries, code }: CompiledDag, { codes }: ResolvedCode, learned: CostModel): PlanCosts {
  const knownDurationOf = (i: number): number | undefined => entries[i]!.traits.duration ?? learned.durationOf(codes[code[i]!]!, entries[i]!.id);
  return {
    isKnown: (i) => knownDurationOf(i) !== undefined,
    durationOf: (i) => knownDurationOf(i) ?? 1,
    bytesOf: (i) => entries[i]!.traits.outputBytes ?? learned.bytesOf(codes[code[i]!]!, entries[i]!.id) ?? 0,
  };
}

/** The plan in the order of what its functions were learned to take, where that is worth it and they do not say so themselves. */
export function inLearnedOrder(plan: CompiledDag, code: ResolvedCode, learned: CostModel): CompiledDag {
  if (!learned.isSlow(code.codes, plan.size) || plan.entries.every(({ traits }) => traits.duration !== undefined)) return plan;
  const { entries, code: codeOf } = plan;
  return reweigh(plan, (i) => entries[i]!.traits.duration ?? learned.typicalOf(code.codes[codeOf[i]!]!, entries[i]!.id) ?? 1);
}

/** ms on a node of speed 1, of functions that are known to be unlike others of their code; undefined: there are none. O(codes) when there are none. */
export function knownOf(plan: CompiledDag, { codes }: ResolvedCode, learned: CostModel): ReadonlyMap<number, number> | undefined {
  const own = codes.map((code) => learned.functionsOf(code).size);
  const known = new Map<number, number>();
  const note = (i: number, { mean, count }: Moments): void => {
    if (mean > 0) known.set(i, count > 0 ? mean : Math.max(mean, longFrom)); // a suspect had better travel alone, too
  };
  // Whichever are fewer are gone through: those of the plan, or those that are known.
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
