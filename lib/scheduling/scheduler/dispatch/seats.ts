/**
 * Concurrent functions share a thread while they wait. Each has a **seat** there: to the rest of the scheduler a thread of
 * its own, with one batch of one function, a claim, a timeout and a place in the order.
 *
 * ```
 *   thread 0 ┬ seat: download#1     a shared thread takes no other functions until its seats are empty
 *            ├ seat: download#7
 *            └ (room for node.concurrency - 2 more)
 *   thread 1 ─ parse#3, parse#4     a thread without seats runs one function at a time
 * ```
 *
 * A function that is not concurrent needs a thread for itself. When all threads of its node are shared, the emptiest of
 * them **drains**: it gets no more concurrent functions, so that it is free soon.
 */
import { accepts, fits } from './eligibility.ts';
import { addIdle, removeIdle } from './idle.ts';
import type { ReadyClass } from '../ready-queue.ts';
import type { Batch, Node, Run, State, Thread } from '../state.ts';

/** A thread that has not come up yet. */
export function newThread(node: Node, index: number, of: Thread | null = null): Thread {
  return {
    node,
    index,
    up: of !== null,
    batches: [],
    killing: false,
    occupied: false,
    of,
    taken: new Set(),
    spare: [],
    draining: false,
  };
}

/** The thread of a seat, or the thread itself. */
export function threadOf(thread: Thread): Thread {
  return thread.of ?? thread;
}

/** A thread and its taken seats: everything that holds batches. */
export function withSeats(thread: Thread): readonly Thread[] {
  return thread.taken.size === 0 ? [thread] : [thread, ...thread.taken];
}

/** All batches on a thread. */
export function batchesOn(thread: Thread): readonly Batch[] {
  return thread.taken.size === 0 ? thread.batches : withSeats(thread).flatMap(({ batches }) => batches);
}

/** A batch opens on a seat. */
export function takeSeat(state: State, seat: Thread): void {
  const thread = seat.of!;
  const { node } = thread;
  if (thread.taken.size === 0) {
    removeIdle(state, node);
    state.sharing++;
    node.sharing++;
  }
  thread.taken.add(seat);
  node.seated++;
  noteRoom(state, thread);
}

/** The batch of a seat is closed. */
export function leaveSeat(state: State, seat: Thread): void {
  const thread = seat.of!;
  const { node } = thread;
  thread.taken.delete(seat);
  thread.spare.push(seat);
  node.seated--;
  if (thread.taken.size > 0) return noteRoom(state, thread);
  state.sharing--;
  node.sharing--;
  if (thread.draining) stopDraining(state, thread);
  noteRoom(state, thread);
  if (thread.up && !thread.killing) addIdle(state, node);
}

/** Notes whether a shared thread has room for another concurrent function. */
export function noteRoom(state: State, thread: Thread): void {
  const { node, taken, up, killing, draining } = thread;
  const hasRoom = up && !killing && !draining && taken.size > 0 && taken.size < node.concurrency;
  if (hasRoom === node.shared.has(thread)) return;
  if (hasRoom) node.shared.add(thread);
  else node.shared.delete(thread);
  state.shared += hasRoom ? 1 : -1;
}

/** Whether some thread could take a function of a class now. */
export function areThreadsLeft({ idle, shared }: State, { concurrent }: ReadyClass): boolean {
  return idle > 0 || (concurrent && shared > 0);
}

/** The nodes that could take a concurrent function now, in order. */
export function nodesWithRoom({ shared, idleNodes, nodes }: State): readonly Node[] {
  return shared === 0 ? idleNodes : nodes.filter(hasRoomOn);
}

export function hasRoomOn({ idle, shared }: Node): boolean {
  return idle > 0 || shared.size > 0;
}

/**
 * A seat on a node for a concurrent function: on the emptiest thread, or, where functions that are not concurrent may
 * need threads too, on a shared thread before an idle one.
 */
export function seatOn(state: State, { plan }: Run, node: Node): Thread {
  const isMixed = plan.concurrent === 'some' || state.runs.size > 1;
  let thread: Thread | undefined;
  if (node.idle === 0 || isMixed) {
    for (const each of node.shared) {
      if (thread === undefined || (thread.occupied && !each.occupied)) thread = each;
      else if (each.taken.size < thread.taken.size && each.occupied === thread.occupied) thread = each;
    }
  }
  if (thread === undefined || (thread.occupied && node.idle > 0)) {
    const idle = node.threads.filter((each) => each.up && !each.killing && each.batches.length + each.taken.size === 0);
    thread = idle.find(({ occupied }) => !occupied) ?? thread ?? idle[0]!;
  }
  return thread.spare.pop() ?? newThread(node, thread.index, thread);
}

/**
 * Handles a class that is not concurrent and found no thread: if only concurrent functions that come after it are in its
 * way, one thread drains.
 */
export function drainFor(state: State, run: Run, from: ReadyClass): void {
  if (state.sharing === 0 || state.draining > 0 || run.threads >= run.settings.maxConcurrency) return;
  // The thread would go to them.
  if (run.queue.classes.some(({ concurrent, heap }) => concurrent && heap.size > 0 && heap.top < from.heap.top)) return;
  const cost = run.plan.costs[from.cost] ?? {};
  let emptiest: Thread | undefined;
  for (const node of from.node >= 0 ? [state.nodes[from.node]!] : state.nodes) {
    if (!accepts(run, from, node) || !fits(node, cost)) continue;
    // A thread that is not shared will be idle by itself.
    if (node.idle > 0 || node.sharing < node.threadsUp) return;
    for (const thread of node.threads) {
      if (!thread.up || thread.killing) continue;
      if (emptiest === undefined || thread.taken.size < emptiest.taken.size) emptiest = thread;
    }
  }
  if (emptiest === undefined) return;
  emptiest.draining = true;
  state.draining++;
  noteRoom(state, emptiest);
}

/** A thread has no seats that are taken any more. */
function stopDraining(state: State, thread: Thread): void {
  thread.draining = false;
  state.draining--;
}
