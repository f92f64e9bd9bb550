/** Checks the scheduler's invariants from scratch. Slow; for tests and simulations, after every event. */
import { amountOf } from '../resources/amounts.ts';
import { Flag } from '../../dag/compile/compiled-dag.ts';
import { hasLost } from './speculation/race.ts';
import { isExclusive, isOnce } from './failure/once.ts';
import { isShared } from './ready.ts';
import { isError } from './release.ts';
import { batchesOn } from './dispatch/seats.ts';
import { mayBeCopied } from './speculation/speculation.ts';
import { elementsOf, inputsOf, spanOf, spanOfOwner } from './growth/growth.ts';
import { forEachInput, Need, needOf, partsOf } from './failure/readers.ts';
import { causesOfSkip } from './growth/skipping.ts';
import { type Batch, type Thread, type Node, type Run, type State, Status } from './state.ts';

/** @throws an `Error` that names the violated invariant and the object concerned */
export function validate(state: State): void {
  let idle = 0;
  for (const node of state.nodes) idle += validateNode(node);
  expect(state.idle === idle, () => `state.idle is ${state.idle}, but ${idle} threads are idle`);
  const threads = state.nodes.flatMap((node) => node.threads);
  const counts = {
    shared: state.nodes.reduce((sum, { shared }) => sum + shared.size, 0),
    sharing: threads.filter(({ taken }) => taken.size > 0).length,
    draining: threads.filter(({ draining }) => draining).length,
  };
  for (const [name, count] of Object.entries(counts) as [keyof typeof counts, number][])
    expect(state[name] === count, () => `state.${name} is ${state[name]}, but ${count} threads are`);
  const idleNodes = state.nodes.filter((node) => node.idle > 0);
  expect(
    state.idleNodes.length === idleNodes.length && idleNodes.every((node, k) => state.idleNodes[k] === node),
    () => 'idleNodes does not list the nodes with idle threads in order',
  );
  for (const batch of [...state.stealing.divisible, ...state.stealing.silent])
    expect(state.batches.get(batch.id) === batch, () => `batch ${batch.id} is over, but may be divided`);
  const ganged = [...state.batches.values()].filter((batch) => batch.gang !== null).length;
  expect(state.ganged === ganged, () => `state.ganged is ${state.ganged}, but ${ganged} batches are in a gang`);
  for (const thread of state.shallow)
    expect(
      thread.batches.length === 1 && thread.up,
      () => `thread ${describe(thread)} is in shallow, but has ${thread.batches.length} batches`,
    );
  for (const batch of state.batches.values()) validateBatch(state, batch);
  for (const run of state.runs.values()) validateRun(state, run);
  for (const run of state.hungry) expect(state.runs.get(run.id) === run, () => `run ${run.id} is over, but hungry`);
  validateReservation(state);
  validateLimits(state);
  expect(state.over.size === 0, () => 'runs that are over were not closed');
  const copied = [...state.runs.values()].filter(mayBeCopied).length;
  expect(
    state.speculation.runs === copied,
    () => `speculation.runs is ${state.speculation.runs}, but functions of ${copied} runs are copied`,
  );
  expect(
    state.speculation.timer < 0 || (copied > 0 && state.timers.has(state.speculation.timer)),
    () => 'the timer for copies does not run, or no run needs it',
  );
}

/** Batches hold what limits count as used, and never more than a limit allows. */
function validateLimits({ limits, batches }: State): void {
  for (const [name, { used, concurrency, tokens, burst, share }] of limits) {
    let held = 0;
    for (const { run, functions } of batches.values())
      held += run.plan.uses[run.plan.cost[functions[0]!]!]?.[name] ?? 0;
    expect(Math.abs(used - held) < 1e-6, () => `limit ${name} counts ${used}, but batches use ${held}`);
    expect(used <= concurrency + 1e-6, () => `limit ${name} of ${concurrency} is exceeded: ${used} is used`);
    expect(tokens <= burst, () => `limit ${name} has ${tokens} tokens, ${burst} at most`);
    expect((share?.returned ?? 0) === 0, () => `limit ${name} keeps ${share!.returned} that functions have given back`);
  }
}

/** A reservation belongs to a class that waits for a claim, and to the run that has waited longest of those. */
function validateReservation({ reservation, runs }: State): void {
  if (reservation === null) return;
  const { run, from, passed } = reservation;
  expect(runs.get(run.id) === run, () => `node ${reservation.node.name} is reserved for run ${run.id}, which is over`);
  if (run.outcome !== undefined || from.heap.size === 0) return; // the next turn drops it
  expect(run.short?.from === from, () => `node ${reservation.node.name} is reserved for a class that is not short`);
  expect(run.queue.classes.includes(from), () => `node ${reservation.node.name} is reserved for a class that is gone`);
  expect(passed <= 4, () => `${passed} batches passed the reservation on ${reservation.node.name}`);
}

function validateNode(node: Node): number {
  const up = node.threads.filter((thread) => thread.up);
  const idle = up.filter((thread) => batchesOn(thread).length === 0 && !thread.killing);
  expect(
    node.threadsUp === up.length,
    () => `${node.name}: threadsUp is ${node.threadsUp}, but ${up.length} threads are up`,
  );
  expect(node.idle === idle.length, () => `${node.name}: idle is ${node.idle}, but ${idle.length} threads are`);
  const held: Record<string, number> = {};
  for (const thread of node.threads) {
    expect(thread.batches.length <= 2, () => `thread ${describe(thread)} has ${thread.batches.length} batches`);
    expect(thread.up || thread.batches.length === 0, () => `thread ${describe(thread)} is down, but has batches`);
    validateSeats(thread);
    for (const { claim = {}, holds } of batchesOn(thread))
      if (holds) for (const name in claim) held[name] = amountOf(held, name) + claim[name]!;
  }
  for (const name of new Set([...Object.keys(held), ...Object.keys(node.claimed)])) {
    const holds = amountOf(held, name);
    expect(
      Math.abs(holds - amountOf(node.claimed, name)) < 1e-6,
      () => `${node.name}: batches hold ${name} ${holds}, but ${amountOf(node.claimed, name)} is booked`,
    );
    expect(
      holds <= amountOf(node.capabilities, name) + 1e-6,
      () => `${node.name}: ${name} ${holds} is claimed of ${amountOf(node.capabilities, name)}`,
    );
  }
  const sharing = node.threads.filter(({ taken }) => taken.size > 0);
  const seated = sharing.reduce((sum, { taken }) => sum + taken.size, 0);
  expect(
    node.sharing === sharing.length && node.seated === seated,
    () =>
      `${node.name} counts ${node.seated} seats on ${node.sharing} threads, but ${seated} on ${sharing.length} are taken`,
  );
  return idle.length;
}

/** A thread has either batches or seats, and each seat holds one concurrent function. */
function validateSeats(thread: Thread): void {
  const { node, taken, batches, up, killing, draining } = thread;
  const name = describe(thread);
  expect(taken.size === 0 || batches.length === 0, () => `thread ${name} is shared, and has batches of its own`);
  expect(taken.size <= node.concurrency, () => `thread ${name} has ${taken.size} of ${node.concurrency} seats taken`);
  expect(up || taken.size === 0, () => `thread ${name} is down, but has seats that are taken`);
  expect(!draining || taken.size > 0, () => `thread ${name} drains, but is not shared`);
  const hasRoom = up && !killing && !draining && taken.size > 0 && taken.size < node.concurrency;
  expect(node.shared.has(thread) === hasRoom, () => `thread ${name} is wrongly taken for a shared one with room`);
  for (const seat of taken) {
    expect(seat.of === thread && seat.batches.length === 1, () => `a seat of thread ${name} holds not one batch`);
    for (const { run, functions } of seat.batches)
      expect(
        functions.length === 1 && isShared(run, functions[0]!),
        () => `${label(run, functions[0]!)} has a seat on thread ${name}, but needs a thread for itself`,
      );
  }
}

function validateBatch(state: State, batch: Batch): void {
  const { id, run, thread, functions } = batch;
  expect(state.runs.get(run.id) === run || hasLost(batch), () => `batch ${id} is of run ${run.id}, which is over`);
  expect(run.batches.has(batch), () => `batch ${id} is not among those of its run`);
  expect(thread.batches.includes(batch), () => `batch ${id} is not on its thread`);
  expect(
    batch.done < batch.size && batch.size <= functions.length,
    () => `batch ${id} is open with ${batch.done} of ${batch.size} done`,
  );
  expect(
    functions.length <= state.tuning.batchSize,
    () => `batch ${id} has ${functions.length} functions, ${state.tuning.batchSize} at most`,
  );
  expect(
    functions.length === 1 || functions.every((i) => (run.plan.flags[i]! & Flag.limited) === 0),
    () => `batch ${id} has functions that use limits of the program, and travels with others`,
  );
  for (const i of functions) {
    expect(
      !isOnce(run.plan, i) || functions.length === 1,
      () => `${label(run, i)} is not idempotent, and travels with others`,
    );
    expect(
      !isExclusive(run.plan, i, thread.node) || batch.exclusive,
      () => `${label(run, i)} is in batch ${id}, which is not exclusive`,
    );
  }
  expect(batch.holds || thread.batches[0] !== batch, () => `batch ${id} works without holding its claim`);
  expect(
    batch.holds || (thread.batches[0]!.claim === batch.claim && thread.batches[0]!.run === run),
    () => `batch ${id} waits for a claim that is not the same`,
  );
  expect(
    !batch.exclusive || thread.batches.length === 1,
    () => `batch ${id} is exclusive, but not alone on its thread`,
  );
  validateGang(batch);
  validateContest(state, batch);
  if (hasLost(batch)) return; // its function may be anywhere by now
  const before = new Set<number>();
  functions.forEach((i, at) => {
    const isGivenUp = run.status[i] === Status.unreachable || run.status[i] === Status.failed;
    if (at >= batch.done && at < batch.size && !isGivenUp) {
      const isRivals =
        batch.contest !== null && batch.contest.rival !== null && run.batch[i] === batch.contest.rival.id;
      expect(
        run.status[i] === Status.dispatched && (run.batch[i] === id || isRivals),
        () => `${label(run, i)} is in batch ${id}, but has status ${run.status[i]} and batch ${run.batch[i]}`,
      );
      for (const dep of inputsOf(run, i)) {
        const there =
          run.status[dep] === Status.done ||
          run.status[dep] === Status.skipped ||
          before.has(dep) ||
          batch.gang?.imports.has(dep) === true;
        expect(
          there || run.outcome !== undefined || run.attempts[dep]! > 0 || run.losses.has(dep),
          () => `${label(run, i)} was sent without ${label(run, dep)}`,
        );
      }
    }
    before.add(i);
  });
}

/** In an open race, both batches run the same function and refer to each other. A batch that has lost is cancelled. */
function validateContest(state: State, batch: Batch): void {
  const { id, run, functions, done, size, contest } = batch;
  if (contest === null) return;
  const { rival, isCopy, isLost } = contest;
  const i = functions[done]!;
  expect(
    mayBeCopied(run) && batch.gang === null && size - done === 1,
    () => `batch ${id} is in a contest, with ${size - done} functions left`,
  );
  expect(!isCopy || functions.length === 1, () => `batch ${id} is a copy, of ${functions.length} functions`);
  expect((run.plan.flags[i]! & Flag.once) === 0, () => `${label(run, i)} is copied, but must not run twice at once`);
  expect(!isLost || (rival === null && batch.cancelled), () => `batch ${id} has lost, and goes on`);
  if (rival === null) return;
  expect(
    state.batches.get(rival.id) === rival && rival.run === run && rival.functions[rival.done] === i,
    () => `batch ${id} is in a contest with batch ${rival.id}, which does not run ${label(run, i)}`,
  );
  expect(
    rival.contest?.rival === batch && rival.contest.isCopy !== isCopy,
    () => `batch ${id} is in a contest with batch ${rival.id}, which does not know`,
  );
  expect(
    run.status[i] === Status.unreachable ||
      run.status[i] === Status.failed ||
      run.batch[i] === id ||
      run.batch[i] === rival.id,
    () => `${label(run, i)} is in neither of the batches ${id} and ${rival.id}`,
  );
}

/** Imports and exports of gang batches must match. */
function validateGang({ id, functions, gang }: Batch): void {
  expect(
    gang === null || gang.imports.size === gang.sources.length,
    () => `batch ${id} imports ${gang?.imports.size} results at ${gang?.sources.length} places`,
  );
  for (const { at, to, place } of gang?.exports ?? []) {
    expect(
      to.gang?.imports.get(functions[at]!) === place,
      () => `batch ${id} gives function ${functions[at]} to batch ${to.id}, which does not take it`,
    );
  }
  for (const [dep, place] of gang?.imports ?? []) {
    const { id: from, functions: given, gang: source } = gang!.sources[place]!;
    const at = given.indexOf(dep);
    expect(
      at >= 0 && from !== id && !functions.includes(dep),
      () => `batch ${id} takes function ${dep} of batch ${from}, which does not have it`,
    );
    expect(
      source!.exports.some((each) => each.at === at && each.to.id === id && each.place === place),
      () => `batch ${from} does not know that batch ${id} takes function ${dep} of it`,
    );
  }
}

function validateRun(state: State, run: Run): void {
  const { plan, status } = run;
  let unfinished = 0;
  let ready = 0;
  let skipped = 0;
  for (let i = 0; i < plan.size; i++) {
    const missing = missingInputs(run, i) + (run.gated?.[i] ?? 0);
    expect(
      run.missing[i] === missing,
      () => `${label(run, i)}: missing is ${run.missing[i]}, but ${missing} results are`,
    );
    if (status[i] === Status.skipped) skipped++;
    else if (status[i] !== Status.done && status[i] !== Status.failed && status[i] !== Status.unreachable) unfinished++;
    validateBranch(run, i);
    if (status[i] === Status.ready) {
      ready++;
      expect(missing === 0, () => `${label(run, i)} is ready without all its results`);
    }
    validateHolder(state, run, i, missing);
  }
  validateSpans(run);
  validateExpansions(run);
  validatePromises(run);
  expect(run.skipped === skipped, () => `${run.id}: skipped is ${run.skipped}, but ${skipped} are`);
  expect(run.unfinished === unfinished, () => `${run.id}: unfinished is ${run.unfinished}, but ${unfinished} are`);
  expect(
    run.outcome !== undefined || run.queue.size === ready,
    () => `${run.id}: ${run.queue.size} are queued, but ${ready} are ready`,
  );
  expect(
    ready === 0 || run.outcome !== undefined || state.hungry.has(run),
    () => `${run.id} has ready functions, but is not hungry`,
  );
  validateHeld(run);
  validateHolding(run);
  validateCounts(run);
}

/** A function is skipped if and only if its condition or a skipped input says so. */
function validateBranch(run: Run, i: number): void {
  const { plan, status } = run;
  if (plan.branches === null) return expect(status[i] !== Status.skipped, () => `${label(run, i)} is skipped`);
  if (run.skipped === 0 && run.conditions.size === 0 && status[i] !== Status.skipped) return;
  const because = causesOfSkip(run, i);
  if (status[i] === Status.skipped) expect(because.length > 0, () => `${label(run, i)} is skipped without a reason`);
  const runs = status[i] === Status.ready || status[i] === Status.dispatched || status[i] === Status.done;
  if (runs && because.length > 0)
    throw new Error(`invariant: ${label(run, i)} has status ${status[i]}, but ${label(run, because[0]!)} skips it`);
}

/** The status of a function says what holds it: nothing, a timer or a batch. */
function validateHolder(state: State, run: Run, i: number, missing: number): void {
  const { status } = run;
  if (status[i] === Status.waiting)
    expect(missing > 0 || run.outcome !== undefined || isHeld(run, i), () => `${label(run, i)} waits for nothing`);
  if (status[i] === Status.delayed && run.outcome === undefined)
    expect(state.timers.has(run.delays.get(i) ?? -1), () => `${label(run, i)} is delayed, but no timer runs`);
  if (status[i] !== Status.delayed)
    expect(!run.delays.has(i), () => `${label(run, i)} has a timer for its next attempt, but is not delayed`);
  if (status[i] === Status.dispatched)
    expect(
      state.batches.get(run.batch[i]!)?.functions[run.tally[i]!] === i,
      () => `${label(run, i)} is dispatched, but in no batch`,
    );
}

/** Nodes promise room only to groups that are bound to them and whose root has not started. */
function validatePromises(run: Run): void {
  const { plan, status } = run;
  const promised = new Map<number, number>();
  plan.groups.forEach(({ root }, group) => {
    const node = run.promisedAt[group]!;
    if (node < 0) return;
    expect(
      run.groupNode[group] === node && status[root]! < Status.dispatched,
      () => `group ${group} is promised room on node ${node}, where it is not to start`,
    );
    promised.set(node, (promised.get(node) ?? 0) + 1);
  });
  for (const [node, { groups }] of run.promised)
    expect(
      groups === (promised.get(node) ?? 0),
      () => `${run.id}: node ${node} has room for ${groups} groups, but ${promised.get(node) ?? 0} were promised that`,
    );
}

/** Only results of functions that are not idempotent, those of earlier runs, and errors are held to the end. */
function validateHeld(run: Run): void {
  const { plan, status } = run;
  for (const i of run.held) {
    const isUnread = run.unread?.[i] === 0 && run.settings.kept![i] === 0;
    expect(
      ((run.holdsOnce && isOnce(plan, i)) || run.cached.has(i) || isError(run, i)) &&
        status[i] === Status.done &&
        isUnread,
      () => `${label(run, i)} is held to the end, and is not to be`,
    );
  }
}

/** What functions hold equals what is lent to them; only a result that may be lost makes its function hold something. */
function validateHolding(run: Run): void {
  const { status, unread, holding, growth } = run;
  if (unread === null) return expect(holding.size === 0, () => `${run.id} holds results that are kept to the end`);
  const lent = lentBy(run);
  for (const i of holding) {
    const span = spanOfOwner(run, i);
    const isRisked = span === undefined ? run.remote.has(i) && needOf(run, i) !== Need.nothing : span.holding > 0;
    // A map may wait for the graph of one element, or be given up because one cannot be made again, and hold what the
    // others were made from.
    const isOwner = status[i] === Status.open || status[i] === Status.unreachable;
    const hasRead = status[i] === Status.done || (isOwner && span?.isReading === false);
    expect(hasRead && isRisked, () => `${label(run, i)} holds its inputs, with status ${status[i]}`);
  }
  for (let i = 0; i < run.plan.size; i++) {
    const [counted, held] = [run.lent.get(i) ?? 0, lent.get(i) ?? 0];
    expect(
      counted === held && unread[i]! >= held,
      () => `${label(run, i)} counts ${counted} of ${unread[i]} that only hold it, but ${held} do`,
    );
  }
  for (const i of run.gone)
    expect(
      status[i] === Status.done && needOf(run, i) === Need.holding,
      () => `${label(run, i)} is gone, and is not only held`,
    );
  for (const span of growth?.byOwner.values() ?? []) {
    const elements = [...elementsOf(span)].filter((i) => holding.has(i)).length;
    expect(
      span.holding === elements,
      () => `${label(run, span.owner)}: holding is ${span.holding}, but ${elements} elements hold inputs`,
    );
  }
}

/** By function: how many functions only hold its result. */
function lentBy(run: Run): Map<number, number> {
  const lent = new Map<number, number>();
  const lend = (dep: number): unknown => lent.set(dep, (lent.get(dep) ?? 0) + 1);
  for (const i of run.holding) forEachInput(run, i, lend);
  // What is lent as one is lent in all its parts, which come behind it.
  const composites = [...(run.growth?.byOwner.keys() ?? []), ...(run.growth?.expansions.keys() ?? [])];
  for (const owner of composites.toSorted((a, b) => a - b))
    if (needOf(run, owner) === Need.holding) for (const part of partsOf(run, owner)) lend(part);
  return lent;
}

/** Counters of a run equal what its batches show. */
function validateCounts(run: Run): void {
  const threads = new Set([...run.batches].map((batch) => batch.thread)).size;
  const ganged = [...run.batches].filter((batch) => batch.gang !== null).length;
  const losing = [...run.batches].filter(hasLost).length;
  expect(
    run.copies.losing === losing,
    () => `${run.id}: copies.losing is ${run.copies.losing}, but ${losing} of its batches have lost`,
  );
  expect(run.ganged === ganged, () => `${run.id}: ganged is ${run.ganged}, but ${ganged} of its batches are in a gang`);
  expect(
    run.threads === threads && threads <= run.settings.maxConcurrency,
    () => `${run.id}: threads is ${run.threads}, but it uses ${threads} of ${run.settings.maxConcurrency}`,
  );
}

/** As `inputsOf`, but without a list of them. */
function missingInputs(run: Run, i: number): number {
  const { plan, status } = run;
  const span = spanOf(run, i);
  const of = span?.owner ?? i;
  const list = span?.source?.owner;
  let missing = span?.source != null && isMissing(status[span.source.base + i - span.base]!) ? 1 : 0;
  for (let k = plan.depOffset[of]!; k < plan.depOffset[of + 1]!; k++)
    if (plan.deps[k] !== list && isMissing(status[plan.deps[k]!]!)) missing++;
  return missing;
}

function isMissing(status: number): boolean {
  return status !== Status.done && status !== Status.skipped;
}

/** Whether an element waits for a place of its map, which are all taken. */
function isHeld(run: Run, i: number): boolean {
  const span = spanOf(run, i);
  return span !== undefined && span.admitted.size === span.map.concurrency && span.held.includes(i, span.nextHeld);
}

/** A map is done when all its elements are, and no more of them run than may. */
function validateSpans(run: Run): void {
  for (const span of run.growth?.byOwner.values() ?? []) {
    const { owner, map, admitted, left } = span;
    const elements = [...elementsOf(span)];
    const undone = elements.filter((i) => run.status[i] !== Status.done).length;
    expect(left === undone, () => `${label(run, owner)}: left is ${left}, but ${undone} elements are not done`);
    if (run.status[owner] === Status.open)
      expect(
        undone > 0 || run.outcome !== undefined,
        () => `${label(run, owner)} is open, and nothing of it is missing`,
      );
    if (run.status[owner] === Status.done)
      expect(undone === 0, () => `${label(run, owner)} is done, and ${undone} elements are not`);
    expect(
      admitted.size <= map.concurrency,
      () => `${label(run, owner)} runs ${admitted.size} of ${map.concurrency} elements`,
    );
    if (map.concurrency === Infinity) continue;
    for (const i of elements) {
      const isActive =
        run.status[i] === Status.ready || run.status[i] === Status.delayed || run.status[i] === Status.dispatched;
      expect(!isActive || admitted.has(i), () => `${label(run, i)} has no place, and status ${run.status[i]}`);
    }
  }
}

/** A function that answered with a graph is done when all functions of that are done or skipped. */
function validateExpansions(run: Run): void {
  for (const expansion of run.growth?.expansions.values() ?? []) {
    const { owner, left } = expansion;
    const undone = [...elementsOf(expansion)].filter(
      (i) => run.status[i] !== Status.done && run.status[i] !== Status.skipped,
    ).length;
    expect(
      left === undone,
      () => `${label(run, owner)}: left is ${left}, but ${undone} functions of its graph are not done`,
    );
    if (run.status[owner] === Status.open)
      expect(undone > 0 || run.outcome !== undefined, () => `${label(run, owner)} is open, and its graph is done`);
    if (run.status[owner] === Status.done && !isSettling(run, owner))
      expect(undone === 0, () => `${label(run, owner)} is done, and ${undone} functions of its graph are not`);
  }
}

/** Whether the error of a function may be its result. */
function isSettling(run: Run, i: number): boolean {
  return spanOf(run, i)?.map.settle === true;
}

function label(run: Run, i: number): string {
  return `${run.id}/${run.plan.entries[i]!.id}`;
}

function describe(thread: Thread): string {
  return `${thread.node.name}:${thread.index}`;
}

function expect(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(`invariant: ${message()}`);
}
