import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HistoryLimits, History } from '../../lib/dashboard/history.ts';
import { spanWidth } from '../../lib/dashboard/protocol.ts';
import { beginning, type Place, type RunHistory } from '../../lib/dashboard/run-history.ts';
import { toRunView } from '../../lib/dashboard/views.ts';
import { chainGraph, spans, started, told } from './support.ts';

function historyOf(limits: Partial<HistoryLimits> = {}): History {
  let last = 0;
  return new History(() => `key-${last++}`, limits);
}

function only(history: History): RunHistory {
  const [run, ...others] = history.runs;
  expect(others).toEqual([]);
  return run!;
}

/** Reads on as a page does. */
class Reader {
  place: Place = beginning;
  rows: number[] = [];
  lanes: unknown[] = [];
  marks: string[] = [];
  missed = 0;

  read(run: RunHistory, most: number): void {
    const news = run.spansSince(this.place, most);
    if (news !== undefined) {
      this.missed += news.from - this.place.rows;
      this.rows.push(...news.rows);
      this.lanes.push(...news.lanes);
      this.place = { ...this.place, rows: news.from + news.rows.length / spanWidth, lanes: this.lanes.length };
    }
    const marks = run.marksSince(this.place);
    if (marks === undefined) return;
    this.marks.push(...marks.marks.map(({ text }) => text));
    this.place = { ...this.place, marks: marks.from + marks.marks.length };
  }
}

describe('what is read of a run', () => {
  it('is what was recorded, whenever and in however small pieces it is read', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('spans'), functions: fc.array(fc.nat(49), { maxLength: 40 }), thread: fc.nat(3) }),
      fc.record({ kind: fc.constant('log'), text: fc.string() }),
      fc.record({ kind: fc.constant('read'), most: fc.integer({ min: 1, max: 60 }) }),
    );
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const history = historyOf();
      history.record(started(chainGraph('d', 50)));
      const run = only(history);
      const reader = new Reader();
      const rows: number[] = [];
      const lanes: number[] = [];
      const marks: string[] = [];
      steps.forEach((each, n) => {
        const at = 1000 + 10 * n;
        if (each.kind === 'spans' && 'functions' in each) {
          if (!lanes.includes(each.thread)) lanes.push(each.thread);
          history.record(told(spans('d', each.functions, { thread: each.thread, at })));
          each.functions.forEach((i, k) => rows.push(i, lanes.indexOf(each.thread), at + k - 1000, 1, 1, 0));
        } else if ('text' in each) {
          marks.push(each.text);
          history.record(told({ type: 'function:log', dagId: 'd', functionId: 'f1', node: 'a', attempt: 1, values: [each.text], at }));
        } else if ('most' in each) reader.read(run, each.most);
      });
      while (reader.place.rows < run.rows.count || reader.place.marks < marks.length || reader.lanes.length < lanes.length) reader.read(run, 60);
      expect(reader.rows).toEqual(rows);
      expect(reader.lanes).toEqual(lanes.map((thread) => ({ host: 'local', node: 'a', thread })));
      expect(reader.marks).toEqual(marks);
      expect(reader.missed).toBe(0);
      const whole = new Reader();
      whole.read(run, Infinity);
      expect(whole.rows).toEqual(rows);
    }));
  });

  it('says how much was forgotten before it was read, and goes on after that', () => {
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
  it('stays within its bounds, and what is forgotten is of the oldest runs that have ended', () => {
    const limits = { runs: 4, functions: 120, rows: 3000, marks: 20 };
    const step = fc.oneof(
      fc.record({ kind: fc.constant('start' as const), size: fc.integer({ min: 1, max: 60 }) }),
      fc.record({ kind: fc.constant('end' as const), which: fc.nat() }),
      fc.record({ kind: fc.constant('spans' as const), which: fc.nat(), count: fc.integer({ min: 1, max: 1500 }) }),
      fc.record({ kind: fc.constant('log' as const), which: fc.nat(), count: fc.integer({ min: 1, max: 15 }) }),
    );
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
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
            history.record(told({ type: 'run:finished', dagId, functions: 1, retries: 0, durationMs: 1, at: 2000 + ended.length }));
            ended.push(...running.splice(running.indexOf(dagId), 1));
          } else if (each.kind === 'spans') history.record(told(spans(dagId, Array.from({ length: each.count }, () => 0))));
          else for (let n = 0; n < each.count; n++) history.record(told({ type: 'function:log', dagId, functionId: 'f0', node: 'a', attempt: 1, values: [n], at: 2000 }));
        }
        const runs = [...history.runs];
        const kept = runs.filter((run) => run.isOver).map((run) => run.record.graph.dagId);
        expect(runs.filter((run) => !run.isOver).map((run) => run.record.graph.dagId).sort()).toEqual([...running].sort());
        expect(kept.length).toBeLessThanOrEqual(limits.runs);
        if (kept.length > 1) expect(runs.reduce((sum, run) => sum + run.record.graph.ids.length, 0)).toBeLessThanOrEqual(limits.functions);
        expect(history.rows).toBe(runs.reduce((sum, run) => sum + run.rows.kept, 0));
        expect(history.rows).toBeLessThanOrEqual(limits.rows);
        for (const run of runs) expect(run.marks.length).toBeLessThanOrEqual(limits.marks);
        if (ended.length > 0) expect(kept.length).toBeGreaterThan(0);
        expect(kept.sort()).toEqual(ended.slice(ended.length - kept.length).sort()); // those that ended last
      }
    }), { numRuns: 200 });
  });

  it('keeps the errors of the first thousand that failed, and counts the others', () => {
    const history = historyOf();
    history.record(started(chainGraph('d', 1500)));
    for (let i = 0; i < 1500; i++) history.record(told({ type: 'function:failed', dagId: 'd', functionId: `f${i}`, node: 'a', attempt: 1, error: new Error(`${i}`), at: 1001 }));
    const { record } = only(history);
    expect(record.failed).toBe(1500);
    expect([...record.errors.keys()]).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });
});

describe('runs', () => {
  it('of the same DAG are told apart, on one host and on several', () => {
    const history = historyOf();
    const end = (host: string): void => history.record(told({ type: 'run:finished', dagId: 'd', functions: 2, retries: 0, durationMs: 5, at: 1005 }, host));
    history.record(started(chainGraph('d', 2), 1000, 'x'));
    history.record(started(chainGraph('d', 2), 1001, 'y'));
    history.record({ ...told(spans('d', [0])), host: 'y' });
    end('x');
    history.record(started(chainGraph('d', 2), 1010, 'x'));
    expect([...history.runs].map((run) => [run.host, run.isOver, run.rows.count])).toEqual([['x', true, 0], ['y', false, 1], ['x', false, 0]]);
    expect(new Set([...history.runs].map(({ key }) => key)).size).toBe(3);
  });

  it('that are told of twice are one; one that begins again without an end has failed', () => {
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
    history.record(told({ type: 'function:retried', dagId: 'd', functionId: 'f2', node: 'a', attempt: 1, delayMs: 0, error: new Error('once'), at: 1003 }));
    history.record(told({ type: 'result:fetched', dagId: 'd', functionId: 'f1', node: 'b', bytes: 512, at: 1003 }));
    history.record(told({ type: 'worker:crashed', node: 'a', thread: 1, reason: 'exited', error: new TypeError('gone'), at: 1004 }));
    const run = only(history);
    expect(toRunView(run)).toMatchObject({ state: 'running', total: 4, done: 2, failed: 0, retries: 1, bytesFetched: 512, startedAt: 1000, endedAt: null, error: null });
    expect(run.rows.slice(0, 9)).toEqual([0, 0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 2, 0, 2, 1, 1, 1]);
    expect(run.marks).toEqual([
      { kind: 'retry', at: 3, fn: 2, node: 'a', text: 'attempt 1: Error: once' },
      { kind: 'fetched', at: 3, fn: 1, node: 'b', text: '512 bytes' },
      { kind: 'crash', at: 4, fn: -1, node: 'a', text: 'thread 1: exited, TypeError: gone' },
    ]);
    history.record(told({ type: 'run:failed', dagId: 'd', durationMs: 5, error: Object.assign(new Error('no', { cause: new RangeError('why') }), { code: 'FUNCTION_FAILED' }), at: 1005 }));
    expect(toRunView(run)).toMatchObject({ state: 'failed', endedAt: 1005, error: { name: 'Error', code: 'FUNCTION_FAILED', message: 'no', cause: { name: 'RangeError', message: 'why' } } });
  });

  it('whose functions throw and log whatever they like', () => {
    const hostile = Object.defineProperty(new Error('x'), 'message', { get: () => { throw new Error('not to be read'); } });
    const circular = new Error('round') as Error & { cause: unknown };
    circular.cause = circular;
    const values = [undefined, null, 1n, Symbol('s'), () => 1, { [Symbol.for('nodejs.util.inspect.custom')]: () => { throw new Error('no'); } }, 'x'.repeat(1e6), new Array(1e5).fill('long')];
    const history = historyOf();
    history.record(started(chainGraph('d', 20)));
    [hostile, circular, ...values].forEach((error, i) => {
      history.record(told({ type: 'function:failed', dagId: 'd', functionId: `f${i}`, node: 'a', attempt: 1, error, at: 1001 }));
      history.record(told({ type: 'function:log', dagId: 'd', functionId: `f${i}`, node: 'a', attempt: 1, values: [error], at: 1001 }));
    });
    const run = only(history);
    expect(run.marks).toHaveLength(20);
    for (const { text } of run.marks) expect(text.length).toBeLessThan(1100);
    history.record(told({ type: 'run:failed', dagId: 'd', durationMs: 5, error: circular, at: 1005 }));
    expect(JSON.stringify(toRunView(run))).toContain('round');
  });

  it('of which nothing was told before they were under way are done when they finish', () => {
    const history = historyOf();
    history.record(started(chainGraph('d', 3)));
    history.record(told(spans('d', [2])));
    history.record(told({ type: 'run:finished', dagId: 'd', functions: 3, retries: 0, durationMs: 5, at: 1005 }));
    expect(toRunView(only(history))).toMatchObject({ state: 'finished', total: 3, done: 3 });
  });
});
