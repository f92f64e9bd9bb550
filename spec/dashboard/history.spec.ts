import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HistoryLimits, History } from '../../lib/dashboard/history.ts';
import { spanWidth } from '../../lib/dashboard/protocol.ts';
import { RunData } from '../../lib/dashboard/page/run-data.ts';
import { beginning, type Place, type RunHistory } from '../../lib/dashboard/run-history.ts';
import { recordedView, toRunView } from '../../lib/dashboard/views.ts';
import { chainGraph, spans, started, told } from './support.ts';

const graphOfOne = { ids: ['x'], names: ['work'], deps: [[]] };

function historyOf(limits: Partial<HistoryLimits> = {}): History {
  let last = 0;
  return new History(() => `key-${last++}`, limits);
}

function only(history: History): RunHistory {
  const [run, ...others] = history.runs;
  expect(others).toEqual([]);
  return run!;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Errors with much that hangs from them, in all events that tell errors; gives what may not be held on to. */
function tellErrors(history: History): WeakRef<object>[] {
  const refs: WeakRef<object>[] = [];
  const error = (text: string): Error => {
    const results = { some: new Uint8Array(1) };
    const each = Object.assign(new Error(text, { cause: Object.assign(new Error('cause'), { results }) }), { results });
    refs.push(new WeakRef(each), new WeakRef(results));
    return each;
  };
  history.record(
    told({
      type: 'function:retrying',
      runId: 'd',
      dagId: 'd',
      functionId: 'f0',
      node: 'a',
      attempt: 1,
      delayMs: 0,
      error: error('retried'),
      at: 1001,
    }),
  );
  history.record(
    told({
      type: 'function:failed',
      runId: 'd',
      dagId: 'd',
      functionId: 'f1',
      node: 'a',
      attempt: 1,
      error: error('failed'),
      at: 1001,
    }),
  );
  history.record(
    told({ type: 'worker:crashed', node: 'a', thread: 1, reason: 'exited', error: error('crashed'), at: 1001 }),
  );
  history.record(
    told({ type: 'run:failed', runId: 'd', dagId: 'd', durationMs: 5, error: error('y'.repeat(1e6)), at: 1005 }),
  );
  return refs;
}

/** Reads on as a page does. */
class Reader {
  place: Place = beginning;
  rows: number[] = [];
  tracks: unknown[] = [];
  marks: string[] = [];
  missed = 0;

  read(run: RunHistory, most: number): void {
    const news = run.spansSince(this.place, most);
    if (news !== undefined) {
      this.missed += news.from - this.place.rows;
      this.rows.push(...news.rows);
      this.tracks.push(...news.tracks);
      this.place = { ...this.place, rows: news.from + news.rows.length / spanWidth, tracks: this.tracks.length };
    }
    const marks = run.marksSince(this.place);
    if (marks === undefined) return;
    this.marks.push(...marks.marks.map(({ text }) => text));
    this.place = { ...this.place, marks: marks.from + marks.marks.length };
  }
}

describe('what is read of a run', () => {
  it('returns what was recorded, in pieces of any size', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('attempts'),
        functions: fc.array(fc.nat(49), { maxLength: 40 }),
        thread: fc.nat(3),
      }),
      fc.record({ kind: fc.constant('log'), text: fc.string() }),
      fc.record({ kind: fc.constant('read'), most: fc.integer({ min: 1, max: 60 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const history = historyOf();
        history.record(started(chainGraph('d', 50)));
        const run = only(history);
        const reader = new Reader();
        const rows: number[] = [];
        const tracks: number[] = [];
        const marks: string[] = [];
        steps.forEach((each, n) => {
          const at = 1000 + 10 * n;
          if (each.kind === 'attempts' && 'functions' in each) {
            if (!tracks.includes(each.thread)) tracks.push(each.thread);
            history.record(told(spans('d', each.functions, { thread: each.thread, at })));
            each.functions.forEach((i, k) => rows.push(i, tracks.indexOf(each.thread), at + k - 1000, 1, 1, 0));
          } else if ('text' in each) {
            marks.push(each.text);
            history.record(
              told({
                type: 'function:log',
                runId: 'd',
                dagId: 'd',
                functionId: 'f1',
                node: 'a',
                attempt: 1,
                values: [each.text],
                at,
              }),
            );
          } else if ('most' in each) reader.read(run, each.most);
        });
        while (
          reader.place.rows < run.rows.count ||
          reader.place.marks < marks.length ||
          reader.tracks.length < tracks.length
        )
          reader.read(run, 60);
        expect(reader.rows).toEqual(rows);
        expect(reader.tracks).toEqual(tracks.map((thread) => ({ host: 'local', node: 'a', thread })));
        expect(reader.marks).toEqual(marks);
        expect(reader.missed).toBe(0);
        const whole = new Reader();
        whole.read(run, Infinity);
        expect(whole.rows).toEqual(rows);
      }),
    );
  });

  it('reports how much was dropped before it was read, and continues after it', () => {
    const history = historyOf({ rows: 3000 });
    history.record(started(chainGraph('d', 5000)));
    const run = only(history);
    const reader = new Reader();
    const all = Array.from({ length: 5000 }, (_, i) => i);
    history.record(told(spans('d', all.slice(0, 2000))));
    reader.read(run, 500);
    history.record(told(spans('d', all.slice(2000))));
    reader.read(run, Infinity);
    expect(run.rows.dropped).toBeGreaterThanOrEqual(2000);
    expect(reader.missed).toBe(run.rows.dropped - 500);
    const functions = reader.rows.filter((_, at) => at % spanWidth === 0);
    expect(functions).toEqual([...all.slice(0, 500), ...all.slice(run.rows.dropped)]);
    expect(run.record.done).toBe(5000);
  });
});

describe('what is kept', () => {
  it('stays within its bounds by dropping the oldest ended runs first', () => {
    const limits = { runs: 4, functions: 120, rows: 3000, marks: 20, errors: 10, text: 6000 };
    const step = fc.oneof(
      fc.record({ kind: fc.constant('start' as const), size: fc.integer({ min: 1, max: 60 }) }),
      fc.record({ kind: fc.constant('end' as const), which: fc.nat() }),
      fc.record({ kind: fc.constant('attempts' as const), which: fc.nat(), count: fc.integer({ min: 1, max: 1500 }) }),
      fc.record({ kind: fc.constant('log' as const), which: fc.nat(), count: fc.integer({ min: 1, max: 15 }) }),
      fc.record({ kind: fc.constant('fail' as const), which: fc.nat(), count: fc.integer({ min: 1, max: 15 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const history = historyOf(limits);
        const running: string[] = [];
        const ended: string[] = [];
        let next = 0;
        for (const each of steps) {
          if (each.kind === 'start') {
            running.push(`d${next}`);
            history.record(started(chainGraph(`d${next++}`, each.size)));
          } else if (running.length > 0) {
            const dagId = running[each.which % running.length]!;
            if (each.kind === 'end') {
              history.record(
                told({
                  type: 'run:finished',
                  runId: dagId,
                  dagId,
                  functions: 1,
                  retries: 0,
                  durationMs: 1,
                  at: 2000 + ended.length,
                }),
              );
              ended.push(...running.splice(running.indexOf(dagId), 1));
            } else if (each.kind === 'attempts')
              history.record(
                told(
                  spans(
                    dagId,
                    Array.from({ length: each.count }, () => 0),
                  ),
                ),
              );
            else if (each.kind === 'fail')
              for (let n = 0; n < each.count; n++)
                history.record(
                  told({
                    type: 'function:failed',
                    runId: dagId,
                    dagId,
                    functionId: `f${n}`,
                    node: 'a',
                    attempt: 1,
                    error: new Error(`${n}`),
                    at: 2000,
                  }),
                );
            else
              for (let n = 0; n < each.count; n++)
                history.record(
                  told({
                    type: 'function:log',
                    runId: dagId,
                    dagId,
                    functionId: 'f0',
                    node: 'a',
                    attempt: 1,
                    values: [n],
                    at: 2000,
                  }),
                );
          }
          const runs = [...history.runs];
          const kept = runs.filter((run) => run.isOver).map((run) => run.record.graph.dagId);
          expect(
            runs
              .filter((run) => !run.isOver)
              .map((run) => run.record.graph.dagId)
              .sort(),
          ).toEqual([...running].sort());
          expect(kept.length).toBeLessThanOrEqual(limits.runs);
          if (kept.length > 1)
            expect(runs.reduce((sum, run) => sum + run.record.graph.ids.length, 0)).toBeLessThanOrEqual(
              limits.functions,
            );
          expect(history.rows).toBe(runs.reduce((sum, run) => sum + run.rows.kept, 0));
          expect(history.rows).toBeLessThanOrEqual(limits.rows);
          for (const run of runs) expect(run.notes.marks.length).toBeLessThanOrEqual(limits.marks);
          expect(history.text).toBe(runs.reduce((sum, run) => sum + run.notes.size, 0));
          expect(history.text).toBeLessThanOrEqual(limits.text);
          if (ended.length > 0) expect(kept.length).toBeGreaterThan(0);
          expect(kept.sort()).toEqual(ended.slice(ended.length - kept.length).sort()); // those that ended last
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps the errors of the first thousand that failed, and counts the others', () => {
    const history = historyOf();
    history.record(started(chainGraph('d', 1500)));
    for (let i = 0; i < 1500; i++)
      history.record(
        told({
          type: 'function:failed',
          runId: 'd',
          dagId: 'd',
          functionId: `f${i}`,
          node: 'a',
          attempt: 1,
          error: new Error(`${i}`),
          at: 1001,
        }),
      );
    const { record, notes } = only(history);
    expect(record.failed).toBe(1500);
    expect([...notes.errors.keys()]).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it('keeps no reference to thrown errors', async () => {
    const history = historyOf();
    history.record(started(chainGraph('d', 20)));
    const refs = tellErrors(history);
    await setImmediate(); // until then what a WeakRef was asked for stays
    collectGarbage();
    expect(refs.filter((ref) => ref.deref() !== undefined)).toEqual([]);
    const run = only(history);
    expect(toRunView(run).error?.message).toMatch(/^y{20000}…$/);
    expect(run.notes.errors.get(1)).toMatchObject({ name: 'Error', message: 'failed', cause: { message: 'cause' } });
  });

  it('holds on to no more of a long text than it shows', () => {
    const history = historyOf();
    history.record(started(chainGraph('d', 200)));
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 100; i++) {
      const long = `${i} ${'x'.repeat(3e5)}`;
      history.record(
        told({
          type: 'function:log',
          runId: 'd',
          dagId: 'd',
          functionId: 'f0',
          node: 'a',
          attempt: 1,
          values: [long],
          at: 1001,
        }),
      );
      history.record(
        told({
          type: 'function:failed',
          runId: 'd',
          dagId: 'd',
          functionId: `f${i}`,
          node: 'a',
          attempt: 1,
          error: new Error(long),
          at: 1001,
        }),
      );
    }
    collectGarbage();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20e6);
    expect(only(history).notes.marks).toHaveLength(200);
  });

  it.each([
    [
      'what is logged',
      (n: number) =>
        ({
          type: 'function:log',
          runId: 'd',
          dagId: 'd',
          functionId: 'f0',
          node: 'a',
          attempt: 1,
          values: ['x'.repeat(1000), n],
          at: 1001,
        }) as const,
    ],
    [
      'errors of functions',
      (n: number) =>
        ({
          type: 'function:failed',
          runId: 'd',
          dagId: 'd',
          functionId: `f${n}`,
          node: 'a',
          attempt: 1,
          error: new Error('x'.repeat(1000)),
          at: 1001,
        }) as const,
    ],
  ])('bounds %s over all runs, and forgets the oldest first', (_, event) => {
    const history = historyOf({ text: 100_000, runs: 8 });
    for (let r = 0; r < 5; r++) {
      history.record(started(chainGraph('d', 100), 1000 + r));
      for (let n = 0; n < 30; n++) {
        history.record(told(event(n)));
        expect(history.text).toBeLessThanOrEqual(100_000);
      }
      history.record(
        told({ type: 'run:finished', runId: 'd', dagId: 'd', functions: 100, retries: 0, durationMs: 5, at: 1005 + r }),
      );
    }
    const sizes = [...history.runs].map(({ notes }) => notes.size);
    expect(sizes[0]).toBe(0);
    expect(sizes.at(-1)).toBeGreaterThan(30_000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(history.text);
    for (let r = 5; r < 13; r++) {
      history.record(started(chainGraph('d', 1), 1000 + r));
      history.record(
        told({ type: 'run:finished', runId: 'd', dagId: 'd', functions: 1, retries: 0, durationMs: 5, at: 1005 + r }),
      );
    }
    expect(history.text).toBe(0); // what is forgotten with its run makes room
  });

  it('adds up by name what all attempts took, also of those that are forgotten, and however little they took', () => {
    const history = historyOf({ rows: 3000 });
    const graph = {
      ...chainGraph('d', 5000),
      names: ['even', 'odd'],
      code: Array.from({ length: 5000 }, (_, i) => i % 2),
    };
    history.record(started(graph));
    const all = Array.from({ length: 5000 }, (_, i) => i);
    const took = (i: number): number => (i % 2 === 0 ? 1 / 4096 : 3 / 4096); // as fine as times since the epoch are
    const of = (functions: readonly number[]): ReturnType<typeof spans> => ({
      ...spans('d', functions),
      spans: functions.flatMap((i) => [1000 + i, 1000 + i + took(i)]),
    });
    const early = new RunData('key-0', graph);
    const late = new RunData('key-0', graph);
    history.record(told(of(all.slice(0, 2000))));
    const run = only(history);
    const first = run.spansSince(beginning, 500)!;
    early.addSpans(first);
    history.record(told(of(all.slice(2000))));
    early.addSpans(run.spansSince({ ...beginning, rows: 500, tracks: 1 }, Infinity)!);
    late.addSpans(run.spansSince(beginning, Infinity)!);
    expect(run.rows.dropped).toBeGreaterThan(500);
    for (const { countOf, timeOf } of [early, late]) {
      expect([...countOf]).toEqual([2500, 2500]);
      for (const [name, ms] of [2500 / 4096, 7500 / 4096].entries())
        expect(Math.abs(timeOf[name]! / ms - 1)).toBeLessThan(0.005);
    }
  });
});

describe('functions without an attempt here', () => {
  const restored = (fn: number, node: string) =>
    told({ type: 'function:restored', runId: 'd', dagId: 'd', functionId: `f${fn}`, node, at: 1001 });
  const cached = (fn: number) =>
    told({ type: 'function:cached', runId: 'd', dagId: 'd', functionId: `f${fn}`, at: 1001 });

  it('are shown as restored, cached or done, each once, from any place on', () => {
    const history = historyOf();
    history.record({ ...started(chainGraph('d', 6)), earlier: { grown: [], done: [0], skipped: [], failed: [] } });
    const run = only(history);
    for (const each of [restored(1, 'a'), cached(2), restored(1, 'a'), restored(3, ''), restored(99, 'a')])
      history.record(each);
    expect(run.spared.since(0, run.key)).toEqual({
      type: 'spared',
      run: run.key,
      from: 0,
      functions: [0, 0, 1, 1, 2, 2, 3, 1],
    });
    expect(run.spared.since(3, run.key)).toMatchObject({ from: 3, functions: [3, 1] });
    expect(run.spared.since(4, run.key)).toBeUndefined();
    expect([0, 1, 2, 3, 4].map((i) => recordedView(run, i)).map(({ state, node }) => [state, node])).toEqual([
      ['done', null],
      ['restored', 'a'],
      ['cached', null],
      ['restored', null],
      ['waiting', null],
    ]);
    expect(toRunView(run)).toMatchObject({ done: 4, total: 6 });
  });

  it('are shown with everything that the run had grown by, and with what was skipped and failed', () => {
    const history = historyOf();
    const grown = [
      { type: 'run:grown', at: 1001, runId: 'd', dagId: 'd', functionId: 'f0', count: 2 },
      { type: 'run:grown', at: 1001, runId: 'd', dagId: 'd', functionId: 'f1', count: 1, graph: graphOfOne },
    ] as const;
    // f0 is a map, whose elements are done, so it is done too, and not counted itself.
    history.record({
      ...started(chainGraph('d', 5)),
      earlier: { grown, done: [0, 1, 5, 6], skipped: [2], failed: [3] },
    });
    const run = only(history);
    expect(run.record.graph.ids).toEqual(['f0', 'f1', 'f2', 'f3', 'f4', 'f0[0]', 'f0[1]', 'f1/x']);
    expect(run.record.graph.ids.map((_, i) => recordedView(run, i).state)).toEqual([
      'done',
      'done',
      'skipped',
      'failed',
      'waiting',
      'done',
      'done',
      'waiting',
    ]);
    expect(toRunView(run)).toMatchObject({ grown: 2, done: 3, failed: 1, total: 6 });
    history.record(told({ ...spans('d', [7]), functionIds: ['f1/x'] }));
    expect(toRunView(run)).toMatchObject({ done: 4 });
  });

  it('are done as usual when they run here after all', () => {
    const history = historyOf();
    history.record(started(chainGraph('d', 2)));
    history.record(restored(0, 'a'));
    history.record(told({ type: 'result:recomputing', runId: 'd', dagId: 'd', functionId: 'f0', at: 1002 }));
    history.record(told(spans('d', [0], { at: 1003 })));
    expect(recordedView(only(history), 0)).toMatchObject({ state: 'done', attempts: 1, thread: 0 });
  });
});

describe('runs', () => {
  it('of the same DAG are distinguished, on one host and on several', () => {
    const history = historyOf();
    const end = (host: string): void =>
      history.record(
        told({ type: 'run:finished', runId: 'd', dagId: 'd', functions: 2, retries: 0, durationMs: 5, at: 1005 }, host),
      );
    history.record(started(chainGraph('d', 2), 1000, 'x'));
    history.record(started(chainGraph('d', 2), 1001, 'y'));
    history.record({ ...told(spans('d', [0])), host: 'y' });
    end('x');
    history.record(started(chainGraph('d', 2), 1010, 'x'));
    expect([...history.runs].map((run) => [run.host, run.isOver, run.rows.count])).toEqual([
      ['x', true, 0],
      ['y', false, 1],
      ['x', false, 0],
    ]);
    expect(new Set([...history.runs].map(({ key }) => key)).size).toBe(3);
  });

  it('that are reported twice count once; one that begins again without an end has failed', () => {
    const history = historyOf();
    history.record(started(chainGraph('d', 2), 1000));
    history.record(started(chainGraph('d', 2), 1000));
    expect([...history.runs]).toHaveLength(1);
    history.record(started(chainGraph('d', 2), 1500));
    expect([...history.runs].map((run) => toRunView(run).state)).toEqual(['failed', 'running']);
  });

  it('are counted: done, failed, retried, bytes that were fetched', () => {
    const history = historyOf();
    history.record(started(chainGraph('d', 4)));
    history.record(told(spans('d', [0, 1, 2], { failed: [2] })));
    history.record(
      told({
        type: 'function:retrying',
        runId: 'd',
        dagId: 'd',
        functionId: 'f2',
        node: 'a',
        attempt: 1,
        delayMs: 0,
        error: new Error('once'),
        at: 1003,
      }),
    );
    history.record(
      told({ type: 'result:fetched', runId: 'd', dagId: 'd', functionId: 'f1', node: 'b', bytes: 512, at: 1003 }),
    );
    history.record(
      told({ type: 'worker:crashed', node: 'a', thread: 1, reason: 'exited', error: new TypeError('gone'), at: 1004 }),
    );
    const run = only(history);
    expect(toRunView(run)).toMatchObject({
      state: 'running',
      total: 4,
      done: 2,
      failed: 0,
      retries: 1,
      bytesFetched: 512,
      startedAt: 1000,
      endedAt: null,
      error: null,
    });
    expect(run.rows.slice(0, 9)).toEqual([0, 0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 2, 0, 2, 1, 1, 1]);
    expect(run.notes.marks).toEqual([
      { kind: 'retry', at: 3, fn: 2, node: 'a', text: 'attempt 1: Error: once' },
      { kind: 'fetched', at: 3, fn: 1, node: 'b', text: '512 bytes' },
      { kind: 'crash', at: 4, fn: -1, node: 'a', text: 'thread 1: exited, TypeError: gone' },
    ]);
    history.record(
      told({
        type: 'run:failed',
        runId: 'd',
        dagId: 'd',
        durationMs: 5,
        error: Object.assign(new Error('no', { cause: new RangeError('why') }), { code: 'FUNCTION_FAILED' }),
        at: 1005,
      }),
    );
    expect(toRunView(run)).toMatchObject({
      state: 'failed',
      endedAt: 1005,
      error: { name: 'Error', code: 'FUNCTION_FAILED', message: 'no', cause: { name: 'RangeError', message: 'why' } },
    });
  });

  it('whose functions throw and log whatever they like', () => {
    const hostile = Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('not to be read');
      },
    });
    const circular = new Error('round') as Error & { cause: unknown };
    circular.cause = circular;
    const values = [
      undefined,
      null,
      1n,
      Symbol('s'),
      () => 1,
      {
        [Symbol.for('nodejs.util.inspect.custom')]: () => {
          throw new Error('no');
        },
      },
      'x'.repeat(1e6),
      new Array(1e5).fill('long'),
    ];
    const history = historyOf();
    history.record(started(chainGraph('d', 20)));
    [hostile, circular, ...values].forEach((error, i) => {
      history.record(
        told({
          type: 'function:failed',
          runId: 'd',
          dagId: 'd',
          functionId: `f${i}`,
          node: 'a',
          attempt: 1,
          error,
          at: 1001,
        }),
      );
      history.record(
        told({
          type: 'function:log',
          runId: 'd',
          dagId: 'd',
          functionId: `f${i}`,
          node: 'a',
          attempt: 1,
          values: [error],
          at: 1001,
        }),
      );
    });
    const run = only(history);
    expect(run.notes.marks).toHaveLength(20);
    for (const { text } of run.notes.marks) expect(text.length).toBeLessThan(1100);
    history.record(told({ type: 'run:failed', runId: 'd', dagId: 'd', durationMs: 5, error: circular, at: 1005 }));
    expect(JSON.stringify(toRunView(run))).toContain('round');
  });

  it('whose functions were not reported before they started are done when they finish', () => {
    const history = historyOf();
    history.record(started(chainGraph('d', 3)));
    history.record(told(spans('d', [2])));
    history.record(
      told({ type: 'run:finished', runId: 'd', dagId: 'd', functions: 3, retries: 0, durationMs: 5, at: 1005 }),
    );
    expect(toRunView(only(history))).toMatchObject({ state: 'finished', total: 3, done: 3 });
  });
});
