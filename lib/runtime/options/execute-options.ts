/** The options of `execute`, `run` and `executeLocal`. */
import type { AllocationStrategy } from '../../scheduling/allocation/allocator.ts';
import { cacheExpected, isCacheSetting } from '../../dag/validation/check.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { CacheOptions } from '../../dag/types.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';
import { HandoffError } from '../../core/errors.ts';
import type { Progress } from '../../events/progress.ts';
import { strategyType } from './handoff-options.ts';
import { speculateType, type SpeculateOptions } from '../../scheduling/scheduler/speculation/speculate-options.ts';
import {
  abortSignal,
  boolean,
  callback,
  oneOf,
  positiveMilliseconds,
  special,
  idText,
  whole,
} from '../../core/option-types.ts';
import { option, optionSet, parseOptions } from '../../core/options.ts';

export interface ExecuteOptions {
  /**
   * The id of the run. `getResult`, `explain` and events use it. With a journal, a run of this id that has ended gives
   * its recorded outcome, and one that has not is continued or awaited. Default: a random one.
   */
  readonly runId?: string | undefined;
  /**
   * Whether the run fails with `FUNCTION_IN_DOUBT` (`'fail'`) when a function with `idempotent: false` may have taken
   * effect before its process died, or runs that function again (`'retry'`). Default `'fail'`.
   */
  readonly inDoubt?: 'fail' | 'retry' | undefined;
  /** Whether the run is recorded in the journal. Without a journal it has no effect. Default: `true` with a journal. */
  readonly durable?: boolean | undefined;
  /**
   * Whether results are kept for later runs, and taken instead of running a function whose code and inputs are the
   * same. It holds for functions without their own `cache`, except those with `idempotent: false`. `{ version, ttl }`
   * as for a function. `false` turns the cache off for the run. Default: only functions with their own `cache`.
   */
  readonly cache?: boolean | CacheOptions | undefined;
  /** How functions are placed. Default: the strategy of `Handoff.start`. */
  readonly allocationStrategy?: AllocationStrategy | undefined;
  /**
   * Target duration of the run for `'cost-optimized'`, in ms. The plan costs as little as this allows. It is not
   * enforced.
   */
  readonly deadline?: number | undefined;
  /** Extra attempts for functions without their own `maxRetries`. Default: the value of `Handoff.start`. */
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
  /** How many functions the run may have, elements of maps included. Default: 1,000,000. */
  readonly maxFunctions?: number | undefined;
  /** Aborts the run. */
  readonly signal?: AbortSignal | undefined;
  /** Time limit of the whole run, in ms. */
  readonly timeout?: number | undefined;
  /**
   * Which results to return: `'all'`, those of functions without dependents (`'sinks'`), or a list of ids. Default:
   * `'all'`.
   */
  readonly collect?: 'all' | 'sinks' | readonly string[] | undefined;
  /** Called when functions have finished. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Whether unusually slow functions get a second attempt on an idle thread; the first result counts. Such a function
   * may run twice at the same time, unless it is `idempotent: false`. Default: false.
   */
  readonly speculate?: boolean | SpeculateOptions | undefined;
  /**
   * `'fail-fast'`: the first failure ends the run; `'continue'`: functions that do not depend on it finish first. With
   * `continue`, the run then rejects with `failures` and `results` on the error. Default: `'fail-fast'`.
   */
  readonly failurePolicy?: 'fail-fast' | 'continue' | undefined;
}

export const executeSchema = optionSet({
  runId: option(idText, {
    description: 'The id of the run.',
    details:
      '`getResult`, `explain` and events use it. With a journal, a run of this id that has ended gives its recorded outcome, and one that has not is continued or awaited.',
    otherwise: 'a random one',
    flags: ['--run-id'],
  }),
  inDoubt: option(oneOf('fail', 'retry'), {
    description:
      "Whether the run fails with `FUNCTION_IN_DOUBT` (`'fail'`) when a function with `idempotent: false` may have taken effect before its process died, or runs that function again (`'retry'`).",
    default: 'fail',
    flags: ['--in-doubt'],
  }),
  durable: option(boolean, {
    description: 'Whether the run is recorded in the journal.',
    details: 'Without a journal it has no effect.',
    otherwise: '`true` with a journal',
  }),
  cache: option(special<boolean | CacheOptions>(isCacheSetting, cacheExpected), {
    description:
      'Whether results are kept for later runs, and taken instead of running a function whose code and inputs are the same.',
    details:
      'It holds for functions without their own `cache`, except those with `idempotent: false`. `{ version, ttl }` as for a function. `false` turns the cache off for the run.',
    otherwise: 'only functions with their own `cache`',
    flags: ['--cache', '--no-cache'],
  }),
  allocationStrategy: option(strategyType, {
    description: 'How functions are placed.',
    otherwise: 'the strategy of `Handoff.start`',
    flags: ['--strategy'],
  }),
  deadline: option(positiveMilliseconds, {
    description: "Target duration of the run for `'cost-optimized'`",
    details: 'The plan costs as little as this allows. It is not enforced.',
    flags: ['--deadline'],
  }),
  maxRetries: option(whole(), {
    description: 'Extra attempts for functions without their own `maxRetries`.',
    otherwise: 'the value of `Handoff.start`',
    flags: ['--max-retries'],
  }),
  maxResultLosses: option(whole({ orInfinity: true }), {
    description: 'How often the result of one function may be lost with its host or disk and recomputed.',
    otherwise: 'the value of `Handoff.start`',
  }),
  maxConcurrency: option(whole({ min: 1, orInfinity: true }), {
    description: 'How many functions of this run may run or be queued on threads at once.',
    otherwise: 'as many as threads and resources allow',
    flags: ['--max-concurrency'],
  }),
  maxFunctions: option(whole({ min: 1 }), {
    description: 'How many functions the run may have, elements of maps included.',
    otherwise: '1,000,000',
  }),
  signal: option(abortSignal, { description: 'Aborts the run.' }),
  timeout: option(positiveMilliseconds, { description: 'Time limit of the whole run', flags: ['--timeout'] }),
  collect: option(
    special<NonNullable<ExecuteOptions['collect']>>(
      (value) =>
        value === 'all' || value === 'sinks' || (Array.isArray(value) && value.every((id) => typeof id === 'string')),
      "'all', 'sinks' or a list of function ids",
    ),
    {
      description:
        "Which results to return: `'all'`, those of functions without dependents (`'sinks'`), or a list of ids.",
      otherwise: "`'all'`",
      flags: ['--collect'],
    },
  ),
  onProgress: option(callback<(progress: Progress) => void>(), { description: 'Called when functions have finished.' }),
  speculate: option(speculateType, {
    description: 'Whether unusually slow functions get a second attempt on an idle thread; the first result counts.',
    details: 'Such a function may run twice at the same time, unless it is `idempotent: false`.',
    otherwise: 'false',
    flags: ['--speculate'],
  }),
  failurePolicy: option(oneOf('fail-fast', 'continue'), {
    description:
      "`'fail-fast'`: the first failure ends the run; `'continue'`: functions that do not depend on it finish first.",
    details: 'With `continue`, the run then rejects with `failures` and `results` on the error.',
    otherwise: "`'fail-fast'`",
    flags: ['--failure-policy'],
  }),
});

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function checkExecuteOptions(where: string, given: ExecuteOptions): void {
  parseOptions(where, executeSchema, given);
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
        `execute: option collect must list functions that have results of their own, got ${JSON.stringify(id)}.${didYouMean(suggestion)}`,
        { option: 'collect' },
      );
    }
    kept[i] = 1;
  }
  return kept;
}
