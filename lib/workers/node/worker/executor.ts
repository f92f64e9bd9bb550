/**
 * Runs batches in order, one function at a time. Keeps the thread between functions that return at once; waits for
 * promises without blocking. Concurrent functions run beside each other, but not beside others: what comes behind them in
 * the queue waits until they have ended.
 */
import { HandoffError } from '../../../core/errors.ts';
import { graphOf } from '../../../dag/expansion-answer.ts';
import { LostResult } from '../../store/encode.ts';
import { ArgTag, BatchFlag, beginNext, FromThread, hasNext } from '../wire.ts';
import { isThenable, references, resolve, type ArgumentSources } from './arguments.ts';
import { type Batch, toBatch } from './batch.ts';
import { type Callable, CodeTable } from './code.ts';
import { Concurrent } from './concurrent.ts';
import { contextSlot, type TaskContext } from './context.ts';
import type { Post } from './report.ts';
import { invoke } from './invoke.ts';
import { GangConnections } from './gang-connections.ts';
import { contextOf, type ContextParts, type Item } from './item.ts';
import { Outbox } from './outbox.ts';
import { ActorCalls } from './actor-calls.ts';
import { Stopwatch } from './timing.ts';
import { traceContext } from './trace-context.ts';

// ms after which a finished result that other threads need is sent, before the next function begins.
const exportAfterMs = 0.01;

// ms of polling for a result of another thread before this thread yields: it may arrive at any moment.
const spinMs = 0.05;

// ms to wait for it after that. Then functions that need it are skipped, so that the others need not wait.
const patienceMs = 2;

/** What an executor needs of its thread. */
export interface ExecutorParts {
  /** The node's name. */
  readonly node: string;
  readonly cursors: Int32Array;
  readonly programs: Int32Array;
  readonly reportFrom: Float64Array;
  /** See `ServeOptions`. */
  readonly ending: Int32Array;
  readonly prints: { flush(batch?: number): void }; // flushed before a function's end is reported
  /** How many concurrent functions run at a time. Default 64. */
  readonly concurrency?: number;
}

export class Executor {
  readonly codes = new CodeTable((message) => this.#post(message));
  readonly gang: GangConnections;
  readonly actorCalls: ActorCalls;
  readonly #parts: ExecutorParts;
  readonly #post: Post;
  readonly #outbox: Outbox;
  /** Undefined before the first concurrent function. */
  #concurrent: Concurrent | undefined;
  readonly #queue: Batch[] = [];
  #current: Item | undefined;
  /** A promise is pending; its settlement continues the work. */
  #waiting = false;
  #flushPlanned = false;
  /** A batch that waits for results of other threads, and the timer of `patienceMs`. */
  #awaiting: { readonly batch: Batch; readonly awaited: number[]; readonly timer: NodeJS.Timeout } | undefined;
  #exportsSentAt = 0;
  readonly #watch = new Stopwatch();
  readonly #context = (): TaskContext => contextOf(this.#current!, this.#contextParts);
  readonly #contextParts: ContextParts;
  /** The running function: its batch and its index. */
  readonly running = (): readonly [number, number] | undefined => {
    const item = this.#current ?? this.#concurrent?.current;
    return item && [item.batch.id, item.index];
  };

  constructor(parts: ExecutorParts, post: Post) {
    this.#parts = parts;
    this.gang = new GangConnections(parts.ending, () => this.#onArrival());
    this.#post = (message, transfer) => {
      if (Atomics.load(parts.ending, 0) === 0) post(message, transfer);
    };
    this.actorCalls = new ActorCalls(this.#post);
    this.#outbox = new Outbox(this.#post);
    this.#contextParts = { node: parts.node, post: this.#post, actorCalls: this.actorCalls };
  }

  /** Queues a batch, as described in `wire.ts`. */
  accept(message: readonly unknown[]): void {
    const isConcurrent = ((message[3] as number) & BatchFlag.concurrent) !== 0;
    const post = isConcurrent ? this.#outbox.post : this.#post;
    this.#queue.push(toBatch(message, this.#parts.programs, this.gang, post));
    if (!this.#waiting) this.#run();
  }

  /** The batch of the concurrent function whose code runs at this moment. */
  get culprit(): number | undefined {
    return this.#concurrent?.current?.batch.id;
  }

  /** Sends what waits to be sent with more. */
  flush(): void {
    this.#outbox.flush();
  }

  /** Aborts the signal of the function that runs for a batch. */
  cancel(batch: number, why: 'aborted' | 'timeout'): void {
    const error =
      why === 'timeout'
        ? new HandoffError('FUNCTION_TIMEOUT', 'This attempt exceeded its timeout.')
        : new HandoffError('ABORTED', 'The run was aborted, or another of its functions failed.');
    if (this.#concurrent?.cancel(batch, error) === true) return;
    const current = this.#queue[0];
    if (current?.id !== batch) return;
    current.aborted = error;
    if (this.#current?.batch === current) this.#current.controller?.abort(current.aborted);
    if (this.#awaiting?.batch === current) this.#resume(); // all of it was taken back
  }

  #run(): void {
    for (let batch = this.#queue[0]; batch !== undefined; batch = this.#queue[0]) {
      if (batch.isConcurrent ? !this.#share(batch) : !this.#isAlone || !this.#work(batch)) return;
      this.#queue.shift();
    }
  }

  get #isAlone(): boolean {
    return this.#concurrent === undefined || this.#concurrent.isIdle;
  }

  /** Begins a concurrent function. False when as many run as may. */
  #share(batch: Batch): boolean {
    this.#concurrent ??= new Concurrent({
      ...this.#contextParts,
      cursors: this.#parts.cursors,
      codes: this.codes,
      concurrency: this.#parts.concurrency ?? 64,
      flushPrints: (id) => this.#parts.prints.flush(id),
      onEnded: () => this.#run(),
    });
    if (this.#concurrent.isFull) return false;
    this.#concurrent.begin(batch);
    return true;
  }

  /** Runs the functions of a batch that may still begin. False when one of them is pending. */
  #work(batch: Batch): boolean {
    const { cursors } = this.#parts;
    this.#watch.restart();
    if (batch.flushedAt === 0) batch.flushedAt = this.#watch.now;
    for (;;) {
      if (batch.hasImports && hasNext(cursors, batch.slot) && !this.#importsSettled(batch)) return false;
      const index = beginNext(cursors, batch.slot);
      if (index < 0) break;
      if (this.#isDue(batch)) this.#flush(batch);
      if (batch.exports !== null && this.#watch.now - this.#exportsSentAt > exportAfterMs) this.#sendExports();
      if (!this.#start(batch, index)) return false;
    }
    this.#watch.read(batch);
    this.#closeExports(batch);
    batch.report.flush();
    // If all functions are reported, the last report closes the batch. Otherwise some were taken back, and the cursor
    // is free only now.
    if (batch.report.reported < batch.size) this.#post([FromThread.closed, batch.id]);
    return true;
  }

  /** Whether the results so far must be reported before the next function begins. */
  #isDue(batch: Batch): boolean {
    const { nextCode } = batch.reader;
    if (batch.patient) return this.#watch.isDue(batch, nextCode, this.#parts.reportFrom[0]! - performance.timeOrigin);
    return this.#watch.now - batch.flushedAt > batch.flushAfter || this.#watch.isLong(nextCode);
  }

  #flush(batch: Batch): void {
    this.#watch.read(batch);
    batch.report.flush();
    if (batch.exports !== null) this.#sendExports();
    batch.flushedAt = this.#watch.now;
    batch.announceNext = batch.announce;
  }

  /**
   * Whether the next function has all results it needs of other threads. If not, the batch resumes when they arrive.
   */
  #importsSettled(batch: Batch): boolean {
    const held = batch.held!;
    const awaited = batch.reader.awaited();
    if (held.settles(awaited)) return true;
    this.#watch.read(batch);
    this.gang.flush();
    const until = performance.now() + spinMs;
    do {
      this.gang.poll();
      if (held.settles(awaited)) {
        this.#watch.restart(); // waiting does not count as time of the function
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
   * Ends a batch: sends the last results, and reports those that will not come because their functions were taken back.
   */
  #closeExports(batch: Batch): void {
    if (batch.hasImports) this.gang.forget(batch.id);
    if (batch.exports === null) return;
    batch.exports.close();
    this.#sendExports();
  }

  #sendExports(): void {
    this.gang.flush();
    this.#exportsSentAt = this.#watch.now;
  }

  /** Runs the next function of a batch. False when it is pending; the same holds for the methods below. */
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
      retryIf: isNamed ? reader.retryIf : -1,
      traceparent: isNamed ? reader.traceparent : undefined,
      settles: reader.settles,
      begun: this.#watch.now,
      controller: undefined,
    };
    const fn = this.codes.functions[code];
    if (
      fn !== undefined &&
      !reader.tagged &&
      (item.retryIf < 0 || this.codes.functions[item.retryIf] !== undefined) &&
      (item.traceparent === undefined || traceContext.isLoaded)
    )
      return this.#call(item, fn, args);
    return this.#prepare(item, reader.tagged ? args : args.flatMap((value) => [ArgTag.value, value]));
  }

  /** Loads missing code, resolves arguments, then calls. */
  #prepare(item: Item, args: readonly unknown[]): boolean {
    const { batch, code, retryIf } = item;
    const codes = new Set([code]);
    const locals: number[] = [];
    references(args, 0, codes, locals);
    if (retryIf >= 0) codes.add(retryIf);
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
          return this.#endFailed(item, batch.aborted, false); // it was aborted before it began
        },
        (error) => this.#endFailed(item, error, false),
      );
    }
    return this.#callResolved(item, args);
  }

  #callResolved(item: Item, args: readonly unknown[]): boolean {
    const { held } = item.batch;
    const around: ArgumentSources = {
      local: (index) => held!.take(index),
      code: (code) => this.codes.functions[code]!,
    };
    const fn = this.codes.functions[item.code]!;
    this.#enter(item); // inline functions among the arguments run in the context of the function they belong to
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
      isPromise = isThenable(result); // reads `then`, which may be a getter that throws
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
    this.#post([FromThread.started, batch.id, index, performance.timeOrigin + begun]);
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
    const graph = graphOf(value);
    if (graph !== undefined) {
      item.batch.report.expand(graph);
      return this.#leave(item);
    }
    const result = item.settles ? { ok: true, value } : value;
    item.batch.report.succeed(result, item.index === item.batch.size - 1, item.isRead);
    return this.#leave(item);
  }

  #fail(item: Item, error: unknown): boolean {
    if (item.retryIf < 0) return this.#endFailed(item, error, true);
    const decision = new Promise((decide) => decide(this.codes.functions[item.retryIf]!(error, item.attempt)));
    return this.#wait(
      item,
      decision,
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

  /** Waits for a promise, then continues with this item and those behind it. */
  #wait<Value>(
    item: Item,
    promise: Promise<Value>,
    onValue: (value: Value) => boolean,
    onError: (error: unknown) => boolean,
  ): false {
    this.#waiting = true;
    this.gang.flush();
    this.#planFlush(item.batch);
    const entered = this.#current === item;
    if (!entered) this.#watch.read(item.batch);
    const resume = (next: () => boolean): void => {
      this.#waiting = false;
      if (!entered) this.#watch.restart(); // loading code does not count as time of the function
      this.#watch.slow();
      if (next()) this.#run();
    };
    promise.then(
      (value) => resume(() => onValue(value)),
      (error: unknown) => resume(() => onError(error)),
    );
    return false;
  }

  /** Finished results must not wait for a pending function: reports them as soon as the thread really waits. */
  #planFlush(batch: Batch): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    setImmediate(() => {
      this.#flushPlanned = false;
      if (this.#waiting) (this.#queue[0] ?? batch).report.flush();
    });
  }
}
