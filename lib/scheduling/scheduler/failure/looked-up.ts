/**
 * Functions that may have a result from an earlier run. Each waits until it is looked up, as for one more input, so that
 * it neither starts nor follows its producer in a batch before that.
 *
 * ```
 *   a ──► b      a runs, and its result is known: b is looked up     a hit: b is done     a miss: b is ready
 * ```
 */
import type { Command } from '../commands.ts';
import { complete } from '../completion.ts';
import type { EventOf } from '../events.ts';
import { settlePromise } from '../dispatch/groups.ts';
import { makeReady } from '../ready.ts';
import { recordCondition } from '../growth/skipping.ts';
import { noteIfOver, type Run, type State, Status } from '../state.ts';

export function lookedUp(state: State, { run: id, hits, misses, falsy }: EventOf<'LookedUp'>, out: Command[]): void {
  const run = state.runs.get(id);
  if (run === undefined) return;
  const released: number[] = [];
  const here = Math.max(
    0,
    state.nodes.findIndex(({ up, host }) => up && host === 0),
  );
  for (const i of hits) {
    if (!open(run, i)) continue;
    run.node[i] = here;
    run.cached.add(i);
    settlePromise(run, i);
    recordCondition(run, i, !falsy.has(i));
    complete(state, run, i, released, out);
  }
  for (const i of misses) if (open(run, i) && run.missing[i] === 0) makeReady(state, run, i, out);
  if (released.length > 0) out.push({ type: 'Release', run, indexes: released });
  noteIfOver(state, run);
}

/** Returns whether the function still waits: it may have been skipped or given up meanwhile, or its run may be ending. */
function open(run: Run, i: number): boolean {
  if (run.gated === null || run.gated[i] === 0) return false;
  run.gated[i] = 0;
  run.missing[i]!--;
  return run.status[i] === Status.waiting && run.outcome === undefined;
}
