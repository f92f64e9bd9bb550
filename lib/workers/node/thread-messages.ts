/** What a thread receives and what it reports. */
import type { Cost } from '../../dag/types.ts';

/** A batch on its way to a thread. */
export interface OutgoingBatch {
  readonly id: number;
  /** `BatchFlag`s. */
  readonly flags: number;
  /** The number of the host that owns the run; 0: this one. */
  readonly origin: number;
  readonly runId: string;
  readonly dagId: string;
  /** Distinguishes runs of one host. */
  readonly serial: number;
  /** What the whole batch claims of its node. */
  readonly claim: Cost | undefined;
  /** How many functions. */
  readonly size: number;
  /** See `program.ts`. Valid only until the next batch is written. */
  readonly program: Int32Array;
  readonly values: readonly unknown[];
  /** By import: the addresses of the threads that results come from; null: none. See `wire.ts`. */
  readonly sources: Int32Array | null;
  /** `index, address, batch, place, …` of results that go to other threads; null: none. */
  readonly exports: Int32Array | null;
}

/** A thread's report on the next functions of a batch. */
export interface BatchReport {
  /** Index of the first reported function in the batch. */
  readonly first: number;
  readonly count: number;
  /** `index, ReportKind, …` of functions without a plain result, in order. */
  readonly exceptions: readonly number[];
  /**
   * `code, count, ms, …` for consecutive functions of one code. For functions of 1 ms or more, `count` also says which
   * ones: see `placeOf`.
   */
  readonly durations: readonly number[];
  /** `begun, ended, …` in ms since the epoch; null: not requested. */
  readonly spans: readonly number[] | null;
  /** Their results, by position. */
  readonly values: readonly unknown[];
}

/** Why a thread is gone. */
export interface ThreadCrash {
  /** `unreadable`: the thread was ended because it sent a message that could not be read. */
  readonly reason: 'killed' | 'exit' | 'out-of-memory' | 'uncaught' | 'import' | 'unreadable';
  readonly exitCode?: number;
  readonly error?: unknown;
  /** The batch of the concurrent function that caused it, if known. */
  readonly batch?: number;
}

/** A module that a thread is importing. */
export interface Importing {
  readonly module: string;
  /** When the import began, by `performance.now()`. */
  readonly since: number;
}

/** What a function of a run logged, possibly after its end. */
export interface Logged {
  /** The number of the host that owns the run; 0: this one. */
  readonly origin: number;
  readonly runId: string;
  readonly dagId: string;
  readonly functionId: string;
  readonly attempt: number;
  readonly values: readonly unknown[];
}

/** How far a function is. */
export interface FunctionProgress {
  /** The number of the host that owns the run; 0: this one. */
  readonly origin: number;
  readonly runId: string;
  readonly dagId: string;
  readonly functionId: string;
  readonly attempt: number;
  /** From 0 to 1. */
  readonly fraction: number;
  readonly note: string | undefined;
}

/** A function's request to an actor. */
export interface Question {
  readonly actor: string;
  readonly method: string;
  readonly args: readonly unknown[];
  /** ms; undefined: no limit. */
  readonly timeout: number | undefined;
  /** Undefined when no answer is wanted. */
  readonly answer: ((answer: Answer) => void) | undefined;
}

export type Answer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

export interface ThreadEvents {
  up(): void;
  down(crash: ThreadCrash, started: readonly { readonly batch: number; readonly started: number }[]): void;
  /** A function has begun; `at` in ms since the epoch. */
  started(batch: number, index: number, at: number): void;
  ended(batch: number, report: BatchReport): void;
  /** Several messages arrived at once: `receive` passes them on, one by one. */
  together(receive: () => void): void;
  /** A function calls an actor. `answer` is called once, unless the function does not wait. */
  ask(question: Question): void;
  log(logged: Logged): void;
  /**
   * A concurrent function, that of the batch if it is known, held its thread for `ms` while others waited on it.
   */
  blocked(batch: number | undefined, ms: number): void;
  progress(progress: FunctionProgress): void;
  /** A function of a batch printed text. */
  printed(batch: number, index: number, text: string): void;
}
