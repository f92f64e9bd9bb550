import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { History } from '../../lib/dashboard/history.ts';
import { Live } from '../../lib/dashboard/live.ts';
import type { Message } from '../../lib/dashboard/protocol.ts';
import { spanWidth } from '../../lib/dashboard/protocol.ts';
import { timestamp } from '../../lib/events/events.ts';
import type { FeedEvent } from '../../lib/events/feed.ts';
import { chainGraph, FakeSource, spans, started, told } from './support.ts';

/** A connection whose reader takes in what it was sent when it is told to. */
class Connection extends EventEmitter {
  readonly writes: string[] = [];
  writableNeedDrain = false;
  destroyed = false;
  isSlow = false;

  writeHead(): void {}

  write(text: string): boolean {
    if (this.writableNeedDrain) throw new Error('written to somebody who has not read yet');
    this.writes.push(text);
    this.writableNeedDrain = this.isSlow;
    return !this.isSlow;
  }

  drain(): void {
    this.writableNeedDrain = false;
    this.emit('drain');
  }

  end(): void {
    this.close();
  }

  close(): void {
    this.destroyed = true;
    this.emit('close');
  }

  of<Type extends Message['type']>(type: Type): Extract<Message, { type: Type }>[] {
    const messages = this.writes
      .join('')
      .split('\n\n')
      .filter((part) => part.startsWith('data: '))
      .map((part) => JSON.parse(part.slice(6)) as Message);
    return messages.filter((message) => message.type === type) as Extract<Message, { type: Type }>[];
  }

  get rows(): number[] {
    return this.of('attempts').flatMap(({ rows }) => rows);
  }
}

let lastKey = 0;

function setUp(): {
  source: FakeSource;
  history: History;
  live: Live;
  errors: unknown[];
  connect(run?: string, isSlow?: boolean): Connection;
} {
  lastKey = 0;
  const source = new FakeSource();
  const history = new History(() => `key${lastKey++ || ''}`);
  const errors: unknown[] = [];
  const live = new Live(source, history, { version: '1', server: 's' }, (error) => errors.push(error));
  return {
    source,
    history,
    live,
    errors,
    connect(run, isSlow = false) {
      const connection = new Connection();
      connection.isSlow = isSlow;
      live.connect(connection as unknown as ServerResponse, run);
      return connection;
    },
  };
}

const count = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a reader', () => {
  it('receives everything that exists, then every change', async () => {
    const { history, connect } = setUp();
    history.record(started(chainGraph('d', 100)));
    history.record(told(spans('d', count(0, 10))));
    const page = connect('key');
    expect(page.of('hello')).toMatchObject([{ version: '1', server: 's', isReport: false }]);
    expect(page.of('runs')).toMatchObject([
      { runs: [{ key: 'key', runId: 'd', dagId: 'd', done: 10, total: 100 }], gone: [] },
    ]);
    expect(page.of('attempts')).toMatchObject([
      { run: 'key', from: 0, dropped: 0, tracks: [{ host: 'local', node: 'a', thread: 0 }] },
    ]);
    history.record(told(spans('d', count(10, 15), { thread: 1 })));
    await vi.advanceTimersByTimeAsync(100);
    expect(page.of('attempts').slice(1)).toMatchObject([{ from: 10, tracks: [{ thread: 1 }] }]);
    expect(page.of('runs').at(-1)).toMatchObject({ runs: [{ done: 15 }] });
    const writes = page.writes.length;
    await vi.advanceTimersByTimeAsync(400);
    expect(page.writes.slice(writes).join('')).not.toMatch(/"type":"(runs|spans|marks|hello)"/);
  });

  it('receives all times by the clock of the events, even if the clock of the machine is set meanwhile', async () => {
    const { history, connect } = setUp();
    const began = timestamp();
    vi.setSystemTime(Date.now() + 86_400_000);
    history.record(started(chainGraph('d', 2), began));
    history.record(told(spans('d', [0], { at: began })));
    const page = connect('key');
    await vi.advanceTimersByTimeAsync(2000);
    const times = [...page.of('hello').map(({ now }) => now), ...page.of('nodes').map(({ at }) => at)];
    expect(times.length).toBeGreaterThan(1);
    for (const at of times) expect(at - began).toBeLessThan(10_000);
    // What is left is told from how long the run has taken: a day would leave a day.
    expect(
      page
        .of('runs')
        .flatMap(({ runs }) => runs.map(({ remainingMs }) => remainingMs ?? 0))
        .every((ms) => ms < 60_000),
    ).toBe(true);
  });

  it('reads the same, whenever it begins to', async () => {
    const { history, connect } = setUp();
    history.record(started(chainGraph('d', 1000)));
    const pages = [connect('key')];
    for (let i = 0; i < 50; i++) {
      history.record(told(spans('d', count(20 * i, 20 * i + 20), { thread: i % 3 })));
      if (i % 7 === 0) pages.push(connect('key'));
      await vi.advanceTimersByTimeAsync(30);
    }
    await vi.advanceTimersByTimeAsync(100);
    for (const page of [...pages, connect('key')]) {
      expect(page.rows).toEqual(pages[0]!.rows);
      expect(page.rows.length).toBe(1000 * spanWidth);
      expect(page.of('attempts').flatMap(({ tracks }) => tracks.map(({ thread }) => thread))).toEqual([0, 1, 2]);
    }
  });

  it('receives at most ten messages a second, however much happens', async () => {
    const { history, connect } = setUp();
    history.record(started(chainGraph('d', 5000)));
    const page = connect('key');
    for (let i = 0; i < 5000; i++) {
      history.record(told(spans('d', [i])));
      if (i % 5 === 0) await vi.advanceTimersByTimeAsync(1); // a second in all
    }
    await vi.advanceTimersByTimeAsync(100);
    expect(page.rows).toHaveLength(5000 * spanWidth);
    for (const type of ['runs', 'attempts', 'nodes'] as const)
      expect(page.of(type).length, type).toBeLessThanOrEqual(12);
  });

  it('learns of runs that are dropped, and of others when it asks for an unknown one', async () => {
    let last = 0;
    const { source, errors } = setUp();
    const history = new History(() => `key-${last++}`, { runs: 1 });
    const live = new Live(source, history, { version: '1', server: 's' }, (error) => errors.push(error));
    const page = new Connection();
    live.connect(page as unknown as ServerResponse, 'unknown');
    for (const dagId of ['x', 'y']) {
      history.record(started(chainGraph(dagId, 1)));
      await vi.advanceTimersByTimeAsync(100);
      history.record(
        told({ type: 'run:finished', runId: dagId, dagId, functions: 1, retries: 0, durationMs: 1, at: 1001 }),
      );
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(page.of('runs').flatMap(({ gone }) => gone)).toEqual(['key-0']);
    expect(page.of('attempts')).toEqual([]);
    expect(errors).toEqual([]);
  });

  it('receives the remaining time: from durations so far, and from when others have been running', async () => {
    const { source, history, connect } = setUp();
    vi.setSystemTime(10_000);
    history.record(started(chainGraph('d', 3), 9000));
    history.record(told({ ...spans('d', [0]), spans: [9000, 9400] }));
    source.nodes = async () =>
      [
        {
          name: 'a',
          host: 'local',
          isUp: true,
          declared: {},
          claimed: {},
          used: null,
          threads: [
            {
              utilization: null,
              heapMb: null,
              queue: 1,
              running: { runId: 'd', dagId: 'd', functionId: 'f1', since: 9900 },
            },
          ],
        },
      ] as never;
    const page = connect();
    expect(page.of('runs')[0]!.runs).toMatchObject([{ remainingMs: 800, running: 0 }]);
    await vi.advanceTimersByTimeAsync(1000);
    // f1 has run for 1.1 s, longer than it should have taken; f2 is still to come.
    expect(page.of('runs').at(-1)!.runs).toMatchObject([{ remainingMs: 400, running: 1 }]);
  });

  it('sees that the connection is alive while nothing happens', async () => {
    const { connect } = setUp();
    const page = connect();
    await vi.advanceTimersByTimeAsync(60_000);
    const beats = page.writes.filter((text) => text.startsWith(':'));
    expect(beats.length).toBeGreaterThanOrEqual(3);
    expect(beats.length).toBeLessThanOrEqual(4);
  });
});

describe('a slow reader', () => {
  it('receives nothing while it does not read, and the current state afterwards', async () => {
    const { history, connect } = setUp();
    history.record(started(chainGraph('d', 40_000)));
    const slow = connect('key', true);
    const quick = connect('key');
    slow.drain();
    await vi.advanceTimersByTimeAsync(100);
    const sent = slow.writes.length;
    for (let i = 0; i < 100; i++) {
      history.record(told(spans('d', count(400 * i, 400 * i + 400))));
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(slow.writes.length - sent).toBeLessThanOrEqual(1);
    expect(quick.of('runs').length).toBeGreaterThanOrEqual(100);
    for (let i = 0; i < 20; i++) slow.drain();
    await vi.advanceTimersByTimeAsync(100);
    for (let i = 0; i < 20; i++) slow.drain();
    expect(slow.rows).toEqual(quick.rows);
    expect(slow.of('runs').length).toBeLessThan(10);
    expect(slow.of('runs').at(-1)).toMatchObject({ runs: [{ done: 40_000 }] });
    // What it is sent at once is bounded, however much there is.
    for (const { rows } of slow.of('attempts')) expect(rows.length).toBeLessThanOrEqual(20_000 * spanWidth);
    expect(Math.max(...slow.writes.map((text) => text.length))).toBeLessThan(2 ** 20);
  });
});

describe('without readers', () => {
  it('then nothing is looked at, and no timer runs', async () => {
    const { source, live, connect } = setUp();
    await vi.advanceTimersByTimeAsync(5000);
    expect(source.looks).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    const pages = [connect(), connect()];
    await vi.advanceTimersByTimeAsync(1000);
    expect(source.looks).toBeGreaterThan(0);
    for (const page of pages) page.close();
    const looks = source.looks;
    await vi.advanceTimersByTimeAsync(5000);
    expect(source.looks).toBe(looks);
    expect(vi.getTimerCount()).toBe(0);
    connect();
    live.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('data that cannot be sent', () => {
  it('is reported, and ends no connection', async () => {
    const { history, connect, errors } = setUp();
    history.record(started(chainGraph('d', 1)));
    Object.defineProperty(history, 'version', {
      get: () => {
        throw new Error('broken');
      },
    });
    connect();
    expect(errors).toMatchObject([{ message: 'broken' }]);
  });

  it('because a host does not answer is sent once it does', async () => {
    const { source, connect } = setUp();
    let isThere = false;
    source.trees = async () => {
      if (!isThere) throw new Error('no answer');
      return {};
    };
    const page = connect();
    await vi.advanceTimersByTimeAsync(3000);
    expect(page.of('trees')).toEqual([]);
    isThere = true;
    await vi.advanceTimersByTimeAsync(1100);
    expect(page.of('trees')).toHaveLength(1);
  });
});

describe('the runs of a journal', () => {
  const ended = (runId: string): FeedEvent[] => [
    started(chainGraph(runId, 2), 10, 'earlier'),
    told({ type: 'function:restored', runId, dagId: runId, functionId: 'f0', node: 'a', at: 20 }, 'earlier'),
    told({ type: 'run:finished', runId, dagId: runId, functions: 2, retries: 0, durationMs: 10, at: 20 }, 'earlier'),
  ];
  const runsOf = (connection: Connection): string[] =>
    connection.of('runs').flatMap(({ runs }) => runs.map((run) => run.runId));

  it('are read when the first page comes, except those that are known, and once', async () => {
    const { source, history, connect } = setUp();
    source.journal = [ended('known'), ended('old')];
    history.record(started(chainGraph('known', 2), 10));
    await vi.advanceTimersByTimeAsync(1000);
    expect([...history.runs]).toHaveLength(1);
    const first = connect();
    await vi.advanceTimersByTimeAsync(1000);
    expect(runsOf(first)).toEqual(expect.arrayContaining(['known', 'old']));
    connect();
    await vi.advanceTimersByTimeAsync(1000);
    expect([...history.runs].map(({ record }) => record.graph.runId)).toEqual(['known', 'old']);
  });

  it('are left out, with a warning, when it cannot be read', async () => {
    const warnings: string[] = [];
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation((text) => void warnings.push(String(text)));
    const { source, history, connect, errors } = setUp();
    source.journal = new Error('the disk is away');
    const page = connect();
    await vi.advanceTimersByTimeAsync(1000);
    history.record(started(chainGraph('new', 2)));
    await vi.advanceTimersByTimeAsync(1000);
    warn.mockRestore();
    expect(runsOf(page)).toEqual(['new']);
    expect(warnings).toEqual(['The dashboard cannot show the runs of the journal: the disk is away']);
    expect(errors).toEqual([]);
  });
});
