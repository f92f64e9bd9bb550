/**
 * Runs batches, one function at a time, in the order they came. Does not give up the thread between functions that return at once; waits
 * for promises without blocking it.
 */
import { HandoffError } from '../../errors.ts';
import { ArgTag, BatchFlag, beginNext, FromWorker } from '../wire.ts';
import { isThenable, references, resolve, type Surroundings } from './arguments.ts';
import { type Callable, CodeTable } from './code.ts';
import { contextSlot, type TaskContext } from './context.ts';
import { invoke } from './invoke.ts';
import { Reader } from './reader.ts';
import { Report } from './report.ts';

// What was finished longer ago than this, in ms, is told before the next function begins.
const flushAfter = 0.2;

// Functions of one code that take less than this, in ms, are timed together, as reading the clock would be a good part of them.
const clockEach = 0.002;
const clockTogether = 8;

/** A batch as it arrived, and how far it has come. */
interface Batch {
  readonly id: number;
  readonly slot: number;
  readonly announce: boolean;
  /** Every function is timed by itself. */
  readonly observed: boolean;
  readonly dagId: string;
  readonly size: number;
  readonly reader: Reader;
  readonly report: Report;
  /** The next function to begin is to be announced. */
  announceNext: boolean;
  flushedAt: number;
  /** Why the function that runs, or waits for its code, is to stop. */
  aborted: HandoffError | undefined;
}

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
  begun: number;
  controller: AbortController | undefined;
}

/** What an executor has of its thread. */
export interface ExecutorParts {
  /** The node's name. */
  readonly node: string;
  readonly cursors: Int32Array;
  readonly programs: Int32Array;
}

export class Executor {
  readonly codes = new CodeTable();
  readonly #parts: ExecutorParts;
  readonly #post: (message: unknown[]) => void;
  readonly #queue: Batch[] = [];
  #current: Item | undefined;
  /** A promise is waited for; whoever settles it goes on. */
  #waiting = false;
  #flushPlanned = false;
  /** When the clock was last read: a function ended then, and so the next begins. */
  #now = 0;
  /** Functions that have ended since, all of one code. */
  #untimed = 0;
  #untimedCode = -1;
  /** How many are timed together. */
  #stride = 1;
  readonly #context = (): TaskContext => this.#contextOf(this.#current!);

  constructor(parts: ExecutorParts, post: (message: unknown[]) => void) {
    this.#parts = parts;
    this.#post = post;
  }

  /** Takes in a batch, as the wire describes it. */
  accept(message: readonly unknown[]): void {
    const [, id, slot, flags, dagId, size, program, values] = message as [number, number, number, number, string, number, number | Int32Array, unknown[]];
    const announce = (flags & BatchFlag.announce) !== 0;
    const spans = (flags & BatchFlag.spans) !== 0;
    const report = new Report(id, { spans, linked: (flags & BatchFlag.linked) !== 0 }, this.#post);
    const reader = typeof program === 'number' ? new Reader(this.#parts.programs, program, values, report) : new Reader(program, 0, values, report);
    this.#queue.push({ id, slot, size, dagId, announce, announceNext: announce, observed: announce || spans, reader, report, flushedAt: 0, aborted: undefined });
    if (!this.#waiting) this.#run();
  }

  /** Asks the function of a batch that runs to stop, through its signal. */
  cancel(batch: number, why: 'aborted' | 'timeout'): void {
    const current = this.#queue[0];
    if (current?.id !== batch) return;
    current.aborted = why === 'timeout'
      ? new HandoffError('FUNCTION_TIMEOUT', 'The time of this attempt is over.')
      : new HandoffError('ABORTED', 'The run has been aborted, or another function of it has failed.');
    if (this.#current?.batch === current) this.#current.controller?.abort(current.aborted);
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
    this.#now = performance.now();
    if (batch.flushedAt === 0) batch.flushedAt = this.#now;
    for (let index = beginNext(cursors, batch.slot); index >= 0; index = beginNext(cursors, batch.slot)) {
      if (this.#now - batch.flushedAt > flushAfter) this.#flush(batch);
      if (!this.#start(batch, index)) return false;
    }
    this.#readClock(batch);
    batch.report.flush();
    // Told all of it: the last report says so. Else some was taken back, and only now will the cursor not be looked at again.
    if (batch.report.told < batch.size) this.#post([FromWorker.closed, batch.id]);
    return true;
  }

  #flush(batch: Batch): void {
    this.#readClock(batch);
    batch.report.flush();
    batch.flushedAt = this.#now;
    batch.announceNext = batch.announce;
  }

  /** Runs the next function of a batch. False when it is waited for; the same holds for all that follow. */
  #start(batch: Batch, index: number): boolean {
    const { reader } = batch;
    if (!reader.next()) {
      batch.report.skip();
      return true;
    }
    const { code, args, functionId, attempt, judge } = reader;
    if (this.#untimed > 0 && code !== this.#untimedCode) this.#readClock(batch);
    const item: Item = { batch, index, code, functionId, attempt, judge: functionId === undefined ? -1 : judge, begun: this.#now, controller: undefined };
    const fn = this.codes.functions[code];
    if (fn !== undefined && !reader.tagged && (item.judge < 0 || this.codes.functions[item.judge] !== undefined)) return this.#call(item, fn, args);
    return this.#prepare(item, reader.tagged ? args : args.flatMap((value) => [ArgTag.value, value]));
  }

  /** Loads what code is missing and puts arguments together, then calls. */
  #prepare(item: Item, args: readonly unknown[]): boolean {
    const { batch, code, judge } = item;
    const codes = new Set([code]);
    const locals: number[] = [];
    references(args, 0, codes, locals);
    if (judge >= 0) codes.add(judge);
    if (!locals.every((index) => batch.report.gave(index))) {
      batch.report.skip();
      return true;
    }
    const missing = [...codes].filter((each) => this.codes.functions[each] === undefined);
    if (missing.length > 0) {
      this.#announce(item, performance.now()); // its timeout covers the import of its module
      const loading = Promise.all(missing.map((each) => this.codes.load(each)));
      return this.#wait(item, loading, () => {
        if (batch.aborted === undefined) return this.#callResolved(item, args);
        return this.#endFailed(item, batch.aborted, false); // it has not begun, and shall not
      }, (error) => this.#endFailed(item, error, false));
    }
    return this.#callResolved(item, args);
  }

  #callResolved(item: Item, args: readonly unknown[]): boolean {
    const { report } = item.batch;
    const around: Surroundings = { local: (index) => report.local(index), code: (code) => this.codes.functions[code]! };
    const fn = this.codes.functions[item.code]!;
    this.#enter(item); // inline functions among the arguments run in the context of their dependent
    let values: unknown[] | Promise<unknown[]>;
    try {
      values = resolve(args, 0, args.length / 2, around);
    } catch (error) {
      return this.#fail(item, error);
    }
    if (!(values instanceof Promise)) return this.#call(item, fn, values);
    return this.#wait(item, values, (settled) => this.#call(item, fn, settled), (error) => this.#fail(item, error));
  }

  #call(item: Item, fn: Callable, args: readonly unknown[]): boolean {
    this.#enter(item);
    let result: unknown;
    let isPromise: boolean;
    try {
      result = invoke(fn, args);
      isPromise = isThenable(result); // reads `then`, which may be a getter
    } catch (error) {
      return this.#fail(item, error);
    }
    if (isPromise) {
      return this.#wait(item, Promise.resolve(result), (value) => this.#succeed(item, value), (error) => this.#fail(item, error));
    }
    return this.#succeed(item, result);
  }

  #enter(item: Item): void {
    if (this.#current === item) return;
    item.begun = this.#now;
    this.#current = item;
    if (item.functionId !== undefined) contextSlot.current = this.#context;
    this.#announce(item, item.begun);
  }

  #announce({ batch, index }: Item, begun: number): void {
    if (!batch.announceNext) return;
    batch.announceNext = false;
    this.#post([FromWorker.started, batch.id, index, performance.timeOrigin + begun]);
  }

  #succeed(item: Item, value: unknown): boolean {
    const { batch, index } = item;
    batch.report.succeed(value, index === batch.size - 1);
    this.#leave(item);
    return true;
  }

  #fail(item: Item, error: unknown): boolean {
    if (item.judge < 0) return this.#endFailed(item, error, true);
    const verdict = new Promise((decide) => decide(this.codes.functions[item.judge]!(error, item.attempt)));
    return this.#wait(
      item, verdict,
      (again) => this.#endFailed(item, error, Boolean(again)),
      (thrown) => this.#endFailed(item, new AggregateError([error, thrown], 'The function failed, and so did its retryIf.'), false),
    );
  }

  #endFailed(item: Item, error: unknown, retryable: boolean): boolean {
    item.batch.report.fail(error, retryable);
    this.#leave(item);
    return true;
  }

  #leave({ batch, code }: Item): void {
    this.#current = undefined;
    contextSlot.current = undefined;
    this.#untimed++;
    this.#untimedCode = code;
    if (this.#untimed >= this.#stride || batch.observed) this.#readClock(batch);
  }

  /** Times what has ended since it was last read. */
  #readClock({ report, observed }: Batch): void {
    if (this.#untimed === 0) return;
    const before = this.#now;
    this.#now = performance.now();
    report.measure(this.#untimedCode, this.#untimed, before, this.#now);
    this.#stride = !observed && this.#now - before < clockEach * this.#untimed ? clockTogether : 1;
    this.#untimed = 0;
  }

  /** Waits for a promise, then goes on with this item and all that follow. */
  #wait<Value>(item: Item, promise: Promise<Value>, onValue: (value: Value) => boolean, onError: (error: unknown) => boolean): false {
    this.#waiting = true;
    this.#planFlush(item.batch);
    const entered = this.#current === item;
    if (!entered) this.#readClock(item.batch);
    const resume = (next: () => boolean): void => {
      this.#waiting = false;
      if (!entered) this.#now = performance.now(); // loading code is not the function's time
      this.#stride = 1;
      if (next()) this.#run();
    };
    promise.then((value) => resume(() => onValue(value)), (error: unknown) => resume(() => onError(error)));
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
    const { functionId = '', attempt } = item;
    const { dagId } = item.batch;
    const post = this.#post;
    return {
      get signal() {
        if (item.controller === undefined) {
          item.controller = new AbortController();
          if (item.batch.aborted !== undefined) item.controller.abort(item.batch.aborted);
        }
        return item.controller.signal;
      },
      attempt, dagId, functionId, node: this.#parts.node,
      log: (...values) => post([FromWorker.log, dagId, functionId, attempt, values.map(copyable)]),
    };
  }
}

/** A value for the log, as far as it can be sent. */
function copyable(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return String(value);
  }
}
