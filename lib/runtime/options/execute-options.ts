/** The options of `execute`, `run` and `executeLocal`. */
import type { AllocationStrategy } from '../../scheduling/allocation/allocator.ts';
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';
import { HandoffError } from '../../core/errors.ts';
import type { Progress } from '../../events/progress.ts';
import { strategyRule } from './handoff-options.ts';
import {
  isSpeculate,
  speculateExpected,
  type SpeculateOptions,
} from '../../scheduling/scheduler/straggler-threshold.ts';
import { checkOptions, rules, type Schema } from '../../core/schema.ts';

export interface ExecuteOptions {
  /**
   * The id of the run, for `getResult`, `explain` and events. Default: a random one. With a journal, a run of this id
   * that has ended gives its recorded outcome, and one that has not is continued or awaited.
   */
  readonly runId?: string | undefined;
  /** Whether the run is recorded. Default true with a journal; without one it has no effect. */
  readonly durable?: boolean | undefined;
  /** How functions are placed. Default: the strategy of `Handoff.start`. */
  readonly allocationStrategy?: AllocationStrategy | undefined;
  /**
   * Target duration of the run in ms, for `'cost-optimized'`: the plan costs as little as this allows. Default none. It
   * is not enforced.
   */
  readonly deadline?: number | undefined;
  /**
   * Retries for functions without their own `maxRetries`. Default: the value of `Handoff.start`, which is 3 by default.
   */
  readonly maxRetries?: number | undefined;
  /**
   * How often the result of one function may be lost with its host or disk and recomputed. Default: the value of
   * `Handoff.start`.
   */
  readonly maxResultLosses?: number | undefined;
  /**
   * How many functions of this run may run or be queued on threads at once. Default: as many as threads and resources
   * allow.
   */
  readonly maxConcurrency?: number | undefined;
  /** Aborts the run. */
  readonly signal?: AbortSignal | undefined;
  /** Time limit of the whole run in ms. Default none. */
  readonly timeout?: number | undefined;
  /**
   * Which results to return: all, those of functions without dependents (`'sinks'`), or a list of ids. Default `'all'`.
   */
  readonly collect?: 'all' | 'sinks' | readonly string[] | undefined;
  /** Called when functions have finished. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Whether unusually slow functions get a second attempt on an idle thread; the first result counts. Such a function
   * may run twice at the same time, unless it is `idempotent: false`. Default false.
   */
  readonly speculate?: boolean | SpeculateOptions | undefined;
  /**
   * `'fail-fast'` (default): the first failure ends the run. `'continue'`: independent functions finish first; then the
   * run rejects with `failures` and `results` on the error.
   */
  readonly failurePolicy?: 'fail-fast' | 'continue' | undefined;
}

const schema: Schema<ExecuteOptions> = {
  runId: { expected: 'a string that is not empty', holds: (value) => typeof value === 'string' && value !== '' },
  durable: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
  allocationStrategy: strategyRule,
  deadline: rules.positiveMilliseconds,
  maxRetries: rules.whole,
  maxResultLosses: rules.wholeOrInfinity,
  maxConcurrency: rules.atLeastOne,
  signal: rules.signal,
  timeout: rules.positiveMilliseconds,
  collect: {
    expected: "'all', 'sinks' or a list of function ids",
    holds: (value) =>
      value === 'all' || value === 'sinks' || (Array.isArray(value) && value.every((id) => typeof id === 'string')),
  },
  onProgress: rules.fn,
  speculate: { expected: speculateExpected, holds: isSpeculate },
  failurePolicy: {
    expected: "'fail-fast' or 'continue'",
    holds: (value) => value === 'fail-fast' || value === 'continue',
  },
};

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function checkExecuteOptions(where: string, options: ExecuteOptions): void {
  checkOptions(where, schema, options);
}

/**
 * The options of `run`, which collects the outputs of its DAG.
 * @throws `INVALID_OPTION` when `collect` is given, because it would be ignored
 */
export function collecting(outputs: readonly string[], options: ExecuteOptions): ExecuteOptions {
  if (options?.collect === undefined) return { ...options, collect: outputs };
  throw new HandoffError(
    'INVALID_OPTION',
    'run: the option collect is not allowed, because the outputs of the DAG define what is collected. To collect other results use execute().',
    { option: 'collect' },
  );
}

/**
 * Which results a run keeps to its end: 1 for each; null for all.
 *
 * @throws `INVALID_OPTION` when `collect` names an unknown or an inline function
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
      const suggestion = nearest(
        id,
        plan.entries.map((entry) => entry.id),
      );
      throw new HandoffError(
        'INVALID_OPTION',
        `option collect names ${JSON.stringify(id)}, which is not a function with its own result.${didYouMean(suggestion)}`,
        { option: 'collect' },
      );
    }
    kept[i] = 1;
  }
  return kept;
}
