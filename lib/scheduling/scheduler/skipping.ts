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
import type { Command } from './commands.ts';
import { type CompiledDag, Flag } from '../../dag/compiled-dag.ts';
import { settlePromise } from './groups.ts';
import { makeReady } from './ready.ts';
import { release } from './release.ts';
import { type Run, type State, Status } from './state.ts';

/** Records whether the result of a condition is truthy. */
export function recordCondition(run: Run, i: number, isTruthy: boolean): void {
  if ((run.plan.flags[i]! & Flag.decides) !== 0 && !run.conditions.has(i)) run.conditions.set(i, isTruthy);
}

/**
 * Handles a function that is done or skipped, in a run with branches: each dependent has one missing input less, and
 * becomes ready or is skipped. O(dependents), for every function that is skipped.
 */
export function settleInput(state: State, run: Run, settled: number, released: number[], out: Command[]): void {
  const { plan, status, missing } = run;
  const { outOffset, outs } = plan;
  const stack = [settled];
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    for (let k = outOffset[i]!; k < outOffset[i + 1]!; k++) {
      const next = outs[k]!;
      missing[next]!--;
      if (status[next] !== Status.waiting || run.outcome !== undefined) continue;
      if (isSkippedBy(run, next, i)) {
        skip(run, next, released, out);
        stack.push(next);
      } else if (missing[next] === 0) {
        makeReady(state, run, next, out);
      }
    }
  }
}

function skip(run: Run, i: number, released: number[], out: Command[]): void {
  run.status[i] = Status.skipped;
  run.batch[i] = -1;
  run.unfinished--;
  run.skipped++;
  settlePromise(run, i);
  if (run.unread !== null) release(run, i, released);
  out.push({ type: 'Skipped', run, index: i });
}

/** Whether a function is skipped because this input is done or skipped. */
function isSkippedBy(run: Run, i: number, input: number): boolean {
  const { plan, status } = run;
  const { tolerated, choices } = plan.branches!;
  if (status[input] !== Status.skipped) return isRefusedBy(run, i, input);
  if (tolerated.get(i)?.has(input) !== true) return true;
  return choices.get(i)?.some((among) => among.every((each) => status[each] === Status.skipped)) === true;
}

/** The inputs because of which a function is skipped. The result of a condition may be lost since. */
export function causesOfSkip(run: Run, i: number): number[] {
  const { plan, status } = run;
  return inputsOf(plan, i).filter(
    (dep) => isRefusedBy(run, i, dep) || (status[dep] === Status.skipped && isSkippedBy(run, i, dep)),
  );
}

/** Whether this input is the condition of a function, and does not hold. */
export function isRefusedBy({ plan, conditions }: Run, i: number, input: number): boolean {
  const condition = plan.branches!.when.get(i);
  return condition !== undefined && condition.of === input && conditions.get(input) === condition.not;
}

function inputsOf({ depOffset, deps }: CompiledDag, i: number): number[] {
  return [...new Set(deps.subarray(depOffset[i]!, depOffset[i + 1]!))];
}
