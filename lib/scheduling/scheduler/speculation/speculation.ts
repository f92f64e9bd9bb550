/**
 * Stragglers: if a function runs much longer than is typical of its code, a copy of it starts on an idle thread, and the
 * first result wins (Dean and Ghemawat, "MapReduce", OSDI 2004; Zaharia et al., "Improving MapReduce performance in
 * heterogeneous environments", OSDI 2008). This limits the cost of a slow disk, a busy host or an unlucky wait to
 * little more than a typical duration.
 *
 * An attempt has at most one copy, so that copies that fail at once do not follow each other without end.
 */
import { Flag } from '../../../dag/compile/compiled-dag.ts';
import { accepts } from '../dispatch/eligibility.ts';
import { request } from '../claims/claims.ts';
import { mayUseNow } from '../claims/limits.ts';
import { newBatch } from '../dispatch/new-batch.ts';
import type { Command } from '../commands.ts';
import { beginContest } from './race.ts';
import { isIdle, openBatch } from '../dispatch/threads.ts';
import { isExclusive } from '../failure/once.ts';
import { demandOf, groupOf } from '../ready.ts';
import type { Demand } from '../ready-queue.ts';
import { isReserved } from '../claims/reservation.ts';
import { type Batch, type Thread, nextId, type Node, type Run, type State, Status } from '../state.ts';
import { overdueAfter, type Speculation } from './straggler-threshold.ts';

// The resolution of clocks, in ms.
const moment = 1e-6;

interface Overdue {
  readonly batch: Batch;
  /** ms until it is overdue; negative if it is. */
  readonly left: number;
}

/** Called when a thread is idle and no ready or queued function can start there. */
export function speculate(state: State, now: number, out: Command[]): void {
  const overdue: Overdue[] = [];
  let wait = Infinity;
  for (const run of state.runs.values()) {
    const { settings, outcome, batches } = run;
    if (!mayBeCopied(run) || outcome !== undefined) continue;
    for (const batch of batches) {
      const left = timeLeft(state, batch, settings.speculate!, now);
      if (left > moment) wait = Math.min(wait, left);
      else overdue.push({ batch, left });
    }
  }
  overdue.sort((a, b) => a.left - b.left);
  for (const { batch } of overdue) if (state.idle > 0 && batch.run.outcome === undefined) copy(state, batch, now, out);
  if (state.idle > 0) watch(state, now + wait, now, out);
}

/** Whether functions of a run may be copied. */
export function mayBeCopied({ settings }: Run): boolean {
  return settings.speculate !== undefined && settings.speculate !== null;
}

/** Stops the timer when no run with copies is left. */
export function stopWatching({ timers, speculation }: State, out: Command[]): void {
  if (speculation.timer < 0) return;
  timers.delete(speculation.timer);
  out.push({ type: 'ClearTimer', timer: speculation.timer });
  speculation.timer = -1;
}

/** ms until the last function of a batch is overdue; Infinity if it never is, or may not have a copy. */
function timeLeft(state: State, batch: Batch, speculation: Speculation, now: number): number {
  const { run, functions, thread, contest, gang, cancelled, timedOut, done, size } = batch;
  if (contest !== null || gang !== null || cancelled || timedOut || size - done !== 1 || thread.batches[0] !== batch)
    return Infinity;
  const { plan, settings } = run;
  const i = functions[done]!;
  // An input may have been lost since, and the function may be given up already.
  if (run.status[i] !== Status.dispatched || run.missing[i] !== 0 || (plan.flags[i]! & Flag.once) !== 0)
    return Infinity;
  const estimate = state.estimates[settings.codes[plan.code[i]!]!]!;
  const own = Math.max(plan.entries[i]!.traits.duration ?? 0, settings.known?.get(i) ?? 0);
  return batch.since + overdueAfter(estimate, own, thread.node.speed, speculation) - now;
}

/** Starts a copy of a batch's function, if there is room. */
function copy(state: State, batch: Batch, now: number, out: Command[]): void {
  const { run } = batch;
  const i = batch.functions[batch.done]!;
  const demand = demandOfCopy(state, run, i);
  const uses = run.plan.uses[demand.cost];
  if (uses !== undefined && !mayUseNow(state, uses, now)) return;
  const thread = findThread(state, batch, i, demand, out);
  if (thread === undefined) return;
  const made = newBatch(state, {
    run,
    thread,
    functions: [i],
    now,
    claim: run.plan.costs[demand.cost],
    uses,
    heads: 1,
    exclusive: isExclusive(run.plan, i, thread.node),
  });
  beginContest(batch, made);
  run.copies.started++;
  openBatch(state, made);
  out.push({ type: 'Start', batch: made }, { type: 'Speculated', batch: made, index: i });
}

/** The demands of a copy: the same, but a node that was only a preference is not required. */
function demandOfCopy(state: State, run: Run, i: number): Demand {
  const demand = demandOf(state, run, i);
  if (run.assigned === null || run.settings.movable !== true) return demand;
  const group = groupOf(run, i);
  const pin = run.plan.pins.get(i);
  const node = group >= 0 ? run.groupNode[group]! : pin === undefined ? -1 : state.nodeByName.get(pin)!.index;
  return { ...demand, node, avoid: run.avoid.get(i) ?? -1 };
}

/** Finds a thread for a copy and claims its cost, on another node if possible. */
function findThread(
  state: State,
  { run, thread: { node: here } }: Batch,
  i: number,
  demand: Demand,
  out: Command[],
): Thread | undefined {
  const { plan, settings } = run;
  if (run.threads >= settings.maxConcurrency) return undefined;
  const cost = plan.costs[demand.cost];
  const isFree = (thread: Thread): boolean => isIdle(thread) && !thread.occupied;
  const claim = (node: Node): boolean =>
    accepts(run, demand, node) &&
    node.threads.some(isFree) &&
    (cost === undefined || (!isReserved(state, node) && request(state, run, i, node, cost, out)));
  const isOther = (node: Node): boolean => node !== here && node.index !== demand.avoid;
  const others = state.nodes.filter(isOther);
  const near =
    demand.prefer < 0
      ? undefined
      : settings.strategy(
          others.filter(({ host }) => host === demand.prefer),
          cost,
          claim,
        );
  const node =
    near ??
    settings.strategy(others, cost, claim) ??
    settings.strategy(
      state.nodes.filter((each) => !isOther(each)),
      cost,
      claim,
    );
  return node?.threads.find(isFree);
}

/** Schedules a pass for the time when the next function is overdue. */
function watch(state: State, due: number, now: number, out: Command[]): void {
  const { speculation, timers } = state;
  if (speculation.timer >= 0 && speculation.due <= due + moment) return; // the pass of that timer looks at it again
  stopWatching(state, out);
  if (due === Infinity) return;
  speculation.timer = nextId(state);
  speculation.due = due;
  timers.set(speculation.timer, { kind: 'speculate' });
  out.push({ type: 'SetTimer', timer: speculation.timer, ms: due - now });
}
