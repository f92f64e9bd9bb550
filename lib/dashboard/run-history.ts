/**
 * PURE: the memory of one run: its record, rows of spans, marks and errors. Errors are kept as text, because an error
 * object can reference any amount of memory.
 */
import type { EventOf, HandoffEvent } from '../events/events.ts';
import type { Earlier } from '../events/feed.ts';
import type { RunGraph } from '../events/run-graph.ts';
import { RunRecord } from '../report/run-record.ts';
import { type ErrorView, type Mark, type Marks, type Spans, type SparedKind, spanWidth } from './protocol.ts';
import { type NotesLimits, RunNotes } from './run-notes.ts';
import { SpanRows } from './span-rows.ts';
import { SparedFunctions } from './spared.ts';
import { errorLine, textOf, toErrorView } from './text.ts';

/** How far a client has read. */
export interface Place {
  readonly rows: number;
  readonly tracks: number;
  readonly marks: number;
  readonly spared: number;
}

export const beginning: Place = { rows: 0, tracks: 0, marks: 0, spared: 0 };

export interface RunHistoryOptions extends NotesLimits {
  /** The host of a node, if known. */
  readonly hostOf: (node: string) => string | undefined;
}

export class RunHistory {
  readonly key: string;
  readonly host: string;
  readonly record: RunRecord;
  readonly rows = new SpanRows();
  readonly notes: RunNotes;
  readonly spared = new SparedFunctions();
  readonly tracks: Spans['tracks'][number][] = [];
  /** Version of the history at the last change of this run. */
  version = 0;
  /** Running functions, as of the last read. */
  running = 0;
  /** Estimated remaining ms; null if unknown. */
  remaining: number | null = null;
  /** The error of the run, if it failed. */
  error: ErrorView | null = null;
  readonly #options: RunHistoryOptions;
  /** Totals of dropped rows: see `Spans.before`. */
  #before: { readonly counts: number[]; readonly times: number[] } | undefined;

  constructor(key: string, host: string, graph: RunGraph, options: RunHistoryOptions) {
    this.key = key;
    this.host = host;
    this.#options = options;
    this.notes = new RunNotes(options);
    const { rows } = this;
    this.record = new RunRecord(graph, (i, track, begun, ended, attempt, hasFailed) =>
      rows.push(i, track, this.#since(begun), Math.max(0, ended - begun), attempt, hasFailed),
    );
  }

  get isOver(): boolean {
    return this.record.endedAt !== undefined;
  }

  take(event: HandoffEvent): void {
    const { record } = this;
    record.record(event);
    switch (event.type) {
      case 'attempts':
        for (const { node, thread } of record.tracks.slice(this.tracks.length))
          this.tracks.push({ host: this.#options.hostOf(node) ?? this.host, node, thread });
        return;
      case 'run:finished':
      case 'run:failed':
        this.running = 0;
        this.remaining = 0;
        if (event.type === 'run:failed') this.error = toErrorView(event.error);
        return;
      case 'function:restored':
        return this.#spare(event.functionId, 'restored', event.node);
      case 'function:cached':
        return this.#spare(event.functionId, 'cached');
      case 'function:retrying':
        return this.#mark('retry', event, event.node, `attempt ${event.attempt}: ${errorLine(event.error)}`);
      case 'function:skipped':
        return this.#mark('skipped', event, null, '');
      case 'function:failed':
        this.notes.failed(record.index.get(event.functionId) ?? -1, event.error);
        return this.#mark('failed', event, event.node, errorLine(event.error));
      case 'function:log':
        return this.#mark('log', event, event.node, event.values.map(textOf).join(' '));
      case 'function:progress':
        return this.#mark('log', event, event.node, progressText(event));
      case 'function:memory-exceeded':
        return this.#mark(
          'overuse',
          event,
          event.node,
          `uses ${Math.round(event.usedMb)} MB, claims ${event.claimedMb}`,
        );
      case 'result:fetched':
        return this.#mark('fetched', event, event.node, `${event.bytes} bytes`);
      case 'result:lost':
        return this.#mark('lost', event, null, '');
      case 'result:recomputing':
        return this.#mark('recomputed', event, null, '');
    }
  }

  /** Takes in what became of the run before its first event. */
  takeEarlier(earlier: Earlier): void {
    for (const i of this.record.takeEarlier(earlier)) this.spared.add(i, 'done');
  }

  /** Records the death of a thread that this run may use. */
  crashed(event: EventOf<'worker:crashed'>): void {
    const { at, node, thread, reason, error } = event;
    this.notes.mark({
      kind: 'crash',
      at: this.#since(at),
      fn: -1,
      node,
      text: textOf(`thread ${thread}: ${reason}${error === undefined ? '' : `, ${errorLine(error)}`}`),
    });
  }

  /**
   * Rows after a place, and the tracks that they use first; undefined if there are none.
   *
   * @param maxRows rows to return at most
   */
  spansSince({ rows: read, tracks }: Place, maxRows: number): Spans | undefined {
    const { rows } = this;
    if (read >= rows.count && tracks >= this.tracks.length) return undefined;
    const from = Math.max(read, rows.dropped);
    const before = from > read ? this.#before : undefined;
    return {
      type: 'attempts',
      run: this.key,
      from,
      dropped: rows.dropped,
      ...(before && { before }),
      tracks: this.tracks.slice(tracks),
      rows: rows.slice(from, maxRows),
    };
  }

  /** Drops some of the oldest rows. Returns how many. */
  dropRows(): number {
    const { graph } = this.record;
    const { counts, times } = (this.#before ??= { counts: graph.names.map(() => 0), times: graph.names.map(() => 0) });
    const rows = this.rows.drop();
    for (let at = 0; at < rows.length; at += spanWidth) {
      const name = graph.code[rows[at]!]!;
      // A run that grows may get more names.
      counts[name] = (counts[name] ?? 0) + 1;
      times[name] = (times[name] ?? 0) + rows[at + 3]!;
    }
    return rows.length / spanWidth;
  }

  /** Marks after a place; undefined if there are none. */
  marksSince({ marks: read }: Place): Marks | undefined {
    const { from, marks } = this.notes.marksSince(read);
    return marks.length === 0 ? undefined : { type: 'marks', run: this.key, from, marks };
  }

  #mark(
    kind: Mark['kind'],
    { at, functionId }: { readonly at: number; readonly functionId: string },
    node: string | null,
    text: string,
  ): void {
    this.notes.mark({
      kind,
      at: this.#since(at),
      fn: this.record.index.get(functionId) ?? -1,
      node,
      text: textOf(text),
    });
  }

  #spare(functionId: string, kind: SparedKind, node?: string): void {
    this.spared.add(this.record.index.get(functionId) ?? -1, kind, node);
  }

  /** ms since the run started. */
  #since(at: number): number {
    return Math.round((at - (this.record.startedAt ?? at)) * 1000) / 1000;
  }
}

function progressText({ fraction, note }: EventOf<'function:progress'>): string {
  const percent = `${Math.round(fraction * 100)} %`;
  return note === undefined ? percent : `${percent}: ${textOf(note)}`;
}
