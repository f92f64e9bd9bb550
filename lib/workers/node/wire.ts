/**
 * The messages between a node and its threads: flat arrays over one MessagePort per thread, and two blocks of shared
 * memory.
 *
 * ```
 *   to the thread                                              from the thread
 *   [define, code, reference, files]                           [ready]
 *   [batch, id, slot, flags, origin, runId, dagId, count,      [started, batch, index, at]
 *       program, values, sources, exports]                     [ended, batch, count, exceptions, durations, spans, values]
 *   [connect, address, port]                                   [closed, batch]
 *   [cancel, batch, why]                                       [log, origin, runId, dagId, functionId, attempt, values]
 *   [answer, question, ok, value or error]                     [ask, question, actor, method, args, timeout]
 *   [stop]                                                     [crashing, error, batch]
 *   [many, messages]                                           [many, messages]
 *                                                              [blocked, batch, ms]
 *                                                              [importing, module], [imported, module], [changed, url, path]
 *                                                              [progress, origin, runId, dagId, functionId, attempt, fraction, note]
 * ```
 *
 * `origin` is the number of the host that owns the run, 0 for this one; run ids are unique only on their host.
 *
 * **Gangs.** Batches that pass results to each other have `sources`, the addresses of the threads that results come
 * from, by place; and `exports`, `[index, address, batch, place, …]`: where results go, ordered by index. Otherwise
 * both are null. Results travel over a port between the two threads, in either direction:
 *
 * ```
 *   [batch, place, kind, value, …]      kind: an `ExportKind`
 * ```
 *
 * What a batch runs is its **program**: see `program.ts`.
 *
 * **Cursors.** Both sides may want a function that has not begun: the thread to begin it, the node to take it back.
 * Each batch has one word of shared memory, and the first to change it wins:
 *
 * ```
 *   bits 31…16: how many functions the thread has begun      the thread adds 1, while less than the limit
 *   bits 15…0:  the limit: how many it may begin             the node lowers it, never below what has begun
 * ```
 *
 * The word is free again when the thread has reported every function of the batch, or has reported the batch as closed.
 */
import type { ErrorWire } from '../../core/error-wire.ts';
import type { GraphAnswer } from '../../dag/expansion-answer.ts';
import type { FileMark } from '../code/file-mark.ts';
import type { PayloadData } from '../store/payload.ts';

/** To the thread. */
export const ToThread = { define: 0, batch: 1, cancel: 2, stop: 3, connect: 4, answer: 5, many: 6 } as const;

/** From the thread. */
export const FromThread = {
  ready: 0,
  started: 1,
  ended: 2,
  closed: 3,
  log: 4,
  crashing: 5,
  ask: 6,
  print: 7,
  importing: 8,
  imported: 9,
  changed: 10,
  many: 11,
  blocked: 12,
  progress: 13,
} as const;

/** Bits of a batch's flags. */
export const BatchFlag = {
  /** Report when functions begin. */
  announce: 1,
  /** Report when each function began and ended. */
  spans: 2,
  /** Some function takes the result of an earlier one of the same batch. */
  linked: 4,
  /** Its reports may wait until there is more to report: see `ServeOptions.reportFrom`. */
  patient: 8,
  /** Its only function runs beside those of other such batches. */
  concurrent: 16,
} as const;

/** What a tagged argument is. */
export const ArgTag = {
  /** The value itself. */
  value: 0,
  /** The result of an earlier function of the same batch, by index. */
  local: 1,
  /** `PayloadData`. */
  payload: 2,
  /** A flat list of tagged arguments: `[tag, arg, tag, arg, …]`. */
  list: 3,
  /** An inline function to call: `[code, tag, arg, …]`. */
  call: 4,
} as const;

/** Functions without a plain result: `[index, kind, …]`. The kind says what their value in the report is. */
export const ReportKind = {
  /** The value is `PayloadData`. */
  payload: 1,
  /** The value is a `FailureWire`. */
  failed: 2,
  /** It did not begin, because it needs a result of the same batch that does not exist. */
  skipped: 3,
  /** It did not begin, because one of its arguments cannot be read: the value is the file. */
  lost: 4,
  /** It answered with a graph: the value is an `AnswerWire`. */
  expanded: 5,
} as const;

/** Whether a function of a report with this kind of value did not begin. */
export function hasNotBegun(kind: number): boolean {
  return kind === ReportKind.skipped || kind === ReportKind.lost;
}

/** A graph that a function answered with: itself, or as a payload. */
export type AnswerWire = { readonly graph: GraphAnswer } | { readonly data: PayloadData };

/**
 * Replaces a count in a report of durations: identifies the last `count` functions up to `index`, which took long
 * enough to be reported individually.
 */
export function placed(index: number, count: number): number {
  return -(index + (count - 1) * 0x10000);
}

export function placeOf(count: number): { readonly index: number; readonly count: number } | undefined {
  return count > 0 ? undefined : { index: -count & 0xffff, count: (-count >>> 16) + 1 };
}

/** What one thread passes to another. */
export const ExportKind = {
  /** The result itself. */
  value: 0,
  /** `PayloadData`. */
  payload: 1,
  /** There is no result. Functions that need it go back to the scheduler. */
  nothing: 2,
} as const;

export interface FailureWire {
  readonly error: ErrorWire;
  readonly retryable: boolean;
}

/** Code as a thread loads it: an export of a module, or source text. */
export type CodeWire =
  | { readonly url: string; readonly module: string; readonly export: string }
  | { readonly source: string; readonly name: string };

/**
 * Where output of a thread goes: to the process's own streams, to stderr, or, for output of functions, into
 * `function:log` events.
 */
export type Output = 'inherit' | 'stderr' | 'events';

/** A module that a thread imports before it is ready, and its files as this host knows them. */
export interface PreloadedModule {
  readonly url: string;
  readonly files: readonly FileMark[];
}

/** What a thread receives at its start. */
export interface ServeOptions {
  readonly preload: readonly PreloadedModule[];
  readonly port: import('node:worker_threads').MessagePort;
  /** Control calls, by Comlink. */
  readonly control: import('node:worker_threads').MessagePort;
  readonly node: string;
  readonly cursors: Int32Array;
  /** Holds most programs. */
  readonly programs: Int32Array;
  /**
   * One number: the time in ms since the epoch from which on every function is reported soon, because some thread may
   * run out of work. Until then, the reports of patient batches may wait.
   */
  readonly reportFrom: Float64Array;
  /**
   * One number: not 0 as soon as the thread is being ended. Native functions then return undefined and imports fail, so
   * what its functions give from then on is worthless.
   */
  readonly ending: Int32Array;
  /** How many concurrent functions run at a time. */
  readonly concurrency: number;
  readonly output: Output;
  /** Bytes that results may hold; undefined: no limit. */
  readonly memoryBudget: number | undefined;
}

/** The calls that a thread answers over its control port. */
export interface Control {
  /** Imports a module and describes its exports. */
  describe(url: string, files: readonly FileMark[]): Promise<ModuleDescription>;
  /** The free variables of a function given as source. */
  freeVariables(source: string): Promise<SourceDescription>;
}

/** `hidden`: functions of the default export that are not exports themselves. */
export type ModuleDescription =
  | {
      readonly ok: true;
      readonly functions: readonly string[];
      readonly classes?: readonly string[];
      readonly others: readonly string[];
      readonly usesContext: boolean;
      readonly hidden?: readonly string[];
      readonly isCommonJs?: boolean;
    }
  | { readonly ok: false; readonly error: ErrorWire };

export type SourceDescription =
  { readonly ok: true; readonly free: readonly string[] } | { readonly ok: false; readonly error: ErrorWire };

/**
 * How many batches a thread can hold. Apart from those of concurrent functions, which the schedulers of several hosts
 * may send, at most two of a scheduler are open; the other slots serve batches that were taken back whole.
 */
export function slotsFor(concurrency: number): number {
  return 256 + 8 * concurrency;
}

/** A cursor on which no function has begun. */
export function newCursor(count: number): number {
  return count;
}

export function begunOf(cursor: number): number {
  return cursor >>> 16;
}

export function limitOf(cursor: number): number {
  return cursor & 0xffff;
}

/** Whether another function may begin. */
export function hasNext(cursors: Int32Array, slot: number): boolean {
  const cursor = Atomics.load(cursors, slot);
  return begunOf(cursor) < limitOf(cursor);
}

/** For the thread: the index of the next function; -1: none may begin. */
export function beginNext(cursors: Int32Array, slot: number): number {
  for (
    let cursor = Atomics.load(cursors, slot);
    begunOf(cursor) < limitOf(cursor);
    cursor = Atomics.load(cursors, slot)
  ) {
    if (Atomics.compareExchange(cursors, slot, cursor, cursor + 0x10000) === cursor) return begunOf(cursor);
  }
  return -1;
}

/** For the node: takes back up to `count` functions from the end. @returns how many */
export function takeBackLast(cursors: Int32Array, slot: number, count: number): number {
  for (;;) {
    const cursor = Atomics.load(cursors, slot);
    const taken = Math.min(count, limitOf(cursor) - begunOf(cursor));
    if (taken <= 0) return 0;
    if (Atomics.compareExchange(cursors, slot, cursor, cursor - taken) === cursor) return taken;
  }
}
