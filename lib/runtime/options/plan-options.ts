/** The options of `plan`. */
import { milliseconds, number, whole } from '../../core/option-types.ts';
import { option, optionSet, parseOptions } from '../../core/options.ts';
import { type ExecuteOptions, executeSchema } from './execute-options.ts';

export interface PlanOptions extends Pick<ExecuteOptions, 'allocationStrategy' | 'deadline' | 'maxConcurrency'> {
  /**
   * How many candidate schedules to try. 1 is a single pass of the scheduler; more lets the planner search for a better
   * one. `'time-optimized'` and `'cost-optimized'` always search, by default for a short time. Default: 1.
   */
  readonly budget?: number | undefined;
  /** Transfer rate between hosts, in bytes per second. Default: 1e9 bytes per second. */
  readonly bandwidth?: number | undefined;
  /** Latency between hosts, in ms. Default: 0.5 ms. */
  readonly latency?: number | undefined;
}

const { allocationStrategy, deadline, maxConcurrency } = executeSchema.entries;

export const planSchema = optionSet({
  allocationStrategy,
  deadline,
  maxConcurrency,
  budget: option(whole({ min: 1, orInfinity: true }), {
    description: 'How many candidate schedules to try.',
    details:
      "1 is a single pass of the scheduler; more lets the planner search for a better one. `'time-optimized'` and `'cost-optimized'` always search, by default for a short time.",
    otherwise: '1',
    flags: ['--budget'],
  }),
  bandwidth: option(number({ unit: 'bytes per second', above: 0, orInfinity: true }), {
    description: 'Transfer rate between hosts',
    otherwise: '1e9 bytes per second',
    flags: ['--bandwidth'],
  }),
  latency: option(milliseconds, { description: 'Latency between hosts', otherwise: '0.5 ms', flags: ['--latency'] }),
});

/** @throws `INVALID_OPTION` when an option is unknown or has a bad value */
export function checkPlanOptions(given: PlanOptions): PlanOptions {
  parseOptions('plan', planSchema, given);
  return given;
}
