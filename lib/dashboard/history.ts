/** PURE: a bounded memory of runs: those that ended, and the start of those in progress. */
import { HandoffError } from '../core/errors.ts';
import type { EventType, HandoffEvent } from '../events/events.ts';
import type { FeedEvent } from '../events/feed.ts';
import { RunHistory } from './run-history.ts';

/** The events it needs. */
export const historyEvents = [
  'run:started',
  'run:finished',
  'run:failed',
  'attempts',
  'run:grown',
  'function:restored',
  'function:cached',
  'function:skipped',
  'function:retrying',
  'function:failed',
  'function:log',
  'function:progress',
  'function:memory-exceeded',
  'result:fetched',
  'result:lost',
  'result:recomputing',
  'worker:crashed',
  'node:up',
] as const satisfies readonly EventType[];

/** How much is kept. The oldest ended runs are dropped first. */
export interface HistoryLimits {
  /** Ended runs. Default 50. */
  readonly runs: number;
  /**
   * Functions of all runs, because graphs are kept. Default 500,000. Runs in progress and the last ended run are kept
   * whatever their size.
   */
  readonly functions: number;
  /**
   * Attempts of all runs. Default 200,000. If no ended run is left, the oldest attempts of runs in progress are
   * dropped.
   */
  readonly rows: number;
  /** Marks per run. Default 5000. */
  readonly marks: number;
  /** Errors of functions per run. Default 1000. */
  readonly errors: number;
  /**
   * Approximate characters of the marks and errors of all runs. Default 20 million. If no ended run is left, the oldest
   * of runs in progress are dropped.
   */
  readonly text: number;
}

export const defaultLimits: HistoryLimits = {
  runs: 50,
  functions: 500_000,
  rows: 200_000,
  marks: 5000,
  errors: 1000,
  text: 20_000_000,
};

export class History {
  readonly #limits: HistoryLimits;
  readonly #newKey: () => string;
  /** In the order they started. */
  readonly #runs = new Map<string, RunHistory>();
  /** Runs in progress by id of their DAG, one per host that runs it. */
  readonly #current = new Map<string, RunHistory[]>();
  readonly #hosts = new Map<string, string>();
  #rows = 0;
  #text = 0;
  #version = 0;

  /** @param newKey returns a new name on each call, safe in a path */
  constructor(newKey: () => string, limits: Partial<HistoryLimits> = {}) {
    this.#newKey = newKey;
    this.#limits = { ...defaultLimits, ...limits };
  }

  /** Grows with every change; see `RunHistory.version`. */
  get version(): number {
    return this.#version;
  }

  /** Rows of spans in memory. */
  get rows(): number {
    return this.#rows;
  }

  /** Approximate characters of marks and errors in memory. */
  get text(): number {
    return this.#text;
  }

  /** In the order they started. */
  get runs(): Iterable<RunHistory> {
    return this.#runs.values();
  }

  get(key: string): RunHistory | undefined {
    return this.#runs.get(key);
  }

  /** Records the host of a node. */
  nodeIsOn(node: string, host: string): void {
    this.#hosts.set(node, host);
  }

  /** Marks a run as changed after a change that is not an event. */
  touch(run: RunHistory): void {
    run.version = ++this.#version;
  }

  record(received: FeedEvent): void {
    const { host } = received;
    const event: HandoffEvent = received.event;
    if (event.type === 'node:up') return this.nodeIsOn(event.node, host);
    if (event.type === 'run:started') return this.#started(received, event.at);
    if (event.type === 'worker:crashed') {
      for (const run of this.#runs.values()) if (!run.isOver) this.#change(run, () => run.crashed(event));
      return;
    }
    if (!('dagId' in event)) return;
    const run = this.#underWay(host, event.runId);
    if (run === undefined) return;
    this.#record(run, event);
    if (event.type === 'run:finished' || event.type === 'run:failed') this.#ended(run);
  }

  #underWay(host: string, runId: string): RunHistory | undefined {
    return this.#current.get(runId)?.find((run) => run.host === host);
  }

  #started({ host, event, graph, earlier }: FeedEvent, at: number): void {
    if (graph === undefined) return;
    const { runId, dagId } = graph;
    const before = this.#underWay(host, runId);
    if (before !== undefined) {
      if (before.record.startedAt === at) return; // repeated for a later subscriber
      // Its end was not reported.
      this.#record(before, {
        type: 'run:failed',
        at,
        runId,
        dagId,
        error: new HandoffError('NODE_DOWN', 'The end of this run is unknown.', { runId, dagId }),
        durationMs: 0,
      });
      this.#ended(before);
    }
    const run = new RunHistory(this.#newKey(), host, graph, {
      ...this.#limits,
      hostOf: (node) => this.#hosts.get(node),
    });
    this.#runs.set(run.key, run);
    this.#current.set(runId, [...(this.#current.get(runId) ?? []), run]);
    this.#record(run, event);
    if (earlier !== undefined) this.#change(run, () => run.takeEarlier(earlier));
    this.#forget();
  }

  #record(run: RunHistory, event: HandoffEvent): void {
    this.#change(run, () => run.take(event));
  }

  #change(run: RunHistory, change: () => void): void {
    const { rows, notes } = run;
    const { count } = rows;
    const { size } = notes;
    change();
    this.touch(run);
    this.#rows += rows.count - count;
    this.#text += notes.size - size;
    while (this.#rows > this.#limits.rows) this.#rows -= this.#oldest((each) => each.rows.kept).dropRows();
    while (this.#text > this.#limits.text) this.#dropText(this.#oldest((each) => each.notes.size));
  }

  #dropText({ notes }: RunHistory): void {
    this.#text -= notes.size;
    notes.drop();
    this.#text += notes.size;
  }

  /**
   * The run to drop data from next.
   *
   * @param kept how much data a run has; at least one run has some
   */
  #oldest(kept: (run: RunHistory) => number): RunHistory {
    let longest: RunHistory | undefined;
    for (const run of this.#runs.values()) {
      if (run.isOver && kept(run) > 0) return run;
      if (longest === undefined || kept(run) > kept(longest)) longest = run;
    }
    return longest!;
  }

  #ended(run: RunHistory): void {
    const { runId } = run.record.graph;
    const others = this.#current.get(runId)!.filter((each) => each !== run);
    if (others.length === 0) this.#current.delete(runId);
    else this.#current.set(runId, others);
    this.#forget();
  }

  #forget(): void {
    const over = [...this.#runs.values()]
      .filter(({ isOver }) => isOver)
      .sort((a, b) => a.record.endedAt! - b.record.endedAt!);
    let functions = 0;
    for (const { record } of this.#runs.values()) functions += record.graph.ids.length;
    let count = over.length;
    // Keep the last ended run: a reader may have waited for its end.
    for (const run of over.slice(0, -1)) {
      if (count <= this.#limits.runs && functions <= this.#limits.functions) return;
      count--;
      functions -= run.record.graph.ids.length;
      this.#rows -= run.rows.kept;
      this.#text -= run.notes.size;
      this.#runs.delete(run.key);
      this.#version++;
    }
  }
}
