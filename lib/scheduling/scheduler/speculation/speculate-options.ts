/** The option `speculate`: when a function gets a copy. */
import { number, special } from '../../../core/option-types.ts';
import { option, optionSet, parseOptions, passes } from '../../../core/options.ts';
import type { Speculation } from './straggler-threshold.ts';

/** When a function gets a copy. The typical duration is learned from at least five functions of the same code. */
export interface SpeculateOptions {
  /** The minimum run time as a multiple of the typical duration. Default 2. */
  readonly factor?: number | undefined;
  /** The minimum run time, in ms. Default 5 ms. */
  readonly minMs?: number | undefined;
}

export const speculateSchema = optionSet({
  factor: option(number({ min: 1 }), {
    description: 'The minimum run time as a multiple of the typical duration.',
    default: 2,
  }),
  minMs: option(number({ unit: 'ms', min: 0 }), { description: 'The minimum run time', default: 5 }),
});

export const speculateType = special<boolean | SpeculateOptions>(
  (value) => typeof value === 'boolean' || passes(speculateSchema, value),
  'true, false or { factor?, minMs? }, finite numbers of at least 1 and 0',
);

/** When copies are made, as plain numbers; null for never. */
export function speculationOf(given: boolean | SpeculateOptions = false): Speculation | null {
  return given === false ? null : parseOptions('speculate', speculateSchema, given === true ? {} : given);
}
