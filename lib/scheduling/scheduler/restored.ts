/** A run that is resumed begins with the functions that an earlier process recorded as done. */
import type { Command } from './commands.ts';
import type { Restored } from './events.ts';
import { bindGroup } from './groups.ts';
import { groupOf } from './ready.ts';
import { settleInput } from './settle.ts';
import { recordCondition } from './skipping.ts';
import { type Run, type State, Status } from './state.ts';

/** Marks functions as done, before anything of the run is ready. What they rule out is skipped. */
export function restore(state: State, run: Run, done: ReadonlyMap<number, Restored>, out: Command[]): void {
  const { plan, status, missing, unread } = run;
  const here = Math.max(
    0,
    state.nodes.findIndex(({ up, host }) => up && host === 0),
  );
  for (const [i, { node: name, isTruthy }] of done) {
    const node = state.nodeByName.get(name);
    status[i] = Status.done;
    run.node[i] = node?.index ?? here;
    run.unfinished--;
    if (plan.branches !== null) recordCondition(run, i, isTruthy);
    if (unread !== null) for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) unread[plan.deps[k]!]!--;
    const group = groupOf(run, i);
    // The other functions of the group must join this one.
    if (group >= 0 && node !== undefined && (node.up || node.returning)) bindGroup(run, group, node);
  }
  const released: number[] = [];
  for (const i of done.keys()) {
    if (plan.branches !== null || plan.maps !== null) settleInput(state, run, i, released, out);
    else for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) missing[plan.outs[k]!]!--;
  }
  if (released.length > 0) out.push({ type: 'Release', run, indexes: released });
}
