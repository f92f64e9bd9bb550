/** The public names of `handoffjs/simulate`, nothing else. */
export type { Faults } from './scheduling/simulation/faults.ts';
export { simulate, type SimulatedAttempt, type SimulatedEvent, type SimulatedNode, type SimulateOptions, type SimulateResult } from './scheduling/simulation/simulate.ts';
