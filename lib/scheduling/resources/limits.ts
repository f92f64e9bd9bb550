/** Limits that belong to the program, not to a node: how they are declared, and whether functions can ever meet them. */
import { show } from '../../core/show.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';
import { HandoffError } from '../../core/errors.ts';
import { isAmount, isRecord } from '../../core/values.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';

/** A limit of the program. A number stands for its concurrency. */
export type LimitOptions =
  | number
  | {
      /** The amount that functions may hold at a time. Default: no limit. */
      readonly concurrency?: number | undefined;
      /** The amount that may start per second. Default: no limit. */
      readonly perSecond?: number | undefined;
      /** The amount that may start at once after a pause. Default 1: starts are spread evenly. */
      readonly burst?: number | undefined;
    };

/** A limit with its defaults filled in. */
export interface LimitRule {
  readonly concurrency: number;
  readonly perSecond: number;
  readonly burst: number;
}

export const limitsExpected =
  'an object of limits by name, each a number above 0 or { concurrency?, perSecond?, burst? } with numbers above 0';

export function isLimits(value: unknown): value is Readonly<Record<string, LimitOptions>> {
  return isRecord(value) && Object.entries(value).every(([name, limit]) => name !== '' && isLimit(limit));
}

function isLimit(value: unknown): boolean {
  if (isAbove0(value)) return true;
  if (!isRecord(value)) return false;
  const { concurrency, perSecond, burst, ...rest } = value;
  const given = [concurrency, perSecond, burst].filter((each) => each !== undefined);
  const isRated = burst === undefined || perSecond !== undefined;
  return given.length > 0 && given.every(isAbove0) && isRated && Object.keys(rest).length === 0;
}

function isAbove0(value: unknown): boolean {
  return isAmount(value) && value > 0;
}

export function resolveLimits(limits: Readonly<Record<string, LimitOptions>> = {}): Record<string, LimitRule> {
  return Object.fromEntries(
    Object.entries(limits).map(([name, limit]) => {
      const given = typeof limit === 'number' ? { concurrency: limit } : limit;
      const { concurrency = Infinity, perSecond = Infinity, burst = 1 } = given;
      return [name, { concurrency, perSecond, burst }];
    }),
  );
}

/**
 * An error for a function that uses an unknown limit, or more of one than it ever allows; undefined when there is none.
 */
export function findUnmet(
  plan: CompiledDag,
  limits: Readonly<Record<string, Pick<LimitRule, 'concurrency'>>>,
): HandoffError | undefined {
  for (const [kind, uses = {}] of plan.uses.entries()) {
    for (const [limit, amount] of Object.entries(uses)) {
      const known = Object.hasOwn(limits, limit) ? limits[limit]! : undefined;
      if (known !== undefined && amount <= known.concurrency) continue;
      const functionId = plan.entries[plan.cost.indexOf(kind)]!.id;
      const fields = { dagId: plan.dagId, functionId, limit };
      if (known !== undefined) {
        const text = `Function ${show(functionId)} uses ${amount} of limit ${show(limit)}, which allows ${known.concurrency} at a time.`;
        return new HandoffError('ALLOCATION_ERROR', `${text} Lower what it uses, or raise the limit.`, fields);
      }
      const names = Object.keys(limits);
      const suggestion = nearest(limit, names);
      const declared =
        names.length === 0 ? 'none; declare it with the option limits of Handoff.start' : names.join(', ');
      const text = `Function ${show(functionId)} uses limit ${show(limit)}, which is not declared. Declared limits: ${declared}.`;
      return new HandoffError('INVALID_FUNCTION', `${text}${didYouMean(suggestion)}`, {
        ...fields,
        ...(suggestion !== undefined && { suggestion }),
      });
    }
  }
  return undefined;
}
