/**
 * Branches: functions that do not run, because their condition does not hold or an input that they need was skipped.
 *
 * ```
 *   small? ─┬─ truthy ──► fast ──────┐
 *           │                        ├─ anyOf ──► report
 *           └─ falsy ───► thorough ──┘
 *                         (skipped)
 * ```
 *
 * A function is skipped as soon as this is certain, even if other inputs are missing.
 */
import { Flag } from '../../../dag/compile/compiled-dag.ts';
import { inputsOf, spanOf } from './growth.ts';
import { type Run, Status } from '../state.ts';

/** Records whether the result of a condition is truthy. */
export function recordCondition(run: Run, i: number, isTruthy: boolean): void {
  if ((run.plan.flags[i]! & Flag.decides) !== 0 && !run.conditions.has(i)) run.conditions.set(i, isTruthy);
}

/** Whether a function is skipped because this input is done or skipped. */
export function isSkippedBy(run: Run, i: number, input: number): boolean {
  const { plan, status } = run;
  const { tolerated, choices } = plan.branches!;
  if (status[input] !== Status.skipped) return isRefusedBy(run, i, input);
  if (tolerated.get(i)?.has(input) !== true) return true;
  return choices.get(i)?.some((among) => among.every((each) => status[each] === Status.skipped)) === true;
}

/** The inputs because of which a function is skipped. The result of a condition may be lost since. */
export function causesOfSkip(run: Run, i: number): number[] {
  if (spanOf(run, i) !== undefined) return []; // its map was not skipped
  const { status } = run;
  const causes = inputsOf(run, i).filter(
    (dep) => isRefusedBy(run, i, dep) || (status[dep] === Status.skipped && isSkippedBy(run, i, dep)),
  );
  return [...new Set(causes)];
}

/** Whether this input is the condition of a function, and does not hold. */
export function isRefusedBy({ plan, conditions }: Run, i: number, input: number): boolean {
  const condition = plan.branches!.when.get(i);
  return condition !== undefined && condition.of === input && conditions.get(input) === condition.not;
}
