/** What goes to a thread, and what is told of it. */
import type { Cost } from '../../dag/types.ts';

/** A batch as it is sent. */
export interface OutgoingBatch {
  readonly id: number;
  /** `BatchFlag`s. */
  readonly flags: number;
  /** Whose run it is of: the number of a host; 0: this one. */
  readonly origin: number;
  readonly runId: string;
  readonly dagId: string;
  /** Tells runs of one host apart. */
  readonly serial: number;
  /** What all of it together holds of its node. */
  readonly claim: Cost | undefined;
  /** How many functions. */
  readonly size: number;
  /** See `program.ts`. Only valid until the next batch is written. */
  readonly program: Int32Array;
  readonly values: readonly unknown[];
  /** By place: the addresses of the workers that results come from; null when none do. See `wire.ts`. */
  readonly sources: Int32Array | null;
  /** `index, address, batch, place, …` of results that other workers are to have; null when there are none. */
  readonly exports: Int32Array | null;
}

/** What a worker tells of the next functions of a batch. */
export interface BatchReport {
  /** Index of the first of them in the batch. */
  readonly first: number;
  readonly count: number;
  /** `index, ReportKind, …` of those that did not give a plain value, in order. */
  readonly exceptions: readonly number[];
  /**
   * `code, count, ms, …` of functions of one code together. Where few of them, mostly one, took 1 ms or more the count
   * says which: see `placeOf`.
   */
  readonly durations: readonly number[];
  /** `begun, ended, …` in ms since the epoch; null when nobody asked. */
  readonly spans: readonly number[] | null;
  /** What they gave, by position. */
  readonly values: readonly unknown[];
}

/** Why a thread is gone, and how far it had got. */
export interface ThreadCrash {
  /** `unreadable`: it sent what could not be read; it is ended for that. */
  readonly reason: 'killed' | 'exit' | 'out-of-memory' | 'uncaught' | 'import' | 'unreadable';
  readonly exitCode?: number;
  readonly error?: unknown;
}

/** A module that a thread imports. */
export interface Importing {
  readonly module: string;
  /** When it began, by `performance.now()`. */
  readonly since: number;
}

/** What a function of a run has logged, also one that has ended. */
export interface Logged {
  /** Whose run it is: the number of a host; 0: this one. */
  readonly origin: number;
  readonly runId: string;
  readonly dagId: string;
  readonly functionId: string;
  readonly attempt: number;
  readonly values: readonly unknown[];
}

/** What a function asks of an actor. */
export interface Question {
  readonly actor: string;
  readonly method: string;
  readonly args: readonly unknown[];
  /** ms; undefined: none. */
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
  /** A function asks an actor; `answer` is called once, unless it only tells. */
  ask(question: Question): void;
  log(logged: Logged): void;
  /** A function of a batch printed something. */
  printed(batch: number, index: number, text: string): void;
}
