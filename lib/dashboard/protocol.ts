/**
 * What the dashboard's server says to its page: JSON, by server-sent events and a few GETs. Times are ms since the epoch by the clock of the
 * server unless said otherwise.
 *
 * ```
 *   GET  /                                the page
 *   GET  /api/events?run=KEY              server-sent events: Hello, then Runs, Nodes, Trees as they change (each at most ten times a second);
 *                                         and of one run, if asked for, all its Spans and Marks so far, then those that follow
 *   GET  /api/runs/KEY/graph              RunGraph
 *   GET  /api/runs/KEY/functions/INDEX    FunctionView
 *   POST /api/runs/KEY/cancel             202; 409 when the run is over. Needs the header `x-handoff: 1`
 *   GET  /metrics                         Prometheus' text format
 * ```
 */
import type { TreeNode } from '../workers/supervision/child.ts';
import type { Cost } from '../dag/types.ts';
import type { NodeActivity } from '../events/activity.ts';
import type { RunGraph } from '../events/run-graph.ts';

/** The first event of a stream. */
export interface Hello {
  readonly type: 'hello';
  readonly version: string;
  /** Another after each start of the server: what the page knows of runs is then to be asked for anew. */
  readonly server: string;
  readonly now: number;
  /** A report of a finished run: nothing follows, nothing can be cancelled. */
  readonly isReport: boolean;
}

export interface ErrorView {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: ErrorView;
}

export interface RunView {
  /** Unlike all others, also those of other hosts. Safe in a path. */
  readonly key: string;
  readonly runId: string;
  readonly dagId: string;
  /** The host it was started on. */
  readonly host: string;
  readonly state: 'running' | 'finished' | 'failed';
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly running: number;
  readonly retries: number;
  readonly bytesFetched: number;
  /** ms that the rest should take; null: nobody knows. */
  readonly remainingMs: number | null;
  readonly error: ErrorView | null;
}

/** Runs that are new or have changed; all of them at first. */
export interface Runs {
  readonly type: 'runs';
  readonly runs: readonly RunView[];
  /** Keys of runs that have been forgotten. */
  readonly gone: readonly string[];
}

export type { NodeActivity as NodeView, ThreadActivity as ThreadView } from '../events/activity.ts';

/** All nodes. */
export interface Nodes {
  readonly type: 'nodes';
  readonly at: number;
  readonly nodes: readonly NodeActivity[];
}

/** The supervision trees, by host. */
export interface Trees {
  readonly type: 'trees';
  readonly trees: Readonly<Record<string, TreeNode>>;
}

/** Attempts that have ended. */
export interface Spans {
  readonly type: 'attempts';
  readonly run: string;
  /** How many rows of this run came before. Less than the page has: start again from nothing. */
  readonly from: number;
  /** Rows that the server had and has forgotten, as only so many are kept. */
  readonly dropped: number;
  /** Where rows were forgotten that the page has not had: all that came before `from`, by name: attempts, and ms they took together. */
  readonly before?: { readonly counts: readonly number[]; readonly times: readonly number[] };
  /** Lanes that are new with this message, in the order of their numbers. */
  readonly lanes: readonly { readonly host: string; readonly node: string; readonly thread: number }[];
  /** Flat, `spanWidth` numbers each: function (into the graph), lane, ms from the run's start, ms it took, attempt, 0 or 1: it threw. */
  readonly rows: readonly number[];
}

export const spanWidth = 6;

export interface Mark {
  readonly kind: 'retry' | 'failed' | 'fetched' | 'lost' | 'recomputed' | 'crash' | 'overuse' | 'log';
  /** ms from the run's start. */
  readonly at: number;
  /** Into the graph; -1: of no function. */
  readonly fn: number;
  readonly node: string | null;
  readonly text: string;
}

/** What is worth a mark in the picture. */
export interface Marks {
  readonly type: 'marks';
  readonly run: string;
  readonly from: number;
  readonly marks: readonly Mark[];
}

export type Message = Hello | Runs | Nodes | Trees | Spans | Marks;

/** One function, as it is asked for by a click. */
export interface FunctionView {
  readonly id: string;
  readonly name: string;
  readonly module: string | null;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly node: string | null;
  readonly thread: number | null;
  readonly attempts: number;
  /** ms from the run's start; null: not yet. */
  readonly begun: number | null;
  readonly ended: number | null;
  readonly bytes: number;
  readonly cost: Cost | null;
  /** In call order: results of functions with the bytes they have in shared memory, and literals as text, cut off where they are long. */
  readonly args: readonly ({ readonly result: string; readonly bytes: number } | { readonly literal: string })[];
  readonly dependents: readonly string[];
  readonly error: ErrorView | null;
  /** What it waits for, in words; null when its run is over. */
  readonly explain: string | null;
}

/** What a report holds in place of a server, as JSON in the element `#report-data`. */
export interface Report {
  /** `hello` and all that would have followed. */
  readonly messages: readonly Message[];
  /** By the key of their run. */
  readonly graphs: Readonly<Record<string, RunGraph>>;
  /** By the key of their run, then by index into the graph. Of large runs only those that failed, and those that took longest. */
  readonly functions: Readonly<Record<string, Readonly<Record<number, FunctionView>>>>;
}
