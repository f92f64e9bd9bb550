/**
 * The scheduler: `handle(state, event)` returns the commands that follow from an event. It has no clock, promise, I/O
 * or randomness: they arrive in events. So the same code runs in real and in virtual time, and a run can be replayed
 * from its events.
 *
 * ```
 *            ┌────────── putBack: thread lost, taken back, skipped ───────────┐
 *            ▼                                                             │
 *   waiting ───► ready ───► dispatched ───► done                           │
 *            ▲      ▲           │ ├────────────────────────────────────────┘
 *            │      └─ delayed ◄┘ └──► failed (and what depends on it: unreachable)
 *            └ a result is missing      retries exhausted
 *
 *   done ───► waiting, when its result is lost: see failure/lineage.ts
 * ```
 */
import { shortage } from '../resources/amounts.ts';
import { functionCancelled, stopCancelled } from './failure/cancellation.ts';
import { register, reportFaults } from './claims/claims.ts';
import type { Command } from './commands.ts';
import { endIfDone, functionsEnded } from './completion.ts';
import { createRun } from './create-run.ts';
import { dispatch } from './dispatch/dispatch.ts';
import type { Event, EventOf, StartedCount } from './events.ts';
import { endRun, failIfImpossible, settleOutcome, takeBackAll } from './failure/failure.ts';
import { unbindGroups } from './dispatch/groups.ts';
import { endRisk } from './release.ts';
import { lookedUp } from './failure/looked-up.ts';
import { restore } from './failure/restored.ts';
import { extend, growthAnswered } from './growth/grow.ts';
import { functionAt } from './growth/growth.ts';
import { batchesOn, threadOf } from './dispatch/seats.ts';
import { limitsGranted, limitsShared, returnShares } from './claims/shared-limits.ts';
import { threadDown, threadUp, noteProgress, shorten } from './dispatch/threads.ts';
import { resultsLost } from './failure/lineage.ts';
import { enqueue, makeReady } from './ready.ts';
import { defaultConcurrency, type Node, noteIfOver, type Run, type State, Status } from './state.ts';
import { mayBeCopied, stopWatching } from './speculation/speculation.ts';
import { functionStarted, timerFired } from './timers.ts';

/**
 * Applies an event and returns the resulting commands, in the order in which the driver must carry them out.
 *
 * @throws when the event is impossible in this state, which is a fault of the caller
 */
export function handle(state: State, event: Event): Command[] {
  return handleAll(state, [event]);
}

/** Applies events of one moment before it starts anything. For virtual time, where many events have the same time. */
export function handleAll(state: State, events: readonly Event[]): Command[] {
  const out: Command[] = [];
  for (const event of events) apply(state, event, out);
  if (state.extensible.length > 0) extend(state, out);
  dispatch(state, events.at(-1)!.now, out);
  if (state.faults.length > 0) reportFaults(state, out);
  settleRuns(state, out);
  returnShares(state, out);
  return out;
}

function apply(state: State, event: Event, out: Command[]): void {
  switch (event.type) {
    case 'FunctionsEnded':
      return functionsEnded(state, event, out);
    case 'FunctionStarted':
      return functionStarted(state, event, out);
    case 'TakenBack':
      return takenBack(state, event, out);
    case 'TimerFired':
      return timerFired(state, event.timer, out);
    case 'RunSubmitted':
      return runSubmitted(state, event, out);
    case 'FunctionCancelled':
      return functionCancelled(state, event, out);
    case 'RunAborted':
      return runAborted(state, event, out);
    case 'ThreadUp':
      return threadAppeared(state, event, out);
    case 'ThreadDown':
      return threadLost(state, event, out);
    case 'NodeUp':
      return nodeUp(state, event, out);
    case 'NodeDown':
      return nodeDown(state, event, out);
    case 'NodeDraining':
      return nodeDraining(state, event, out);
    case 'ResourcesFreed':
      return;
    case 'LookedUp':
      return lookedUp(state, event, out);
    case 'ResultsLost':
      return resultsLost(state, event, out);
    case 'ResultsTravelling':
      return travelling(state, event.run, event.count);
    case 'ResultsArrived':
      return arrivedHere(state, event, out);
    case 'MemoryPressed':
      return void (state.isPressed = event.isPressed);
    case 'CapabilitiesChanged':
      return capabilitiesChanged(state, event, out);
    default:
      return answered(state, event, out);
  }
}

/** Events that answer commands, or come before those. */
function answered(
  state: State,
  event: EventOf<'LimitsShared' | 'LimitsGranted' | 'RunGrown' | 'GraphGrown' | 'GrowthFailed'>,
  out: Command[],
): void {
  if (event.type === 'LimitsShared') return limitsShared(state);
  if (event.type === 'LimitsGranted') return limitsGranted(state, event);
  return growthAnswered(state, event, out);
}

function takenBack(state: State, { batch: id, limit, now }: EventOf<'TakenBack'>, out: Command[]): void {
  const batch = state.batches.get(id);
  if (batch === undefined) return; // the batch ended before the request reached it
  const count = Math.max(0, batch.size - Math.max(limit, batch.done));
  // Without any function to give back, a second request would have none either.
  batch.takingBack = count === 0;
  // Nothing of the batch started for this long, although no other batch of this scheduler is before it.
  if (
    count > 0 &&
    count === batch.size &&
    batch.thread.batches[0] === batch &&
    !batch.cancelled &&
    now - batch.begunAt >= state.tuning.stuckMs
  )
    threadOf(batch.thread).occupied = true;
  const wasFirst = batch.thread.batches[0] === batch;
  shorten(state, batch, count, out);
  endIfDone(state, batch, out);
  stopCancelled(state, batch, out);
  if (wasFirst && batch.thread.batches[0] !== batch) noteProgress(state, batch, now);
}

function runSubmitted(state: State, { run: id, plan, settings, now }: EventOf<'RunSubmitted'>, out: Command[]): void {
  if (state.runs.has(id)) throw new Error(`run ${id} was submitted twice`);
  const run = createRun(state, id, plan, settings, now);
  state.runs.set(id, run);
  if (mayBeCopied(run)) state.speculation.runs++;
  restore(state, run, settings, out);
  for (let i = 0; i < run.plan.size; i++)
    if (run.missing[i] === 0 && run.status[i] === Status.waiting) makeReady(state, run, i, out);
  noteIfOver(state, run);
}

function runAborted(state: State, { run: id, reason, gently }: EventOf<'RunAborted'>, out: Command[]): void {
  const run = state.runs.get(id);
  if (run === undefined) return;
  const outcome = { kind: 'aborted', reason, gently } as const;
  if (!gently) return endRun(state, run, outcome, out);
  settleOutcome(state, run, outcome, out);
  takeBackAll(run, out);
}

function threadAppeared(state: State, { node: name, incarnation, thread }: EventOf<'ThreadUp'>, out: Command[]): void {
  const node = nodeOf(state, name);
  if (isOfNow(node, incarnation)) threadUp(state, node, thread, out);
}

function threadLost(state: State, event: EventOf<'ThreadDown'>, out: Command[]): void {
  const node = nodeOf(state, event.node);
  if (!isOfNow(node, event.incarnation)) return;
  const thread = node.threads[event.thread];
  if (thread === undefined) throw new Error(`thread ${event.thread} of node ${event.node} went down, but was never up`);
  threadDown(state, thread, event.crash, event.started, event.random, out);
}

/**
 * Whether an event is about the current incarnation of a node. Everything of earlier incarnations was given up already.
 */
function isOfNow(node: Node, incarnation: number): boolean {
  return node.up && node.incarnation === incarnation;
}

function nodeUp(
  state: State,
  { node: name, incarnation, capabilities, speed, host = 0, concurrency = defaultConcurrency }: EventOf<'NodeUp'>,
  out: Command[],
): void {
  let node = state.nodeByName.get(name);
  if (node !== undefined && incarnation <= node.incarnation) return; // late or duplicate
  if (node?.up === true) loseNode(state, node, true, undefined, out); // it came back before its loss was reported
  if (node === undefined) {
    node = {
      index: state.nodes.length,
      name,
      host,
      incarnation,
      capabilities,
      speed,
      up: true,
      returning: false,
      draining: false,
      threads: [],
      threadsUp: 0,
      idle: 0,
      concurrency,
      shared: new Set(),
      sharing: 0,
      seated: 0,
      claimed: {},
    };
    state.nodes.push(node);
    state.nodeByName.set(name, node);
  }
  Object.assign(node, {
    incarnation,
    capabilities,
    speed,
    host,
    concurrency,
    up: true,
    returning: false,
    draining: false,
  });
  if (host !== 0) state.isSpread = true;
  register(state, name, capabilities);
}

function nodeDown(state: State, { node: name, returning, started }: EventOf<'NodeDown'>, out: Command[]): void {
  loseNode(state, nodeOf(state, name), returning, started, out);
}

/** Lets the node finish what it has started. Everything else runs elsewhere. */
function nodeDraining(state: State, { node: name }: EventOf<'NodeDraining'>, out: Command[]): void {
  const node = nodeOf(state, name);
  if (!node.up || node.draining) return;
  node.draining = true;
  state.shrunk = true;
  for (const thread of node.threads) {
    for (const batch of batchesOn(thread)) {
      batch.takingBack = true;
      out.push({ type: 'TakeBack', batch, count: batch.size - batch.done });
    }
  }
  for (const run of state.runs.values()) unbindGroups(run, node);
  unassign(state, node);
  requeue(state, out);
}

function travelling(state: State, id: string, count: number): void {
  const run = state.runs.get(id);
  if (run === undefined) return; // the run has ended, so the results are no longer needed
  run.travelling += count;
  noteIfOver(state, run);
}

function arrivedHere(state: State, { run: id, count, here }: EventOf<'ResultsArrived'>, out: Command[]): void {
  const run = state.runs.get(id);
  const released: number[] = [];
  if (run !== undefined) for (const i of here) endRisk(run, i, released);
  if (released.length > 0) out.push({ type: 'Release', run: run!, indexes: released });
  travelling(state, id, -count);
}

function loseNode(
  state: State,
  node: Node,
  returning: boolean,
  started: readonly StartedCount[] | undefined,
  out: Command[],
): void {
  node.up = false;
  node.returning = returning;
  state.shrunk = true;
  for (const thread of node.threads) {
    threadDown(state, thread, { reason: 'killed' }, started, 0, out); // the running functions are not at fault
  }
  for (const run of state.runs.values()) unbindGroups(run, node);
  unassign(state, node);
  requeue(state, out);
}

/** Lets functions assigned to a node run on others, if the assignment was only a preference. */
function unassign(state: State, node: Node, which: (run: Run, i: number) => boolean = () => true): void {
  for (const run of state.runs.values()) {
    const { settings, assigned } = run;
    if (settings.movable === true)
      assigned?.forEach((bound, i) => {
        if (bound === node.index && which(run, i)) assigned[i] = -1;
      });
  }
}

/** A batch that waits for the claim of the one before it was sent when the node offered more. */
function takeBackWhatDoesNotFit(node: Node, out: Command[]): void {
  for (const thread of node.threads) {
    for (const batch of thread.batches) {
      if (batch.holds || shortage(batch.claim ?? {}, node.capabilities) === undefined) continue;
      batch.takingBack = true;
      out.push({ type: 'TakeBack', batch, count: batch.size - batch.done });
    }
  }
}

function capabilitiesChanged(
  state: State,
  { node: name, capabilities }: EventOf<'CapabilitiesChanged'>,
  out: Command[],
): void {
  const node = nodeOf(state, name);
  register(state, name, capabilities);
  node.capabilities = capabilities;
  takeBackWhatDoesNotFit(node, out);
  state.shrunk = true;
  unassign(state, node, ({ plan }, i) => shortage(plan.costs[plan.cost[i]!] ?? {}, capabilities) !== undefined);
  requeue(state, out);
}

/** Requeues every ready function after nodes have changed. The next dispatch turn finds those that no node can run. */
function requeue(state: State, out: Command[]): void {
  for (const run of state.runs.values()) {
    for (const rank of run.queue.drain()) {
      const i = functionAt(run, rank);
      if (run.status[i] === Status.ready && run.outcome === undefined && !failIfImpossible(state, run, i, out))
        enqueue(state, run, i);
    }
  }
}

/** Closes the runs that are over: all done, or ending with nothing of them left on any thread. */
function settleRuns(state: State, out: Command[]): void {
  for (const run of state.over) {
    const { outcome, failures } = run;
    const finished = run.unfinished === 0 && failures.length === 0;
    if (outcome !== undefined && !(finished && outcome.kind === 'aborted' && outcome.gently))
      close(state, run, out, { type: 'FailRun', run, outcome });
    else if (failures.length > 0)
      close(state, run, out, { type: 'FailRun', run, outcome: { kind: 'failed', failures } });
    else close(state, run, out, { type: 'FinishRun', run });
  }
  state.over.clear();
}

function close(state: State, run: Run, out: Command[], command: Command): void {
  if (run.held.size > 0) out.push({ type: 'Release', run, indexes: [...run.held] });
  state.runs.delete(run.id);
  state.hungry.delete(run);
  if (state.reservation?.run === run) state.reservation = null;
  if (mayBeCopied(run) && --state.speculation.runs === 0) stopWatching(state, out);
  if (run.refusalTimer >= 0) {
    state.timers.delete(run.refusalTimer);
    out.push({ type: 'ClearTimer', timer: run.refusalTimer });
  }
  out.push(command);
}

function nodeOf(state: State, name: string): Node {
  const node = state.nodeByName.get(name);
  if (node === undefined) throw new Error(`node ${name} is not known`);
  return node;
}
