/** What the trace-event format asks of a trace, as a checker that knows nothing of who wrote it. */

export interface Slice {
  readonly name: string;
  readonly cat: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly args: any;
}

export interface Flow {
  readonly from: Slice;
  readonly to: Slice;
}

export interface Trace {
  readonly slices: readonly Slice[];
  readonly flows: readonly Flow[];
  /** By `pid/tid`. */
  readonly threads: ReadonlyMap<string, string>;
  readonly processes: ReadonlyMap<number, string>;
  readonly counters: readonly any[];
  readonly instants: readonly any[];
}

// Times are in µs with three digits: of numbers that large, the last is lost in sums.
const tolerance = 0.002;

/** @throws `Error` that says what is wrong */
export function checkTrace(text: string): Trace {
  const file = JSON.parse(text) as { traceEvents: any[]; displayTimeUnit: unknown };
  if (file.displayTimeUnit !== 'ms' && file.displayTimeUnit !== 'ns') throw new Error('displayTimeUnit is ms or ns');
  for (const event of file.traceEvents) checkCommon(event);
  const {
    X: slices = [],
    M: metadata = [],
    s: starts = [],
    f: ends = [],
    C: counters = [],
    i: instants = [],
    ...others
  } = Object.groupBy(file.traceEvents, ({ ph }) => ph) as Record<string, any[]>;
  for (const [ph, [event]] of Object.entries(others)) wrong(event, `there is no phase ${ph}`);
  slices.forEach(checkSlice);
  counters.forEach(checkCounter);
  instants.forEach(checkInstant);
  const { processes, threads } = namesIn(metadata);
  for (const event of [...slices, ...counters, ...instants])
    if (!processes.has(event.pid)) wrong(event, 'its process has no name');
  const tracks = Map.groupBy(slices as Slice[], keyOf);
  for (const [key, track] of tracks) {
    if (!threads.has(key)) wrong(track[0], 'its thread has no name');
    checkNesting(track);
  }
  return { slices, threads, processes, counters, instants, flows: pair(starts, ends, tracks) };
}

/** What events of all phases have. */
function checkCommon(event: any): void {
  for (const key of ['pid', 'tid'])
    if (!Number.isInteger(event[key]) || event[key] < 1) wrong(event, `${key} is no whole number above 0`);
  if (typeof event.name !== 'string' || event.name === '') wrong(event, 'it has no name');
  if (!isTime(event.ts)) wrong(event, 'its ts is no time');
}

function checkSlice(event: any): void {
  if (!isTime(event.dur)) wrong(event, 'its dur is no duration');
}

function checkCounter(event: any): void {
  const values = Object.values(event.args ?? {});
  if (values.length === 0 || !values.every(Number.isFinite)) wrong(event, 'a counter has numbers as args');
}

function checkInstant(event: any): void {
  if (!['g', 'p', 't'].includes(event.s)) wrong(event, 'the scope of an instant is g, p or t');
}

/** Names of processes, and of threads by `pid/tid`. */
function namesIn(metadata: readonly any[]): { processes: Map<number, string>; threads: Map<string, string> } {
  const processes = new Map<number, string>();
  const threads = new Map<string, string>();
  for (const event of metadata) {
    if (event.name === 'process_name') processes.set(event.pid, event.args.name);
    else if (event.name === 'thread_name') threads.set(keyOf(event), event.args.name);
    else if (event.name !== 'thread_sort_index' || !Number.isInteger(event.args.sort_index))
      wrong(event, 'it is no metadata');
  }
  return { processes, threads };
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && value >= 0;
}

/** Slices of one thread lie beside or inside each other. */
function checkNesting(track: readonly Slice[]): void {
  const open: Slice[] = [];
  for (const slice of track.toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)) {
    while (open.length > 0 && open.at(-1)!.ts + open.at(-1)!.dur <= slice.ts + tolerance) open.pop();
    const outer = open.at(-1);
    if (outer !== undefined && slice.ts + slice.dur > outer.ts + outer.dur + tolerance)
      wrong(slice, `it overlaps ${outer.name} on its thread`);
    open.push(slice);
  }
}

function pair(starts: readonly any[], ends: readonly any[], tracks: ReadonlyMap<string, readonly Slice[]>): Flow[] {
  const idOf = ({ cat, name, id }: any): string => JSON.stringify([cat, name, id]);
  const byId = new Map(ends.map((end) => [idOf(end), end]));
  if (byId.size !== ends.length || new Set(starts.map(idOf)).size !== starts.length || starts.length !== ends.length)
    throw new Error('flows that begin and flows that end are not one to one');
  return starts.map((start) => {
    const end = byId.get(idOf(start)) ?? wrong(start, 'the flow does not end');
    if (end.bp !== 'e') wrong(end, 'without bp it would belong to the next slice');
    if (end.ts < start.ts) wrong(end, 'the flow ends before it begins');
    return { from: around(start, tracks), to: around(end, tracks) };
  });
}

/** The slice that is open where a flow begins or ends: the one that began last. */
function around(event: any, tracks: ReadonlyMap<string, readonly Slice[]>): Slice {
  const open = (tracks.get(keyOf(event)) ?? []).filter(
    ({ ts, dur }) => ts <= event.ts + tolerance / 4 && event.ts <= ts + dur + tolerance / 4,
  );
  return open.toSorted((a, b) => b.ts - a.ts)[0] ?? wrong(event, 'there is no slice around it');
}

function keyOf({ pid, tid }: { readonly pid: number; readonly tid: number }): string {
  return `${pid}/${tid}`;
}

function wrong(event: unknown, why: string): never {
  throw new Error(`${why}: ${JSON.stringify(event)}`);
}
