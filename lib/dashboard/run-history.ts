/** PURE: what is kept of one run: its record, the rows of its spans, and marks. */
import type { EventOf, HandoffEvent } from '../observe/events.ts';
import type { RunGraph } from '../observe/run-graph.ts';
import { Fate, RunRecord } from '../observe/run-record.ts';
import type { Mark, Marks, Spans } from './protocol.ts';
import { SpanRows } from './span-rows.ts';
import { messageOf, textOf } from './text.ts';

/** How far somebody has read. */
export interface Place {
  readonly rows: number;
  readonly lanes: number;
  readonly marks: number;
}

export const beginning: Place = { rows: 0, lanes: 0, marks: 0 };

// Of more functions that failed, the errors, which may be large, are not kept.
const mostErrors = 1000;

export interface RunHistoryOptions {
  /** The most marks that are kept. */
  readonly marks: number;
  /** The host a node is on, when it is known. */
  readonly hostOf: (node: string) => string | undefined;
}

export class RunHistory {
  readonly key: string;
  readonly host: string;
  readonly record: RunRecord;
  readonly rows = new SpanRows();
  readonly lanes: Spans['lanes'][number][] = [];
  /** That of the history when this run changed last. */
  version = 0;
  /** Functions that run now, as far as somebody has looked. */
  running = 0;
  /** ms that the rest should take; null: nobody knows. */
  remaining: number | null = null;
  readonly #marks: Mark[] = [];
  readonly #options: RunHistoryOptions;
  #marksDropped = 0;

  constructor(key: string, host: string, graph: RunGraph, options: RunHistoryOptions) {
    this.key = key;
    this.host = host;
    this.#options = options;
    const { rows } = this;
    this.record = new RunRecord(graph, (i, lane, begun, ended, attempt, hasFailed) => rows.push(i, lane, this.#since(begun), Math.max(0, ended - begun), attempt, hasFailed));
  }

  get isOver(): boolean {
    return this.record.endedAt !== undefined;
  }

  get marks(): readonly Mark[] {
    return this.#marks;
  }

  take(event: HandoffEvent): void {
    const { record } = this;
    record.record(event);
    switch (event.type) {
      case 'spans':
        for (const { node, thread } of record.lanes.slice(this.lanes.length)) this.lanes.push({ host: this.#options.hostOf(node) ?? this.host, node, thread });
        return;
      case 'run:finished': case 'run:failed':
        this.running = 0;
        this.remaining = 0;
        return;
      case 'function:retried': return this.#mark('retry', event, event.node, `attempt ${event.attempt}: ${messageOf(event.error)}`);
      case 'function:failed':
        if (record.errors.size > mostErrors) record.errors.delete(record.index.get(event.functionId)!);
        return this.#mark('failed', event, event.node, messageOf(event.error));
      case 'function:log': return this.#mark('log', event, event.node, event.values.map(textOf).join(' '));
      case 'function:overuse': return this.#mark('overuse', event, event.node, `uses ${Math.round(event.usedMb)} MB, claims ${event.claimedMb}`);
      case 'result:fetched': return this.#mark('fetched', event, event.node, `${event.bytes} bytes`);
      case 'result:lost': return this.#mark('lost', event, null, '');
      case 'result:recomputed': return this.#mark('recomputed', event, null, '');
    }
  }

  /** Functions were done before anything was told of them. */
  wereDone(indexes: readonly number[]): void {
    const { fate } = this.record;
    for (const i of indexes) {
      if (fate[i] !== Fate.waiting) continue;
      fate[i] = Fate.done;
      this.record.done++;
    }
  }

  /** A thread has died. Whether it is one this run has used, or may have. */
  crashed(event: EventOf<'worker:crashed'>): boolean {
    const { at, node, thread, reason, error } = event;
    this.#add({ kind: 'crash', at: this.#since(at), fn: -1, node, text: textOf(`thread ${thread}: ${reason}${error === undefined ? '' : `, ${messageOf(error)}`}`) });
    return true;
  }

  /**
   * Rows that follow a place, and lanes that they are the first to use; undefined: there are none.
   *
   * @param most so many rows
   */
  spansSince({ rows: read, lanes }: Place, most: number): Spans | undefined {
    const { rows } = this;
    if (read >= rows.count && lanes >= this.lanes.length) return undefined;
    const from = Math.max(read, rows.dropped);
    return { type: 'spans', run: this.key, from, dropped: rows.dropped, lanes: this.lanes.slice(lanes), rows: rows.slice(from, most) };
  }

  /** Marks that follow a place; undefined: there are none. */
  marksSince({ marks: read }: Place): Marks | undefined {
    const from = Math.max(read, this.#marksDropped);
    const marks = this.#marks.slice(from - this.#marksDropped);
    return marks.length === 0 ? undefined : { type: 'marks', run: this.key, from, marks };
  }

  #mark(kind: Mark['kind'], { at, functionId }: { readonly at: number; readonly functionId: string }, node: string | null, text: string): void {
    this.#add({ kind, at: this.#since(at), fn: this.record.index.get(functionId) ?? -1, node, text: textOf(text) });
  }

  #add(mark: Mark): void {
    this.#marks.push(mark);
    if (this.#marks.length <= this.#options.marks) return;
    // Some at a time, as each time all others move.
    const extra = Math.ceil(this.#options.marks / 10);
    this.#marks.splice(0, extra);
    this.#marksDropped += extra;
  }

  /** ms since the run began. */
  #since(at: number): number {
    return Math.round((at - (this.record.startedAt ?? at)) * 1000) / 1000;
  }
}
