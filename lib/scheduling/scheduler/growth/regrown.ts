/** A run as it had grown, which is never scheduled: for those who read what was recorded of it. */
import type { CompiledDag } from '../../../dag/compile/compiled-dag.ts';
import { createRun } from '../create-run.ts';
import { isOnce } from '../failure/once.ts';
import { growAgain } from './grow.ts';
import { elementsOf, expansionOfOwner, inputsOf, spanOfOwner } from './growth.ts';
import type { RecordedGrowth } from './span.ts';
import type { Run } from '../state.ts';

/** @param kept which results the run keeps to its end: 1 for each function of `plan`; null for all */
export function regrown(plan: CompiledDag, grown: readonly RecordedGrowth[], kept: Uint8Array | null): Run {
  const settings = {
    maxRetries: 0,
    maxConcurrency: Infinity,
    keepGoing: false,
    kept,
    strategy: () => undefined,
    assigned: null,
    codes: new Int32Array(plan.codes.length),
  } as const;
  const run = createRun({ isSpread: false, nodeByName: new Map() }, '', plan, settings, 0);
  for (const growth of grown) growAgain(run, growth);
  return run;
}

/** What its functions take, for those who decide what has to run again. */
export function lineageOf(run: Run) {
  return {
    size: run.plan.size,
    inputsOf: (i: number) => inputsOf(run, i),
    partsOf: (i: number) => partsOf(run, i),
    isOnce: (i: number) => isOnce(run.plan, i),
  };
}

/** The functions whose results make up the result of a function; undefined when it has a result of its own. */
export function partsOf(run: Run, i: number): Iterable<number> | undefined {
  const span = spanOfOwner(run, i);
  return span === undefined ? expansionOfOwner(run, i)?.outputs : elementsOf(span);
}
