/**
 * The wire between a node and its worker threads: flat arrays over one MessagePort per thread, and two blocks of shared
 * memory.
 *
 * ```
 *   to the worker                                              from the worker
 *   [define, code, reference, files]                           [ready]
 *   [batch, id, slot, flags, origin, runId, dagId, count,      [started, batch, index, at]
 *       program, values, sources, exports]                     [ended, batch, count, exceptions, durations, spans, values]
 *   [peer, address, port]                                      [closed, batch]
 *   [cancel, batch, why]                                       [log, origin, runId, dagId, functionId, attempt, values]
 *   [answer, question, ok, value or error]                     [ask, question, actor, method, args, timeout]
 *   [stop]                                                     [crashing, error]
 *                                                              [importing, module], [imported, module], [changed, url, path]
 * ```
 *
 * `origin` is the number of the host whose run it is, 0 for this one; ids of runs are unique on their host alone.
 *
 * **Gangs.** Batches that hand results to each other have `sources`, the addresses of the workers that results come
 * from, by place; and `exports`, `[index, address, batch, place, …]`: where results go to, in the order of indexes.
 * Both are null otherwise. They travel over a port between the two workers, in either direction:
 *
 * ```
 *   [batch, place, kind, value, …]      kind: an `ExportKind`
 * ```
 *
 * What a batch is to run is its **program**: see `program.ts`.
 *
 * **Cursors.** Both sides may want a function that has not begun: the worker to begin it, the node to take it back.
 * Each batch has one word of shared memory, and whoever changes it first wins:
 *
 * ```
 *   bits 31…16: how many functions the worker has begun      the worker adds 1, while less than the limit
 *   bits 15…0:  the limit: how many it may begin             the node lowers it, never below what has begun
 * ```
 *
 * The word is free again when the worker has told of every function of the batch, or says that it has closed it.
 */
import type { ErrorWire } from '../../core/error-wire.ts';
import type { FileMark } from '../code/file-mark.ts';

/** To the worker. */
export const ToWorker = { define: 0, batch: 1, cancel: 2, stop: 3, peer: 4, answer: 5 } as const;

/** From the worker. */
export const FromWorker = {
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
} as const;

/** Bits of a batch's flags. */
export const BatchFlag = {
  /** Say when functions begin. */
  announce: 1,
  /** Tell when each function began and ended. */
  spans: 2,
  /** Some function takes a result of an earlier one of the same batch. */
  linked: 4,
} as const;

/** What a tagged argument is. */
export const ArgTag = {
  /** The value itself. */
  value: 0,
  /** The result of an earlier function of the same batch: its index. */
  local: 1,
  /** `PayloadData`. */
  payload: 2,
  /** A list of tagged arguments, flat: `[tag, arg, tag, arg, …]`. */
  list: 3,
  /** An inline function to be run on the spot: `[code, tag, arg, …]`. */
  call: 4,
} as const;

/**
 * What a function gave that is not a plain value: `[index, kind, …]`, its value standing in the report as said here.
 */
export const ReportKind = {
  /** The value is `PayloadData`. */
  payload: 1,
  /** The value is a `FailureWire`. */
  failed: 2,
  /** It was not begun, as it needs a result of the same batch that is not there. */
  skipped: 3,
  /** It was not begun, as a result that it takes cannot be read: the value is its file. */
  lost: 4,
} as const;

/**
 * In the place of a count, in a report of durations: the last `count` functions up to this index, which took long
 * enough to be told apart.
 */
export function placed(index: number, count: number): number {
  return -(index + (count - 1) * 0x10000);
}

export function placeOf(count: number): { readonly index: number; readonly count: number } | undefined {
  return count > 0 ? undefined : { index: -count & 0xffff, count: (-count >>> 16) + 1 };
}

/** What is handed to another worker. */
export const ExportKind = {
  /** The result itself. */
  value: 0,
  /** `PayloadData`. */
  payload: 1,
  /** There is no result, and will be none: what needs it comes back to the scheduler. */
  nothing: 2,
} as const;

export interface FailureWire {
  readonly error: ErrorWire;
  readonly retryable: boolean;
}

/** Code as a worker imports it: a module by URL, or source text. */
export type CodeWire =
  | { readonly url: string; readonly module: string; readonly export: string }
  | { readonly source: string; readonly name: string };

/**
 * Where what is printed in a thread goes: where the process prints, to stderr, or, if a function prints it, into
 * `function:log` events.
 */
export type Output = 'inherit' | 'stderr' | 'events';

/** What a worker is started with. */
export interface ServeOptions {
  readonly port: import('node:worker_threads').MessagePort;
  /** Control calls, by Comlink. */
  readonly control: import('node:worker_threads').MessagePort;
  readonly node: string;
  readonly cursors: Int32Array;
  /** Where most programs lie. */
  readonly programs: Int32Array;
  readonly output: Output;
  /** How much results may hold, in bytes; undefined: no bound. */
  readonly memoryBudget: number | undefined;
}

/** What a worker answers over its control port. */
export interface Control {
  /** Imports a module and tells what functions it exports. */
  describe(url: string, files: readonly FileMark[]): Promise<ModuleDescription>;
  /** The variables that a function given as source uses and does not define. */
  freeVariables(source: string): Promise<SourceDescription>;
}

/** `hidden`: functions that its default export has and that are no exports. */
export type ModuleDescription =
  | {
      readonly ok: true;
      readonly functions: readonly string[];
      readonly others: readonly string[];
      readonly usesContext: boolean;
      readonly hidden?: readonly string[];
      readonly isCommonJs?: boolean;
    }
  | { readonly ok: false; readonly error: ErrorWire };

export type SourceDescription =
  { readonly ok: true; readonly free: readonly string[] } | { readonly ok: false; readonly error: ErrorWire };

/** How many batches a worker can hold. Two are open at most; the rest is room for those that were taken back whole. */
export const slots = 256;

/** A cursor on which nothing has begun. */
export function newCursor(count: number): number {
  return count;
}

export function begunOf(cursor: number): number {
  return cursor >>> 16;
}

export function limitOf(cursor: number): number {
  return cursor & 0xffff;
}

/** Whether there is another function to begin. */
export function hasNext(cursors: Int32Array, slot: number): boolean {
  const cursor = Atomics.load(cursors, slot);
  return begunOf(cursor) < limitOf(cursor);
}

/** The worker's side: the index of the next function, or -1 when there is none to begin. */
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

/** The node's side: takes back up to `count` functions from the end; gives how many. */
export function takeBackLast(cursors: Int32Array, slot: number, count: number): number {
  for (;;) {
    const cursor = Atomics.load(cursors, slot);
    const taken = Math.min(count, limitOf(cursor) - begunOf(cursor));
    if (taken <= 0) return 0;
    if (Atomics.compareExchange(cursors, slot, cursor, cursor - taken) === cursor) return taken;
  }
}
