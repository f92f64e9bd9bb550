/**
 * Concurrent functions of a thread. While one awaits, others run. Each has its own context, output, signal and report,
 * which follow it through everything it awaits.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { HandoffError } from '../../../core/errors.ts';
import { LostResult } from '../../store/encode.ts';
import { beginNext, FromThread } from '../wire.ts';
import { type ArgumentSources, isThenable, references, resolve } from './arguments.ts';
import type { Batch } from './batch.ts';
import { BlockWatch } from './block-watch.ts';
import type { CodeTable } from './code.ts';
import { contextSlot, type TaskContext } from './context.ts';
import { invoke } from './invoke.ts';
import { contextOf, type ContextParts, type Item } from './item.ts';
import { traceContext } from './trace-context.ts';

/** What concurrent functions need of their thread. */
export interface ConcurrentParts extends ContextParts {
  readonly cursors: Int32Array;
  readonly codes: CodeTable;
  /** How many run at a time. */
  readonly concurrency: number;
  /** Called before a function's end is reported. */
  flushPrints(batch: number): void;
  /** Called when a function has ended, later than `begin` returned. */
  onEnded(): void;
}

/** What a function is called with: values, or, when `tagged`, pairs of `ArgTag` and argument. */
interface Arguments {
  readonly values: readonly unknown[];
  readonly tagged: boolean;
}

const none: readonly number[] = [];

export class Concurrent {
  readonly #parts: ConcurrentParts;
  readonly #storage = new AsyncLocalStorage<Item>();
  /** By batch. */
  readonly #running = new Map<number, Item>();
  readonly #sources: ArgumentSources;
  readonly #watch: BlockWatch;
  #beginning = false;
  readonly #context = (): TaskContext | undefined => {
    const item = this.#storage.getStore();
    return item && contextOf(item, this.#parts);
  };

  constructor(parts: ConcurrentParts) {
    this.#parts = parts;
    this.#watch = new BlockWatch({
      current: () => this.#storage.getStore(),
      report: (item, ms) => parts.post([FromThread.blocked, item?.batch.id, ms]),
    });
    this.#sources = {
      local: () => {
        throw new Error('unexpected: a concurrent function refers to a result of its own batch');
      },
      code: (code) => parts.codes.functions[code]!,
    };
  }

  /** Whether no function runs. */
  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  get isFull(): boolean {
    return this.#running.size >= this.#parts.concurrency;
  }

  /** The function whose code runs at this moment. */
  get current(): Item | undefined {
    return this.#storage.getStore();
  }

  /** Begins the function of a batch, unless it was taken back. */
  begin(batch: Batch): void {
    const { cursors, post } = this.#parts;
    const index = beginNext(cursors, batch.slot);
    if (index < 0) return post([FromThread.closed, batch.id]);
    const { reader } = batch;
    reader.next();
    const { code, functionId, attempt, isRead, settles } = reader;
    const isNamed = functionId !== undefined;
    const item: Item = {
      batch,
      index,
      code,
      functionId,
      attempt,
      isRead,
      settles,
      retryIf: isNamed ? reader.retryIf : -1,
      traceparent: isNamed ? reader.traceparent : undefined,
      begun: performance.now(),
      controller: undefined,
    };
    this.#running.set(batch.id, item);
    if (this.#running.size === 2) this.#watch.start();
    this.#watch.passed(item.begun);
    this.#beginning = true;
    const args: Arguments = { values: reader.args, tagged: reader.tagged };
    const missing = this.#missing(item, args);
    const mustTrace = item.traceparent !== undefined && !traceContext.isLoaded;
    if (missing.length === 0 && !mustTrace) this.#enter(item, args);
    else void this.#load(item, args, missing, mustTrace);
    this.#beginning = false;
  }

  /** The code that a function needs and that this thread has not loaded. */
  #missing({ code, retryIf }: Item, { values, tagged }: Arguments): readonly number[] {
    const { functions } = this.#parts.codes;
    if (!tagged && retryIf < 0) return functions[code] === undefined ? [code] : none;
    const needed = new Set([code]);
    if (tagged) references(values, 0, needed, []);
    if (retryIf >= 0) needed.add(retryIf);
    return [...needed].filter((each) => functions[each] === undefined);
  }

  /** Aborts the signal of a function. False when it does not run here. */
  cancel(batch: number, why: HandoffError): boolean {
    const item = this.#running.get(batch);
    if (item === undefined) return false;
    item.batch.aborted = why;
    this.#storage.run(item, () => item.controller?.abort(why));
    return true;
  }

  async #load(item: Item, args: Arguments, missing: readonly number[], mustTrace: boolean): Promise<void> {
    this.#announce(item); // its timeout covers the import of its module
    try {
      await Promise.all([...missing.map((each) => this.#parts.codes.load(each)), mustTrace && traceContext.load()]);
    } catch (error) {
      return this.#endFailed(item, error, false);
    }
    if (item.batch.aborted !== undefined) return this.#endFailed(item, item.batch.aborted, false); // before it began
    this.#enter(item, args);
  }

  #announce({ batch, index, begun }: Item): void {
    if (!batch.announceNext) return;
    batch.announceNext = false;
    this.#parts.post([FromThread.started, batch.id, index, performance.timeOrigin + begun]);
  }

  #enter(item: Item, args: Arguments): void {
    item.begun = performance.now();
    this.#announce(item);
    contextSlot.current = this.#context;
    let result: unknown;
    try {
      result = this.#storage.run(item, () => this.#resolveAndCall(item, args));
    } catch (error) {
      return this.#fail(item, error);
    } finally {
      if (this.#running.size > 1) this.#watch.ran(item, item.begun);
    }
    if (!(result instanceof Promise)) return this.#succeed(item, result);
    result.then(
      (value) => this.#succeed(item, value),
      (error: unknown) => this.#fail(item, error),
    );
  }

  /** Inline functions among the arguments run in the context of the function they belong to. */
  #resolveAndCall(item: Item, { values: given, tagged }: Arguments): unknown {
    if (!tagged) return this.#call(item, given);
    const { traceparent } = item;
    const values =
      traceparent === undefined
        ? resolve(given, 0, given.length / 2, this.#sources)
        : traceContext.resolve(traceparent, given, this.#sources);
    return values instanceof Promise ? values.then((settled) => this.#call(item, settled)) : this.#call(item, values);
  }

  /** A promise if the function returns anything that can be awaited. */
  #call({ code, traceparent }: Item, args: readonly unknown[]): unknown {
    const fn = this.#parts.codes.functions[code]!;
    const result = traceparent === undefined ? invoke(fn, args) : traceContext.call(traceparent, fn, args);
    return isThenable(result) ? Promise.resolve(result) : result;
  }

  #succeed(item: Item, value: unknown): void {
    this.#parts.flushPrints(item.batch.id);
    const result = item.settles ? { ok: true, value } : value;
    item.batch.report.succeed(result, false, item.isRead);
    this.#measure(item);
  }

  #fail(item: Item, error: unknown): void {
    if (error instanceof LostResult) {
      this.#parts.flushPrints(item.batch.id);
      item.batch.report.lose(error.file);
      return this.#end(item);
    }
    if (item.retryIf < 0) return this.#endFailed(item, error, true);
    const retryIf = this.#parts.codes.functions[item.retryIf]!;
    this.#storage
      .run(item, () => new Promise((decide) => decide(retryIf(error, item.attempt))))
      .then(
        (again) => this.#endFailed(item, error, Boolean(again)),
        (thrown: unknown) => {
          const both = new AggregateError([error, thrown], 'The function failed, and so did its retryIf.');
          this.#endFailed(item, both, false);
        },
      );
  }

  #endFailed(item: Item, error: unknown, retryable: boolean): void {
    this.#parts.flushPrints(item.batch.id);
    item.batch.report.fail(error, retryable);
    this.#measure(item);
  }

  #measure(item: Item): void {
    const now = performance.now();
    this.#watch.passed(now);
    item.batch.report.measure(item.code, 1, item.begun, now);
    this.#end(item);
  }

  #end({ batch }: Item): void {
    batch.report.flush();
    this.#running.delete(batch.id);
    if (this.#running.size === 1) this.#watch.stop();
    if (this.#running.size === 0) contextSlot.current = undefined;
    if (!this.#beginning) this.#parts.onEnded();
  }
}
