/**
 * A run that is resumed begins with the functions that an earlier process recorded as done, grown as it had grown by
 * then.
 */
import type { Command } from '../commands.ts';
import type { Restored, RunSettings } from '../events.ts';
import { growAgain } from '../growth/grow.ts';
import { bindGroup } from '../dispatch/groups.ts';
import { groupOf } from '../ready.ts';
import { release } from '../release.ts';
import { closeMap, noteExtensible, settleInput } from '../settle.ts';
import { recordCondition } from '../growth/skipping.ts';
import { type Run, type State, Status } from '../state.ts';

/** Brings a new run to where it was recorded, before anything of it is ready. What that rules out is skipped. */
export function restore(state: State, run: Run, { restored, grown = [] }: RunSettings, out: Command[]): void {
  if (restored === undefined) return;
  for (const growth of grown) growAgain(run, growth);
  out.push({ type: 'Restored', run });
  const released: number[] = [];
  markDone(state, run, restored, released);
  const { plan, missing } = run;
  for (const i of restored.keys()) {
    if (plan.branches !== null || plan.maps !== null || run.growth !== null) settleInput(state, run, i, released, out);
    else for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) missing[plan.outs[k]!]!--;
  }
  if (released.length > 0) out.push({ type: 'Release', run, indexes: released });
  for (const { owner } of grown) closeMap(state, run, owner, out); // an empty list has no last element
  for (const i of plan.maps?.keys() ?? []) if (run.status[i] === Status.waiting) noteExtensible(state, run, i);
}

function markDone(state: State, run: Run, restored: ReadonlyMap<number, Restored>, released: number[]): void {
  const here = Math.max(
    0,
    state.nodes.findIndex(({ up, host }) => up && host === 0),
  );
  for (const [i, { node: name, isTruthy }] of restored) {
    const node = state.nodeByName.get(name);
    run.status[i] = Status.done;
    run.node[i] = node?.index ?? here;
    run.unfinished--;
    if (run.unread !== null) release(run, i, released);
    if (run.plan.branches !== null) recordCondition(run, i, isTruthy);
    const group = groupOf(run, i);
    // The other functions of the group must join this one.
    if (group >= 0 && node !== undefined && (node.up || node.returning)) bindGroup(run, group, node);
  }
}
