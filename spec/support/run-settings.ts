/** Settings of runs that are given to the scheduler without a Handoff. */
import type { CompiledDag } from '../../lib/dag/compile/compiled-dag.ts';
import { strategies } from '../../lib/scheduling/allocation/strategy.ts';
import type { RunSettings } from '../../lib/scheduling/scheduler/events.ts';

/** No retries, no limits, every result kept, and the first node that has room; `more` overrides. */
export function settingsOf({ codes }: CompiledDag, more: Partial<RunSettings> = {}): RunSettings {
  return {
    maxRetries: 0,
    maxConcurrency: Infinity,
    keepGoing: false,
    kept: null,
    strategy: strategies['first-available'],
    assigned: null,
    codes: new Int32Array(codes.length),
    ...more,
  };
}
