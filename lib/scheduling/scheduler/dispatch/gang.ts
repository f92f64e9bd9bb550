/**
 * Running ahead. When the ready functions would keep the threads busy for less time than a round trip to the scheduler,
 * the threads also get the work that follows, as a **gang** (Ousterhout, "Scheduling techniques for concurrent systems",
 * 1982). Workers hand results of one thread directly to another, without waiting for the scheduler.
 *
 * Each thread gets its part in the order of the graph's levels, so that the first of all unfinished functions can always
 * run: a gang cannot deadlock. If a result does not arrive in time, the worker skips the functions that need it, and
 * they return to the scheduler.
 */
import { Flag } from '../../../dag/compile/compiled-dag.ts';
import { accepts } from './eligibility.ts';
import type { Command } from '../commands.ts';
import { expectedMs, mayFollow, settles, sharedBatches, sureAfter } from './batching.ts';
import { settlePromise } from './groups.ts';
import { functionAt } from '../growth/growth.ts';
import { closeBatch, isIdle, openBatch } from './threads.ts';
import { settleNeighbours } from '../plan/node-dependencies.ts';
import { newBatch } from './new-batch.ts';
import type { ReadyClass } from '../ready-queue.ts';
import { type Batch, type Node, type Run, type State, Status } from '../state.ts';
import { wakeAfter } from './wake.ts';

// A thread of a gang is overdue when it exceeds its expected time by this factor plus these ms, because threads also wait
// for each other.
const lateFactor = 1.5;
const lateMs = 0.25;

/**
 * Starts a gang of batches that begin with functions of a class. Returns false if there is no room or no need for a
 * gang.
 */
export function startGang(state: State, run: Run, from: ReadyClass, now: number, out: Command[]): boolean {
  const { plan, settings } = run;
  const first = functionAt(run, from.heap.top);
  if (now < run.gangsFrom || from.concurrent) return false;
  const free = threadsFor(state, run);
  if (
    free < 2 ||
    !isNarrow(state, run, from, free) ||
    (plan.flags[first]! & (Flag.exclusive | Flag.once | Flag.limited)) !== 0 ||
    run.suspects.has(first)
  )
    return false;
  // At most as many threads as get enough ready work to justify a message.
  const threads = Math.min(
    free,
    Math.floor((from.heap.size * state.estimates[settings.codes[plan.code[first]!]!]!.mean) / state.tuning.minMs),
  );
  if (threads < 2) return false;
  const batches = openOn(state, run, from, threads, now);
  if (batches.length >= 2) new Gang(state, run, batches).fill(from);
  let started = false;
  for (const batch of batches) {
    if (batch.functions.length === 0) {
      closeBatch(state, batch);
      continue;
    }
    batch.size = batch.functions.length;
    if (plan.nodesNeeded.size > 0) settleNeighbours(state, run, batch.functions);
    out.push({ type: 'Start', batch });
    started = true;
  }
  return started;
}

/** The maximum number of gang threads for a run: its share when there are other runs. */
function threadsFor({ idle, ganged, runs, tuning }: State, { threads, settings }: Run): number {
  return Math.min(Math.floor(idle / runs.size), tuning.gangThreads - ganged, settings.maxConcurrency - threads);
}

// After a gang whose threads did not keep pace, gangs pause for this many ms. The pause doubles each time, up to a
// maximum.
const minPauseMs = 4;
const maxPauseMs = 1000;

/**
 * Pauses gangs after functions were skipped because their inputs did not arrive in time: some threads do not get to run,
 * or some function takes much longer than others of its code. Another gang right away would end the same way.
 */
export function putOffGangs(run: Run, now: number): void {
  if (now < run.gangsFrom) return; // already paused by another batch of the same gang
  run.gangPause = Math.min(maxPauseMs, Math.max(minPauseMs, run.gangPause * 2));
  run.gangsFrom = now + run.gangPause;
}

/**
 * Whether ready functions wait for the end of the run's current gang. That is soon, and then all threads can be filled
 * together again.
 */
export function waitsForGang(state: State, run: Run, from: ReadyClass, now: number, out: Command[]): boolean {
  if (run.ganged === 0 || !isNarrow(state, run, from, run.threads + state.idle)) return false;
  let left = 0;
  for (const batch of run.batches)
    if (batch.gang !== null) left = Math.max(left, batch.begunAt + batch.expectedMs * lateFactor + lateMs - now);
  if (left <= 0) return false;
  wakeAfter(state, now, left, out);
  return true;
}

/** Whether the functions of a class have dependents, and are too little work by themselves for this many threads. */
function isNarrow({ tuning, estimates }: State, run: Run, from: ReadyClass, threads: number): boolean {
  const { plan, settings } = run;
  const first = functionAt(run, from.heap.top);
  if (tuning.gangMs === 0 || plan.prioritized || plan.costs[from.cost] !== undefined || from.avoid !== -1) return false;
  if (plan.outOffset[first] === plan.outOffset[first + 1]) return false;
  const { mean, count } = estimates[settings.codes[plan.code[first]!]!]!;
  return count >= sureAfter && mean >= tuning.gangGrainMs && from.heap.size * mean < threads * tuning.batchMs;
}

/** Opens empty batches on idle threads of nodes, as the run's strategy chooses. */
function openOn(state: State, run: Run, from: ReadyClass, threads: number, now: number): Batch[] {
  const batches: Batch[] = [];
  const isHere = ({ host }: Node): boolean => host === 0;
  while (batches.length < threads) {
    const nodes = (from.node >= 0 ? [state.nodes[from.node]!] : state.idleNodes).filter(isHere);
    const node = run.settings.strategy(nodes, undefined, (each) => each.idle > 0 && accepts(run, from, each));
    if (node === undefined) break;
    const batch = newBatch(state, {
      run,
      thread: node.threads.find(isIdle)!,
      functions: [],
      now,
      gang: { imports: new Map(), sources: [], exports: [] },
    });
    openBatch(state, batch);
    batches.push(batch);
  }
  return batches;
}

/** A function that can follow, and the batch of the gang that it is for. */
interface Next {
  readonly i: number;
  readonly part: number;
}

class Gang {
  readonly #state: State;
  readonly #run: Run;
  readonly #batches: readonly Batch[];
  /** By batch: ms of the work it has or will get. */
  readonly #load: Float64Array;
  /** By batch: the number of those functions. */
  readonly #booked: Int32Array;
  /** Marks functions of which some inputs were counted. */
  readonly #mark: number;
  /**
   * Functions of the next level that need only results of their own thread. They come first, so that results of other
   * threads can arrive.
   */
  #own: Next[] = [];
  #fed: Next[] = [];

  constructor(state: State, run: Run, batches: readonly Batch[]) {
    this.#state = state;
    this.#run = run;
    this.#batches = batches;
    this.#load = new Float64Array(batches.length);
    this.#booked = new Int32Array(batches.length);
    this.#mark = batches[0]!.id;
  }

  /** Gives every batch its part. */
  fill(from: ReadyClass): void {
    this.#takeHeads(from);
    while (this.#own.length + this.#fed.length > 0) {
      const level = [...this.#own, ...this.#fed];
      this.#own = [];
      this.#fed = [];
      for (const { i, part } of level) this.#take(i, part, from);
    }
    for (const [part, batch] of this.#batches.entries()) batch.expectedMs = this.#load[part]!;
  }

  /** Gives neighbours in the dispatch order to the same thread, because they often have common dependents. */
  #takeHeads(from: ReadyClass): void {
    const { plan } = this.#run;
    const share = Math.ceil(from.heap.size / this.#batches.length);
    const heads: Next[] = [];
    for (const [part, batch] of this.#batches.entries()) {
      for (let taken = 0; taken < share && from.heap.size > 0;) {
        const i = functionAt(this.#run, from.heap.top);
        if ((plan.flags[i]! & (Flag.exclusive | Flag.once | Flag.limited)) !== 0 || this.#run.suspects.has(i))
          return this.#takeAll(heads, from);
        if (this.#isFull(i, part)) break;
        this.#run.queue.pop(from);
        if (!settles(this.#run, i, batch.thread)) continue;
        this.#book(i, part);
        taken++;
        heads.push({ i, part });
      }
    }
    this.#takeAll(heads, from);
  }

  #takeAll(heads: readonly Next[], from: ReadyClass): void {
    for (const { i, part } of heads) {
      this.#batches[part]!.heads++;
      this.#take(i, part, from);
    }
  }

  #isFull(i: number, part: number): boolean {
    const { runs, tuning } = this.#state;
    const most = runs.size > 1 ? Math.min(tuning.gangMs, sharedBatches * tuning.batchMs) : tuning.gangMs;
    const ms = expectedMs(this.#state, this.#run, i, this.#batches[part]!.thread);
    return this.#booked[part]! > 0 && (this.#load[part]! + ms > most || this.#booked[part]! >= tuning.batchSize);
  }

  #book(i: number, part: number): void {
    this.#load[part]! += expectedMs(this.#state, this.#run, i, this.#batches[part]!.thread);
    this.#booked[part]!++;
  }

  #take(i: number, part: number, from: ReadyClass): void {
    const run = this.#run;
    const { plan } = run;
    const batch = this.#batches[part]!;
    run.status[i] = Status.dispatched;
    if (plan.group !== null) settlePromise(run, i);
    run.node[i] = batch.thread.node.index;
    run.batch[i] = batch.id;
    run.tally[i] = batch.functions.length;
    (batch.functions as number[]).push(i);
    this.#import(i, batch);
    for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) {
      const next = plan.outs[k]!;
      if (run.status[next] !== Status.waiting) continue;
      if (run.batch[next] !== this.#mark) {
        run.batch[next] = this.#mark;
        run.tally[next] = 0;
      }
      if (++run.tally[next]! === run.missing[next]!) this.#placeNext(next, from);
    }
  }

  /** Registers the handover of the results that a function needs from other threads. */
  #import(i: number, batch: Batch): void {
    const { plan, status, batch: batchOf, tally } = this.#run;
    for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) {
      const dep = plan.deps[k]!;
      if (status[dep] !== Status.dispatched || batchOf[dep] === batch.id) continue;
      const { imports, sources } = batch.gang!;
      if (imports.has(dep)) continue;
      const source = this.#batches.find((each) => each.id === batchOf[dep])!;
      source.gang!.exports.push({ at: tally[dep]!, to: batch, place: sources.length });
      imports.set(dep, sources.length);
      sources.push(source);
    }
  }

  /**
   * Places a function whose inputs will all exist: on the thread that has most of them, unless that thread is too far
   * ahead.
   */
  #placeNext(i: number, from: ReadyClass): void {
    const run = this.#run;
    const { plan } = run;
    let least = 0;
    for (let part = 1; part < this.#batches.length; part++) if (this.#load[part]! < this.#load[least]!) least = part;
    let best = least;
    let most = 0;
    let sources = 0;
    for (let part = 0; part < this.#batches.length; part++) {
      let count = 0;
      for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) {
        const dep = plan.deps[k]!;
        if (run.status[dep] === Status.dispatched && run.batch[dep] === this.#batches[part]!.id) count++;
      }
      if (count > 0) sources++;
      if (count > most || (count === most && count > 0 && this.#load[part]! < this.#load[best]!)) {
        best = part;
        most = count;
      }
    }
    const tooFar =
      this.#load[best]! - this.#load[least]! >
      this.#state.tuning.gangSlackMs + expectedMs(this.#state, run, i, this.#batches[best]!.thread);
    const part = tooFar ? least : best;
    if (this.#isFull(i, part) || !mayFollow(run, i, from, this.#batches[part]!.thread)) return;
    this.#book(i, part);
    (sources === 1 && part === best ? this.#own : this.#fed).push({ i, part });
  }
}

const none: ReadonlySet<number> = new Set();

/** The functions of other batches whose results a batch may have taken, although they are not done yet. */
export function unreportedImports({ gang, run }: Batch): ReadonlySet<number> {
  if (gang === null || gang.imports.size === 0) return none;
  return new Set([...gang.imports.keys()].filter((dep) => run.status[dep] !== Status.done));
}
