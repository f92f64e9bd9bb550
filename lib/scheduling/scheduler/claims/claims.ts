/** The claims of batches on nodes: those of the tracker, and the scheduler's own count of them. */
import { messageOf } from '../../../core/message-of.ts';
import { add, shortage, subtract } from '../../resources/amounts.ts';
import type { Capabilities, Cost } from '../../../dag/types.ts';
import { HandoffError } from '../../../core/errors.ts';
import { accepts } from '../dispatch/eligibility.ts';
import type { Command } from '../commands.ts';
import { endRun } from '../failure/failure.ts';
import { demandOf } from '../ready.ts';
import { nextId, type Node, type Run, type State } from '../state.ts';

/**
 * Asks the tracker for the cost of function `i`. Returns true if it grants the claim, which a batch must then hold. A
 * tracker that throws ends the run.
 */
export function request(state: State, run: Run, i: number, node: Node, cost: Cost, out: Command[]): boolean {
  // The node's own capabilities are checked first, because a custom tracker may not know the current ones.
  if (run.outcome !== undefined || shortage(cost, node.capabilities) !== undefined) return false;
  try {
    return state.tracker.request(node.name, cost, run.id);
  } catch (error) {
    endRun(state, run, { kind: 'refused', index: i, error }, out);
    return false;
  }
}

/** Whether the tracker would grant a claim now. False if it throws. */
export function isAvailable(state: State, node: Node, cost: Cost): boolean {
  try {
    return state.tracker.available(node.name, cost);
  } catch {
    return false;
  }
}

/** Records a granted claim. */
export function hold(node: Node, cost: Cost | undefined): void {
  if (cost !== undefined) add(node.claimed, cost);
}

/** Releases a claim. */
export function letGo(state: State, run: Run, node: Node, cost: Cost | undefined): void {
  if (cost === undefined) return;
  subtract(node.claimed, cost);
  try {
    state.tracker.release(node.name, cost, run.id);
  } catch (error) {
    state.faults.push({ run, error });
  }
}

/** Ends the runs whose claims the tracker failed to release, because it cannot be trusted with more. */
export function reportFaults(state: State, out: Command[]): void {
  for (const { run, error } of state.faults.splice(0)) {
    if (state.runs.get(run.id) === run && run.outcome === undefined)
      endRun(state, run, { kind: 'refused', index: 0, error }, out);
  }
}

/** Registers a node and its capabilities with the tracker. */
export function register(state: State, node: string, capabilities: Capabilities): void {
  try {
    state.tracker.register(node, capabilities);
  } catch (cause) {
    const text = `The resource tracker threw when node ${node} was registered: ${messageOf(cause)}`;
    throw new HandoffError('RESOURCES_UNAVAILABLE', text, { node, cause });
  }
}

/**
 * Handles a refused claim of a ready function while threads are idle and no function of this scheduler runs: something
 * else holds the resource. A tracker cannot report when that changes, so the scheduler asks again at intervals and
 * finally gives up instead of hanging.
 */
export function watchRefusals(state: State, run: Run, i: number, now: number, out: Command[]): void {
  if (state.batches.size > 0 || state.idle === 0 || run.outcome !== undefined) return;
  const cost = run.plan.costs[run.plan.cost[i]!] ?? {};
  const demand = demandOf(state, run, i);
  if (
    !state.nodes.some(
      (node) => node.idle > 0 && accepts(run, demand, node) && shortage(cost, node.capabilities) === undefined,
    )
  ) {
    run.refusedSince = -1; // an eligible node is restarting, so this is a wait, not a refusal
    return;
  }
  if (run.refusedSince < 0) run.refusedSince = now;
  else if (now - run.refusedSince >= state.tuning.refusalLimit)
    return endRun(state, run, { kind: 'refused', index: i }, out);
  if (run.refusalTimer >= 0) return;
  const timer = nextId(state);
  run.refusalTimer = timer;
  state.timers.set(timer, { kind: 'refused', run });
  out.push({ type: 'SetTimer', timer, ms: state.tuning.refusalPoll });
}
