/** The turn: gives idle lanes work, run by run, as long as there is both. */
import { shortage } from '../allocation/amounts.ts';
import { Flag } from '../dag/plan.ts';
import type { Cost } from '../dag/types.ts';
import { request, watchRefusals } from './claims.ts';
import type { Command } from './commands.ts';
import { compose } from './compose.ts';
import { closeBatch, openBatch } from './lanes.ts';
import { settleNeighbours } from './neighbours.ts';
import type { ReadyClass } from './ready-queue.ts';
import { rebalance } from './rebalance.ts';
import type { Lane, Node, Run, State } from './state.ts';

/** Starts whatever can start. Looks at runs with the fewest lanes first, so that a small run is not held up by a large one. */
export function dispatch(state: State, now: number, out: Command[]): void {
  state.turn++;
  while (state.idle > 0 || state.shallow.size > 0) {
    const run = nextRun(state);
    if (run === undefined) break;
    if (!startOne(state, run, now, out)) run.blocked = state.turn;
  }
  if (state.idle > 0 && state.batches.size > 0) rebalance(state, now, out);
}

function nextRun(state: State): Run | undefined {
  let best: Run | undefined;
  for (const run of state.hungry) {
    if (run.queue.size === 0 || run.outcome !== undefined) state.hungry.delete(run);
    else if (run.blocked !== state.turn && (best === undefined || run.lanes < best.lanes)) best = run;
  }
  return best;
}

/** Starts one batch of a run; false when nothing of it finds room. */
function startOne(state: State, run: Run, now: number, out: Command[]): boolean {
  for (let from = run.queue.best(state.turn); from !== undefined; from = run.queue.best(state.turn)) {
    const lane = findLane(state, run, from, now, out);
    if (lane === undefined) {
      from.blocked = state.turn;
      if (run.plan.costs[from.cost] !== undefined) watchRefusals(state, run, run.plan.byRank[from.heap.top]!, now, out);
      continue;
    }
    run.refusedSince = -1;
    const batch = compose(state, run, from, lane, shareOf(state, run, from), now);
    openBatch(state, batch);
    if (batch.size === 0) {
      closeBatch(state, batch); // every function of it was bound to another node meanwhile
      continue;
    }
    if (run.plan.nodesNeeded.size > 0) settleNeighbours(state, run, batch.functions);
    out.push({ type: 'Start', batch });
    return true;
  }
  return false;
}

/** A lane for the next batch of a class, its claim granted; undefined when there is none now. */
function findLane(state: State, run: Run, from: ReadyClass, now: number, out: Command[]): Lane | undefined {
  const { plan, settings } = run;
  const cost = plan.costs[from.cost];
  if (state.idle > 0 && run.lanes < settings.maxConcurrency) {
    const nodes = from.node >= 0 ? [state.nodes[from.node]!] : state.nodes;
    const need = plan.costs[from.need];
    const first = plan.byRank[from.heap.top]!;
    const claim = (node: Node): boolean => mayRun(from, need, node) && (cost === undefined || request(state, run, first, node, cost, out));
    const node = settings.strategy(nodes, cost, claim);
    if (node !== undefined) return node.lanes.find((lane) => lane.up && lane.batches.length === 0)!;
  }
  return cost === undefined ? findShallow(state, run, from, now) : undefined;
}

/** A lane that works on a short batch, to which another may be sent so that it never waits for us. */
function findShallow(state: State, run: Run, from: ReadyClass, now: number): Lane | undefined {
  const { plan } = run;
  const next = plan.byRank[from.heap.top]!;
  const { mean, count } = state.estimates[run.settings.codes[plan.code[next]!]!]!;
  if (count === 0 || mean > state.tuning.batchMs || (plan.flags[next]! & Flag.exclusive) !== 0) return undefined;
  for (const lane of state.shallow) {
    const first = lane.batches[0]!;
    const allowed = first.run === run || run.lanes < run.settings.maxConcurrency;
    // A lane that has not answered for long is not short of work, whatever was expected of it.
    if (now - first.sentAt > 4 * state.tuning.batchMs) continue;
    if (allowed && first.claim === undefined && mayRun(from, plan.costs[from.need], lane.node)) return lane;
  }
  return undefined;
}

function mayRun({ node, avoid }: ReadyClass, need: Cost | undefined, candidate: Node): boolean {
  return candidate.up && (node === -1 || node === candidate.index) && candidate.index !== avoid
    && (need === undefined || shortage(need, candidate.capabilities) === undefined);
}

/** The part of a class that one lane should take, so that all lanes that could help get some. */
function shareOf(state: State, run: Run, from: ReadyClass): number {
  const lanes = Math.min(Math.max(1, state.idle + state.shallow.size), run.settings.maxConcurrency);
  return Math.ceil(from.heap.size / lanes);
}
