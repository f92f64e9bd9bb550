/** The faults of a simulation and their rates. Every rate defaults to 0. */
import type * as v from 'valibot';
import { milliseconds, number } from '../../core/option-types.ts';
import { option, optionSet, parseOptions } from '../../core/options.ts';

export interface Faults {
  /** The probability that an attempt fails. Default 0. */
  readonly failure?: number | undefined;
  /**
   * The probability that an attempt hangs. Applies only to functions with a timeout, because others would never end.
   * Default 0.
   */
  readonly hang?: number | undefined;
  /** The probability that an attempt kills its thread. Default 0. */
  readonly crash?: number | undefined;
  /** The probability that an attempt takes ten times as long. Default 0. */
  readonly slow?: number | undefined;
  /** Deaths of a node per second of its life. Default 0. */
  readonly nodeDeaths?: number | undefined;
  /** The time until a dead node returns, with a new incarnation, in ms. Default 100 ms. */
  readonly nodeReturn?: number | undefined;
  /** The time without a sign of life after which a node counts as dead, in ms. Default 50 ms. */
  readonly silence?: number | undefined;
  /**
   * The probability that a message between a node and the orchestrator is lost. The link then breaks, and the node
   * restarts. Default 0.
   */
  readonly loss?: number | undefined;
  /** The probability that a message arrives twice. Default 0. */
  readonly duplication?: number | undefined;
  /** The probability that a message is late, by up to 20 ms, so that others overtake it. Default 0. */
  readonly lateness?: number | undefined;
  /** Losses of existing results per second. Default 0. */
  readonly losses?: number | undefined;
  /** Jumps of the orchestrator's clock per second, each by up to a minute ahead. Default 0. */
  readonly clockJumps?: number | undefined;
}

const rate = number({ min: 0 });

export const faultsSchema = optionSet({
  failure: option(rate, { description: 'The probability that an attempt fails.', default: 0 }),
  hang: option(rate, {
    description: 'The probability that an attempt hangs.',
    details: 'Applies only to functions with a timeout, because others would never end.',
    default: 0,
  }),
  crash: option(rate, { description: 'The probability that an attempt kills its thread.', default: 0 }),
  slow: option(rate, { description: 'The probability that an attempt takes ten times as long.', default: 0 }),
  nodeDeaths: option(rate, { description: 'Deaths of a node per second of its life.', default: 0 }),
  nodeReturn: option(milliseconds, {
    description: 'The time until a dead node returns, with a new incarnation',
    default: 100,
  }),
  silence: option(milliseconds, {
    description: 'The time without a sign of life after which a node counts as dead',
    default: 50,
  }),
  loss: option(rate, {
    description: 'The probability that a message between a node and the orchestrator is lost.',
    details: 'The link then breaks, and the node restarts.',
    default: 0,
  }),
  duplication: option(rate, { description: 'The probability that a message arrives twice.', default: 0 }),
  lateness: option(rate, {
    description: 'The probability that a message is late, by up to 20 ms, so that others overtake it.',
    default: 0,
  }),
  losses: option(rate, { description: 'Losses of existing results per second.', default: 0 }),
  clockJumps: option(rate, {
    description: "Jumps of the orchestrator's clock per second, each by up to a minute ahead.",
    default: 0,
  }),
});

export type ResolvedFaults = v.InferOutput<typeof faultsSchema>;

export const noFaults: ResolvedFaults = parseOptions('faults', faultsSchema, {});

/** The maximum delay of a late message in ms. */
export const maxLateMs = 20;
