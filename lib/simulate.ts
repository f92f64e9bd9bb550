/**
 * Public API of `handoffjs/simulate`: the scheduler in virtual time.
 *
 * @module handoffjs/simulate
 */
import './core/node-version.ts'; // first, so that an old Node fails with a clear message
export type { Faults } from './scheduling/simulation/faults.ts';
export type { SimulatedNode, SimulateOptions } from './scheduling/simulation/options.ts';
export {
  simulate,
  type SimulatedAttempt,
  type SimulatedEvent,
  type SimulateResult,
} from './scheduling/simulation/simulate.ts';
