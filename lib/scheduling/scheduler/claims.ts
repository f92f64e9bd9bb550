/** What batches hold of nodes: the tracker's word, and our own books beside it. */
import { add, shortage, subtract } from '../resources/amounts.ts';
import type { Capabilities, Cost } from '../../dag/types.ts';
import { HandoffError } from '../../core/errors.ts';
import { accepts } from './eligibility.ts';
import type { Command } from './commands.ts';
import { endRun } from './failure.ts';
import { demandOf } from './ready.ts';
import { nextId, type Node, type Run, type State } from './state.ts';

/**
 * Asks the tracker for what function `i` needs. True when it was granted; it is then to be held by a batch. A tracker that throws
 * ends the run.
 */
export function request(state: State, run: Run, i: number, node: Node, cost: Cost, out: Command[]): boolean {
  // The node's capabilities first: a custom tracker need not know them as they are now.
  if (run.outcome !== undefined || shortage(cost, node.capabilities) !== undefined) return false;
  try {
    return state.tracker.request(node.name, cost, run.id);
  } catch (error) {
    endRun(state, run, { kind: 'refused', index: i, error }, out);
    return false;
  }
}

/** Whether the tracker would grant it now; one that throws would not. */
export function isAvailable(state: State, node: Node, cost: Cost): boolean {
  try {
    return state.tracker.available(node.name, cost);
  } catch {
    return false;
  }
}

/** Notes a granted claim. */
export function hold(node: Node, cost: Cost | undefined): void {
  if (cost !== undefined) add(node.claimed, cost);
}

/** Gives a claim back. */
export function letGo(state: State, run: Run, node: Node, cost: Cost | undefined): void {
  if (cost === undefined) return;
  subtract(node.claimed, cost);
  try {
    state.tracker.release(node.name, cost, run.id);
  } catch (error) {
    state.faults.push({ run, error });
  }
}

/** Ends the runs whose claims a tracker failed to take back: it cannot be trusted with more. */
export function reportFaults(state: State, out: Command[]): void {
  for (const { run, error } of state.faults.splice(0)) {
    if (state.runs.get(run.id) === run && run.outcome === undefined) endRun(state, run, { kind: 'refused', index: 0, error }, out);
  }
}

/** Makes a node and what it has known to the tracker. */
export function register(state: State, node: string, capabilities: Capabilities): void {
  try {
    state.tracker.register(node, capabilities);
  } catch (cause) {
    throw new HandoffError('RESOURCES_UNAVAILABLE', `The resource tracker threw when node ${node} was registered: ${cause instanceof Error ? cause.message : String(cause)}`, { node, cause });
  }
}

/**
 * Function `i` is ready, lanes are idle, nothing of ours runs, and yet its claim is refused: someone else holds the resource. A
 * tracker has no way to tell us when that changes, so we ask again now and then, and give up in the end rather than hang.
 */
export function watchRefusals(state: State, run: Run, i: number, now: number, out: Command[]): void {
  if (state.batches.size > 0 || state.idle === 0 || run.outcome !== undefined) return;
  const cost = run.plan.costs[run.plan.cost[i]!] ?? {};
  const demand = demandOf(state, run, i);
  if (!state.nodes.some((node) => node.idle > 0 && accepts(run, demand, node) && shortage(cost, node.capabilities) === undefined)) {
    run.refusedSince = -1; // where it could run is being started again: it is not refused, it waits
    return;
  }
  if (run.refusedSince < 0) run.refusedSince = now;
  else if (now - run.refusedSince >= state.tuning.refusalLimit) return endRun(state, run, { kind: 'refused', index: i }, out);
  if (run.refusalTimer >= 0) return;
  const timer = nextId(state);
  run.refusalTimer = timer;
  state.timers.set(timer, { kind: 'refused', run });
  out.push({ type: 'SetTimer', timer, ms: state.tuning.refusalPoll });
}
