/** What a run has grown by, as events carry it. */
import { nameOf } from '../dag/code.ts';
import type { EventOf, GrownGraph } from '../events/events.ts';
import { expansionOfOwner } from '../scheduling/scheduler/growth/growth.ts';
import type { Run } from '../scheduling/scheduler/state.ts';

/**
 * Everything that a run has grown by, in the order in which it did.
 *
 * @param at time of the events, in ms since the epoch
 */
export function grownEvents(run: Run, at: number): EventOf<'run:grown'>[] {
  const { growth, id: runId } = run;
  if (growth === null) return [];
  const { entries, dagId } = run.plan;
  return [...growth.byOwner.values(), ...growth.expansions.values()]
    .sort((a, b) => a.base - b.base || a.count - b.count)
    .map(({ owner, base, count }) => ({
      type: 'run:grown',
      at,
      runId,
      dagId,
      functionId: entries[owner]!.id,
      count,
      ...graphAt(run, owner, base, count),
    }));
}

/**
 * What `run:grown` says of the functions `base` to `base + count` that a run has grown by: the graph, or nothing when
 * they are the elements of a map.
 */
export function graphAt(run: Run, owner: number, base: number, count: number): { readonly graph?: GrownGraph } {
  const expansion = expansionOfOwner(run, owner);
  if (expansion === undefined) return {};
  const { entries, depOffset, deps, codes, code } = run.plan;
  const prefix = entries[owner]!.id.length + 1;
  const of = Array.from({ length: count }, (_, k) => base + k);
  return {
    graph: {
      ids: of.map((i) => entries[i]!.id.slice(prefix)),
      names: of.map((i) => nameOf(codes[code[i]!]!)),
      deps: of.map((i) => [...new Set(deps.subarray(depOffset[i]!, depOffset[i + 1]!))].map((dep) => dep - base)),
    },
  };
}
