/** A dispatch turn gives ready functions to idle lanes, run by run, while there are both. */
import { Flag } from '../../dag/compiled-dag.ts';
import { accepts } from './eligibility.ts';
import { allot } from './dynamic-allocation.ts';
import { request, watchRefusals } from './claims.ts';
import type { Command } from './commands.ts';
import { compose } from './batching.ts';
import { failIfImpossible } from './failure.ts';
import { startGang, waitsForGang } from './gang.ts';
import { closeBatch, isIdle, openBatch } from './lanes.ts';
import { byRoom, groupToBind, hasRoom } from './groups.ts';
import { waitsForHost } from './locality.ts';
import { settleNeighbours } from './node-dependencies.ts';
import { isExclusive } from './once.ts';
import { nodesFor } from './ready.ts';
import type { ReadyClass } from './ready-queue.ts';
import { breakUpGangs, rebalance } from './work-stealing.ts';
import { isHeld, leavesPlan } from './planned-order.ts';
import { speculate } from './speculation.ts';
import type { Batch, Lane, Node, Run, State } from './state.ts';

/**
 * Starts everything that can start. Runs with the fewest lanes come first, so that a large run does not delay a small
 * one.
 */
export function dispatch(state: State, now: number, out: Command[]): void {
  state.turn++;
  // Batches that end free memory; without batches, something must start.
  if (state.isPressed && state.batches.size > 0) return;
  allot(state, now, out);
  while (startAny(state, now, out)) {
    // The order of runs is checked for every batch, because each batch changes the number of lanes of its run.
  }
  if (state.idle > 0 && state.batches.size > 0) {
    if (!rebalance(state, now, out) && state.speculation.runs > 0) speculate(state, now, out);
  } else if (state.runs.size > 1) breakUpGangs(state, out);
}

/** Starts one batch of the startable run with the fewest lanes. */
function startAny(state: State, now: number, out: Command[]): boolean {
  if (state.idle === 0 && !isAnyShort(state, now)) return false;
  let tries = state.idle > 0 ? Infinity : mostTries;
  const busy: Run[] = [];
  for (const run of state.hungry) {
    if (run.queue.size === 0 || run.outcome !== undefined) state.hungry.delete(run);
    else if (run.blocked === state.turn) continue;
    else if (run.lanes > 0) busy.push(run);
    else if (tries === 0) continue;
    else if (startOne(state, run, now, out)) return true;
    else {
      run.blocked = state.turn;
      tries--;
    }
  }
  if (busy.length > 1) busy.sort((a, b) => a.lanes - b.lanes);
  for (const run of busy) {
    if (startOne(state, run, now, out)) return true;
    run.blocked = state.turn;
  }
  return false;
}

// When no lane is idle, this many runs without a lane are asked for work short enough to wait behind other work. There
// may be thousands of runs, and a lane will be idle soon.
const mostTries = 8;

/** Whether some lane could get more work behind its current batch. */
function isAnyShort(state: State, now: number): boolean {
  for (const {
    batches: [first],
  } of state.shallow)
    if (isPrompt(state, first!, now)) return true;
  return false;
}

/** Whether a batch still runs about as expected. A lane without a report for long does not run short of work. */
function isPrompt({ tuning }: State, { since, expectedMs }: Batch, now: number): boolean {
  return now - since <= 4 * Math.max(tuning.batchMs, expectedMs);
}

/** Starts one batch of a run. Returns false if no ready function finds room. */
function startOne(state: State, run: Run, now: number, out: Command[]): boolean {
  let moved = false;
  for (const from of run.queue.open(state.turn)) {
    while (from.heap.size > 0 && run.outcome === undefined) {
      if (startGang(state, run, from, now, out)) return true;
      if (from.heap.size === 0) {
        // all its functions were bound to other nodes meanwhile
        moved = true;
        break;
      }
      if (waitsForGang(state, run, from, now, out)) {
        from.blocked = state.turn;
        break;
      }
      const first = run.plan.byRank[from.heap.top]!;
      if (run.sequence !== null && isHeld(state, run, first, now, out)) {
        from.blocked = state.turn;
        break;
      }
      const lane = findLane(state, run, from, now, out);
      if (lane === undefined) {
        if (state.shrunk && run.outcome === undefined && dropIfImpossible(state, run, from, first, out)) continue;
        from.blocked = state.turn;
        if (run.plan.costs[from.cost] !== undefined) watchRefusals(state, run, first, now, out);
        if (run.outcome === undefined && leavesPlan(state, run, from, now)) {
          moved = true;
          continue;
        }
        break;
      }
      run.refusedSince = -1;
      const batch = compose(state, run, from, lane, shareOf(state, run, from), now);
      openBatch(state, batch);
      if (batch.size > 0) {
        if (run.plan.nodesNeeded.size > 0) settleNeighbours(state, run, batch.functions);
        out.push({ type: 'Start', batch });
        return true;
      }
      closeBatch(state, batch); // each function was bound to another node meanwhile, or must run alone
      if (from.heap.size > 0 && run.plan.byRank[from.heap.top] === first) break;
      moved = true;
    }
    if (run.outcome !== undefined) return false;
  }
  return moved && startOne(state, run, now, out); // moved functions may be in a new class
}

function dropIfImpossible(state: State, run: Run, from: ReadyClass, i: number, out: Command[]): boolean {
  if (nodesFor(state, run, i).able) return false;
  run.queue.pop(from);
  return failIfImpossible(state, run, i, out);
}

/** Finds a lane for the next batch of a class and claims its cost. Undefined when there is none now. */
function findLane(state: State, run: Run, from: ReadyClass, now: number, out: Command[]): Lane | undefined {
  const { plan, settings } = run;
  const cost = plan.costs[from.cost];
  if (state.idle > 0 && run.lanes < settings.maxConcurrency) {
    const nodes = from.node >= 0 ? [state.nodes[from.node]!] : state.nodes;
    const first = plan.byRank[from.heap.top]!;
    const claim = (node: Node): boolean =>
      accepts(run, from, node) && (cost === undefined || request(state, run, first, node, cost, out));
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
    else if (from.prefer >= 0 && waitsForHost(state, run, from, first, now, out)) return undefined;
    const node =
      near ??
      settings.strategy(roomy, cost, claim) ??
      (group < 0 ? undefined : settings.strategy(byRoom(run, group, others), cost, claim)) ??
      (others === nodes ? undefined : settings.strategy([state.nodes[from.avoid]!], cost, claim));
    if (node !== undefined)
      return node.lanes.find((lane) => isIdle(lane) && !lane.occupied) ?? node.lanes.find(isIdle)!;
  }
  return findShallow(state, run, from, now);
}

/** A lane with a short batch, which gets a second one so that it never waits for the scheduler. */
function findShallow(state: State, run: Run, from: ReadyClass, now: number): Lane | undefined {
  const { plan } = run;
  const next = plan.byRank[from.heap.top]!;
  const { mean, count } = state.estimates[run.settings.codes[plan.code[next]!]!]!;
  const { batchMs, aheadMs } = state.tuning;
  // What is sent ahead is begun before a more urgent function that becomes ready meanwhile.
  if (
    count === 0 ||
    mean > (plan.prioritized ? batchMs : Math.max(batchMs, aheadMs)) ||
    (plan.flags[next]! & Flag.exclusive) !== 0 ||
    run.suspects.has(next)
  )
    return undefined;
  const cost = plan.costs[from.cost];
  // A plan says what holds a claim next.
  if (cost !== undefined && (state.hungry.size > 1 || run.sequence !== null)) return undefined;
  let best: Lane | undefined;
  let soonest = Infinity;
  for (const lane of state.shallow) {
    const first = lane.batches[0]!;
    const allowed = first.run === run || run.lanes < run.settings.maxConcurrency;
    if (!isPrompt(state, first, now)) continue;
    if (first.claim !== cost || (cost !== undefined && first.run !== run)) continue;
    if (
      !allowed ||
      isExclusive(plan, next, lane.node) ||
      lane.node.index === from.avoid ||
      !accepts(run, from, lane.node)
    )
      continue;
    const end = first.since + first.expectedMs;
    if (end >= soonest) continue;
    soonest = end;
    best = lane;
  }
  // In a plan, the function is meant for the lane of its node that is free first.
  return best !== undefined && run.sequence !== null && !isFreeFirst(best, soonest) ? undefined : best;
}

/** Whether each other lane of the node is expected to be busy at least until this time. */
function isFreeFirst(lane: Lane, end: number): boolean {
  return lane.node.lanes.every((other) => other === lane || !other.up || endOf(other) >= end);
}

/** The time at which a busy lane is expected to have done all that was sent to it; -Infinity if that is unknown. */
function endOf({ batches }: Lane): number {
  let end = batches[0]?.begunAt ?? -Infinity;
  for (const { expectedMs } of batches) end += expectedMs === 0 ? -Infinity : expectedMs;
  return end;
}

/** The share of a class for one lane, so that all lanes that could help get some. */
function shareOf(state: State, run: Run, from: ReadyClass): number {
  const lanes = Math.min(Math.max(1, state.idle > 0 ? state.idle : state.shallow.size), run.settings.maxConcurrency);
  return Math.ceil(from.heap.size / lanes);
}
