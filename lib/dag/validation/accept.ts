/** Converts the value passed as a DAG to a DAG of this copy of the library. */
import { HandoffError } from '../../core/errors.ts';
import { isRecord } from '../../core/values.ts';
import { show } from '../../core/show.ts';
import { isCall } from '../call.ts';
import { Dag, type DagJson } from '../dag.ts';
import { ValueDag } from '../value-dag.ts';

/**
 * The given DAG itself. A DAG of another copy of the package (a duplicate in `node_modules`) is rebuilt by this copy.
 *
 * @param where the call that received it, for messages
 * @throws `INVALID_FUNCTION` when the value is not a DAG
 */
export function toDag(where: string, given: unknown): Dag {
  return given instanceof Dag ? given : (adopted(given) ?? refuse(where, given));
}

/** The same for a DAG of calls, whose outputs are known. */
export function toValueDag(where: string, given: unknown): ValueDag<any> {
  const dag = toDag(where, given);
  if (dag instanceof ValueDag) return dag;
  const text = `${where}() takes a DAG of calls, made by dag(name, outputs). This DAG was made by new Dag(): use execute().`;
  throw new HandoffError('INVALID_FUNCTION', text);
}

function adopted(given: unknown): Dag | undefined {
  if (!isRecord(given) || isCall(given) || typeof given['toJSON'] !== 'function' || typeof given['add'] !== 'function')
    return undefined;
  const json = given['toJSON']() as DagJson;
  if (!isRecord(json) || !Array.isArray(json.functions)) return undefined;
  return json.outputs === undefined ? Dag.fromJSON(json) : new ValueDag(json.id, json.outputs, json.functions);
}

function refuse(where: string, given: unknown): never {
  const isStored = isRecord(given) && !isCall(given) && Array.isArray(given['functions']);
  const hint = isCall(given)
    ? " That is a call: wrap it, as in dag('name', call)."
    : isStored
      ? ' That is a stored DAG: pass it through Dag.fromJSON().'
      : '';
  throw new HandoffError(
    'INVALID_FUNCTION',
    `${where}() takes a Dag: new Dag(id).add(…), or dag(name, outputs); got ${show(given)}.${hint}`,
  );
}
