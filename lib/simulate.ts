/** The public names of `handoffjs/simulate`, nothing else. */
import './core/node-version.ts'; // first, so that it is what an old Node hears
export type { Faults } from './scheduling/simulation/faults.ts';
export { simulate, type SimulatedAttempt, type SimulatedEvent, type SimulatedNode, type SimulateOptions, type SimulateResult } from './scheduling/simulation/simulate.ts';
