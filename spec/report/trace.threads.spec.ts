import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { RunWatch } from '../../lib/cli/run-watch.ts';
import { compile } from '../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec, Handoff, type HandoffOptions } from '../../lib/index.ts';
import type { NodeActivity } from '../../lib/events/activity.ts';
import { toRunGraph } from '../../lib/events/run-graph.ts';
import { RunRecord } from '../../lib/report/run-record.ts';
import { NotATrace, readTrace } from '../../lib/report/trace-file.ts';
import { tracedEvents, TraceRecorder } from '../../lib/report/trace.ts';
import { toSpecs, vertices } from '../support/graphs.ts';
import { c, dagOf, t, useHandoff } from '../support/handoff.ts';
import { patient } from '../support/hosts.ts';
import { graphOf, origin, type Ran, recordOf } from './records.ts';
import { checkTrace } from './trace-format.ts';

/** Runs a DAG and gives its trace file, whatever becomes of it. */
async function traceOf(handoff: Handoff, dag: Dag): Promise<string> {
  const watch = new RunWatch(handoff, dag, 'traced');
  const trace = new TraceRecorder(watch.record);
  watch.add(tracedEvents, trace);
  watch.sample(50);
  await handoff.execute(dag, { runId: 'traced' }).catch(() => {});
  await watch.stop();
  return [...trace.chunks()].join('');
}

function edgesOf(dag: Dag): string[] {
  const { ids, deps } = toRunGraph(compile(dag), 'r');
  return deps.flatMap((each, i) => each.map((dep) => `${ids[dep]} -> ${ids[i]}`)).toSorted();
}

const flowsOf = (text: string): string[] =>
  checkTrace(text)
    .flows.map(({ from, to }) => `${from.name} -> ${to.name}`)
    .toSorted();

describe('the trace of a run', () => {
  const handoff = useHandoff();

  it('has a slice for each attempt, with where it was, and one for the run', async () => {
    const dag = dagOf(
      { id: 'a', code: t.one },
      { id: 'b', code: t.double, args: ['a'], node: 'b' },
      { id: 'flaky', code: c.failFirst, maxRetries: 2 },
    );
    const { slices, processes, threads } = checkTrace(await traceOf(handoff(), dag));
    expect(slices.filter(({ cat }) => cat === 'run')).toMatchObject([
      { name: `run ${dag.id}`, args: { functions: 3, done: 3, retries: 1 } },
    ]);
    const functions = slices.filter(({ cat }) => cat === 'function');
    expect(
      functions.map(({ name, args }) => [name, args.function, args.attempt, args.error !== undefined]).toSorted(),
    ).toEqual([
      ['a', 'one', 1, false],
      ['b', 'double', 1, false],
      ['flaky', 'failFirst', 1, true],
      ['flaky', 'failFirst', 2, false],
    ]);
    expect([...processes.values()]).toEqual(['host local']);
    for (const { pid, tid, args } of functions)
      expect(threads.get(`${pid}/${tid}`)).toBe(`${args.node} · worker ${args.thread}`);
  });

  it('has one arrow for each edge, in any DAG', async () => {
    await fc.assert(
      fc.asyncProperty(vertices({ nodes: ['a', 'b'], failures: false, costs: false }), async (all) => {
        const dag = toSpecs(all, t.collect).reduce((made: Dag, spec: FunctionSpec) => made.add(spec), new Dag());
        expect(flowsOf(await traceOf(handoff(), dag))).toEqual(edgesOf(dag));
      }),
      { numRuns: 15 },
    );
  });

  it('tells what was claimed of each node over time', async () => {
    const dag = dagOf(
      { id: 'a', code: t.one, cost: { cpu: 1, memory: 500 }, node: 'a' },
      { id: 'b', code: t.double, args: ['a'], cost: { memory: 700 }, node: 'a' },
    );
    const text = await traceOf(handoff(), dag);
    const claimed = checkTrace(text).counters.filter(({ cat }) => cat === 'claimed');
    expect(Math.max(...claimed.map(({ args }) => args.memory ?? 0))).toBe(700);
    expect(readTrace(text).usage.find(({ node, resource }) => node === 'a' && resource === 'memory')).toMatchObject({
      capacity: 2000,
      claimed: { level: expect.arrayContaining([500, 700, 0]) as unknown },
    });
  });

  it('marks retries, failures and crashes', async () => {
    const dag = dagOf(
      { id: 'exits', code: t.exit, extraArgs: [3], maxRetries: 1 },
      { id: 'after', code: t.collect, args: ['exits'] },
    );
    const { instants, slices } = checkTrace(await traceOf(handoff(), dag));
    expect(instants.map(({ name }) => name.replace(/\d/, 'N')).toSorted()).toEqual([
      'failure of exits',
      'retry of exits',
      'worker N crashed',
      'worker N crashed',
    ]);
    expect(slices).toMatchObject([
      { cat: 'run', args: { failed: 1, error: expect.stringContaining('exits') as unknown } },
    ]);
  });

  it('shows names as they are', async () => {
    const id = '"</script>\n\\ü';
    expect(checkTrace(await traceOf(handoff(), dagOf({ id, code: t.one }))).slices.map(({ name }) => name)).toContain(
      id,
    );
  });

  it('is read back as it was', async () => {
    const dag = dagOf({ id: 'a', code: t.one, node: 'a' }, { id: 'b', code: t.double, args: ['a'], node: 'b' });
    const { dagId, functions, gantt, duration } = readTrace(await traceOf(handoff(), dag));
    expect({ dagId, functions }).toEqual({ dagId: dag.id, functions: 2 });
    expect(gantt.rows.map(({ node, bars }) => [node, bars.map(({ id, name }) => `${id} ${name}`)])).toEqual([
      ['a', ['a one']],
      ['b', ['b double']],
    ]);
    expect(gantt.rows[1]!.bars[0]).toMatchObject({ isCritical: true, hasFailed: false });
    expect(gantt.length).toBeGreaterThanOrEqual(duration);
  });

  it('is understood by the trace engine of the DevTools', async () => {
    const { TraceModel } = await import('@paulirish/trace_engine/models/trace/trace.js');
    const dag = dagOf(
      ...Array.from({ length: 20 }, (_, i): FunctionSpec => ({
        id: `f${i}`,
        code: t.collect,
        args: i < 4 ? [] : [`f${i - 4}`],
      })),
    );
    const text = await traceOf(handoff(), dag);
    const model = TraceModel.Model.createWithAllHandlers();
    await model.parse((JSON.parse(text) as { traceEvents: [] }).traceEvents);
    const { threads } = model.parsedTrace(0)!.data.Renderer.processes.get(1 as never)!;
    const { slices: all, threads: names } = checkTrace(text);
    const ours = Map.groupBy(all, ({ tid }) => tid);
    expect([...threads].map(([tid, { entries }]) => [tid, entries.length]).toSorted()).toEqual(
      [...ours].map(([tid, slices]) => [tid, slices.length]).toSorted(),
    );
    expect([...threads].map(([tid, { name }]) => name === names.get(`1/${tid}`))).not.toContain(false);
  });
});

describe('the trace of a run over two hosts', () => {
  const started: Handoff[] = [];
  afterEach(async () => {
    for (const each of started.splice(0).toReversed()) await each.stop();
  });
  const start = async (options: HandoffOptions): Promise<Handoff> => {
    const handoff = await Handoff.start(options);
    started.push(handoff);
    return handoff;
  };

  it('has a process for each, and arrows from one to the other', async () => {
    const there = await start({
      nodes: [{ name: 'there', capabilities: { cpu: 1 } }],
      transport: { type: 'tcp', port: 0, ...patient },
    });
    const here = await start({
      nodes: [{ name: 'here', capabilities: { cpu: 1 } }],
      transport: { type: 'tcp', join: [there.address!], ...patient },
    });
    const dag = dagOf(
      // Longer than the clocks of hosts may differ.
      { id: 'made', code: t.later, extraArgs: [200, 1], node: 'there' },
      { id: 'taken', code: t.later, args: ['made'], layout: [{ value: 200 }, { arg: 0 }], node: 'here' },
      { id: 'back', code: t.double, args: ['taken'], node: 'there' },
    );
    const text = await traceOf(here, dag);
    const { slices, processes, flows } = checkTrace(text);
    expect(flowsOf(text)).toEqual(['made -> taken', 'taken -> back']);
    expect(new Set(flows.flatMap(({ from, to }) => [processes.get(from.pid), processes.get(to.pid)]))).toEqual(
      new Set([`host ${there.address}`, 'host local']),
    );
    const order = slices.filter(({ cat }) => cat === 'function').toSorted((a, b) => a.ts - b.ts);
    expect(order.map(({ name }) => name)).toEqual(['made', 'taken', 'back']);
  });
});

/** The trace of what never ran. */
function written(ran: readonly Ran[], nodes: readonly NodeActivity[] = []): string[] {
  const record = new RunRecord(graphOf(ran));
  const trace = new TraceRecorder(record);
  for (const { id, node = 'a', thread = 0, at } of ran) {
    const event = {
      type: 'attempts',
      runId: 'd',
      dagId: 'd',
      at: origin,
      node,
      thread,
      functionIds: [id],
      attempts: [1],
      spans: at!.map((ms) => origin + ms),
      bytes: [0],
      failed: [],
    } as const;
    record.record(event);
    trace.record(event);
  }
  trace.sample(origin, nodes);
  return [...trace.chunks()];
}

describe('a trace file', () => {
  it('is written in pieces, so that it may be longer than a text can be', () => {
    const pieces = written(
      Array.from({ length: 2000 }, (_, i) => ({
        id: `f${i}`,
        deps: i === 0 ? [] : [`f${i - 1}`],
        thread: i % 3,
        at: [i, i + 1] as const,
      })),
    );
    expect(pieces.length).toBeGreaterThan(5);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(70_000);
    expect(checkTrace(pieces.join('')).flows).toHaveLength(1999);
  });

  it('draws arrows forwards, though clocks of hosts differ a little', () => {
    const text = written([
      { id: 'a', at: [0, 10] },
      { id: 'b', deps: ['a'], node: 'b', at: [9.5, 20] },
    ]).join('');
    expect(flowsOf(text)).toEqual(['a -> b']);
  });

  it('reports what was used of nodes, as far as it was measured', () => {
    const seen: NodeActivity = {
      name: 'b',
      host: 'other',
      isUp: true,
      declared: { cpu: 1 },
      claimed: {},
      used: { cpu: 0.5, memory: 10 },
      threads: [],
    };
    const { counters, processes } = checkTrace(
      written([{ id: 'a', at: [0, 10] }], [seen, { ...seen, name: 'c', used: null }]).join(''),
    );
    expect(counters.map(({ name, pid, args }) => [name, processes.get(pid), args])).toEqual([
      ['used cpu of b', 'host other', { cpu: 0.5 }],
      ['used memory of b', 'host other', { memory: 10 }],
    ]);
  });

  it('of a run of which nothing has ended is a trace all the same', () => {
    expect(
      checkTrace([...new TraceRecorder(recordOf([{ id: 'a' }], 5, new Error('x'))).chunks()].join('')).slices,
    ).toMatchObject([{ cat: 'run', dur: 5000, args: { error: 'x' } }]);
  });
});

describe('reading a trace', () => {
  it.each([
    ['what is not JSON', '{', 'not JSON'],
    ['what is something else', '[1]', 'no list "traceEvents"'],
    ['the trace of another program', '{"traceEvents":[]}', 'was not written by handoff'],
    ['a trace without its run', '{"otherData":{"producer":"handoff"},"traceEvents":[]}', 'no slice of the run'],
    [
      'a trace with a time that is none',
      '{"otherData":{"producer":"handoff"},"traceEvents":[{"ph":"X","cat":"run","name":"r","ts":"0","dur":1}]}',
      '"ts" of "r" is not a number',
    ],
    [
      'a slice that is nowhere',
      '{"otherData":{"producer":"handoff"},"traceEvents":[{"ph":"X","cat":"run","name":"r","ts":0,"dur":1},{"ph":"X","cat":"function","name":"f","ts":0,"dur":1}]}',
      'does not name its worker',
    ],
  ])('refuses %s, and says what is amiss', (_, text, mention) => {
    expect(() => readTrace(text)).toThrow(NotATrace);
    expect(() => readTrace(text)).toThrow(mention);
  });
});
