/**
 * What is known of a run: columns by function, of the last attempt of each. Its size is bounded by its graph.
 */
import { cut } from './cut.ts';
import type { HandoffEvent } from '../events/events.ts';
import type { RunGraph } from '../events/run-graph.ts';

/** What became of a function. */
export const Fate = { waiting: 0, done: 1, failed: 2 } as const;

// Errors themselves are not kept: what they hold on to has no bound. That of a run has the results of all its functions.
const longestMessage = 20_000;

/** Told of each attempt that ended: by function and lane, with ms since the epoch. */
export type OnSpan = (i: number, lane: number, begun: number, ended: number, attempt: number, hasFailed: boolean) => void;

export class RunRecord {
  /** May be replaced by one of the same functions that knows more of them. */
  graph: RunGraph;
  /** By function: `Fate`. */
  readonly fate: Uint8Array;
  /** By function: ms since the epoch at which its last attempt began and ended; NaN before that. */
  readonly begun: Float64Array;
  readonly ended: Float64Array;
  /** By function: attempts that have ended. */
  readonly attempts: Int32Array;
  /** By function: bytes of its result in shared memory. */
  readonly bytes: Float64Array;
  /** By function: the lane it ran on last, into `lanes`; -1: none. */
  readonly lane: Int32Array;
  readonly lanes: { readonly node: string; readonly thread: number }[] = [];
  retries = 0;
  done = 0;
  failed = 0;
  /** Bytes that came from other hosts. */
  bytesFetched = 0;
  /** ms since the epoch. */
  startedAt: number | undefined;
  endedAt: number | undefined;
  /** What the run's failure says, cut where it is long; undefined when it did not fail, or not yet. */
  error: string | undefined;
  readonly #laneIndex = new Map<string, number>();
  readonly #onSpan: OnSpan | undefined;
  #index: ReadonlyMap<string, number> | undefined;

  constructor(graph: RunGraph, onSpan?: OnSpan) {
    this.#onSpan = onSpan;
    const size = graph.ids.length;
    this.graph = graph;
    this.fate = new Uint8Array(size);
    this.begun = new Float64Array(size).fill(Number.NaN);
    this.ended = new Float64Array(size).fill(Number.NaN);
    this.attempts = new Int32Array(size);
    this.bytes = new Float64Array(size);
    this.lane = new Int32Array(size).fill(-1);
  }

  /** By id. Made when it is first needed. */
  get index(): ReadonlyMap<string, number> {
    return (this.#index ??= new Map(this.graph.ids.map((id, i) => [id, i])));
  }

  /** Takes in an event; those of other runs are passed over. Of functions it wants `attempts`, `function:retrying` and `function:failed`. */
  record(event: HandoffEvent): void {
    if (!('runId' in event) || event.runId !== this.graph.runId) return;
    switch (event.type) {
      case 'run:started': this.startedAt = event.at; return;
      case 'run:finished': this.endedAt = event.at; return;
      case 'run:failed':
        this.endedAt = event.at;
        this.error = messageOf(event.error);
        return;
      case 'attempts': return this.#spans(event);
      case 'function:retrying': this.retries++; return;
      case 'function:failed': {
        const i = this.index.get(event.functionId);
        if (i === undefined) return;
        if (this.fate[i] !== Fate.failed) this.failed++;
        this.fate[i] = Fate.failed;
        return;
      }
      case 'result:fetched': this.bytesFetched += event.bytes; return;
      case 'result:recomputing': {
        const i = this.index.get(event.functionId);
        if (i === undefined || this.fate[i] !== Fate.done) return;
        this.fate[i] = Fate.waiting;
        this.done--;
      }
    }
  }

  #spans({ node, thread, functionIds, indexes, attempts, spans, bytes, failed }: Extract<HandoffEvent, { type: 'attempts' }>): void {
    const lane = this.#laneOf(node, thread);
    const { ids } = this.graph;
    let next = 0;
    let guess = 0;
    for (let k = 0; k < functionIds.length; k++) {
      const id = functionIds[k]!;
      const told = indexes?.[k] ?? guess; // often they are in the order of the graph, and a look at a large map takes its time
      const i = ids[told] === id ? told : this.index.get(id);
      if (i !== undefined) guess = i + 1;
      const hasFailed = failed[next] === k;
      if (hasFailed) next++;
      if (i === undefined) continue;
      this.begun[i] = spans[2 * k]!;
      this.ended[i] = spans[2 * k + 1]!;
      this.attempts[i] = attempts[k]!;
      this.lane[i] = lane;
      this.#onSpan?.(i, lane, spans[2 * k]!, spans[2 * k + 1]!, attempts[k]!, hasFailed);
      if (hasFailed || this.fate[i] === Fate.done) continue;
      this.bytes[i] = bytes[k]!;
      this.fate[i] = Fate.done;
      this.done++;
    }
  }

  #laneOf(node: string, thread: number): number {
    const key = `${thread}:${node}`;
    let lane = this.#laneIndex.get(key);
    if (lane === undefined) {
      this.#laneIndex.set(key, (lane = this.lanes.length));
      this.lanes.push({ node, thread });
    }
    return lane;
  }
}

function messageOf(error: unknown): string {
  try {
    return cut(String(error instanceof Error ? error.message : error), longestMessage);
  } catch { // whatever was thrown need not be text, nor have any
    return 'an error that cannot be read';
  }
}
