/**
 * Messages from the dashboard's server to its page: JSON, by server-sent events and a few GETs. Unless stated
 * otherwise, times are ms since the epoch by the clock of the server.
 *
 * ```
 *   GET  /                                the page
 *   GET  /api/events?run=KEY              server-sent events: Hello, then Runs, Nodes, Trees on change (at most ten times a
 *                                         second); with `run`, also all Spans, Spared and Marks of that run, past and future
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
  /** New for each start of the server. The page then has to request its runs again. */
  readonly server: string;
  readonly now: number;
  /** A report of a finished run: nothing follows, and nothing can be cancelled. */
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
  /** Unique, even among runs of the same DAG. Safe in a path. */
  readonly key: string;
  readonly runId: string;
  readonly dagId: string;
  /** The host that started the run. */
  readonly host: string;
  readonly state: 'running' | 'finished' | 'failed';
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Functions that run, as far as known: elements of maps, and not the maps themselves. */
  readonly total: number;
  /** How many times the run has grown: the length of the `growth` of its graph. */
  readonly grown: number;
  readonly done: number;
  readonly failed: number;
  readonly running: number;
  readonly retries: number;
  readonly bytesFetched: number;
  /** Estimated remaining ms; null if unknown. */
  readonly remainingMs: number | null;
  readonly error: ErrorView | null;
}

/** New and changed runs; the first message has all. */
export interface Runs {
  readonly type: 'runs';
  readonly runs: readonly RunView[];
  /** Keys of runs that were dropped. */
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

/** Attempts that ended. */
export interface Spans {
  readonly type: 'attempts';
  readonly run: string;
  /** How many rows of this run came before. If this is less than the page has, it starts over. */
  readonly from: number;
  /** Rows that the server has dropped to stay within its limit. */
  readonly dropped: number;
  /**
   * Sent if the page missed rows that were dropped. For each name, totals of everything before `from`: attempts and
   * their ms.
   */
  readonly before?: { readonly counts: readonly number[]; readonly times: readonly number[] };
  /** Tracks that are new with this message, in the order of their numbers. */
  readonly tracks: readonly { readonly host: string; readonly node: string; readonly thread: number }[];
  /**
   * Flat, `spanWidth` numbers each: function (index into the graph), track, start in ms from the run's start, duration
   * in ms, attempt, and 1 if it threw (else 0).
   */
  readonly rows: readonly number[];
}

export const spanWidth = 6;

export interface Mark {
  readonly kind: 'retry' | 'skipped' | 'failed' | 'fetched' | 'lost' | 'recomputed' | 'crash' | 'overuse' | 'log';
  /** ms from the run's start. */
  readonly at: number;
  /** Index into the graph; -1 for no function. */
  readonly fn: number;
  readonly node: string | null;
  readonly text: string;
}

/** Points of interest in the timeline. */
export interface Marks {
  readonly type: 'marks';
  readonly run: string;
  readonly from: number;
  readonly marks: readonly Mark[];
}

/**
 * How a function is done without an attempt that was observed: before the first event, by an earlier process of its run,
 * or by a result from the cache.
 */
export const sparedKinds = ['done', 'restored', 'cached'] as const;

export type SparedKind = (typeof sparedKinds)[number];

/** Functions that are done without an attempt that was observed. */
export interface Spared {
  readonly type: 'spared';
  readonly run: string;
  /** How many functions of this run came before. */
  readonly from: number;
  /** Flat, two numbers each: function (index into the graph), and index into `sparedKinds`. */
  readonly functions: readonly number[];
}

export type Message = Hello | Runs | Nodes | Trees | Spans | Spared | Marks;

/** Details of one function, requested by a click. */
export interface FunctionView {
  readonly id: string;
  readonly name: string;
  readonly module: string | null;
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'skipped' | 'restored' | 'cached';
  readonly node: string | null;
  readonly thread: number | null;
  readonly attempts: number;
  /** ms from the run's start; null if it has not started. */
  readonly begun: number | null;
  readonly ended: number | null;
  readonly bytes: number;
  readonly cost: Cost | null;
  /** In call order: results of functions with their bytes in shared memory, and literals as text, cut if long. */
  readonly args: readonly ({ readonly result: string; readonly bytes: number } | { readonly literal: string })[];
  readonly dependents: readonly string[];
  readonly error: ErrorView | null;
  /** What it waits for, in words; null after the end of its run. */
  readonly explain: string | null;
}

/** The data of a report, in place of a server: JSON in the element `#report-data`. */
export interface Report {
  /** `hello` and all messages that would follow. */
  readonly messages: readonly Message[];
  /** Keyed by run. */
  readonly graphs: Readonly<Record<string, RunGraph>>;
  /** Keyed by run, then by index into the graph. For large runs only failed functions and the longest ones. */
  readonly functions: Readonly<Record<string, Readonly<Record<number, FunctionView>>>>;
}
