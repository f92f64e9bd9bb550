/**
 * A world for the scheduler: workers, timers and a clock that do what chance says, and check all that is asked of them.
 */
import { SimpleResourceTracker } from '../../../lib/scheduling/resources/resource-tracker.ts';
import type { CompiledDag } from '../../../lib/dag/compile/compiled-dag.ts';
import type { Capabilities } from '../../../lib/dag/types.ts';
import type { Command } from '../../../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Outcome } from '../../../lib/scheduling/scheduler/outcome.ts';
import type { Event, Exception, RunSettings } from '../../../lib/scheduling/scheduler/events.ts';
import { handle } from '../../../lib/scheduling/scheduler/machine.ts';
import {
  type Batch,
  createState,
  type Thread,
  type Run,
  type State,
  Status,
  type Tuning,
} from '../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../lib/scheduling/scheduler/validate.ts';
import { settingsOf } from '../../support/run-settings.ts';

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

export interface WorldOptions {
  readonly nodes: readonly { readonly name: string; readonly capabilities: Capabilities; readonly threads: number }[];
  readonly tuning?: Partial<Tuning>;
  /** A number in [0, 1), each time another. */
  readonly random: () => number;
  /** Whether attempt `attempt` (from 1) of a function fails. */
  readonly fails?: (run: Run, index: number, attempt: number) => boolean;
  /** Whether a function, once begun, never ends. */
  readonly stuck?: (run: Run, index: number) => boolean;
  /** Whether a gated function has an earlier result. */
  readonly hits?: (run: Run, index: number) => boolean;
  /** How likely, at each step, a busy thread dies. */
  readonly crashes?: number;
  /** How likely, at each step, a node goes down; it comes back. */
  readonly nodeFailures?: number;
}

/** A batch at its worker: how far it has come. */
interface Work {
  readonly batch: Batch;
  /** Begun, of those in `batch.functions`. */
  begun: number;
  /** Not to be begun from here on. */
  limit: number;
  /** Ended, and not yet reported. */
  readonly unreported: Exception[];
  ended: number;
  cancelled: boolean;
  /** Results that another worker of the gang has handed over, or will never. */
  readonly imported: Map<number, boolean>;
  /** The function that was begun last needs a result that is not there. */
  skipping: boolean;
}

export class World {
  readonly state: State;
  readonly outcomes = new Map<
    string,
    { readonly type: 'finished' | 'failed'; readonly outcome?: Outcome; readonly run: Run }
  >();
  /** Attempts begun, by run and function. */
  readonly begun = new Map<string, number>();
  readonly started: { readonly run: string; readonly index: number; readonly node: string }[] = [];
  readonly released: string[] = [];
  readonly #options: WorldOptions;
  readonly #work = new Map<Thread, Work[]>();
  readonly #timers = new Map<number, number>();
  readonly #down: Thread[] = [];
  readonly #nodesDown = new Set<string>();
  /** Commands are carried out in the order they were given, as the driver does, however deep. */
  readonly #commands: Command[] = [];
  #carrying = false;
  #now = 0;
  #steps = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.state = createState(new SimpleResourceTracker(), options.tuning);
    this.state.estimates.push(createEstimate());
    for (const { name, capabilities, threads } of options.nodes) {
      this.feed({ type: 'NodeUp', node: name, incarnation: 1, capabilities, speed: 1 });
      for (let thread = 0; thread < threads; thread++)
        this.feed({ type: 'ThreadUp', node: name, incarnation: 1, thread });
    }
  }

  submit(plan: CompiledDag, settings: Partial<RunSettings> = {}): void {
    this.feed({
      type: 'RunSubmitted',
      run: plan.dagId,
      plan,
      settings: settingsOf(plan, { maxRetries: 3, ...settings }),
    });
  }

  /** Lets chance decide what happens next until every run is over. */
  runToEnd(): void {
    while (this.state.runs.size > 0) this.step();
  }

  step(): void {
    if (++this.#steps > 50_000) throw new Error('the scheduler goes round in circles');
    const moves: (() => void)[] = [];
    for (const [thread, queue] of this.#work) {
      const work = queue[0];
      if (work !== undefined && !this.#isStuck(work)) moves.push(() => this.#advance(thread, work));
    }
    for (const timer of this.#timers.keys()) moves.push(() => this.#fire(timer));
    for (const thread of this.#down)
      if (!this.#nodesDown.has(thread.node.name)) moves.push(() => this.#restart(thread));
    for (const node of this.#nodesDown) moves.push(() => this.#nodeUp(node));
    for (const run of this.state.runs.values()) {
      for (let i = 0; i < run.plan.size; i++)
        if (run.gated?.[i] === 1 && run.missing[i] === 1) moves.push(() => this.#lookUp(run, i));
    }
    if (moves.length === 0) throw new Error('nothing can happen any more, but runs are not over');
    this.#now += this.#options.random();
    if (this.#options.random() < (this.#options.nodeFailures ?? 0)) this.#nodeDown();
    else moves[Math.floor(this.#options.random() * moves.length)]!();
  }

  feed(happening: Happening): void {
    const commands = handle(this.state, { ...happening, now: this.#now } as Event);
    validate(this.state);
    this.#commands.push(...commands);
    if (this.#carrying) return;
    this.#carrying = true;
    try {
      for (let next = this.#commands.shift(); next !== undefined; next = this.#commands.shift()) this.#carryOut(next);
    } finally {
      this.#carrying = false;
    }
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case 'Start': {
        const { batch } = command;
        if (this.outcomes.has(batch.run.id)) throw new Error(`a batch of ${batch.run.id} was started after its end`);
        if (!batch.thread.up || batch.thread.killing)
          throw new Error('a batch was sent to a thread that is gone, or going');
        const queue = this.#work.get(batch.thread) ?? [];
        queue.push({
          batch,
          begun: 0,
          limit: batch.functions.length,
          unreported: [],
          ended: 0,
          cancelled: false,
          imported: new Map(),
          skipping: false,
        });
        this.#work.set(batch.thread, queue);
        return;
      }
      case 'TakeBack':
        return this.#takeBack(command.batch, command.count);
      case 'Cancel': {
        const work = this.#find(command.batch);
        if (work === undefined) return;
        work.cancelled = true;
        return this.#takeBack(command.batch, Infinity);
      }
      case 'Kill': {
        const thread = command.node.threads[command.thread]!;
        if (thread.up) this.#kill(thread, 'killed');
        return;
      }
      case 'SetTimer':
        this.#timers.set(command.timer, command.ms);
        return;
      case 'ClearTimer':
        this.#timers.delete(command.timer);
        return;
      case 'Release':
        for (const i of command.indexes) this.released.push(command.run.plan.entries[i]!.id);
        return;
      case 'FinishRun':
        this.outcomes.set(command.run.id, { type: 'finished', run: command.run });
        return;
      case 'FailRun':
        this.outcomes.set(command.run.id, { type: 'failed', outcome: command.outcome, run: command.run });
        return;
      default:
        return;
    }
  }

  #lookUp(run: Run, i: number): void {
    const isHit = this.#options.hits!(run, i);
    const [hits, misses] = isHit ? [[i], []] : [[], [i]];
    this.feed({ type: 'LookedUp', run: run.id, hits, misses, falsy: new Set() });
  }

  #find(batch: Batch): Work | undefined {
    return this.#work.get(batch.thread)?.find((work) => work.batch === batch);
  }

  #takeBack(batch: Batch, count: number): void {
    const work = this.#find(batch);
    if (work === undefined) return;
    const given = Math.min(count, work.limit - work.begun);
    work.limit -= given;
    if (work.limit === 0 || (work.ended + work.unreported.length === work.limit && work.unreported.length === 0))
      this.#drop(work);
    this.feed({ type: 'TakenBack', batch: batch.id, limit: work.limit });
  }

  #advance(thread: Thread, work: Work): void {
    const { random, crashes = 0 } = this.#options;
    if (random() < crashes) return this.#kill(thread, 'exit');
    const running = work.begun > work.ended + work.unreported.length;
    if (running) this.#end(work);
    else if (work.begun < work.limit && this.#isFed(work)) this.#begin(work);
    if (this.#isStuck(work)) return this.#report(work, false); // a worker tells what is finished before it waits
    const finished = work.ended + work.unreported.length === work.limit && work.begun === work.limit;
    if (work.unreported.length > 0 && (finished || random() < 0.3)) this.#report(work, finished);
  }

  /**
   * Whether the next function has what it takes of other workers, as far as it will ever have it: patience may end at
   * any moment.
   */
  #isFed(work: Work): boolean {
    const { run, functions, gang } = work.batch;
    const { depOffset, deps } = run.plan;
    const index = functions[work.begun]!;
    for (const dep of deps.subarray(depOffset[index]!, depOffset[index + 1]!)) {
      const place = gang?.imports.get(dep);
      if (place === undefined || work.imported.has(dep)) continue;
      if (this.#options.random() < 0.1) work.imported.set(dep, false);
      else return false;
    }
    return true;
  }

  /** Hands what a function gave to the workers that take it; they get it, most often. */
  #export(work: Work, at: number, endedWell: boolean): void {
    for (const { at: exported, to } of work.batch.gang?.exports ?? []) {
      if (exported === at && this.#options.random() < 0.95)
        this.#find(to)?.imported.set(work.batch.functions[at]!, endedWell);
    }
  }

  #begin(work: Work): void {
    const { run, functions, thread } = work.batch;
    const index = functions[work.begun]!;
    work.begun++;
    const { depOffset, deps } = run.plan;
    work.skipping = deps
      .subarray(depOffset[index]!, depOffset[index + 1]!)
      .some((dep) => run.status[dep] !== Status.done && !this.#endedWell(work, dep) && work.imported.get(dep) !== true);
    if (work.skipping) return;
    const key = `${run.id}/${index}`;
    this.begun.set(key, (this.begun.get(key) ?? 0) + 1);
    this.started.push({ run: run.id, index, node: thread.node.name });
    if (this.#isExclusive(run, index))
      this.feed({ type: 'FunctionStarted', batch: work.batch.id, index: work.begun - 1 });
  }

  #isStuck({ batch, begun, ended, unreported }: Work): boolean {
    return (
      begun > ended + unreported.length && (this.#options.stuck?.(batch.run, batch.functions[begun - 1]!) ?? false)
    );
  }

  #isExclusive(run: Run, index: number): boolean {
    return run.plan.entries[index]!.traits.timeout !== undefined;
  }

  #end(work: Work): void {
    const { run, functions } = work.batch;
    const at = work.ended + work.unreported.length;
    const index = functions[at]!;
    const failed =
      !work.skipping &&
      !work.cancelled &&
      (this.#options.fails?.(run, index, this.begun.get(`${run.id}/${index}`)!) ?? false);
    const exception: Exception = work.skipping
      ? { index: at, kind: 'skipped' }
      : failed
        ? { index: at, kind: 'failed', error: new Error('planned'), retryable: true }
        : { index: -1, kind: 'skipped' }; // -1: it ended well
    work.unreported.push(exception);
    this.#export(work, at, exception.index < 0);
  }

  /** Whether a function ended well earlier in this very batch, unreported. */
  #endedWell(work: Work, i: number): boolean {
    const at = work.batch.functions.indexOf(i) - work.ended;
    return at >= 0 && work.unreported[at]?.index === -1;
  }

  #report(work: Work, finished: boolean): void {
    const count = work.unreported.length;
    if (count === 0) return;
    const exceptions = work.unreported.filter(({ index }) => index >= 0);
    const first = work.ended;
    work.ended += count;
    work.unreported.length = 0;
    if (finished) this.#drop(work);
    this.feed({
      type: 'FunctionsEnded',
      batch: work.batch.id,
      first,
      count,
      exceptions,
      random: this.#options.random(),
      durations: [{ code: 0, count, ms: count * this.#options.random() * 0.01 }],
    });
  }

  #drop(work: Work): void {
    const queue = this.#work.get(work.batch.thread)!;
    queue.splice(queue.indexOf(work), 1);
  }

  #kill(thread: Thread, reason: 'killed' | 'exit'): void {
    const started = (this.#work.get(thread) ?? []).map(({ batch, begun }) => ({ batch: batch.id, started: begun }));
    this.#work.delete(thread);
    this.#down.push(thread);
    this.feed({
      type: 'ThreadDown',
      node: thread.node.name,
      incarnation: thread.node.incarnation,
      thread: thread.index,
      crash: { reason },
      started,
      random: this.#options.random(),
    });
  }

  #nodeDown(): void {
    const up = this.state.nodes.filter((node) => node.up);
    const node = up[Math.floor(this.#options.random() * up.length)];
    if (node === undefined) return;
    this.#nodesDown.add(node.name);
    for (const thread of node.threads) {
      this.#work.delete(thread);
      if (thread.up) this.#down.push(thread);
    }
    this.feed({ type: 'NodeDown', node: node.name, returning: true });
  }

  #nodeUp(name: string): void {
    this.#nodesDown.delete(name);
    const { incarnation, capabilities } = this.state.nodeByName.get(name)!;
    this.feed({ type: 'NodeUp', node: name, incarnation: incarnation + 1, capabilities, speed: 1 });
  }

  #restart(thread: Thread): void {
    this.#down.splice(this.#down.indexOf(thread), 1);
    this.feed({ type: 'ThreadUp', node: thread.node.name, incarnation: thread.node.incarnation, thread: thread.index });
  }

  #fire(timer: number): void {
    this.#now += this.#timers.get(timer)!;
    this.#timers.delete(timer);
    this.feed({ type: 'TimerFired', timer });
  }
}
