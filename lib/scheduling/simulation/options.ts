/** The options of `simulate`. */
import type * as v from 'valibot';
import {
  amounts,
  listOf,
  milliseconds,
  number,
  oneOf,
  positiveMilliseconds,
  special,
  text,
  whole,
} from '../../core/option-types.ts';
import { invalidOption, option, optionSet, parseOptions, required } from '../../core/options.ts';
import { isRecord } from '../../core/values.ts';
import type { Capabilities } from '../../dag/types.ts';
import { type AllocationStrategy, isStrategy, strategyExpected } from '../allocation/allocator.ts';
import { isLimits, type LimitOptions, limitsExpected } from '../resources/limits.ts';
import { defaultMaxResultLosses } from '../scheduler/failure/lineage.ts';
import { type SpeculateOptions, speculateType } from '../scheduler/speculation/speculate-options.ts';
import { defaultConcurrency } from '../scheduler/state.ts';
import { type Faults, faultsSchema } from './faults.ts';

/** A node of a simulation. */
export interface SimulatedNode {
  /** The name, unique in the simulation. */
  readonly name: string;
  /** Amount by resource. */
  readonly capabilities: Capabilities;
  /** The number of threads. Default: its `cpu`, rounded up, at least 1. */
  readonly threads?: number | undefined;
  /** The speed relative to a node of speed 1. Default 1. */
  readonly speed?: number | undefined;
  /** The price of a ms of a function's run time. Default 0. */
  readonly price?: number | undefined;
  /** How many functions with `concurrent` a thread holds at a time. Default 64. */
  readonly concurrency?: number | undefined;
}

export interface SimulateOptions {
  /** The nodes. */
  readonly nodes: readonly SimulatedNode[];
  /** How functions are placed. Default `'auto'`. */
  readonly allocationStrategy?: AllocationStrategy | undefined;
  /**
   * Transfer rate between nodes, in bytes per second. With the default, results take only the latency. Default none.
   */
  readonly bandwidth?: number | undefined;
  /** For `'cost-optimized'`: the maximum duration of the run, in ms. */
  readonly deadline?: number | undefined;
  /**
   * For `'time-optimized'` and `'cost-optimized'`: the maximum number of candidate schedules. Default: depends on the
   * number of functions.
   */
  readonly budget?: number | undefined;
  /** The time that a message takes, and that a result takes until its first byte, in ms. Default 0 ms. */
  readonly latency?: number | undefined;
  /** The seed of random decisions; the same seed gives the same result. Default 1. */
  readonly seed?: number | undefined;
  /** What goes wrong, and how often. */
  readonly faults?: Faults | undefined;
  /** Whether the results of conditions (`when`) are truthy, by function id. Default: all are. */
  readonly conditions?: Readonly<Record<string, boolean>> | undefined;
  /** Limits of the program, as the option `limits` of `Handoff.start`. Default: none. */
  readonly limits?: Readonly<Record<string, LimitOptions>> | undefined;
  /** Attempts per function after the first. Default 3. */
  readonly maxRetries?: number | undefined;
  /** The maximum number of losses of one function's result. Default 10. */
  readonly maxResultLosses?: number | undefined;
  /** `'continue'` lets independent branches finish after a failure. Default `'fail-fast'`. */
  readonly failurePolicy?: 'fail-fast' | 'continue' | undefined;
  /** The same as the option of `execute`. Default `false`. */
  readonly speculate?: boolean | SpeculateOptions | undefined;
}

export const simulatedNodeSchema = optionSet({
  name: required(text(), { description: 'The name, unique in the simulation.' }),
  capabilities: required(amounts, { description: 'Amount by resource.' }),
  threads: option(whole({ min: 1 }), {
    description: 'The number of threads.',
    otherwise: 'its `cpu`, rounded up, at least 1',
  }),
  speed: option(number({ above: 0 }), { description: 'The speed relative to a node of speed 1.', default: 1 }),
  price: option(number({ min: 0 }), { description: "The price of a ms of a function's run time.", default: 0 }),
  concurrency: option(whole({ min: 1 }), {
    description: 'How many functions with `concurrent` a thread holds at a time.',
    default: defaultConcurrency,
  }),
});

export const simulateSchema = optionSet({
  nodes: required(
    listOf(simulatedNodeSchema, 'a list of { name, capabilities, threads?, speed?, price?, concurrency? }, not empty'),
    {
      description: 'The nodes.',
    },
  ),
  allocationStrategy: option(special<AllocationStrategy>(isStrategy, strategyExpected), {
    description: 'How functions are placed.',
    default: 'auto',
  }),
  bandwidth: option(number({ unit: 'bytes per second', above: 0, orInfinity: true }), {
    description: 'Transfer rate between nodes',
    details: 'With the default, results take only the latency.',
    default: Infinity,
  }),
  deadline: option(positiveMilliseconds, { description: "For `'cost-optimized'`: the maximum duration of the run" }),
  budget: option(whole({ min: 1 }), {
    description: "For `'time-optimized'` and `'cost-optimized'`: the maximum number of candidate schedules.",
    otherwise: 'depends on the number of functions',
  }),
  latency: option(milliseconds, {
    description: 'The time that a message takes, and that a result takes until its first byte',
    default: 0,
  }),
  seed: option(number({ isWhole: true }), {
    description: 'The seed of random decisions; the same seed gives the same result.',
    default: 1,
  }),
  conditions: option(
    special<Readonly<Record<string, boolean>>>(
      (value) => isRecord(value) && Object.values(value).every((each) => typeof each === 'boolean'),
      'an object of booleans by function id',
    ),
    {
      description: 'Whether the results of conditions (`when`) are truthy, by function id.',
      otherwise: 'all are',
    },
  ),
  limits: option(special<Readonly<Record<string, LimitOptions>>>(isLimits, limitsExpected), {
    description: 'Limits of the program, as the option `limits` of `Handoff.start`.',
    otherwise: 'none',
  }),
  faults: option(faultsSchema, { description: 'What goes wrong, and how often.', default: {} }),
  maxRetries: option(whole(), { description: 'Attempts per function after the first.', default: 3 }),
  maxResultLosses: option(whole({ orInfinity: true }), {
    description: "The maximum number of losses of one function's result.",
    default: defaultMaxResultLosses,
  }),
  failurePolicy: option(oneOf('fail-fast', 'continue'), {
    description: "`'continue'` lets independent branches finish after a failure.",
    default: 'fail-fast',
  }),
  speculate: option(speculateType, { description: 'The same as the option of `execute`.', default: false }),
});

/** @throws `INVALID_OPTION` naming the option, the expected and the actual value */
export function resolveSimulation(given: SimulateOptions): v.InferOutput<typeof simulateSchema> {
  const resolved = parseOptions('simulate', simulateSchema, given);
  const names = resolved.nodes.map(({ name }) => name);
  if (names.length === 0) throw invalidOption('simulate', 'nodes', 'a list of nodes, not empty', given.nodes);
  if (new Set(names).size < names.length) throw invalidOption('simulate', 'nodes', 'nodes with distinct names', names);
  return resolved;
}
