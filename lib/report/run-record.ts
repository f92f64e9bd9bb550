/** The state of a run in columns by function, for the last attempt of each. Its size is bounded by the graph. */
import { messageOf } from '../core/message-of.ts';
import { cut } from '../core/cut.ts';
import type { EventOf, EventType, GrownGraph, HandoffEvent } from '../events/events.ts';
import type { Earlier } from '../events/feed.ts';
import type { Growth, RunGraph } from '../events/run-graph.ts';

/** The state of a function. */
export const Outcome = { waiting: 0, done: 1, failed: 2, skipped: 3 } as const;

// Errors are kept as text only: an error object can reference any amount of memory, such as all results of its run.
const maxMessageChars = 20_000;

/** Called for each attempt that ended, with function, track and times in ms since the epoch. */
export type OnSpan = (
  i: number,
  track: number,
  begun: number,
  ended: number,
  attempt: number,
  hasFailed: boolean,
) => void;

/** The events that a `RunRecord` needs. */
export const recordedEvents = [
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
  'function:progress',
  'result:fetched',
  'result:recomputing',
] as const satisfies readonly EventType[];

interface MapRecord {
  readonly owner: number;
  /** The first element. */
  readonly base: number;
  readonly count: number;
  /** The number of elements that are not done. */
  left: number;
}

export class RunRecord {
  /** May be replaced by a graph of the same functions with more details. */
  graph: RunGraph;
  /** For each function: its `Outcome`. */
  outcome: Uint8Array;
  /** For each function: start and end of its last attempt in ms since the epoch; NaN before. */
  begun: Float64Array;
  ended: Float64Array;
  /** For each function: attempts that ended. */
  attempts: Int32Array;
  /** For each function: bytes of its result in shared memory. */
  bytes: Float64Array;
  /** For each function: its last track, as an index into `tracks`; -1 if none. */
  track: Int32Array;
  readonly tracks: { readonly node: string; readonly thread: number }[] = [];
  retries = 0;
  done = 0;
  failed = 0;
  skipped = 0;
  /** The last reported progress, by function, until its attempt ends. */
  readonly progress = new Map<string, { readonly fraction: number; readonly note: string | undefined }>();
  /** Bytes fetched from other hosts. */
  bytesFetched = 0;
  /** ms since the epoch. */
  startedAt: number | undefined;
  endedAt: number | undefined;
  /** The error message of the run, cut if long; undefined unless the run failed. */
  error: string | undefined;
  readonly #trackIndex = new Map<string, number>();
  readonly #onSpan: OnSpan | undefined;
  #index: Map<string, number> | undefined;
  /** For each map whose length is known: its first element, and how many elements are not done. */
  readonly #maps = new Map<number, MapRecord>();
  /** Those with elements, in ascending order of `base`. */
  readonly #lists: MapRecord[] = [];
  /** Whether `graph` is a copy of ours. */
  #ownsGraph = false;

  constructor(graph: RunGraph, onSpan?: OnSpan) {
    this.#onSpan = onSpan;
    const size = graph.ids.length;
    this.graph = graph;
    this.outcome = new Uint8Array(size);
    this.begun = new Float64Array(size).fill(Number.NaN);
    this.ended = new Float64Array(size).fill(Number.NaN);
    this.attempts = new Int32Array(size);
    this.bytes = new Float64Array(size);
    this.track = new Int32Array(size).fill(-1);
  }

  /** Functions by id. Built on first access. */
  get index(): ReadonlyMap<string, number> {
    return (this.#index ??= new Map(this.graph.ids.map((id, i) => [id, i])));
  }

  /**
   * Takes in an event and ignores events of other runs. Of function events, it needs `attempts`, `function:retrying`,
   * `function:skipped` and `function:failed`.
   */
  record(event: HandoffEvent): void {
    if (!('runId' in event) || event.runId !== this.graph.runId) return;
    switch (event.type) {
      case 'run:started':
        this.startedAt = event.at;
        return;
      case 'run:finished':
        this.endedAt = event.at;
        return;
      case 'run:failed':
        this.endedAt = event.at;
        this.error = cut(messageOf(event.error), maxMessageChars);
        return;
      case 'function:restored':
      case 'function:cached':
        return void this.#doneBefore(event.functionId);
      case 'attempts':
        return this.#spans(event);
      case 'function:retrying':
        this.retries++;
        return;
      case 'run:grown':
        return event.graph === undefined
          ? this.#growMap(event.functionId, event.count)
          : this.#growGraph(event.functionId, event.graph);
      case 'function:skipped':
        return this.#skipped(event.functionId);
      case 'function:failed':
        return this.#failed(event.functionId);
      case 'function:progress':
        this.#noteProgress(event);
        return;
      case 'result:fetched':
        this.bytesFetched += event.bytes;
        return;
      case 'result:recomputing':
        return this.#recomputing(event.functionId);
    }
  }

  /**
   * Takes in what became of the run before its first event.
   *
   * @returns the functions that are done, without maps: those are done when their elements are
   */
  takeEarlier({ grown, done, skipped, failed }: Earlier): number[] {
    for (const each of grown) this.record(each);
    const { ids } = this.graph;
    for (const i of skipped) this.#skipped(ids[i]!);
    for (const i of failed) this.#failed(ids[i]!);
    return done.filter((i) => !this.#maps.has(i) && this.#doneBefore(ids[i]!));
  }

  /** A function is done without an attempt that was observed. @returns whether it was not before */
  #doneBefore(functionId: string): boolean {
    if (!this.#decide(functionId, (before) => before !== Outcome.done, Outcome.done)) return false;
    this.done++;
    this.#elementDone(this.index.get(functionId)!, 1);
    return true;
  }

  #skipped(functionId: string): void {
    if (this.#decide(functionId, (before) => before === Outcome.waiting, Outcome.skipped)) this.skipped++;
  }

  #failed(functionId: string): void {
    if (this.#decide(functionId, (before) => before !== Outcome.failed, Outcome.failed)) this.failed++;
  }

  #noteProgress({ functionId, fraction, note }: EventOf<'function:progress'>): void {
    if (this.index.has(functionId)) this.progress.set(functionId, { fraction, note });
  }

  /** Changes the outcome of a function if `changes` says so of the one before. @returns whether it changed */
  #decide(functionId: string, changes: (before: number) => boolean, outcome: number): boolean {
    const i = this.index.get(functionId);
    if (i === undefined || !changes(this.outcome[i]!)) return false;
    this.outcome[i] = outcome;
    return true;
  }

  #recomputing(functionId: string): void {
    const i = this.index.get(functionId);
    if (i === undefined || this.#maps.has(i)) return; // a map waits for its elements, which have events of their own
    if (!this.#decide(functionId, (before) => before === Outcome.done, Outcome.waiting)) return;
    this.done--;
    this.#elementDone(i, -1);
  }

  #spans({
    node,
    thread,
    functionIds,
    indexes,
    attempts,
    spans,
    bytes,
    failed,
  }: Extract<HandoffEvent, { type: 'attempts' }>): void {
    const track = this.#trackOf(node, thread);
    const { ids } = this.graph;
    let next = 0;
    let guess = 0;
    for (let k = 0; k < functionIds.length; k++) {
      const id = functionIds[k]!;
      const reportedIndex = indexes?.[k] ?? guess; // ids often come in graph order, which saves the slower map lookup
      const i = ids[reportedIndex] === id ? reportedIndex : this.index.get(id);
      if (i !== undefined) guess = i + 1;
      if (this.progress.size > 0) this.progress.delete(id);
      const hasFailed = failed[next] === k;
      if (hasFailed) next++;
      if (i === undefined) continue;
      this.begun[i] = spans[2 * k]!;
      this.ended[i] = spans[2 * k + 1]!;
      this.attempts[i] = attempts[k]!;
      this.track[i] = track;
      this.#onSpan?.(i, track, spans[2 * k]!, spans[2 * k + 1]!, attempts[k]!, hasFailed);
      if (hasFailed || this.outcome[i] === Outcome.done) continue;
      this.bytes[i] = bytes[k]!;
      this.outcome[i] = Outcome.done;
      this.done++;
      if (this.#maps.size > 0) this.#elementDone(i, 1);
    }
  }

  /** The number of functions that run, as far as known: elements of maps, and not the maps themselves. */
  get total(): number {
    return this.graph.ids.length - this.#maps.size;
  }

  /** Adds the elements of a map. A map is done when they are. */
  #growMap(id: string, count: number): void {
    const owner = this.index.get(id);
    if (owner === undefined || this.#maps.has(owner)) return;
    const { code, pins, cost, duration } = this.graph;
    const base = this.graph.ids.length;
    const deps = this.#depsOf(owner, count);
    this.#append({ owner, first: base, count, isMap: true }, (k) => ({
      id: `${id}[${k}]`,
      code: code[owner]!,
      deps: deps[k]!,
      pin: pins[owner]!,
      cost: cost[owner]!,
      duration: duration[owner]!,
    }));
    const map = { owner, base, count, left: count };
    this.#maps.set(owner, map);
    if (count === 0) this.outcome[owner] = Outcome.done;
    else this.#lists.push(map);
  }

  /** Adds the graph that a function answered with. */
  #growGraph(id: string, { ids, names, deps }: GrownGraph): void {
    const owner = this.index.get(id);
    if (owner === undefined || this.index.has(`${id}/${ids[0]}`)) return;
    const base = this.graph.ids.length;
    const codeOf = (name: string): number => {
      const known = this.graph.names.indexOf(name);
      return known >= 0 ? known : (this.graph.names as string[]).push(name) - 1;
    };
    this.#append({ owner, first: base, count: ids.length, isMap: false }, (k) => ({
      id: `${id}/${ids[k]}`,
      code: codeOf(names[k]!),
      deps: deps[k]!.map((dep) => base + dep),
      pin: null,
      cost: 0,
      duration: null,
    }));
  }

  #append(by: Growth, each: (k: number) => Added): void {
    if (!this.#ownsGraph) this.graph = { ...copyOfGraph(this.graph), growth: [] };
    this.#ownsGraph = true;
    const { ids, code, deps, pins, cost, duration, growth } = this.graph as Writable<Required<RunGraph>>;
    const index = this.index as Map<string, number>;
    growth.push(by);
    for (let k = 0; k < by.count; k++) {
      const added = each(k);
      index.set(added.id, ids.push(added.id) - 1);
      code.push(added.code);
      deps.push(added.deps);
      pins.push(added.pin);
      cost.push(added.cost);
      duration.push(added.duration);
    }
    const size = ids.length;
    this.outcome = longer(this.outcome, size, Outcome.waiting);
    this.begun = longer(this.begun, size, Number.NaN);
    this.ended = longer(this.ended, size, Number.NaN);
    this.attempts = longer(this.attempts, size, 0);
    this.bytes = longer(this.bytes, size, 0);
    this.track = longer(this.track, size, -1);
  }

  /** An element takes what its map takes; of another map with as many elements, it takes one. */
  #depsOf(owner: number, count: number): (readonly number[])[] {
    const deps = this.graph.deps[owner]!;
    const sources = deps.map((dep) => this.#maps.get(dep));
    return Array.from({ length: count }, (_, k) =>
      deps.map((dep, at) => (sources[at]?.count === count ? sources[at].base + k : dep)),
    );
  }

  /** An element of a map, or another function, is done (1), or runs again (-1). */
  #elementDone(i: number, more: 1 | -1): void {
    const map = this.#lists.findLast(({ base }) => base <= i);
    if (map === undefined || i >= map.base + map.count) return;
    map.left -= more;
    this.outcome[map.owner] = map.left === 0 ? Outcome.done : Outcome.waiting;
  }

  #trackOf(node: string, thread: number): number {
    const key = `${thread}:${node}`;
    let track = this.#trackIndex.get(key);
    if (track === undefined) {
      this.#trackIndex.set(key, (track = this.tracks.length));
      this.tracks.push({ node, thread });
    }
    return track;
  }
}

type Writable<Graph> = { [Key in keyof Graph]: Graph[Key] extends readonly (infer Item)[] ? Item[] : Graph[Key] };

interface Added {
  readonly id: string;
  readonly code: number;
  readonly deps: readonly number[];
  readonly pin: string | null;
  readonly cost: number;
  readonly duration: number | null;
}

/** A graph with lists of its own, to which functions can be added, or which stays as it is when the run grows. */
export function copyOfGraph(graph: RunGraph): RunGraph {
  const { ids, code, names, deps, pins, cost, duration, growth } = graph;
  return {
    ...graph,
    ids: [...ids],
    code: [...code],
    names: [...names],
    deps: [...deps],
    pins: [...pins],
    cost: [...cost],
    duration: [...duration],
    ...(growth !== undefined && { growth: [...growth] }),
  };
}

/** A column with more entries. Its memory doubles when it is full. */
function longer<Column extends Uint8Array | Int32Array | Float64Array>(
  column: Column,
  size: number,
  fill: number,
): Column {
  const { length, buffer, BYTES_PER_ELEMENT } = column;
  const Columns = column.constructor as new (
    from: number | ArrayBufferLike,
    offset?: number,
    length?: number,
  ) => Column;
  const hasRoom = size * BYTES_PER_ELEMENT <= buffer.byteLength;
  const more = new Columns(hasRoom ? buffer : new Columns(Math.max(size, 2 * length)).buffer, 0, size);
  if (!hasRoom) more.set(column);
  more.fill(fill, length);
  return more;
}
