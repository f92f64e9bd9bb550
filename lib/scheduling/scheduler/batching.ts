/**
 * What goes into a batch. Short functions travel together, and with them those that need nothing but what the batch itself gives:
 * a chain, or the inner part of a tree, then runs on one worker without a message in between. Long ones travel alone.
 */
import { shortage } from '../resources/amounts.ts';
import { Flag } from '../../dag/compiled-dag.ts';
import { bindGroup, groupToBind, hasRoom, settlePromise } from './groups.ts';
import { isExclusive, isOnce } from './once.ts';
import { fixedNode, groupOf } from './ready.ts';
import type { ReadyClass } from './ready-queue.ts';
import { type Batch, type Lane, nextId, type Run, type State, Status } from './state.ts';

/**
 * Takes functions of a class from the queue, at least one, and makes a batch of them for a lane.
 *
 * @param share how many of the class are this lane's fair part
 */
export function compose(state: State, run: Run, from: ReadyClass, lane: Lane, share: number, now: number): Batch {
  const { tuning } = state;
  const { plan } = run;
  const id = nextId(state);
  const functions: number[] = [];
  let heads = 0;
  let expected = 0;
  let sure = true;
  let exclusive = false;

  while (from.heap.size > 0) {
    const next = plan.byRank[from.heap.top]!;
    const alone = isExclusive(plan, next, lane.node) || run.suspects.has(next);
    if (alone && lane.batches.length > 0) break; // it waits behind nothing
    const single = alone || isOnce(plan, next);
    if (heads > 0 && (single || heads >= share && expected >= tuning.minMs || expected + expectedMs(state, run, next, lane) > tuning.batchMs)) break;
    if (heads > 0 && plan.group !== null && bindsWithoutRoom(run, next, lane)) break;
    run.queue.pop(from);
    if (!settles(run, next, lane)) continue;
    heads++;
    take(next);
    if (single) {
      exclusive = alone;
      break;
    }
    // What has become runnable by the batch itself follows at once; `functions` grows while it is walked.
    for (let at = functions.length - 1; tuning.fuse && at < functions.length; at++) absorbSuccessors(functions[at]!);
    if (functions.length >= tuning.batchSize || expected >= tuning.batchMs) break;
  }
  return {
    id, run, lane, functions, done: 0, size: functions.length, claim: plan.costs[from.cost], holds: lane.batches.length === 0 || plan.costs[from.cost] === undefined, heads,
    expectedMs: sure ? expected : 0, sentAt: now, since: now, exclusive, cancelled: false, timedOut: false, takingBack: false, timer: -1, gang: null, contest: null,
  };

  function take(i: number): void {
    run.status[i] = Status.dispatched;
    if (plan.group !== null) settlePromise(run, i);
    run.node[i] = lane.node.index;
    run.batch[i] = id;
    run.tally[i] = functions.length;
    functions.push(i);
    const estimate = state.estimates[run.settings.codes[plan.code[i]!]!]!;
    if (estimate.count < sureAfter) sure = false;
    expected += expectedMs(state, run, i, lane);
  }

  function absorbSuccessors(i: number): void {
    for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) {
      const next = plan.outs[k]!;
      if (run.status[next] !== Status.waiting) continue;
      if (run.batch[next] !== id) {
        run.batch[next] = id;
        run.tally[next] = 0;
      }
      if (++run.tally[next]! < run.missing[next]!) continue;
      if (functions.length >= tuning.batchSize || expected + expectedMs(state, run, next, lane) > tuning.batchMs) continue;
      if (mayFollow(run, next, from, lane)) take(next);
    }
  }
}

// After this many measurements an estimate is trusted as it is.
export const sureAfter = 8;

/**
 * What a function should take on a lane. Code that was measured seldom counts as longer than it seemed, so that batches of it grow step by
 * step: one function, then nine, then as many as fit.
 */
export function expectedMs(state: State, run: Run, i: number, { node }: Lane): number {
  const own = run.settings.known?.get(i);
  if (own !== undefined) return own / node.speed;
  const { mean, count } = state.estimates[run.settings.codes[run.plan.code[i]!]!]!;
  return Math.max(mean / node.speed, state.tuning.batchMs / (1 + 8 * count));
}

/** Whether a function would bind its group to a node that has no room for that. */
function bindsWithoutRoom(run: Run, i: number, { node }: Lane): boolean {
  const group = groupToBind(run, i);
  return group >= 0 && !hasRoom(run, group, node);
}

/** Binds the function's group to the lane's node. False when the group has meanwhile been settled on another: it goes there. */
export function settles(run: Run, i: number, lane: Lane): boolean {
  const group = groupOf(run, i);
  if (group < 0) return true;
  const node = run.groupNode[group]!;
  if (node >= 0 && node !== lane.node.index) {
    const { plan } = run;
    run.queue.push(plan.rank[i]!, { cost: plan.cost[i]!, node, avoid: -1, need: 0, prefer: -1 }); // still hungry: this turn looks again
    return false;
  }
  bindGroup(run, group, lane.node);
  return true;
}

/** Whether a function may run behind others of its batch: it asks for the same, and may be on that node. */
export function mayFollow(run: Run, i: number, from: ReadyClass, lane: Lane): boolean {
  const { plan } = run;
  if (plan.cost[i] !== from.cost || (plan.flags[i]! & (Flag.exclusive | Flag.once | Flag.needsNodes | Flag.ordered)) !== 0 || run.attempts[i]! > 0 || run.suspects.has(i)) return false;
  const here = lane.node.index;
  const fixed = fixedNode(run, i);
  if (fixed >= 0) return fixed === here;
  const pin = plan.pins.get(i);
  if (pin !== undefined) return pin === lane.node.name;
  if (run.settings.allocator !== undefined) return false; // it has not been asked
  const group = groupOf(run, i);
  if (group < 0) return true;
  const { need, pin: groupPin } = plan.groups[group]!;
  if (groupPin !== undefined ? groupPin !== lane.node.name : shortage(plan.costs[need] ?? {}, lane.node.capabilities) !== undefined) return false;
  if (bindsWithoutRoom(run, i, lane)) return false;
  bindGroup(run, group, lane.node);
  return true;
}
