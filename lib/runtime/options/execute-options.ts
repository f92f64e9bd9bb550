/** The options of `execute` and its kin. */
import type { AllocationStrategy } from '../../scheduling/allocation/allocator.ts';
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';
import { HandoffError } from '../../core/errors.ts';
import type { Progress } from '../../events/progress.ts';
import { strategyRule } from './handoff-options.ts';
import { isSpeculate, speculateExpected, type SpeculateOptions } from '../../scheduling/scheduler/straggler-threshold.ts';
import { checkOptions, rules, type Schema } from '../../core/schema.ts';

export interface ExecuteOptions {
  /** The run's id, by which it is found while it is under way and its results are retained. Default: a nanoid. */
  readonly runId?: string | undefined;
  /** Default: that of `Handoff.start`. */
  readonly allocationStrategy?: AllocationStrategy | undefined;
  /** ms that the run may take, for `'cost-optimized'`: it is planned to cost as little as that allows. Default: none. It may take longer. */
  readonly deadline?: number | undefined;
  /** Extra attempts for functions that do not say. Default: that of `Handoff.start`, which is 3 unless it was set. */
  readonly maxRetries?: number | undefined;
  /** How often the result of one function may be lost, with a host or a disk, and be made again. Default: that of `Handoff.start`. */
  readonly maxResultLosses?: number | undefined;
  /** How many functions of this run may be in flight at once. Default: as many as threads and resources allow. */
  readonly maxConcurrency?: number | undefined;
  /** Aborts the run. */
  readonly signal?: AbortSignal | undefined;
  /** ms for the whole run. Default: no limit. */
  readonly timeout?: number | undefined;
  /** What `results` holds: all results, those of functions that nobody depends on, or those of some ids. Default `'all'`. */
  readonly collect?: 'all' | 'sinks' | readonly string[] | undefined;
  /** Called whenever functions have ended. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Whether functions that take much longer than is typical are run once more on threads that have nothing to do; the first result counts.
   * Such a function may run twice at once, unless it is `idempotent: false`. Default false.
   */
  readonly speculate?: boolean | SpeculateOptions | undefined;
  /**
   * `'fail-fast'` (default): the first failure ends the run; `'continue'`: what does not depend on it finishes first. The run is then rejected all
   * the same, with `failures` and `results` on the error.
   */
  readonly failurePolicy?: 'fail-fast' | 'continue' | undefined;
}

const schema: Schema<ExecuteOptions> = {
  runId: { expected: 'a string that is not empty', holds: (value) => typeof value === 'string' && value !== '' },
  allocationStrategy: strategyRule,
  deadline: rules.positiveMilliseconds,
  maxRetries: rules.whole,
  maxResultLosses: rules.wholeOrInfinity,
  maxConcurrency: rules.atLeastOne,
  signal: rules.signal,
  timeout: rules.positiveMilliseconds,
  collect: {
    expected: "'all', 'sinks' or a list of function ids",
    holds: (value) => value === 'all' || value === 'sinks' || (Array.isArray(value) && value.every((id) => typeof id === 'string')),
  },
  onProgress: rules.fn,
  speculate: { expected: speculateExpected, holds: isSpeculate },
  failurePolicy: { expected: "'fail-fast' or 'continue'", holds: (value) => value === 'fail-fast' || value === 'continue' },
};

/** @throws `INVALID_OPTION` */
export function checkExecuteOptions(where: string, options: ExecuteOptions): void {
  checkOptions(where, schema, options);
}

/**
 * The options of `run`, which collects the outputs of its DAG.
 * @throws `INVALID_OPTION` when `collect` is given, because it would be ignored
 */
export function collecting(outputs: readonly string[], options: ExecuteOptions): ExecuteOptions {
  if (options?.collect === undefined) return { ...options, collect: outputs };
  throw new HandoffError('INVALID_OPTION', 'run: there is no option collect, because the outputs of the DAG say what is collected. To collect other results use execute().', { option: 'collect' });
}

/**
 * Which functions' results a run holds to its end: 1 for each; null for all.
 *
 * @throws `INVALID_OPTION` when `collect` names a function that the DAG does not have, or an inline one
 */
export function keptOf(plan: CompiledDag, collect: ExecuteOptions['collect'] = 'all'): Uint8Array | null {
  if (collect === 'all') return null;
  const kept = new Uint8Array(plan.size);
  if (collect === 'sinks') {
    for (let i = 0; i < plan.size; i++) if (plan.outOffset[i] === plan.outOffset[i + 1]) kept[i] = 1;
    return kept;
  }
  for (const id of collect) {
    const i = plan.indexOf(id);
    if (i < 0) {
      const suggestion = nearest(id, plan.entries.map((entry) => entry.id));
      throw new HandoffError('INVALID_OPTION', `option collect names ${JSON.stringify(id)}, which is no function with a result of its own.${didYouMean(suggestion)}`, { option: 'collect' });
    }
    kept[i] = 1;
  }
  return kept;
}
