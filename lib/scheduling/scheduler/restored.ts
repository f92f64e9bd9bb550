/** A run that is resumed begins with the functions that an earlier process recorded as done. */
import { bindGroup } from './groups.ts';
import { groupOf } from './ready.ts';
import { type Run, type State, Status } from './state.ts';

/** Marks functions as done, before anything of the run is ready. A node that is gone is replaced by one of this host. */
export function restore(state: State, run: Run, done: ReadonlyMap<number, string>): void {
  const { plan, status, missing, unread } = run;
  const here = Math.max(
    0,
    state.nodes.findIndex(({ up, host }) => up && host === 0),
  );
  for (const [i, name] of done) {
    const node = state.nodeByName.get(name);
    status[i] = Status.done;
    run.node[i] = node?.index ?? here;
    run.unfinished--;
    for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) missing[plan.outs[k]!]!--;
    if (unread !== null) for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) unread[plan.deps[k]!]!--;
    const group = groupOf(run, i);
    // The other functions of the group must join this one.
    if (group >= 0 && node !== undefined && (node.up || node.returning)) bindGroup(run, group, node);
  }
}
