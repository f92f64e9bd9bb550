import { afterEach, describe, expect, it } from 'vitest';
import { resident } from '../../lib/workers/supervision/child.ts';
import { Supervisor } from '../../lib/workers/supervision/supervisor.ts';
import { withImports } from '../../lib/dashboard/assets.ts';
import { type FunctionView, type Report, spanWidth } from '../../lib/dashboard/protocol.ts';
import { createReport } from '../../lib/dashboard/report.ts';
import { Dag, Handoff, type HandoffOptions } from '../../lib/index.ts';
import type { RunGraph } from '../../lib/events/run-graph.ts';
import { DashboardChild } from '../../lib/runtime/dashboard-child.ts';
import { overviewOf } from '../../lib/runtime/handoff.ts';
import type { HandoffEvent } from '../../lib/events/events.ts';
import type { Overview } from '../../lib/runtime/overview.ts';
import { Gate } from '../support/gate.ts';
import { c, dagOf, errorOf, t } from '../support/handoff.ts';
import { leftSince } from '../support/resources.ts';
import { ask, chainGraph, FakeSource, spans, started, Stream, told } from './support.ts';

const handoffs: Handoff[] = [];
const streams: Stream[] = [];
const nasty = '</script><script>alert("x")</script><img src=x onerror=alert(1)>';

async function start(dashboard: HandoffOptions['dashboard'] = { port: 0 }): Promise<{ handoff: Handoff; url: string }> {
  const handoff = await Handoff.start({
    nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads: 2 }],
    dashboard: dashboard!,
  });
  handoffs.push(handoff);
  return { handoff, url: handoff.dashboard!.url };
}

function listen(url: string, run?: string): Stream {
  const stream = new Stream(url, run);
  streams.push(stream);
  return stream;
}

/** The key of the run of a DAG, once it is told of. */
async function keyOf(url: string, dagId: string): Promise<string> {
  const stream = listen(url);
  const find = (): string | undefined =>
    stream
      .of('runs')
      .flatMap(({ runs }) => runs)
      .find((run) => run.dagId === dagId)?.key;
  await stream.until(() => find() !== undefined);
  stream.close();
  return find()!;
}

async function json<Value>(url: string, path: string): Promise<Value> {
  const { status, headers, body } = await ask(url, path);
  expect(status, body).toBe(200);
  expect(headers['content-type']).toBe('application/json; charset=utf-8');
  return JSON.parse(body) as Value;
}

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await Promise.all(handoffs.splice(0).map((handoff) => handoff.stop({ drain: false })));
});

describe('a Handoff with a dashboard', () => {
  it('shows a run to its end, also to readers that connect later', async () => {
    const { handoff, url } = await start();
    const graph = dagOf(
      { id: 'x', code: t.constant, extraArgs: [new Float64Array(4)] },
      { id: 'y', code: t.collect, args: ['x'], extraArgs: [{ deep: [1] }, 'text'], cost: { cpu: 1 } },
    );
    await handoff.execute(graph);
    const key = await keyOf(url, graph.id);
    const stream = listen(url, key);
    await stream.until(
      () =>
        stream.of('attempts').length > 0 &&
        stream.of('runs').length > 0 &&
        stream.of('nodes').length > 0 &&
        stream.of('trees').length > 0,
    );
    expect(stream.messages[0]).toMatchObject({ type: 'hello', isReport: false });
    expect(stream.of('runs')[0]).toMatchObject({
      runs: [
        {
          key,
          dagId: graph.id,
          host: 'local',
          state: 'finished',
          total: 2,
          done: 2,
          failed: 0,
          running: 0,
          retries: 0,
          error: null,
        },
      ],
    });
    const rows = stream.of('attempts').flatMap((message) => message.rows);
    expect([rows[0], rows[6]]).toEqual([0, 1]);
    expect(stream.of('attempts')[0]!.tracks[0]).toMatchObject({ host: 'local', node: 'a' });
    expect(stream.of('nodes')[0]!.nodes).toMatchObject([
      { name: 'a', host: 'local', isUp: true, declared: { cpu: 2 }, threads: [{}, {}] },
    ]);
    expect(stream.of('trees')[0]!.trees).toMatchObject({
      local: {
        id: 'root',
        children: expect.arrayContaining([expect.objectContaining({ id: 'dashboard' })]) as unknown,
      },
    });
    expect(await json<RunGraph>(url, `/api/runs/${key}/graph`)).toMatchObject({
      dagId: graph.id,
      ids: ['x', 'y'],
      names: ['constant', 'collect'],
      deps: [[], [0]],
    });
    expect(await json<FunctionView>(url, `/api/runs/${key}/functions/1`)).toMatchObject({
      id: 'y',
      name: 'collect',
      module: expect.stringContaining('tasks.ts') as string,
      state: 'done',
      node: 'a',
      attempts: 1,
      cost: { cpu: 1 },
      dependents: [],
      error: null,
      explain: null,
      args: [
        { result: 'x' },
        { literal: expect.stringContaining('deep') as string },
        { literal: expect.stringContaining('text') as string },
      ],
    });
    expect(await json<FunctionView>(url, `/api/runs/${key}/functions/0`)).toMatchObject({
      dependents: ['y'],
      begun: expect.any(Number) as number,
    });
  });

  it('cancels a running run, and refuses one that has ended', async () => {
    const { handoff, url } = await start();
    const seen = new SharedArrayBuffer(8);
    const dag = dagOf(
      { id: 'long', code: c.untilAborted, extraArgs: [seen] },
      { id: 'after', code: t.constant, args: ['long'] },
    );
    const run = handoff.execute(dag);
    const failed = errorOf(run);
    const key = await keyOf(url, dag.id);
    const stream = listen(url, key);
    await stream.until(
      () =>
        stream
          .of('runs')
          .at(-1)
          ?.runs.some(({ running }) => running === 1) === true,
    );
    expect(await json<FunctionView>(url, `/api/runs/${key}/functions/1`)).toMatchObject({
      state: 'waiting',
      explain: 'after waits for the result of long.',
    });
    expect(await json<FunctionView>(url, `/api/runs/${key}/functions/0`)).toMatchObject({
      state: 'running',
      node: 'a',
    });
    const cancel = (): ReturnType<typeof ask> =>
      ask(url, `/api/runs/${key}/cancel`, { method: 'POST', headers: { 'x-handoff': '1' } });
    expect(await cancel()).toMatchObject({ status: 202 });
    expect(await failed).toMatchObject({ code: 'ABORTED' });
    await stream.until(() => stream.of('runs').at(-1)?.runs[0]?.state === 'failed');
    expect(stream.of('runs').at(-1)!.runs[0]).toMatchObject({ error: { code: 'ABORTED' }, running: 0 });
    expect(await cancel()).toMatchObject({ status: 409 });
  });

  it('shows why a function failed, with its attempts', async () => {
    const { handoff, url } = await start();
    const dag = dagOf({ id: 'bad', code: t.boom, extraArgs: [nasty], maxRetries: 1 });
    await errorOf(handoff.execute(dag));
    const key = await keyOf(url, dag.id);
    const stream = listen(url, key);
    await stream.until(() => stream.of('marks').length > 0 && stream.of('attempts').length > 0);
    expect(stream.of('marks').flatMap(({ marks }) => marks)).toMatchObject([
      { kind: 'retry', fn: 0, node: 'a' },
      { kind: 'failed', fn: 0, node: 'a' },
    ]);
    expect(stream.of('attempts').flatMap(({ rows }) => rows)).toMatchObject([
      0,
      expect.any(Number),
      expect.any(Number),
      expect.any(Number),
      1,
      1,
      0,
      expect.any(Number),
      expect.any(Number),
      expect.any(Number),
      2,
      1,
    ]);
    expect(await json<FunctionView>(url, `/api/runs/${key}/functions/0`)).toMatchObject({
      state: 'failed',
      attempts: 2,
      error: {
        name: 'TaskError',
        code: 'E_TASK',
        message: nasty,
        stack: expect.stringContaining('boom') as string,
        cause: { name: 'RangeError', message: 'beneath' },
      },
    });
  });

  it('keeps its history without readers, and sends it again to one that reconnects', async () => {
    const { handoff, url } = await start();
    const dag = new Dag('many');
    for (let i = 0; i < 500; i++) dag.add({ id: `f${i}`, code: t.constant, extraArgs: [i] });
    await handoff.execute(dag);
    await handoff.execute(dag);
    const key = await keyOf(url, 'many');
    const read = async (): Promise<readonly number[]> => {
      const stream = listen(url, key);
      const rows = (): number[] => stream.of('attempts').flatMap((message) => message.rows);
      await stream.until(() => rows().length >= 3000);
      expect(stream.of('runs')[0]!.runs.map(({ dagId, state }) => [dagId, state])).toEqual([
        ['many', 'finished'],
        ['many', 'finished'],
      ]);
      stream.close();
      return rows();
    };
    const first = await read();
    expect(new Set(first.filter((_, at) => at % 6 === 0)).size).toBe(500);
    expect(await read()).toEqual(first);
  });

  it('sends a large graph in pieces, and compressed to readers that accept it', async () => {
    const { handoff, url } = await start();
    const gate = new Gate();
    const dag = new Dag('wide').add({ id: 'first', code: t.waitAtGate, extraArgs: [gate.memory] });
    for (let i = 0; i < 12_000; i++) dag.add({ id: `f${i} ${nasty}`, code: t.constant, args: ['first'] });
    const run = handoff.execute(dag);
    const key = await keyOf(url, 'wide');
    const plain = await json<RunGraph>(url, `/api/runs/${key}/graph`);
    expect(plain.ids).toEqual([...dag.functions.keys()]);
    expect(plain.deps.every((deps, i) => (i === 0 ? deps.length === 0 : deps.length === 1 && deps[0] === 0))).toBe(
      true,
    );
    const packed = await fetch(`${url}api/runs/${key}/graph`, { headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(await packed.json()).toEqual(plain);
    gate.release();
    await run;
  });

  it('serves metrics from the first request, from the start, or not at all', async () => {
    const [late, early, never] = await Promise.all([
      start(),
      start({ port: 0, metrics: true }),
      start({ port: 0, metrics: false }),
    ]);
    const dag = (): Dag => dagOf({ id: 'x', code: t.one });
    await Promise.all([late, early].map(({ handoff }) => handoff.execute(dag())));
    const startedRuns = async (url: string): Promise<number> => {
      const { status, headers, body } = await ask(url, '/metrics');
      expect(status).toBe(200);
      expect(headers['content-type']).toContain('text/plain');
      return Number(/^handoff_runs_started_total (\d+)$/m.exec(body)![1]);
    };
    expect(await startedRuns(early.url)).toBe(1);
    expect(await startedRuns(late.url)).toBe(0);
    await late.handoff.execute(dag());
    expect(await startedRuns(late.url)).toBe(1);
    expect(await ask(never.url, '/metrics')).toMatchObject({ status: 404 });
  });

  it('has an address, and refuses a port in use', async () => {
    const { handoff, url } = await start();
    expect(handoff.dashboard).toEqual({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/$/) as string });
    const error = await errorOf(Handoff.start({ dashboard: { port: Number(new URL(url).port) } }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option: 'dashboard' });
    expect(error.message).toContain(`127.0.0.1:${new URL(url).port}`);
    expect(error.message).toContain('another port');
    const without = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }] });
    expect(without.dashboard).toBeUndefined();
    await without.stop();
  });

  it('leaves nothing open when it is stopped, even with a connected reader', async () => {
    const before = process.getActiveResourcesInfo();
    const { handoff, url } = await start();
    const stream = listen(url);
    await stream.until(() => stream.of('nodes').length > 0);
    await handoff.stop();
    await stream.closed;
    expect(handoff.dashboard).toBeUndefined();
    expect(await leftSince(before)).toEqual([]);
    const again = await start({ port: Number(new URL(url).port) });
    expect(again.url).toBe(url);
  });
});

describe('a dashboard that fails', () => {
  it('restarts on its port as a new server that knows only running runs', async () => {
    const source = new FakeSource();
    const restarts: HandoffEvent[] = [];
    const child = new DashboardChild(
      { host: '127.0.0.1', port: 0, token: undefined, metrics: undefined },
      source as unknown as Overview,
      { wants: (type) => type === 'supervisor:restarted', publish: (event) => void restarts.push(event) },
    );
    const supervisor = await child.start();
    const url = child.address!.url;
    source.tell(started(chainGraph('over', 1)));
    source.tell(
      told({ type: 'run:finished', runId: 'over', dagId: 'over', functions: 1, retries: 0, durationMs: 1, at: 1001 }),
    );
    const before = listen(url);
    await before.until(() => before.of('runs').length > 0);
    source.underWay = [started(chainGraph('running', 2), 500)];
    source.tell({ host: 'local', event: undefined } as never); // what it cannot make anything of
    await before.closed;
    await source.subscribed(2);
    await expect.poll(() => child.address, { timeout: 60_000 }).toEqual({ url });
    const after = listen(url);
    await after.until(() => after.of('runs').length > 0);
    expect(after.of('runs')[0]!.runs).toMatchObject([
      { runId: 'running', dagId: 'running', state: 'running', startedAt: 500 },
    ]);
    expect(after.of('hello')[0]!.server).not.toBe(before.of('hello')[0]!.server);
    expect(restarts).toMatchObject([{ type: 'supervisor:restarted', supervisor: 'dashboard', child: 'server' }]);
    await supervisor.stop();
    expect(child.address).toBeUndefined();
    expect(source.listeners.size).toBe(0);
  });

  it('that fails again and again is given up, and nothing else stops', async () => {
    const source = new FakeSource();
    const child = new DashboardChild(
      { host: '127.0.0.1', port: 0, token: undefined, metrics: undefined },
      source as unknown as Overview,
      { wants: () => false, publish: () => {} },
    );
    const root = new Supervisor({ strategy: 'rest-for-one' });
    await root.startChild({ id: 'dashboard', restart: 'temporary', start: () => child.start() });
    let stops = 0;
    await root.startChild({ id: 'nodes', start: () => resident(() => void stops++) });
    source.underWay = [{ host: 'local', event: undefined } as never]; // those that follow fail as they start
    source.tell(source.underWay[0]!);
    while (root.inspect().children!.length > 1) await new Promise((resolve) => setImmediate(resolve));
    expect(root.inspect().children).toMatchObject([{ id: 'nodes', state: 'running', restarts: 0 }]);
    expect(child.address).toBeUndefined();
    expect(stops).toBe(0);
    await root.stop();
  });
});

describe('a report', () => {
  it('holds the whole run in one file, and escapes what would end its data', async () => {
    const { handoff } = await start();
    const dag = dagOf(
      { id: nasty, code: t.constant, extraArgs: [nasty] },
      { id: 'bad', code: t.boom, args: [nasty], maxRetries: 0 },
    );
    const report = createReport(overviewOf(handoff), 'reported');
    await expect(report.html()).rejects.toThrow('has not started');
    await errorOf(handoff.execute(dag, { runId: 'reported' }));
    await handoff.execute(dagOf({ id: 'other', code: t.one }));
    const html = await report.html();
    report.close();
    const [, data = ''] = /<script type="application\/json" id="report-data">(.*?)<\/script>/s.exec(html)!;
    expect(data).not.toContain('<');
    const { messages, graphs, functions } = JSON.parse(data) as Report;
    expect(messages.map(({ type }) => type)).toEqual(['hello', 'runs', 'nodes', 'trees', 'attempts', 'marks']);
    expect(messages[0]).toMatchObject({ isReport: true });
    expect(messages[1]).toMatchObject({ runs: [{ dagId: dag.id, state: 'failed', total: 2, done: 1, failed: 1 }] });
    const [key = ''] = Object.keys(graphs);
    expect(graphs[key]!.ids).toEqual([nasty, 'bad']);
    expect(functions[key]).toMatchObject({
      0: { id: nasty, args: [{ literal: expect.stringContaining('alert') as string }] },
      1: { state: 'failed', error: { name: 'TaskError', message: nasty } },
    });
    // Nothing is loaded from elsewhere: no address but data: stands where one is looked up.
    const outside = html.replace(data, '');
    expect(outside).not.toMatch(/<(?:script|link|img|iframe)[^>]*\b(?:src|href)="(?!data:)/);
    const { imports } = JSON.parse(/<script type="importmap">(.*?)<\/script>/s.exec(outside)![1]!) as {
      imports: Record<string, string>;
    };
    for (const [name, address] of Object.entries(imports)) {
      expect(address, name).toMatch(/^data:text\/javascript;base64,/);
      const text = Buffer.from(address.split(',')[1]!, 'base64').toString();
      withImports(text, (specifier) => {
        expect(Object.keys(imports), name).toContain(specifier);
        return specifier;
      });
    }
    expect(Object.keys(imports)).toEqual(
      expect.arrayContaining(['handoff/page/main.js', 'handoff/protocol.js', 'preact']),
    );
  });

  it('holds every attempt of a run, also where the dashboard would have forgotten the first', async () => {
    const source = new FakeSource();
    const report = createReport(source, 'd');
    source.tell(started(chainGraph('d', 10)));
    const often = Array.from({ length: 25_000 }, (_, i) => i % 10);
    for (let n = 0; n < 10; n++) source.tell(told(spans('d', often, { at: 1000 + n })));
    const html = await report.html();
    report.close();
    const [, data = ''] = /id="report-data">(.*?)<\/script>/s.exec(html)!;
    const { messages } = JSON.parse(data) as Report;
    const all = messages.filter((message) => message.type === 'attempts');
    expect(all.map(({ from, dropped, rows }) => [from, dropped, rows.length / spanWidth])).toEqual([[0, 0, 250_000]]);
  });

  it('of a large run holds those functions that failed and that took longest', async () => {
    const source = new FakeSource();
    const report = createReport(source, 'd');
    source.tell(started(chainGraph('d', 12_000)));
    source.tell(
      told({
        ...spans(
          'd',
          Array.from({ length: 12_000 }, (_, i) => i),
        ),
        spans: Array.from({ length: 12_000 }, (_, i) => [1000, 1000 + i]).flat(),
      }),
    );
    source.tell(
      told({
        type: 'function:failed',
        runId: 'd',
        dagId: 'd',
        functionId: 'f3',
        node: 'a',
        attempt: 1,
        error: new Error('no'),
        at: 2000,
      }),
    );
    const html = await report.html();
    report.close();
    const [, data = ''] = /id="report-data">(.*?)<\/script>/s.exec(html)!;
    const {
      functions: { run },
    } = JSON.parse(data) as Report;
    expect(Object.keys(run!)).toEqual(['3', ...Array.from({ length: 9999 }, (_, i) => String(i + 2001))]);
  });
});
