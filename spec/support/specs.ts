/** DAGs of functions that are never run, for specs of validation. */
import { Dag, type DagError, type FunctionSpec } from '../../lib/index.ts';

export const code = { module: 'file:///tasks.js', export: 'fn' };

export const fn = (id: string, args: FunctionSpec['args'] = [], more: Partial<FunctionSpec> = {}): FunctionSpec => ({
  id,
  code,
  args,
  ...more,
});

export const dagOf = (...functions: FunctionSpec[]): Dag =>
  functions.reduce((made, spec) => made.add(spec), new Dag('d'));

/** The error of the validation of these functions, if any. */
export function check(...functions: FunctionSpec[]): DagError | undefined {
  const validation = dagOf(...functions).validate();
  return validation.ok ? undefined : validation.error;
}
