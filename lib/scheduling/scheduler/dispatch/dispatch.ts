/** A dispatch turn gives ready functions to idle threads, run by run, while there are both. */
import { Flag } from '../../../dag/compile/compiled-dag.ts';
import { accepts } from './eligibility.ts';
import { allot } from '../plan/dynamic-allocation.ts';
import { request, watchRefusals } from '../claims/claims.ts';
import type { Command } from '../commands.ts';
import { compose, mayBeOvertaken } from './batching.ts';
import { failIfImpossible } from '../failure/failure.ts';
import { startGang, waitsForGang } from './gang.ts';
import { closeBatch, endOf, isIdle, openBatch } from './threads.ts';
import { byRoom, groupToBind, hasRoom } from './groups.ts';
import { functionAt } from '../growth/growth.ts';
import { leaveLines, mayUse, served } from '../claims/limits.ts';
import { waitsForHost } from './locality.ts';
import { settleNeighbours } from '../plan/node-dependencies.ts';
import { isExclusive } from '../failure/once.ts';
import { nodesFor } from '../ready.ts';
import type { ReadyClass } from '../ready-queue.ts';
import { breakUpLong, rebalance } from './work-stealing.ts';
import { isHeld, leavesPlan } from '../plan/planned-order.ts';
import { areThreadsLeft, drainFor, hasRoomOn, nodesWithRoom, seatOn } from './seats.ts';
import {
  isReserved,
  leaveReservation,
  noteServed,
  passage,
  reserve,
  reviewReservation,
} from '../claims/reservation.ts';
import { speculate } from '../speculation/speculation.ts';
import type { Batch, Thread, Node, Run, State } from '../state.ts';

/**
 * Starts everything that can start. Runs with the fewest threads come first, so that a large run does not delay a small
 * one.
 */
export function dispatch(state: State, now: number, out: Command[]): void {
  state.turn++;
  reviewReservation(state);
  // Batches that end free memory; without batches, something must start.
  if (state.isPressed && state.batches.size > 0) return;
  allot(state, now, out);
  while (startAny(state, now, out)) {
    // The order of runs is checked for every batch, because each batch changes the number of threads of its run.
  }
  if (state.idle > 0 && state.batches.size > 0) {
    if (!rebalance(state, now, out) && state.speculation.runs > 0) speculate(state, now, out);
  } else if (state.runs.size > 1) breakUpLong(state, out);
}

/** Starts one batch of the startable run with the fewest threads. */
function startAny(state: State, now: number, out: Command[]): boolean {
  const isAnyFree = state.idle > 0 || state.shared > 0;
  if (!isAnyFree && !isAnyShort(state, now)) return false;
  if (isAnyFree && (startReserved(state, now, out) || startServed(state, now, out))) return true;
  let tries = isAnyFree ? Infinity : maxTries;
  const busy: Run[] = [];
  for (const run of state.hungry) {
    if (run.queue.size === 0 || run.outcome !== undefined) state.hungry.delete(run);
    else if (run.blocked === state.turn) continue;
    else if (run.threads > 0) busy.push(run);
    else if (tries === 0) continue;
    else if (startOne(state, run, now, out)) return true;
    else {
      run.blocked = state.turn;
      tries--;
    }
  }
  if (busy.length > 1) busy.sort((a, b) => a.threads - b.threads);
  for (const run of busy) {
    if (startOne(state, run, now, out)) return true;
    run.blocked = state.turn;
  }
  return false;
}

/** Starts the function that has a reservation, or those of its run that come before it, if there is room by now. */
function startReserved(state: State, now: number, out: Command[]): boolean {
  const { reservation } = state;
  if (reservation === null || reservation.from.blocked === state.turn) return false;
  const { run, from } = reservation;
  for (const each of run.queue.open(state.turn)) {
    if (each.heap.size === 0) continue;
    if (from.heap.size === 0 || each.heap.top > from.heap.top) return false;
    if (startFrom(state, run, each, now, out) === 'started') return true;
  }
  return false;
}

/** Starts a function that is first in line for a limit of the program. */
function startServed(state: State, now: number, out: Command[]): boolean {
  if (state.limits.size === 0) return false;
  for (const { run, from } of served(state, now)) if (startFrom(state, run, from, now, out) === 'started') return true;
  return false;
}

// When no thread is idle, this many runs without a thread are asked for work short enough to wait behind other work. There
// may be thousands of runs, and a thread will be idle soon.
const maxTries = 8;

// This many threads with short batches are looked at, so that the cost does not grow with the number of threads. Their
// order is about that in which they will be free.
const maxShallow = 16;

/** The next threads that may get more work behind their current batch. Those that cannot are looked at last next time. */
function* nextShallow({ shallow }: State): Generator<Thread> {
  let left = Math.min(maxShallow, shallow.size);
  const isLong = left < shallow.size;
  for (const thread of shallow) {
    if (left-- === 0) return;
    yield thread;
    if (!isLong) continue;
    shallow.delete(thread);
    shallow.add(thread);
  }
}

/** Whether some thread could get more work behind its current batch. */
function isAnyShort(state: State, now: number): boolean {
  for (const {
    batches: [first],
  } of nextShallow(state))
    if (isPrompt(state, first!, now)) return true;
  return false;
}

/** Whether a batch still runs about as expected. A thread without a report for long does not run short of work. */
function isPrompt({ tuning }: State, { since, expectedMs }: Batch, now: number): boolean {
  return now - since <= 4 * Math.max(tuning.batchMs, expectedMs);
}

/** Starts one batch of a run. Returns false if no ready function finds room. */
function startOne(state: State, run: Run, now: number, out: Command[]): boolean {
  let moved = false;
  for (const from of run.queue.open(state.turn)) {
    let step: Step = 'moved';
    while (step !== 'blocked' && from.heap.size > 0 && run.outcome === undefined) {
      step = startFrom(state, run, from, now, out);
      if (step === 'started') return true;
      if (step === 'moved') moved = true;
    }
    if (run.outcome !== undefined) return false;
  }
  return moved && startOne(state, run, now, out); // moved functions may be in a new class
}

/** `moved`: the first functions of the class went elsewhere; `dropped`: no node can ever run the first. */
type Step = 'started' | 'moved' | 'dropped' | 'blocked';

/** Tries to start one batch, or a gang, with the first functions of a class. */
function startFrom(state: State, run: Run, from: ReadyClass, now: number, out: Command[]): Step {
  if (startGang(state, run, from, now, out)) return 'started';
  if (from.heap.size === 0) return 'moved'; // all its functions were bound to other nodes meanwhile
  const first = functionAt(run, from.heap.top);
  if (waitsForGang(state, run, from, now, out) || (run.sequence !== null && isHeld(state, run, first, now, out))) {
    from.blocked = state.turn;
    return 'blocked';
  }
  const uses = run.plan.uses[from.cost];
  if (uses !== undefined && areThreadsLeft(state, from) && run.threads < run.settings.maxConcurrency) {
    if (!mayUse(state, run, from, uses, now, out)) {
      leaveReservation(state, from);
      from.blocked = state.turn;
      return 'blocked';
    }
  }
  const thread = findThread(state, run, from, now, out);
  if (thread === undefined) return withoutThread(state, run, from, first, now, out);
  run.refusedSince = -1;
  const batch = compose(state, run, from, thread, shareOf(state, run, from), now);
  openBatch(state, batch);
  if (batch.size > 0) {
    if (run.plan.nodesNeeded.size > 0) settleNeighbours(state, run, batch.functions);
    noteServed(state, run, from);
    if (uses !== undefined) leaveLines(state, uses, from);
    out.push({ type: 'Start', batch });
    return 'started';
  }
  closeBatch(state, batch); // each function was bound to another node meanwhile, or must run alone
  return from.heap.size > 0 && functionAt(run, from.heap.top) === first ? 'blocked' : 'moved';
}

function withoutThread(state: State, run: Run, from: ReadyClass, first: number, now: number, out: Command[]): Step {
  if (state.shrunk && run.outcome === undefined && dropIfImpossible(state, run, from, first, out)) return 'dropped';
  from.blocked = state.turn;
  if (!from.concurrent) drainFor(state, run, from);
  if (run.plan.costs[from.cost] !== undefined) {
    watchRefusals(state, run, first, now, out);
    reserve(state, run, from, now, out);
  }
  return run.outcome === undefined && leavesPlan(state, run, from, now) ? 'moved' : 'blocked';
}

function dropIfImpossible(state: State, run: Run, from: ReadyClass, i: number, out: Command[]): boolean {
  if (nodesFor(state, run, i).able) return false;
  run.queue.pop(from);
  return failIfImpossible(state, run, i, out);
}

/** Finds a thread for the next batch of a class and claims its cost. Undefined when there is none now. */
function findThread(state: State, run: Run, from: ReadyClass, now: number, out: Command[]): Thread | undefined {
  if (areThreadsLeft(state, from) && run.threads < run.settings.maxConcurrency) {
    const node = findNode(state, run, from, now, out);
    if (node === null) return undefined;
    if (node !== undefined && from.concurrent) return seatOn(state, run, node);
    if (node !== undefined)
      return node.threads.find((thread) => isIdle(thread) && !thread.occupied) ?? node.threads.find(isIdle)!;
  }
  return from.concurrent ? undefined : findShallow(state, run, from, now);
}

/**
 * Finds a node whose thread can take the first functions of a class, and claims its cost there. Null if the class waits
 * for another host.
 */
function findNode(state: State, run: Run, from: ReadyClass, now: number, out: Command[]): Node | undefined | null {
  const { plan, settings } = run;
  const cost = plan.costs[from.cost];
  const open = from.concurrent ? nodesWithRoom(state) : state.idleNodes;
  const nodes = from.node >= 0 ? [state.nodes[from.node]!] : open;
  const first = functionAt(run, from.heap.top);
  const claim = (node: Node): boolean => {
    if (!accepts(run, from, node) || !(from.concurrent ? hasRoomOn(node) : node.idle > 0)) return false;
    if (cost === undefined) return true;
    const passes = passage(state, run, from, first, node, cost, now, out);
    if (passes === undefined || !request(state, run, first, node, cost, out)) return false;
    if (passes === 'bounded') state.reservation!.passed++;
    return true;
  };
  const others = from.avoid < 0 ? nodes : nodes.filter((node) => node.index !== from.avoid);
  const group = from.node >= 0 ? -1 : groupToBind(run, first);
  const roomy = group < 0 ? others : others.filter((node) => hasRoom(run, group, node));
  const near =
    from.prefer < 0
      ? undefined
      : settings.strategy(
          roomy.filter(({ host }) => host === from.prefer),
          cost,
          claim,
        );
  if (near !== undefined) from.waitsSince = -1;
  else if (from.prefer >= 0 && waitsForHost(state, run, from, first, now, out)) return null;
  return (
    near ??
    settings.strategy(roomy, cost, claim) ??
    (group < 0 ? undefined : settings.strategy(byRoom(run, group, others), cost, claim)) ??
    (others === nodes ? undefined : settings.strategy([state.nodes[from.avoid]!], cost, claim))
  );
}

/** A thread with a short batch, which gets a second one so that it never waits for the scheduler. */
function findShallow(state: State, run: Run, from: ReadyClass, now: number): Thread | undefined {
  const next = functionAt(run, from.heap.top);
  if (!mayWait(state, run, from, next)) return undefined;
  let best: Thread | undefined;
  let soonest = Infinity;
  const candidates = from.node < 0 ? nextShallow(state) : state.nodes[from.node]!.threads;
  for (const thread of candidates) {
    if (from.node >= 0 && !state.shallow.has(thread)) continue;
    const { since, expectedMs } = thread.batches[0]!;
    if (since + expectedMs >= soonest || !mayWaitOn(state, run, from, next, thread, now)) continue;
    soonest = since + expectedMs;
    best = thread;
  }
  // In a plan, the function is meant for the thread of its node that is free first.
  return best !== undefined && run.sequence !== null && !isFreeFirst(best, soonest) ? undefined : best;
}

/** Whether a function may wait behind other work: it is short, and nothing else should decide when it starts. */
function mayWait({ estimates, tuning, hungry }: State, run: Run, from: ReadyClass, i: number): boolean {
  const { plan } = run;
  const { mean, count } = estimates[run.settings.codes[plan.code[i]!]!]!;
  // What is sent ahead is begun before a more urgent function that becomes ready meanwhile.
  const longest = plan.prioritized ? tuning.batchMs : Math.max(tuning.batchMs, tuning.aheadMs);
  if (count === 0 || mean > longest || (plan.flags[i]! & (Flag.exclusive | Flag.limited)) !== 0 || run.suspects.has(i))
    return false;
  if (mayBeOvertaken(run, i)) return false;
  // Another run may be the next to get a claim, and a plan says what holds it next.
  return plan.costs[from.cost] === undefined || (hungry.size === 1 && run.sequence === null);
}

/** Whether a function may wait behind the batch of this thread. The batch passes its claim on, so both must be equal. */
function mayWaitOn(state: State, run: Run, from: ReadyClass, i: number, thread: Thread, now: number): boolean {
  const first = thread.batches[0]!;
  const cost = run.plan.costs[from.cost];
  if (!isPrompt(state, first, now) || first.claim !== cost) return false;
  if (cost !== undefined && isReserved(state, thread.node)) return false;
  if (first.run !== run && (cost !== undefined || run.threads >= run.settings.maxConcurrency)) return false;
  return thread.node.index !== from.avoid && !isExclusive(run.plan, i, thread.node) && accepts(run, from, thread.node);
}

/** Whether each other thread of the node is expected to be busy at least until this time. */
function isFreeFirst(thread: Thread, end: number): boolean {
  return thread.node.threads.every((other) => other === thread || !other.up || endOf(other) >= end);
}

/** The share of a class for one thread, so that all threads that could help get some. */
function shareOf(state: State, run: Run, from: ReadyClass): number {
  const threads = Math.min(Math.max(1, state.idle > 0 ? state.idle : state.shallow.size), run.settings.maxConcurrency);
  return Math.ceil(from.heap.size / threads);
}
