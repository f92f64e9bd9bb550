/** `resultOf` names a result of another run. */
import { HandoffError } from '../core/errors.ts';
import { show } from '../core/show.ts';
import { type Call, isCall, otherCopyHint, vertexOf } from './call.ts';
import { nameOf } from './code.ts';
import { Reference, type ResultReference } from './result-reference.ts';

/**
 * An argument: the result of a function of another run. The value is not copied. It is kept as long as a run that takes
 * it is under way. The other run must have ended and kept the result (`collect`, `retainedRuns`), otherwise the run that
 * takes it fails with `RESULT_LOST` before it starts.
 *
 * @param runId the id of the other run
 * @param of the id of the function, such as `'m[3]'` for an element of a map, or a call with an id of its own
 * @returns an argument for a call, or an item of `args`, where it is the same as `{ resultOf: { runId, id } }`
 * @throws `INVALID_FUNCTION` when an id is not a string or is empty, or when the call has no id of its own
 * @example
 * ```ts
 * const table = t.load('orders.csv').with({ id: 'table' });
 * const { runId } = await handoff.execute(dag('load', table));
 * const total = await handoff.run(dag('total', t.total(resultOf(runId, table))));
 * ```
 */
export function resultOf<Value = any>(runId: string, of: string | Call<Value>): ResultReference<Value> {
  const id = isCall(of) ? idOf(of) : of;
  for (const [name, value] of [
    ['a run', runId],
    ['a function', id],
  ] as const) {
    if (typeof value === 'string' && value !== '') continue;
    const text = `resultOf() takes the id of a run, and the id of a function or a call. The id of ${name} must be a string that is not empty, got ${show(value)}.`;
    throw new HandoffError('INVALID_FUNCTION', `${text}${otherCopyHint(value)}`);
  }
  return new Reference(runId, id) as ResultReference<unknown> as ResultReference<never>;
}

/** Other ids depend on the DAG that a call is in. */
function idOf(call: Call<unknown>): string {
  const { options, code } = vertexOf(call);
  if (options.id !== undefined) return options.id;
  const name = nameOf(code);
  const text = `resultOf(): the call ${name}(…) has no id of its own, so its run may know it by any number.`;
  throw new HandoffError('INVALID_FUNCTION', `${text} Give it one: ${name}(…).with({ id: ${show(name)} }).`);
}
