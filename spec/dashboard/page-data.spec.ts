/** What the dashboard's page makes of what its server says. */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readPlace, tabs, writePlace } from '../../lib/dashboard/page/address.ts';
import { viewFromData } from '../../lib/dashboard/page/function-view.ts';
import { countStates, functionsOf, longestFirst } from '../../lib/dashboard/page/grouping.ts';
import { NodeHistory } from '../../lib/dashboard/page/history.ts';
import { RateMeter } from '../../lib/dashboard/page/rate.ts';
import { RunData, State } from '../../lib/dashboard/page/run-data.ts';
import { Store } from '../../lib/dashboard/page/store.ts';
import type { Mark, Message, NodeView, RunView, Spans } from '../../lib/dashboard/protocol.ts';
import type { RunGraph } from '../../lib/events/run-graph.ts';
import { diamond } from './support.ts';

/** `top`, a map over its result with two elements, `right`, which takes the map, `end`, and an empty map. */
const grown: RunGraph = {
  ...diamond,
  ids: ['top', 'left', 'right', 'end', 'left[0]', 'left[1]', 'none'],
  code: [0, 1, 2, 2, 1, 1, 1],
  deps: [[], [0], [1], [2], [0], [0], [0]],
  pins: Array<null>(7).fill(null),
  cost: Array<number>(7).fill(0),
  duration: Array<null>(7).fill(null),
  growth: [
    { owner: 1, first: 4, count: 2, isMap: true },
    { owner: 6, first: 7, count: 0, isMap: true },
  ],
};

const tracks = [{ host: 'local', node: 'n', thread: 0 }];
const spans = (rows: readonly number[], more: Partial<Spans> = {}): Spans => ({
  type: 'attempts',
  run: 'k',
  from: 0,
  dropped: 0,
  tracks,
  rows,
  ...more,
});
const mark = (kind: Mark['kind'], fn: number, at = 5): Mark => ({ kind, at, fn, node: 'n', text: '' });

describe('what is known of a run', () => {
  it('is made of its spans: states, last attempts, and totals by name', () => {
    const data = new RunData('k', diamond);
    data.addSpans(spans([0, 0, 1, 2, 1, 0, 1, 0, 3, 4, 1, 1]));
    data.addSpans(spans([1, 0, 8, 1, 2, 0], { from: 2, tracks: [] }));
    expect([...data.states]).toEqual([State.done, State.done, State.waiting, State.waiting]);
    expect([data.attempts[1], data.begun[1], data.ended[1], data.track[1]]).toEqual([2, 8, 9, 0]);
    expect([...data.countOf]).toEqual([1, 2, 0]);
    expect([...data.timeOf]).toEqual([2, 5, 0]);
    expect(countStates([0, 1, 2, 3], data.states)).toEqual([2, 0, 2, 0, 0, 0, 0]);
    expect(data.latest).toBe(9);
  });

  it('shows skipped functions as such, and lists that state only if there are any', () => {
    const data = new RunData('k', diamond);
    data.addSpans(spans([0, 0, 1, 2, 1, 0]));
    data.addMarks({ type: 'marks', run: 'k', from: 0, marks: [mark('skipped', 1)] });
    expect([...data.states]).toEqual([State.done, State.skipped, State.waiting, State.waiting]);
    expect(data.statesOf(countStates([0, 1, 2, 3], data.states))).toContain(State.skipped);
    expect(data.statesOf(countStates([0, 2, 3], data.states))).not.toContain(State.skipped);
    expect(data.wordFor(State.skipped)).toBe('skipped');
  });

  it('shows what did not run here as restored, cached or done, unless it runs again', () => {
    const data = new RunData('k', diamond);
    data.add({ type: 'spared', run: 'k', from: 0, functions: [0, 1, 1, 2] });
    data.add({ type: 'spared', run: 'k', from: 2, functions: [2, 0] });
    expect([...data.states]).toEqual([State.restored, State.cached, State.done, State.waiting]);
    const totals = countStates([0, 1, 2, 3], data.states);
    expect(data.statesOf(totals)).toEqual(expect.arrayContaining([State.restored, State.cached]));
    expect(data.statesOf(countStates([2, 3], data.states))).not.toContain(State.cached);
    expect([State.restored, State.cached].map((state) => data.wordFor(state))).toEqual(['restored', 'cached']);
    expect(viewFromData(data, 1)).toMatchObject({ state: 'cached', attempts: 0 });
    data.add({ type: 'marks', run: 'k', from: 0, marks: [mark('recomputed', 0)] });
    expect(data.states[0]).toBe(State.waiting);
    data.add(spans([0, 0, 6, 1, 1, 0]));
    expect(data.states[0]).toBe(State.done);
    data.add({ type: 'spared', run: 'k', from: 0, functions: [0, 1] });
    expect(data.states[0], 'its attempt is newer').toBe(State.done);
  });

  it('knows when a function without an attempt is one that the run has grown by', () => {
    const data = new RunData('k', diamond);
    expect(data.isBeyond({ type: 'spared', run: 'k', from: 0, functions: [3, 1] })).toBe(false);
    expect(data.isBeyond({ type: 'spared', run: 'k', from: 0, functions: [3, 1, 4, 1] })).toBe(true);
  });

  it('lists the longest functions, by state', () => {
    const data = new RunData('k', diamond);
    data.addSpans(spans([1, 0, 1, 2, 1, 0, 2, 0, 3, 4, 1, 0, 0, 0, 0, 1, 1, 0]));
    expect(longestFirst(data, [1, 2, 3], State.done, 5)).toEqual([2, 1]);
    expect(longestFirst(data, [0, 1, 2], State.done, 2)).toEqual([2, 1]);
    expect(longestFirst(data, [3], State.waiting, 5)).toEqual([3]);
    expect(longestFirst(data, [0, 3], State.failed, 5)).toEqual([]);
  });

  it('gives a map the state of its elements, and counts them instead of the map', () => {
    const data = new RunData('k', grown);
    const stateOfMap = (): number => data.states[1]!;
    expect(functionsOf(grown)).toEqual([0, 2, 3, 4, 5]);
    expect([stateOfMap(), data.states[6]]).toEqual([State.waiting, State.done]);
    data.setLive([{ fn: 4, host: 'local', node: 'n', thread: 0, since: 1 }]);
    expect(stateOfMap()).toBe(State.running);
    data.setLive([]);
    data.addSpans(spans([4, 0, 1, 2, 1, 0]));
    expect(stateOfMap()).toBe(State.running);
    data.addSpans(spans([5, 0, 3, 2, 1, 0], { from: 1 }));
    expect(stateOfMap()).toBe(State.done);
    data.addMarks({ type: 'marks', run: 'k', from: 0, marks: [mark('recomputed', 5, 9)] });
    expect(stateOfMap()).toBe(State.running);
    data.isOver = true;
    data.setLive([]);
    expect(data.wordFor(stateOfMap())).toBe('not finished');
    data.addMarks({ type: 'marks', run: 'k', from: 1, marks: [mark('failed', 5, 10)] });
    expect(stateOfMap()).toBe(State.failed);
    expect([data.ownerOf(5), data.ownerOf(0), data.broughtBy(1)?.count, data.broughtBy(4)]).toEqual([
      1,
      -1,
      2,
      undefined,
    ]);
  });

  it('starts over when the server does, and shows the old data until then', () => {
    const data = new RunData('k', diamond);
    data.addSpans(spans([0, 0, 1, 2, 1, 0]));
    data.addMarks({ type: 'marks', run: 'k', from: 0, marks: [mark('retry', 0)] });
    data.restart();
    expect(data.tracks.length).toBe(1);
    data.addSpans(spans([0, 0, 1, 2, 1, 0, 1, 0, 3, 4, 1, 0]));
    data.addMarks({ type: 'marks', run: 'k', from: 0, marks: [mark('retry', 0)] });
    expect([data.tracks.length, data.tracks[0]!.spans.size, data.marks.length, data.rows]).toEqual([1, 2, 1, 2]);
    expect([...data.countOf]).toEqual([1, 1, 0]);
  });

  it('starts over also when rows arrive that it has', () => {
    const data = new RunData('k', diamond);
    data.addSpans(spans([0, 0, 1, 2, 1, 0]));
    data.addSpans(spans([1, 0, 3, 4, 1, 0]));
    expect([data.tracks.length, data.tracks[0]!.spans.size]).toEqual([1, 1]);
    expect([...data.states]).toEqual([State.waiting, State.done, State.waiting, State.waiting]);
  });

  it('distinguishes a final failure from a failed attempt, in any order', () => {
    const data = new RunData('k', diamond);
    data.addMarks({ type: 'marks', run: 'k', from: 0, marks: [mark('failed', 0)] });
    data.addSpans(spans([0, 0, 1, 2, 3, 1, 1, 0, 3, 4, 1, 1]));
    expect([...data.states]).toEqual([State.failed, State.waiting, State.waiting, State.waiting]);
  });

  it('has functions whose results were lost wait again, unless they were made again since', () => {
    const data = new RunData('k', diamond);
    data.addSpans(spans([0, 0, 1, 2, 1, 0, 1, 0, 10, 4, 1, 0]));
    data.addMarks({ type: 'marks', run: 'k', from: 0, marks: [mark('lost', 0), mark('lost', 1)] });
    expect([data.states[0], data.states[1]]).toEqual([State.waiting, State.done]);
  });

  it('takes functions for done whose spans are no longer kept, when others took their results', () => {
    const data = new RunData('k', diamond);
    data.addSpans(spans([3, 0, 9, 1, 1, 0], { from: 3, dropped: 3 }));
    expect([...data.states]).toEqual([State.done, State.done, State.done, State.done]);
  });

  it('knows what runs now, and what no longer does', () => {
    const data = new RunData('k', diamond);
    const live = { fn: 0, host: 'local', node: 'n', thread: 0 };
    data.setLive([{ ...live, since: 5 }]);
    expect([data.states[0], data.live[0]!.since]).toEqual([State.running, 5]);
    expect(data.tracks.map(({ node: name, thread }) => [name, thread])).toEqual([['n', 0]]);
    data.setLive([]);
    expect(data.states[0]).toBe(State.waiting);
    data.addSpans(spans([0, 1, 1, 2, 1, 0], { tracks: [{ host: 'local', node: 'm', thread: 3 }, ...tracks] }));
    expect(data.tracks.map(({ node: name, spans: own }) => [name, own.size])).toEqual([
      ['n', 1],
      ['m', 0],
    ]);
  });

  it('passes over rows and marks of functions and tracks that it does not know', () => {
    const data = new RunData('k', diamond);
    data.addSpans(spans([99, 0, 1, 2, 1, 0, 0, 7, 1, 2, 1, 0]));
    data.addMarks({ type: 'marks', run: 'k', from: 0, marks: [mark('failed', 99), mark('crash', -1)] });
    expect([...data.states]).toEqual([0, 0, 0, 0]);
    expect(data.marks.length).toBe(2);
  });

  it('shows a function that the report does not detail', () => {
    const data = new RunData('k', diamond);
    data.addSpans(spans([1, 0, 3, 4, 2, 0]));
    expect(viewFromData(data, 1)).toMatchObject({
      id: 'left',
      name: 'b',
      state: 'done',
      node: 'n',
      thread: 0,
      attempts: 2,
      begun: 3,
      ended: 7,
      cost: { cpu: 1 },
      args: [{ result: 'top' }],
      dependents: ['end'],
    });
    data.setLive([{ fn: 2, host: 'local', node: 'n', thread: 0, since: 8 }]);
    expect(viewFromData(data, 2)).toMatchObject({
      state: 'running',
      node: 'n',
      thread: 0,
      attempts: 0,
      begun: 8,
      ended: null,
    });
    expect(viewFromData(data, 3)).toMatchObject({ state: 'waiting', node: null, begun: null, ended: null, cost: null });
  });
});

const run = (key: string, more: Partial<RunView> = {}): RunView => ({
  key,
  runId: 'd',
  dagId: 'd',
  host: 'local',
  state: 'running',
  startedAt: 1000,
  endedAt: null,
  total: 4,
  grown: 0,
  done: 0,
  failed: 0,
  running: 0,
  retries: 0,
  bytesFetched: 0,
  remainingMs: null,
  error: null,
  ...more,
});
const hello = (server: string): Message => ({ type: 'hello', version: '0', server, now: Date.now(), isReport: false });
const node = (more: Partial<NodeView> = {}): NodeView => ({
  name: 'n',
  host: 'local',
  isUp: true,
  declared: { cpu: 4, gpu: 1 },
  claimed: { cpu: 1 },
  used: { cpu: 0.5, memory: 100 },
  threads: [
    { utilization: 0.5, heapMb: 20, running: { runId: 'd', dagId: 'd', functionId: 'left', since: 1500 }, queue: 1 },
  ],
  ...more,
});

function newStore(wanted: string | null = null): { store: Store; needed: string[] } {
  const needed: string[] = [];
  return {
    store: new Store(
      { changed() {}, needGraph: (key) => void needed.push(key), hasGrown: (key) => void needed.push(`${key}, grown`) },
      wanted,
    ),
    needed,
  };
}

describe('what the page makes of messages', () => {
  it('shows the newest run first, and then the one that was chosen, also when others begin', () => {
    const { store, needed } = newStore();
    store.apply(hello('s'));
    store.apply({ type: 'runs', runs: [run('new', { startedAt: 2000 }), run('old')], gone: [] });
    expect([store.key, [...store.runs.keys()]]).toEqual(['new', ['old', 'new']]);
    store.choose('old');
    store.apply({ type: 'runs', runs: [run('newest', { startedAt: 3000 })], gone: [] });
    expect([store.key, needed]).toEqual(['old', ['new', 'old']]);
    store.apply({ type: 'runs', runs: [], gone: ['old'] });
    expect(store.key).toBe('newest');
  });

  it('shows the next run when that which was shown by itself is over, but not before', () => {
    const { store } = newStore();
    store.apply({ type: 'runs', runs: [run('first')], gone: [] });
    store.apply({ type: 'runs', runs: [run('second', { startedAt: 2000 })], gone: [] });
    expect(store.key).toBe('first');
    store.apply({ type: 'runs', runs: [run('first', { state: 'finished', endedAt: 3000 })], gone: [] });
    expect(store.key).toBe('second');
  });

  it('shows the run that the address names, if there is one', () => {
    const { store } = newStore('old');
    store.apply({ type: 'runs', runs: [run('new', { startedAt: 2000 }), run('old')], gone: [] });
    expect(store.key).toBe('old');
  });

  it('keeps what comes before the graph, and takes it in with it', () => {
    const { store } = newStore();
    store.apply(hello('s'));
    store.apply({ type: 'runs', runs: [run('k')], gone: [] });
    store.apply(spans([0, 0, 1, 2, 1, 0]));
    store.apply({ type: 'nodes', at: 1, nodes: [node()] });
    expect(store.data).toBeUndefined();
    store.addGraph('another', diamond);
    expect(store.data).toBeUndefined();
    store.addGraph('k', diamond);
    expect([...store.data!.states]).toEqual([State.done, State.running, State.waiting, State.waiting]);
    expect(store.data!.live.map(({ fn, since }) => [fn, since])).toEqual([[1, 500]]);
    store.apply({ type: 'runs', runs: [run('k', { state: 'finished', endedAt: 2000 })], gone: [] });
    expect([store.data!.live.length, store.elapsed]).toEqual([0, 1000]);
  });

  it('asks for the graph again when the run has grown, and takes in what has come meanwhile', () => {
    const { store, needed } = newStore();
    store.apply(hello('s'));
    store.apply({ type: 'runs', runs: [run('k')], gone: [] });
    store.addGraph('k', diamond);
    store.apply(spans([0, 0, 1, 2, 1, 0]));
    store.apply(spans([0, 0, 1, 2, 1, 0, 4, 0, 3, 4, 1, 0]));
    store.apply(spans([0, 0, 1, 2, 1, 0, 4, 0, 3, 4, 1, 0, 1, 0, 8, 1, 1, 0]));
    expect([needed, store.data!.states.length, store.data!.tracks[0]!.spans.size]).toEqual([['k', 'k, grown'], 4, 1]);
    const more = <Value>(list: readonly Value[], added: Value): Value[] => [...list, added];
    store.addGraph('k', {
      ...diamond,
      ids: more(diamond.ids, 'left[0]'),
      code: more(diamond.code, 0),
      deps: more(diamond.deps, [0]),
      pins: more(diamond.pins, null),
      cost: more(diamond.cost, 0),
      duration: more(diamond.duration, null),
    });
    expect([...store.data!.states]).toEqual([State.done, State.done, State.waiting, State.waiting, State.done]);
    expect(store.data!.index.get('left[0]')).toBe(4);
    expect(store.data!.dependentsOf(0)).toContain(4);
  });

  it('asks for the graph of a run that has grown before the first of its elements ends, and once at a time', () => {
    const { store, needed } = newStore();
    store.apply(hello('s'));
    store.apply({ type: 'runs', runs: [run('k')], gone: [] });
    store.addGraph('k', diamond);
    store.apply({ type: 'runs', runs: [run('k', { grown: 1 })], gone: [] });
    store.apply({ type: 'runs', runs: [run('k', { grown: 2 })], gone: [] });
    expect(needed).toEqual(['k', 'k, grown']);
    store.addGraph('k', grown);
    store.apply({ type: 'runs', runs: [run('k', { grown: 2, done: 1 })], gone: [] });
    expect([needed.length, store.data!.states.length]).toEqual([2, 7]);
  });

  describe('of the time', () => {
    afterEach(() => void vi.useRealTimers());

    it('uses the clock of the server, even if the clock of the reader changes', () => {
      vi.useFakeTimers({ toFake: ['Date', 'performance'] });
      const { store } = newStore();
      store.apply({ type: 'hello', version: '0', server: 's', now: 5000, isReport: false });
      store.apply({ type: 'runs', runs: [run('k')], gone: [] });
      for (const day of [1, -1]) {
        vi.setSystemTime(Date.now() + day * 86_400_000);
        expect(store.elapsed).toBe(4000);
      }
    });

    it('catches up after the machine of the reader has slept', () => {
      vi.useFakeTimers({ toFake: ['Date', 'performance'] });
      const { store } = newStore();
      store.apply({ type: 'hello', version: '0', server: 's', now: 5000, isReport: false });
      store.apply({ type: 'runs', runs: [run('k')], gone: [] });
      store.apply({ type: 'nodes', at: 65_000, nodes: [] });
      store.apply({ type: 'nodes', at: 64_000, nodes: [] }); // long on its way
      expect(store.elapsed).toBe(64_000);
    });
  });

  it('keeps the run and its history when the same server is back', () => {
    const { store } = newStore();
    store.apply(hello('s'));
    store.apply({ type: 'runs', runs: [run('k')], gone: [] });
    store.addGraph('k', diamond);
    store.apply(spans([0, 0, 1, 2, 1, 0]));
    const { data } = store;
    store.setConnection('lost');
    store.apply(hello('s'));
    store.apply({ type: 'runs', runs: [run('k')], gone: [] });
    store.apply(spans([0, 0, 1, 2, 1, 0, 1, 0, 3, 4, 1, 0]));
    expect(store.data).toBe(data);
    expect(data!.tracks[0]!.spans.size).toBe(2);
  });

  it('forgets everything when another server answers, also of runs whose keys are the same by chance', () => {
    const { store, needed } = newStore();
    store.apply(hello('s'));
    store.apply({ type: 'runs', runs: [run('k'), run('gone')], gone: [] });
    store.choose('k');
    store.addGraph('k', diamond);
    store.apply(hello('other'));
    expect([store.key, store.data, store.runs.size]).toEqual([null, undefined, 0]);
    store.apply({ type: 'runs', runs: [run('k', { startedAt: 9000 })], gone: [] });
    expect([store.key, store.data, needed.at(-1), store.runs.size]).toEqual(['k', undefined, 'k', 1]);
  });
});

describe('beside that', () => {
  it('tells the rate of the last seconds', () => {
    const rate = new RateMeter();
    expect(rate.perSecond).toBeUndefined();
    rate.add(0, 0);
    rate.add(1000, 100);
    expect(rate.perSecond).toBe(100);
    for (let at = 2000; at <= 10_000; at += 1000) rate.add(at, 100 + at / 100);
    expect(rate.perSecond).toBeCloseTo(10);
    rate.clear();
    expect(rate.perSecond).toBeUndefined();
  });

  it('remembers nodes for minutes, twice a second at most', () => {
    const history = new NodeHistory();
    for (let at = 0; at <= 400_000; at += 100) history.add(at, [node({ claimed: { cpu: at / 100_000 } })]);
    const series = history.series(node(), 'cpu');
    expect(series.at.length).toBeLessThanOrEqual(362);
    expect(series.at[0]).toBeGreaterThanOrEqual(220_000);
    expect([series.at.at(-1), series.claimed.at(-1), series.declared.at(-1), series.used.at(-1)]).toEqual([
      400_000, 4, 4, 0.5,
    ]);
    expect(history.series(node(), 'gpu').used.at(-1)).toBeNull();
    expect(history.series(node({ name: 'another' }), 'cpu').at).toEqual([]);
  });

  it('keeps in the address what is shown, whatever the names', () => {
    fc.assert(
      fc.property(
        fc.option(fc.string({ minLength: 1 })),
        fc.constantFrom(...tabs),
        fc.option(fc.string({ minLength: 1, unit: 'grapheme' })),
        (key, tab, fn) => {
          expect(readPlace(writePlace({ run: key, tab, fn }))).toEqual({ run: key, tab, fn });
        },
      ),
    );
    expect(readPlace('#tab=nonsense')).toEqual({ run: null, tab: 'timeline', fn: null });
  });
});
