/** The state of the displayed run: spans, state of each function, and marks. */
import type { Growth, RunGraph } from '../../events/run-graph.ts';
import { type Mark, type Marks, spanWidth, type Spans, type Spared, sparedKinds } from '../protocol.ts';
import { TrackSpans } from './track-spans.ts';

export const State = { waiting: 0, running: 1, done: 2, failed: 3, skipped: 4, restored: 5, cached: 6 } as const;
export const stateNames = ['waiting', 'running', 'done', 'failed', 'skipped', 'restored', 'cached'] as const;
/** The states of a run that has ended: no function waits any more. */
const finalNames: readonly string[] = ['not finished', 'not finished', ...stateNames.slice(State.done)];

const sparedWidth = 2;

/** Messages about one run. */
export type OfRun = Spans | Spared | Marks;

export interface Track {
  readonly host: string;
  readonly node: string;
  readonly thread: number;
  readonly spans: TrackSpans;
}

/** A running function. */
export interface Live {
  readonly fn: number;
  readonly host: string;
  readonly node: string;
  readonly thread: number;
  /** ms from the run's start. */
  readonly since: number;
}

export class RunData {
  /** The run has ended. */
  isOver = false;
  readonly key: string;
  graph: RunGraph;
  index: ReadonlyMap<string, number>;
  /** By function: its name, as an index into the names of the graph. */
  code: Uint16Array;
  /** By function: `State`. */
  states: Uint8Array;
  readonly tracks: Track[] = [];
  readonly marks: Mark[] = [];
  /** By function: its last attempt. `track` is -1 before the first. */
  track: Int32Array;
  begun: Float64Array;
  ended: Float64Array;
  attempts: Uint16Array;
  /** By name: the number of attempts that ended, and their total ms. */
  countOf: Float64Array;
  timeOf: Float64Array;
  live: readonly Live[] = [];
  rows = 0;
  /** How many rows the server has dropped. */
  dropped = 0;
  /** ms from the run's start: the end of the last span. */
  latest = 0;
  /** Changes with every update, for caches. */
  version = 0;
  /** Index in `tracks`, by the server's number of a track. */
  readonly #trackIndexes: number[] = [];
  #dependents: number[][] | undefined;
  #brought: ReadonlyMap<number, Growth> | undefined;
  #marked = 0;
  #isStale = false;

  constructor(key: string, graph: RunGraph) {
    const size = graph.ids.length;
    this.key = key;
    this.graph = graph;
    this.index = new Map(graph.ids.map((id, i) => [id, i]));
    this.code = Uint16Array.from(graph.code);
    this.states = new Uint8Array(size);
    this.track = new Int32Array(size).fill(-1);
    this.begun = new Float64Array(size).fill(Number.NaN);
    this.ended = new Float64Array(size).fill(Number.NaN);
    this.attempts = new Uint16Array(size);
    this.countOf = new Float64Array(graph.names.length);
    this.timeOf = new Float64Array(graph.names.length);
    this.#settleMaps();
  }

  /** Whether a message is about a function that the graph does not have: the run has grown. */
  isBeyond(message: OfRun): boolean {
    const size = this.states.length;
    if ('marks' in message) return message.marks.some(({ fn }) => fn >= size);
    const [rows, width] = 'rows' in message ? [message.rows, spanWidth] : [message.functions, sparedWidth];
    for (let at = 0; at < rows.length; at += width) if (rows[at]! >= size) return true;
    return false;
  }

  /** Takes the graph of a run that has grown: the functions it had, and more. */
  grow(graph: RunGraph): void {
    const size = graph.ids.length;
    if (size < this.states.length) return; // of another server
    this.graph = graph;
    this.index = new Map(graph.ids.map((id, i) => [id, i]));
    this.code = Uint16Array.from(graph.code);
    this.states = longer(this.states, new Uint8Array(size));
    this.track = longer(this.track, new Int32Array(size).fill(-1));
    this.begun = longer(this.begun, new Float64Array(size).fill(Number.NaN));
    this.ended = longer(this.ended, new Float64Array(size).fill(Number.NaN));
    this.attempts = longer(this.attempts, new Uint16Array(size));
    this.countOf = longer(this.countOf, new Float64Array(graph.names.length));
    this.timeOf = longer(this.timeOf, new Float64Array(graph.names.length));
    this.#dependents = undefined;
    this.#brought = undefined;
    this.#settleMaps();
    this.version++;
  }

  /** The server will send everything again. The old data stays visible until the first message arrives. */
  restart(): void {
    this.#isStale = true;
  }

  addSpans({ from, dropped, before, tracks, rows }: Spans): void {
    if (this.#isStale || from < this.rows) this.#forget();
    this.dropped = dropped;
    if (before !== undefined) {
      this.countOf.set(before.counts);
      this.timeOf.set(before.times);
    }
    for (const track of tracks) this.#trackIndexes.push(this.#trackOf(track));
    for (let at = 0; at + spanWidth <= rows.length; at += spanWidth) {
      this.#addRow(rows[at]!, rows[at + 1]!, rows[at + 2]!, rows[at + 3]!, rows[at + 4]!, rows[at + 5]!);
    }
    this.rows = from + rows.length / spanWidth;
    if (from === dropped && dropped > 0) this.#inferForgotten();
    this.#settleMaps();
    this.version++;
  }

  /** Takes a message about the run. */
  add(message: OfRun): void {
    if (message.type === 'attempts') this.addSpans(message);
    else if (message.type === 'spared') this.addSpared(message);
    else this.addMarks(message);
  }

  /** What has run here as well keeps the state that its attempts and marks say. */
  addSpared({ functions }: Spared): void {
    if (this.#isStale) this.#forget();
    for (let at = 0; at + sparedWidth <= functions.length; at += sparedWidth) {
      const fn = functions[at]!;
      if (this.states[fn] === State.waiting && this.attempts[fn] === 0)
        this.states[fn] = State[sparedKinds[functions[at + 1]!]!];
    }
    this.#settleMaps();
    this.version++;
  }

  addMarks({ from, marks }: Marks): void {
    if (this.#isStale) this.#forget();
    if (from < this.#marked) this.marks.length = 0;
    this.#marked = from + marks.length;
    for (const mark of marks) {
      this.marks.push(mark);
      if (mark.fn < 0 || mark.fn >= this.states.length) continue;
      if (mark.kind === 'failed') this.states[mark.fn] = State.failed;
      if (mark.kind === 'skipped') this.states[mark.fn] = State.skipped;
      // Marks may arrive after spans that are more recent.
      const isGone = mark.kind === 'lost' || mark.kind === 'recomputed';
      if (isGone && !(this.ended[mark.fn]! > mark.at)) this.states[mark.fn] = State.waiting;
    }
    this.#settleMaps();
    this.version++;
  }

  /** States to list. Most runs skip nothing, and some states do not occur in a run that has ended. */
  statesOf(counts: readonly number[]): number[] {
    return [...stateNames.keys()].filter(
      (state) =>
        counts[state]! > 0 || state === State.done || state === State.failed || (!this.isOver && state < State.skipped),
    );
  }

  /** The label of a state. */
  wordFor(state: number): string {
    return (this.isOver ? finalNames : stateNames)[state]!;
  }

  /**
   * Sets all running functions. A function that ran before and is not listed waits again, or its end has not arrived
   * yet.
   */
  setLive(live: readonly Live[]): void {
    for (const { fn } of this.live) if (this.states[fn] === State.running) this.states[fn] = State.waiting;
    this.live = live;
    for (const { fn } of this.live) if (this.states[fn] === State.waiting) this.states[fn] = State.running;
    // A thread gets its row when its first function starts, not when that ends.
    for (const one of this.live) this.#trackOf(one);
    this.#settleMaps();
    this.version++;
  }

  nameOf(fn: number): string {
    return this.graph.names[this.code[fn]!] ?? '';
  }

  /** The functions that take its result. */
  dependentsOf(fn: number): readonly number[] {
    if (this.#dependents === undefined) {
      this.#dependents = this.graph.deps.map(() => []);
      for (const [i, deps] of this.graph.deps.entries()) for (const dep of deps) this.#dependents[dep]!.push(i);
    }
    return this.#dependents[fn]!;
  }

  /** What the run has grown by because of a function: the elements of a map, or the graph that it answered with. */
  broughtBy(fn: number): Growth | undefined {
    this.#brought ??= new Map(this.graph.growth?.map((each) => [each.owner, each]));
    return this.#brought.get(fn);
  }

  /** The map of an element, or the function that answered with the graph of a function; -1: neither. */
  ownerOf(fn: number): number {
    return this.graph.growth?.find(({ first, count }) => first <= fn && fn < first + count)?.owner ?? -1;
  }

  /** How many spans were dropped, by the server or here. */
  get forgotten(): number {
    return this.dropped + this.tracks.reduce((sum, { spans }) => sum + spans.forgotten, 0);
  }

  #trackOf({ host, node, thread }: Omit<Track, 'spans'>): number {
    const known = this.tracks.findIndex(
      (track) => track.thread === thread && track.node === node && track.host === host,
    );
    return known >= 0 ? known : this.tracks.push({ host, node, thread, spans: new TrackSpans() }) - 1;
  }

  #addRow(fn: number, serverTrack: number, begun: number, took: number, attempt: number, threw: number): void {
    const trackIndex = this.#trackIndexes[serverTrack];
    const track = this.tracks[trackIndex ?? -1];
    if (trackIndex === undefined || track === undefined || fn < 0 || fn >= this.states.length) return;
    track.spans.add(fn, begun, took, attempt, threw);
    this.track[fn] = trackIndex;
    this.begun[fn] = begun;
    this.ended[fn] = begun + took;
    this.attempts[fn] = attempt;
    const name = this.code[fn]!;
    this.countOf[name]!++;
    this.timeOf[name]! += took;
    this.latest = Math.max(this.latest, begun + took);
    // After an error the function is retried, unless a mark says that it has failed for good.
    if (threw === 0) this.states[fn] = State.done;
    else if (this.states[fn] !== State.failed) this.states[fn] = State.waiting;
  }

  /** A map has no attempts of its own. Its state is that of its elements. */
  #settleMaps(): void {
    for (const { owner, first, count, isMap } of this.graph.growth ?? []) {
      if (!isMap) continue;
      const counts = stateNames.map(() => 0);
      for (let fn = first; fn < first + count; fn++) counts[this.states[fn]!]!++;
      this.states[owner] = count === 0 ? State.done : combinedState(counts, this.isOver);
    }
  }

  /** Infers the state of functions whose spans the server dropped: those whose results were used are done. */
  #inferForgotten(): void {
    for (let fn = this.states.length - 1; fn >= 0; fn--) {
      if (this.track[fn] === -1) continue;
      const open = [fn];
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        for (const dep of this.graph.deps[next]!) {
          if (this.states[dep] !== State.waiting) continue;
          this.states[dep] = State.done;
          open.push(dep);
        }
      }
    }
  }

  #forget(): void {
    this.tracks.length = 0;
    this.#trackIndexes.length = 0;
    this.marks.length = 0;
    this.rows = 0;
    this.#marked = 0;
    this.#isStale = false;
    this.latest = 0;
    for (const column of [this.states, this.attempts, this.countOf, this.timeOf]) column.fill(0);
    for (const column of [this.begun, this.ended]) column.fill(Number.NaN);
    this.track.fill(-1);
  }
}

/** The states of what is done, in the order in which a box that holds several shows them. */
export const doneStates = [State.done, State.restored, State.cached] as const;

/**
 * The state of several functions together.
 *
 * @param counts how many are in each state
 */
export function combinedState(counts: readonly number[], isOver: boolean): number {
  if (counts[State.failed]! > 0) return State.failed;
  if (counts[State.running]! > 0) return State.running;
  const done = doneStates.find((state) => counts[state]! > 0);
  if (counts[State.waiting] === 0) return done ?? State.skipped;
  return done !== undefined && !isOver ? State.running : State.waiting;
}

function longer<Column extends Uint8Array | Uint16Array | Int32Array | Float64Array>(
  column: Column,
  empty: Column,
): Column {
  empty.set(column);
  return empty;
}
