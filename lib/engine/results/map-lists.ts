/** The lists of maps, from which each element of a map takes its own value. */
import type { CallPart } from '../../dag/compile/compiled-dag.ts';
import { HandoffError } from '../../core/errors.ts';
import { show } from '../../core/show.ts';
import { type Run, Status } from '../../scheduling/scheduler/state.ts';
import type { RunResults } from '../../workers/store/run-results.ts';
import type { OtherResults } from './other-results.ts';

/** The list of a map: values, or parts of its call that are resolved when an element is sent. */
export type MapList =
  | { readonly kind: 'values'; readonly values: ArrayLike<unknown> }
  | { readonly kind: 'parts'; readonly parts: readonly CallPart[] }
  /** The result of a map is never put together for this. */
  | { readonly kind: 'results'; readonly base: number; readonly count: number };

/**
 * The list of a map whose inputs exist and are here.
 *
 * @throws `NOT_ITERABLE` when it is neither an array nor a typed array; otherwise as `RunResults.get`
 */
export function listOf(run: Run, owner: number, results: RunResults, others: OtherResults): MapList {
  const { list } = run.plan.maps!.get(owner)!;
  switch (list.kind) {
    case 'value':
      return toValues(run, owner, list.value);
    case 'resultOf': {
      const other = others.get(list)!;
      return toValues(run, owner, other.results.get(other.index));
    }
    case 'list':
      return { kind: 'parts', parts: list.parts };
    case 'result':
      return ofResult(run, owner, list.of, results);
    case 'optional':
    case 'anyOf': {
      const among = typeof list.of === 'number' ? [list.of] : list.of;
      const taken = among.find((dep) => run.status[dep] !== Status.skipped);
      return taken === undefined ? toValues(run, owner, undefined) : ofResult(run, owner, taken, results);
    }
    case 'call':
    case 'node':
      return toValues(run, owner, undefined);
  }
}

export function countOf(list: MapList): number {
  return list.kind === 'values' ? list.values.length : list.kind === 'parts' ? list.parts.length : list.count;
}

function ofResult(run: Run, owner: number, dep: number, results: RunResults): MapList {
  const elements = results.listOf(dep);
  return elements === undefined ? toValues(run, owner, results.get(dep)) : { kind: 'results', ...elements };
}

function toValues(run: Run, owner: number, value: unknown): MapList {
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView)))
    return { kind: 'values', values: value as unknown as ArrayLike<unknown> };
  const functionId = run.plan.entries[owner]!.id;
  const text = `Function ${show(functionId)} is a map over ${describe(value)}. The first argument of a map must be an array or a typed array.`;
  throw new HandoffError('NOT_ITERABLE', text, { functionId });
}

function describe(value: unknown): string {
  if (typeof value !== 'object' || value === null)
    return value === undefined || value === null ? String(value) : `a ${typeof value}`;
  const { name } = (value as { constructor?: { name?: unknown } }).constructor ?? {};
  return typeof name === 'string' && name !== 'Object' && name !== '' ? `an instance of ${name}` : 'an object';
}
