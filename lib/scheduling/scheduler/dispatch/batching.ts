/**
 * Composes batches. Short functions travel together with functions that need only results of the same batch, so that
 * one worker runs a chain, or the inner part of a tree, without a message in between. Long functions travel alone.
 */
import { shortage } from '../../resources/amounts.ts';
import { Flag, isConcurrent } from '../../../dag/compile/compiled-dag.ts';
import { functionAt, rankOf, spanOf } from '../growth/growth.ts';
import { bindGroup, groupToBind, hasRoom, settlePromise } from './groups.ts';
import { isExclusive } from '../failure/once.ts';
import { fixedNode, groupOf, isShared } from '../ready.ts';
import { newBatch } from './new-batch.ts';
import type { ReadyClass } from '../ready-queue.ts';
import { type Batch, type Thread, nextId, type Run, type State, Status } from '../state.ts';

/**
 * Takes at least one function of a class from the queue and composes a batch for a thread.
 *
 * @param share the thread's fair share of the class
 */
export function compose(state: State, run: Run, from: ReadyClass, thread: Thread, share: number, now: number): Batch {
  const { tuning } = state;
  const { plan } = run;
  const id = nextId(state);
  const functions: number[] = [];
  let heads = 0;
  let expected = 0;
  let sure = true;
  let steady = true;
  let exclusive = false;
  const budget = budgetOf(state, run, from);

  while (from.heap.size > 0) {
    const next = functionAt(run, from.heap.top);
    const alone = hasThreadToItself(run, next, thread);
    if (alone && thread.batches.length > 0) break; // it must not wait behind another batch
    const single = alone || travelsAlone(run, next);
    if (heads > 0 && (single || isEnough(next))) break;
    run.queue.pop(from);
    if (!settles(run, next, thread)) continue;
    heads++;
    take(next);
    if (single) {
      exclusive = alone;
      break;
    }
    // Functions that only need results of this batch follow at once. `functions` grows during the loop.
    for (let at = functions.length - 1; tuning.fuse && at < functions.length; at++) absorbSuccessors(functions[at]!);
    if (functions.length >= tuning.batchSize || expected >= budget) break;
  }
  const claim = plan.costs[from.cost];
  const holds = thread.batches.length === 0 || claim === undefined;
  return newBatch(state, {
    id,
    run,
    thread,
    functions,
    now,
    claim,
    uses: functions.length > 0 ? plan.uses[from.cost] : undefined,
    holds,
    heads,
    expectedMs: sure ? expected : 0,
    steady: sure && steady && (run.settings.speculate ?? null) === null,
    exclusive,
  });

  function isEnough(next: number): boolean {
    if (heads >= share && expected >= tuning.minMs) return true;
    if (expected + expectedMs(state, run, next, thread) > budget) return true;
    return plan.group !== null && bindsWithoutRoom(run, next, thread);
  }

  function take(i: number): void {
    run.status[i] = Status.dispatched;
    if (plan.group !== null) settlePromise(run, i);
    run.node[i] = thread.node.index;
    run.batch[i] = id;
    run.tally[i] = functions.length;
    functions.push(i);
    const estimate = state.estimates[run.settings.codes[plan.code[i]!]!]!;
    if (estimate.count < sureAfter && ownMs(run, i) === undefined) sure = false;
    if (estimate.variance > Math.max(estimate.mean, scatterMs) ** 2) steady = false;
    expected += expectedMs(state, run, i, thread);
  }

  function absorbSuccessors(i: number): void {
    // The dependents of a function that has several should run side by side if they are much work.
    const span = spanOf(run, i);
    const dependents = span === undefined ? plan.outOffset[i + 1]! - plan.outOffset[i]! : span.takers.length;
    const most = dependents === 1 ? budget : tuning.batchMs;
    for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) absorb(plan.outs[k]!, most);
    if (span !== undefined) for (const taker of span.takers) absorb(taker.base + i - span.base, most);
  }

  function absorb(next: number, most: number): void {
    if (run.status[next] !== Status.waiting) return;
    if (run.batch[next] !== id) {
      run.batch[next] = id;
      run.tally[next] = 0;
    }
    if (++run.tally[next]! < run.missing[next]!) return;
    if (functions.length >= tuning.batchSize || expected + expectedMs(state, run, next, thread) > most) return;
    if (mayFollow(run, next, from, thread)) take(next);
  }
}

/** Whether nothing of a function is to come. Elements of a map have the priority of the map. */
function isOver(status: number): boolean {
  return status >= Status.done && status < Status.growing;
}

/** Whether nothing else may be sent to a thread together with a function, or before it. */
function hasThreadToItself(run: Run, i: number, { node }: Thread): boolean {
  return isExclusive(run.plan, i, node) || run.suspects.has(i);
}

/** Whether a function is the only one of its batch. */
function travelsAlone(run: Run, i: number): boolean {
  const { plan } = run;
  return (plan.flags[i]! & (Flag.once | Flag.limited)) !== 0 || isConcurrent(plan, i) || mayBeOvertaken(run, i);
}

/**
 * Whether a more urgent function of the run is still to come. What claims something and waits in a batch would be in its
 * way, so it is sent alone.
 */
export function mayBeOvertaken(run: Run, i: number): boolean {
  const { plan, status, sequence } = run;
  if (!plan.prioritized || plan.cost[i] === 0 || sequence !== null) return false;
  const { byRank } = plan;
  while (run.front < byRank.length && isOver(status[byRank[run.front]!]!)) run.front++;
  if (run.front === byRank.length) return false;
  return plan.entries[plan.byRank[run.front]!]!.traits.priority > plan.entries[i]!.traits.priority;
}

// Durations that scatter by no more than this many ms, or by no more than their mean, are well known. The system itself
// may delay a short function by that much.
const scatterMs = 2;

// While there are other runs, a batch has at most this many times the usual work, because those wait for it.
export const sharedBatches = 4;

// A batch holds at most this part of what is left of its run for a thread, so that all threads end together.
const parts = 8;

/** The amount of work in the next batch, in ms: the more of the run is left, the more. */
function budgetOf({ tuning, estimates, idle, runs }: State, run: Run, from: ReadyClass): number {
  const { plan, settings, sequence, threads, unfinished } = run;
  const { mean, count } = estimates[settings.codes[plan.code[functionAt(run, from.heap.top)]!]!]!;
  // A plan and priorities decide what runs next, function by function.
  if (count < sureAfter || plan.prioritized || sequence !== null) return tuning.batchMs;
  const most = runs.size > 1 ? Math.min(tuning.longBatchMs, sharedBatches * tuning.batchMs) : tuning.longBatchMs;
  const left = (unfinished * mean) / Math.max(1, Math.min(threads + idle, settings.maxConcurrency));
  return Math.max(tuning.batchMs, Math.min(most, left / parts));
}

// After this many measurements an estimate is used as it is.
export const sureAfter = 8;

/**
 * The expected duration of a function on a thread. With few measurements of its code, the estimate is increased, so that
 * batches grow step by step: one function, then nine, then as many as fit.
 */
export function expectedMs(state: State, run: Run, i: number, { node }: Thread): number {
  const own = ownMs(run, i);
  if (own !== undefined) return own / node.speed;
  const { mean, count } = state.estimates[run.settings.codes[run.plan.code[i]!]!]!;
  return Math.max(mean / node.speed, state.tuning.batchMs / (1 + 8 * count));
}

/**
 * The duration of a function that is known by itself, in ms on a node of speed 1. A plan is made with the declared
 * durations, so its run expects them.
 */
function ownMs({ settings, sequence, plan }: Run, i: number): number | undefined {
  return settings.known?.get(i) ?? (sequence === null ? undefined : plan.entries[i]!.traits.duration);
}

/** Whether a function would bind its group to a node that has no room for the group. */
function bindsWithoutRoom(run: Run, i: number, { node }: Thread): boolean {
  const group = groupToBind(run, i);
  return group >= 0 && !hasRoom(run, group, node);
}

/**
 * Binds the function's group to the thread's node. Returns false if the group is already bound to another node; the
 * function is requeued.
 */
export function settles(run: Run, i: number, thread: Thread): boolean {
  const group = groupOf(run, i);
  if (group < 0) return true;
  const node = run.groupNode[group]!;
  if (node >= 0 && node !== thread.node.index) {
    const { plan } = run;
    // The run stays hungry, so this turn looks at it again.
    run.queue.push(rankOf(run, i), {
      cost: plan.cost[i]!,
      node,
      avoid: -1,
      need: 0,
      prefer: -1,
      concurrent: isShared(run, i),
    });
    return false;
  }
  bindGroup(run, group, thread.node);
  return true;
}

/** Whether a function may follow others in a batch: it has the same cost and is eligible for the node. */
export function mayFollow(run: Run, i: number, from: ReadyClass, thread: Thread): boolean {
  const { plan } = run;
  if (
    plan.cost[i] !== from.cost ||
    (plan.flags[i]! & (Flag.exclusive | Flag.once | Flag.limited | Flag.needsNodes | Flag.ordered | Flag.map)) !== 0 ||
    run.attempts[i]! > 0 ||
    run.suspects.has(i) ||
    isConcurrent(plan, i)
  )
    return false;
  const here = thread.node.index;
  const fixed = fixedNode(run, i);
  if (fixed >= 0) return fixed === here;
  const pin = plan.pins.get(i);
  if (pin !== undefined) return pin === thread.node.name;
  if (run.settings.allocator !== undefined) return false; // the allocator has not placed it yet
  const group = groupOf(run, i);
  if (group < 0) return true;
  const { need, pin: groupPin } = plan.groups[group]!;
  if (
    groupPin !== undefined
      ? groupPin !== thread.node.name
      : shortage(plan.costs[need] ?? {}, thread.node.capabilities) !== undefined
  )
    return false;
  if (bindsWithoutRoom(run, i, thread)) return false;
  bindGroup(run, group, thread.node);
  return true;
}
