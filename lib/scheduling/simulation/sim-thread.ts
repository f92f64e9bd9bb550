/** A worker thread in virtual time: runs functions in order and reports them, as `node/worker` does. */
import type { EventQueue } from './event-queue.ts';
import type { SentBatch } from './wire.ts';

// As in a real worker: functions that ended longer ago than this (ms) are reported before the next one starts.
const flushAfter = 0.2;

// As in a real worker: the maximum wait in ms for a result of another thread.
const patience = 2;

/** Why a function gave no result. */
export type SimFailure =
  | { readonly kind: 'failed'; readonly error: unknown; readonly retryable: boolean }
  | { readonly kind: 'skipped' }
  | { readonly kind: 'expanded' };

/** The course of an attempt. */
export type Behaviour = 'succeeds' | 'expands' | 'fails' | 'hangs' | 'crashes';

interface Work {
  readonly sent: SentBatch;
  begun: number;
  /** Functions from this position on must not start. */
  limit: number;
  /** The number of reported functions. */
  reported: number;
  /** The ended functions without a report, in order; undefined stands for a result. */
  readonly unreported: (SimFailure | undefined)[];
  /** By position: whether there is a result. */
  readonly gave: boolean[];
  /** By place: whether the result of another thread has arrived (true) or never will (false). */
  readonly imported: (boolean | undefined)[];
  reportedAt: number;
  running: boolean;
  cancelled: boolean;
}

/** The services that a thread needs from its node. */
export interface ThreadWorld {
  readonly eventQueue: EventQueue;
  /** The course of attempt number `attempt` of a function, and its duration in ms. */
  behaviourOf(work: SentBatch, at: number): { readonly behaviour: Behaviour; readonly ms: number };
  /** A function starts or ends. */
  begins(work: SentBatch, at: number): void;
  ends(work: SentBatch, at: number, gave: boolean): void;
  announces(work: SentBatch, at: number): void;
  reports(work: SentBatch, first: number, outcomes: readonly (SimFailure | undefined)[], ms: number): void;
  /** Hands a result, or the fact that there is none, to another thread. */
  exports(to: { readonly node: string; readonly thread: number }, batch: number, place: number, gave: boolean): void;
  /** It is gone, because of its running function. */
  crashed(work: SentBatch): void;
  /** Whether a function reacts to its signal. */
  heeds(): boolean;
}

export class SimThread {
  readonly #world: ThreadWorld;
  readonly #queue: Work[] = [];
  /** Results of other threads for batches that have not arrived yet. */
  readonly #early = new Map<number, [place: number, gave: boolean][]>();
  #clear: (() => void) | undefined;
  /** The duration of the last function. */
  #lastMs = 0;
  #dead = false;

  constructor(world: ThreadWorld) {
    this.#world = world;
  }

  accept(sent: SentBatch): void {
    const { id, functions, gang } = sent.batch;
    const work: Work = {
      sent,
      begun: 0,
      limit: functions.length,
      reported: 0,
      unreported: [],
      gave: [],
      imported: new Array<undefined>(gang?.sources.length ?? 0).fill(undefined),
      reportedAt: this.#world.eventQueue.now,
      running: false,
      cancelled: false,
    };
    for (const [place, gave] of this.#early.get(id) ?? []) work.imported[place] = gave;
    this.#early.clear();
    this.#queue.push(work);
    if (this.#queue.length === 1) this.#run();
  }

  /** Receives a result from another thread. */
  import(batch: number, place: number, gave: boolean): void {
    const work = this.#queue.find(({ sent }) => sent.batch.id === batch);
    if (work === undefined) {
      this.#early.set(batch, [...(this.#early.get(batch) ?? []), [place, gave]]);
      return;
    }
    work.imported[place] = gave;
    if (work === this.#queue[0] && !work.running) this.#run();
  }

  /** Returns the new end of a batch; undefined if the batch is done. */
  takeBack(batch: number, count: number): number | undefined {
    const work = this.#queue.find(({ sent }) => sent.batch.id === batch);
    if (work === undefined) return undefined;
    work.limit = Math.max(work.begun, work.limit - count);
    if (work === this.#queue[0] && !work.running) this.#run();
    else if (work.limit === 0) this.#queue.splice(this.#queue.indexOf(work), 1);
    return work.limit;
  }

  /** Aborts the running function of a batch. */
  cancel(batch: number): void {
    const work = this.#queue[0];
    if (work?.sent.batch.id !== batch || !work.running || work.cancelled) return;
    work.cancelled = true;
    if (this.#world.heeds()) this.#endIn(work, 0.5, 'fails');
  }

  /** Whether a function of the batch is running. */
  runs(batch: number): boolean {
    return this.#queue[0]?.sent.batch.id === batch && this.#queue[0].running;
  }

  /** The number of started functions of each batch. */
  get started(): { readonly batch: number; readonly started: number }[] {
    return this.#queue.map(({ sent, begun }) => ({ batch: sent.batch.id, started: begun }));
  }

  /** Whether it has nothing to do. */
  get isIdle(): boolean {
    return this.#queue.length === 0;
  }

  /** Ends the thread and its running function. */
  die(): void {
    this.#dead = true;
    this.#clear?.();
    const work = this.#queue[0];
    if (work?.running === true) this.#world.ends(work.sent, work.begun - 1, false);
  }

  /** Continues the first batch as far as possible without time passing. */
  #run(): void {
    this.#clear?.();
    this.#clear = undefined;
    for (let work = this.#queue[0]; work !== undefined && !this.#dead; work = this.#queue[0]) {
      if (work.begun >= work.limit) {
        this.#finish(work);
        continue;
      }
      const at = work.begun;
      const { locals, imports } = work.sent;
      if (imports[at]!.some((place) => work.imported[place] === undefined)) {
        if (this.#wait(work, at)) return;
        continue;
      }
      if (this.#world.eventQueue.now - work.reportedAt > flushAfter) this.#report(work);
      work.begun++;
      if (!imports[at]!.every((place) => work.imported[place]) || !locals[at]!.every((local) => work.gave[local])) {
        this.#note(work, { kind: 'skipped' });
        continue;
      }
      return this.#begin(work, at);
    }
  }

  /** Waits for results of other threads. */
  #wait(work: Work, at: number): true {
    this.#clear = this.#world.eventQueue.in(patience, () => {
      for (const place of work.sent.imports[at]!) work.imported[place] ??= false;
      this.#report(work);
      this.#run();
    });
    return true;
  }

  #begin(work: Work, at: number): void {
    const { sent } = work;
    work.running = true;
    this.#world.begins(sent, at);
    if (sent.batch.exclusive) this.#world.announces(sent, at);
    const { behaviour, ms } = this.#world.behaviourOf(sent, at);
    if (behaviour !== 'hangs')
      this.#endIn(work, Math.max(0, sent.arrivals[at]! - this.#world.eventQueue.now) + ms, behaviour);
  }

  #endIn(work: Work, ms: number, behaviour: Behaviour): void {
    this.#clear?.();
    this.#clear = this.#world.eventQueue.in(ms, () => this.#end(work, behaviour, ms));
  }

  #end(work: Work, behaviour: Behaviour, ms: number): void {
    if (behaviour === 'crashes') return this.#world.crashed(work.sent);
    work.running = false;
    const at = work.begun - 1;
    this.#world.ends(work.sent, at, behaviour === 'succeeds');
    this.#note(work, exceptionOf(behaviour), ms);
    this.#run();
  }

  #note(work: Work, exception: SimFailure | undefined, ms = 0): void {
    const at = work.gave.push(exception === undefined) - 1;
    work.unreported.push(exception);
    this.#lastMs = ms;
    for (const { at: exported, to, place } of work.sent.batch.gang?.exports ?? []) {
      if (exported === at)
        this.#world.exports(
          { node: to.thread.node.name, thread: to.thread.index },
          to.id,
          place,
          exception === undefined,
        );
    }
  }

  #report(work: Work): void {
    if (work.unreported.length === 0) return;
    const outcomes = work.unreported.splice(0);
    const first = work.reported;
    work.reported += outcomes.length;
    work.reportedAt = this.#world.eventQueue.now;
    this.#world.reports(work.sent, first, outcomes, this.#lastMs);
  }

  #finish(work: Work): void {
    this.#report(work);
    for (const { at, to, place } of work.sent.batch.gang?.exports ?? []) {
      if (at >= work.limit)
        this.#world.exports({ node: to.thread.node.name, thread: to.thread.index }, to.id, place, false);
    }
    this.#queue.shift();
  }
}

function exceptionOf(behaviour: Behaviour): SimFailure | undefined {
  if (behaviour === 'succeeds') return undefined;
  if (behaviour === 'expands') return { kind: 'expanded' };
  return { kind: 'failed', error: new Error('simulated'), retryable: true };
}
