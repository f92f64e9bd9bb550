/**
 * Runs batches, one function at a time, in the order they came. Does not give up the thread between functions that
 * return at once; waits for promises without blocking it.
 */
import { toErrorWire } from '../../../core/error-wire.ts';
import { HandoffError } from '../../../core/errors.ts';
import { LostResult } from '../../store/encode.ts';
import { ArgTag, beginNext, FromWorker, hasNext } from '../wire.ts';
import { isThenable, references, resolve, type Surroundings } from './arguments.ts';
import { type Batch, toBatch } from './batch.ts';
import { type Callable, CodeTable } from './code.ts';
import { contextSlot, type TaskContext } from './context.ts';
import type { Post } from './report.ts';
import { invoke } from './invoke.ts';
import { Peers } from './peers.ts';
import { Questions } from './actor-calls.ts';
import { Stopwatch } from './timing.ts';
import { traceContext } from './trace-context.ts';

// What other workers need and was finished longer ago than this, in ms, is handed over before the next function begins.
const shareAfter = 0.01;

// For so long, in ms, a result of another worker is looked for again and again before the thread is given up: it may
// come any moment.
const spinMs = 0.05;

// For so long, in ms, it is then waited for. Then functions that need it are left out, so that the others need not
// wait.
const patienceMs = 2;

/** A function that is to be run, or runs. */
interface Item {
  readonly batch: Batch;
  readonly index: number;
  readonly code: number;
  /** Undefined when it was not sent: nothing here asks for contexts. */
  readonly functionId: string | undefined;
  readonly attempt: number;
  /** The code of its `retryIf`; -1: none. */
  readonly judge: number;
  /** Whether another function takes its result. */
  readonly isRead: boolean;
  /** Its place in a trace; undefined: nobody traces. */
  readonly traceparent: string | undefined;
  begun: number;
  controller: AbortController | undefined;
}

/** What an executor has of its thread. */
export interface ExecutorParts {
  /** The node's name. */
  readonly node: string;
  readonly cursors: Int32Array;
  readonly programs: Int32Array;
  readonly prints: { flush(): void }; // what a function printed is told before its end is
}

export class Executor {
  readonly codes = new CodeTable((message) => this.#post(message));
  readonly peers = new Peers(() => this.#onArrival());
  readonly questions: Questions;
  readonly #parts: ExecutorParts;
  readonly #post: Post;
  readonly #queue: Batch[] = [];
  #current: Item | undefined;
  /** A promise is waited for; whoever settles it goes on. */
  #waiting = false;
  #flushPlanned = false;
  /** A batch that waits for results of other workers, and the timer of its patience. */
  #awaiting: { readonly batch: Batch; readonly awaited: number[]; readonly timer: NodeJS.Timeout } | undefined;
  #sharedAt = 0;
  readonly #watch = new Stopwatch();
  readonly #context = (): TaskContext => this.#contextOf(this.#current!);
  /** The function that runs: its batch, and its index in it. */
  readonly running = (): readonly [number, number] | undefined =>
    this.#current && [this.#current.batch.id, this.#current.index];

  constructor(parts: ExecutorParts, post: Post) {
    this.#parts = parts;
    this.#post = post;
    this.questions = new Questions(post);
  }

  /** Takes in a batch, as the wire describes it. */
  accept(message: readonly unknown[]): void {
    this.#queue.push(toBatch(message, this.#parts.programs, this.peers, this.#post));
    if (!this.#waiting) this.#run();
  }

  /** Asks the function of a batch that runs to stop, through its signal. */
  cancel(batch: number, why: 'aborted' | 'timeout'): void {
    const current = this.#queue[0];
    if (current?.id !== batch) return;
    current.aborted =
      why === 'timeout'
        ? new HandoffError('FUNCTION_TIMEOUT', 'The time of this attempt is over.')
        : new HandoffError('ABORTED', 'The run has been aborted, or another function of it has failed.');
    if (this.#current?.batch === current) this.#current.controller?.abort(current.aborted);
    if (this.#awaiting?.batch === current) this.#resume(); // all of it was taken back
  }

  #run(): void {
    for (let batch = this.#queue[0]; batch !== undefined; batch = this.#queue[0]) {
      if (!this.#work(batch)) return;
      this.#queue.shift();
    }
  }

  /** Runs the functions of a batch that may still be begun. False when one of them is waited for. */
  #work(batch: Batch): boolean {
    const { cursors } = this.#parts;
    this.#watch.restart();
    if (batch.flushedAt === 0) batch.flushedAt = this.#watch.now;
    for (;;) {
      if (batch.fed && hasNext(cursors, batch.slot) && !this.#isFed(batch)) return false;
      const index = beginNext(cursors, batch.slot);
      if (index < 0) break;
      if (this.#watch.now - batch.flushedAt > batch.flushAfter || this.#watch.isLong(batch.reader.nextCode))
        this.#flush(batch);
      if (batch.exports !== null && this.#watch.now - this.#sharedAt > shareAfter) this.#share();
      if (!this.#start(batch, index)) return false;
    }
    this.#watch.read(batch);
    this.#closeExchange(batch);
    batch.report.flush();
    // Told all of it: the last report says so. Else some was taken back, and only now will the cursor not be looked at
    // again.
    if (batch.report.told < batch.size) this.#post([FromWorker.closed, batch.id]);
    return true;
  }

  #flush(batch: Batch): void {
    this.#watch.read(batch);
    batch.report.flush();
    if (batch.exports !== null) this.#share();
    batch.flushedAt = this.#watch.now;
    batch.announceNext = batch.announce;
  }

  /**
   * Whether the next function has all it takes of other workers. When not, it is waited for: the batch goes on by
   * itself.
   */
  #isFed(batch: Batch): boolean {
    const held = batch.held!;
    const awaited = batch.reader.awaited();
    if (held.settles(awaited)) return true;
    this.#watch.read(batch);
    this.peers.flush();
    const until = performance.now() + spinMs;
    do {
      this.peers.poll();
      if (held.settles(awaited)) {
        this.#watch.restart(); // waiting is not the function's time
        return true;
      }
    } while (performance.now() < until);
    this.#waiting = true;
    const giveUp = (): void => {
      batch.report.flush();
      for (const index of awaited) held.giveUpOn(index);
      this.#resume();
    };
    this.#awaiting = { batch, awaited, timer: setTimeout(giveUp, patienceMs) };
    return false;
  }

  #onArrival(): void {
    if (this.#awaiting?.batch.held!.settles(this.#awaiting.awaited) === true) this.#resume();
  }

  #resume(): void {
    clearTimeout(this.#awaiting!.timer);
    this.#awaiting = undefined;
    this.#waiting = false;
    this.#run();
  }

  /**
   * Of a batch that is through: hands over the last results, and tells of those that will not come as their functions
   * were taken back.
   */
  #closeExchange(batch: Batch): void {
    if (batch.fed) this.peers.forget(batch.id);
    if (batch.exports === null) return;
    batch.exports.close();
    this.#share();
  }

  #share(): void {
    this.peers.flush();
    this.#sharedAt = this.#watch.now;
  }

  /** Runs the next function of a batch. False when it is waited for; the same holds for all that follow. */
  #start(batch: Batch, index: number): boolean {
    const { reader } = batch;
    if (!reader.next()) return this.#skip(batch, index);
    const { code, args, functionId, attempt } = reader;
    const isNamed = functionId !== undefined;
    this.#watch.begin(code, batch);
    const item: Item = {
      batch,
      index,
      code,
      functionId,
      attempt,
      isRead: reader.isRead,
      judge: isNamed ? reader.judge : -1,
      traceparent: isNamed ? reader.traceparent : undefined,
      begun: this.#watch.now,
      controller: undefined,
    };
    const fn = this.codes.functions[code];
    if (
      fn !== undefined &&
      !reader.tagged &&
      (item.judge < 0 || this.codes.functions[item.judge] !== undefined) &&
      (item.traceparent === undefined || traceContext.isLoaded)
    )
      return this.#call(item, fn, args);
    return this.#prepare(item, reader.tagged ? args : args.flatMap((value) => [ArgTag.value, value]));
  }

  /** Loads what code is missing and puts arguments together, then calls. */
  #prepare(item: Item, args: readonly unknown[]): boolean {
    const { batch, code, judge } = item;
    const codes = new Set([code]);
    const locals: number[] = [];
    references(args, 0, codes, locals);
    if (judge >= 0) codes.add(judge);
    if (!locals.every((index) => batch.held!.has(index))) return this.#skip(batch, item.index);
    const missing = [...codes].filter((each) => this.codes.functions[each] === undefined);
    const mustLoad = item.traceparent !== undefined && !traceContext.isLoaded;
    if (missing.length > 0 || mustLoad) {
      this.#announce(item, performance.now()); // its timeout covers the import of its module
      const loading = Promise.all([...missing.map((each) => this.codes.load(each)), mustLoad && traceContext.load()]);
      return this.#wait(
        item,
        loading,
        () => {
          if (batch.aborted === undefined) return this.#callResolved(item, args);
          return this.#endFailed(item, batch.aborted, false); // it has not begun, and shall not
        },
        (error) => this.#endFailed(item, error, false),
      );
    }
    return this.#callResolved(item, args);
  }

  #callResolved(item: Item, args: readonly unknown[]): boolean {
    const { held } = item.batch;
    const around: Surroundings = { local: (index) => held!.take(index), code: (code) => this.codes.functions[code]! };
    const fn = this.codes.functions[item.code]!;
    this.#enter(item); // inline functions among the arguments run in the context of their dependent
    let values: unknown[] | Promise<unknown[]>;
    try {
      values =
        item.traceparent === undefined
          ? resolve(args, 0, args.length / 2, around)
          : traceContext.resolve(item.traceparent, args, around);
    } catch (error) {
      if (error instanceof LostResult) return this.#lose(item, error.file);
      return this.#fail(item, error);
    }
    if (!(values instanceof Promise)) return this.#call(item, fn, values);
    return this.#wait(
      item,
      values,
      (settled) => this.#call(item, fn, settled),
      (error) => this.#fail(item, error),
    );
  }

  #call(item: Item, fn: Callable, args: readonly unknown[]): boolean {
    this.#enter(item);
    let result: unknown;
    let isPromise: boolean;
    try {
      result = item.traceparent === undefined ? invoke(fn, args) : traceContext.call(item.traceparent, fn, args);
      isPromise = isThenable(result); // reads `then`, which may be a getter
    } catch (error) {
      return this.#fail(item, error);
    }
    if (isPromise) {
      return this.#wait(
        item,
        Promise.resolve(result),
        (value) => this.#succeed(item, value),
        (error) => this.#fail(item, error),
      );
    }
    return this.#succeed(item, result);
  }

  #enter(item: Item): void {
    if (this.#current === item) return;
    item.begun = this.#watch.now;
    this.#current = item;
    if (item.functionId !== undefined) contextSlot.current = this.#context;
    this.#announce(item, item.begun);
  }

  #announce({ batch, index }: Item, begun: number): void {
    if (!batch.announceNext) return;
    batch.announceNext = false;
    this.#post([FromWorker.started, batch.id, index, performance.timeOrigin + begun]);
  }

  #skip(batch: Batch, index: number): true {
    batch.report.skip();
    batch.exports?.ended(index);
    return true;
  }

  #lose(item: Item, file: string): true {
    this.#parts.prints.flush();
    this.#current = undefined;
    contextSlot.current = undefined;
    item.batch.report.lose(file);
    item.batch.exports?.ended(item.index);
    return true;
  }

  #succeed(item: Item, value: unknown): true {
    this.#parts.prints.flush();
    item.batch.report.succeed(value, item.index === item.batch.size - 1, item.isRead);
    return this.#leave(item);
  }

  #fail(item: Item, error: unknown): boolean {
    if (item.judge < 0) return this.#endFailed(item, error, true);
    const verdict = new Promise((decide) => decide(this.codes.functions[item.judge]!(error, item.attempt)));
    return this.#wait(
      item,
      verdict,
      (again) => this.#endFailed(item, error, Boolean(again)),
      (thrown) =>
        this.#endFailed(
          item,
          new AggregateError([error, thrown], 'The function failed, and so did its retryIf.'),
          false,
        ),
    );
  }

  #endFailed(item: Item, error: unknown, retryable: boolean): true {
    this.#parts.prints.flush();
    item.batch.report.fail(error, retryable);
    return this.#leave(item);
  }

  #leave({ batch, index }: Item): true {
    this.#current = undefined;
    batch.exports?.ended(index);
    contextSlot.current = undefined;
    this.#watch.ended(batch);
    return true;
  }

  /** Waits for a promise, then goes on with this item and all that follow. */
  #wait<Value>(
    item: Item,
    promise: Promise<Value>,
    onValue: (value: Value) => boolean,
    onError: (error: unknown) => boolean,
  ): false {
    this.#waiting = true;
    this.peers.flush();
    this.#planFlush(item.batch);
    const entered = this.#current === item;
    if (!entered) this.#watch.read(item.batch);
    const resume = (next: () => boolean): void => {
      this.#waiting = false;
      if (!entered) this.#watch.restart(); // loading code is not the function's time
      this.#watch.slow();
      if (next()) this.#run();
    };
    promise.then(
      (value) => resume(() => onValue(value)),
      (error: unknown) => resume(() => onError(error)),
    );
    return false;
  }

  /** What is finished must not wait for what is not: it is told as soon as the thread is really waiting. */
  #planFlush(batch: Batch): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    setImmediate(() => {
      this.#flushPlanned = false;
      if (this.#waiting) (this.#queue[0] ?? batch).report.flush();
    });
  }

  #contextOf(item: Item): TaskContext {
    const { functionId = '', attempt, traceparent } = item;
    const { origin, runId, dagId } = item.batch;
    const post = this.#post;
    return {
      get signal() {
        if (item.controller === undefined) {
          item.controller = new AbortController();
          if (item.batch.aborted !== undefined) item.controller.abort(item.batch.aborted);
        }
        return item.controller.signal;
      },
      attempt,
      runId,
      dagId,
      functionId,
      traceparent,
      node: this.#parts.node,
      actor: (name) => this.questions.to(name),
      log: (...values) => post([FromWorker.log, origin, runId, dagId, functionId, attempt, values.map(toErrorWire)]),
    };
  }
}
