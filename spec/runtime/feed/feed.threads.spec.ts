/** What the feed tells of this host. Other hosts: `spec/hosts/cluster/feed.spec.ts`. */
import { describe, expect, it } from 'vitest';
import { Dag, eventTypes, type FunctionSpec, tasks } from '../../../lib/index.ts';
import { recordedEvents, type RunRecord } from '../../../lib/report/run-record.ts';
import { overviewOf } from '../../../lib/runtime/handoff.ts';
import { Gate } from '../../support/gate.ts';
import { dagOf, errorOf, t, twoNodes, useHandoff } from '../../support/handoff.ts';
import { Heard } from '../../support/heard.ts';

const handoff = useHandoff({ nodes: twoNodes }, { learns: true });
const e = tasks<typeof import('../../fixtures/expand-tasks.ts')>(
  new URL('../../fixtures/expand-tasks.ts', import.meta.url),
);

/** Grows in every way until it waits at a gate. */
function growing(gate: Gate): FunctionSpec[] {
  return [
    { id: 'list', code: t.constant, extraArgs: [[1, 2, 3]] },
    { id: 'm', code: t.double, args: ['list'], map: true },
    { id: 'n', code: t.increment, args: ['m'], map: true },
    { id: 'none', code: t.double, extraArgs: [[]], map: true },
    { id: 'tree', code: e.sum, extraArgs: [0, 16, 4] },
    { id: 'no', code: t.constant, extraArgs: [false] },
    { id: 'skipped', code: t.one, when: 'no' },
    { id: 'bad', code: t.boom, maxRetries: 0 },
    { id: 'held', code: e.gated, extraArgs: [gate.memory, 1] },
    { id: 'after', code: t.double, args: ['held'], map: true },
  ];
}

/** What a reader knows of a run, but for times and places. */
function stateOf({ graph, outcome, done, failed, skipped, total }: RunRecord): unknown {
  const { ids, deps, code, names, growth } = graph;
  const functions = ids.map((id, i) => [id, names[code[i]!], deps[i]!.map((dep) => ids[dep]), outcome[i]]);
  return { functions: functions.toSorted(), growth: growth!.length, done, failed, skipped, total };
}

describe('a feed', () => {
  it('tells what happens here as coming from this host, and graphs with runs', async () => {
    const heard = new Heard(handoff(), 'run:started', 'function:finished', 'run:finished', 'run:failed');
    await handoff().execute(
      new Dag('story')
        .add({ id: 'a', code: t.one, cost: { cpu: 1 } })
        .add({ id: 'b', code: t.double, args: ['a'], node: 'a', duration: 7 }),
    );
    await errorOf(handoff().execute(dagOf({ id: 'x', code: t.boom })));
    heard.end();
    expect(heard.told.map(({ event }) => event.type)).toEqual([
      'run:started',
      'function:finished',
      'function:finished',
      'run:finished',
      'run:started',
      'run:failed',
    ]);
    expect(new Set(heard.told.map(({ host }) => host))).toEqual(new Set(['local']));
    expect(heard.told[0]!.graph).toMatchObject({
      dagId: 'story',
      ids: ['a', 'b'],
      names: ['one', 'double'],
      code: [0, 1],
      deps: [[], [0]],
      pins: [null, 'a'],
      costs: [null, { cpu: 1 }],
      cost: [1, 0],
    });
    expect(heard.told[0]!.graph!.duration[1]).toBe(7);
    expect(heard.told[1]!.graph).toBeUndefined();
  });

  it('has learned how long functions take from runs before', async () => {
    const heard = new Heard(handoff(), 'run:started');
    const dag = dagOf({ id: 'a', code: t.spinFor, extraArgs: [5] });
    await handoff().execute(dag);
    await handoff().execute(dag);
    heard.end();
    expect(heard.told[1]!.graph!.duration[0]).toBeGreaterThanOrEqual(4);
  });

  it('has learned it of each function that is unlike others of its code', async () => {
    const heard = new Heard(handoff(), 'run:started');
    const dag = dagOf(
      { id: 'long', code: t.spinFor, extraArgs: [40] },
      ...Array.from({ length: 8 }, (_, k) => ({ id: `short${k}`, code: t.spinFor, extraArgs: [2] })),
    );
    for (let run = 0; run < 3; run++) await handoff().execute(dag);
    heard.end();
    const [long, ...short] = heard.told[2]!.graph!.duration;
    expect(long).toBeGreaterThanOrEqual(35);
    expect(Math.min(...short.map(Number))).toBeLessThan(20);
    expect(Math.min(...short.map(Number))).toBeGreaterThan(0);
  });

  it('reports running runs first to a new subscriber, as they began', async () => {
    const gate = new Gate();
    const early = new Heard(handoff(), 'run:started');
    const asked = performance.timeOrigin + performance.now();
    const dag = dagOf({ id: 'a', code: t.waitAtGate, extraArgs: [gate.memory] }, { id: 'b', code: t.one });
    const running = handoff().execute(dag);
    await gate.arrived(1);
    await handoff().getResult(dag.id, 'b');
    const late = new Heard(handoff(), 'run:started', 'run:finished', 'attempts');
    const blind = new Heard(handoff(), 'run:finished');
    expect(late.told).toHaveLength(1);
    expect(late.told[0]).toMatchObject({
      host: 'local',
      event: { type: 'run:started', functions: 2 },
      graph: { ids: ['a', 'b'] },
    });
    expect(late.told[0]!.event.at).toBeGreaterThanOrEqual(asked);
    expect(late.told[0]!.event.at).toBeLessThanOrEqual(early.told[0]!.event.at);
    gate.release();
    await running;
    for (const heard of [early, late, blind]) heard.end();
    expect(early.of('run:started')).toHaveLength(1);
    expect(late.of('run:started')).toHaveLength(1);
    expect(late.of('run:finished')).toHaveLength(1);
    expect(blind.told.map(({ event }) => event.type)).toEqual(['run:finished']);
    expect(late.told[0]!.earlier).toEqual({ grown: [], done: [1], skipped: [], failed: [] });
    expect(early.told[0]!.earlier).toBeUndefined();
    const [attempts] = late.of('attempts'); // it was sent before anybody wanted to know when it would end
    expect(attempts!.event).toMatchObject({ functionIds: ['a'], attempts: [1], failed: [] });
    expect(attempts!.event.spans[0]).toBeLessThan(attempts!.event.spans[1]);
  });

  it('tells a later subscriber what running runs have grown by, and how their functions stand', async () => {
    const gate = new Gate();
    const early = new Heard(handoff(), ...recordedEvents);
    const dag = dagOf(...growing(gate));
    const running = handoff().execute(dag, { failurePolicy: 'continue' });
    await gate.arrived(1);
    const { runId } = early.of('run:started')[0]!.event;
    for (const id of ['n', 'tree', 'none']) await handoff().getResult(runId, id);
    await Promise.all([early.first('function:failed'), early.first('function:skipped')]);
    const late = new Heard(handoff(), ...recordedEvents);
    const [before, learned] = [early.recordOf(runId), late.recordOf(runId)];
    gate.release();
    await errorOf(running);
    for (const heard of [early, late]) heard.end();
    expect(before.graph.ids).toContain('tree/sum#1/sum#1');
    expect(before.graph.growth!.map(({ owner }) => before.graph.ids[owner]).toSorted()).toEqual([
      'held',
      'm',
      'n',
      'none',
      'tree',
      'tree/sum#1',
      'tree/sum#2',
    ]);
    expect(stateOf(learned)).toEqual(stateOf(before));
    expect(late.of('run:grown').map(({ event }) => event.functionId)).toEqual(['after']);
    expect(stateOf(late.recordOf(runId))).toEqual(stateOf(early.recordOf(runId)));
  });

  it('reports a run once to a subscriber that subscribes during its report', async () => {
    const inner: Heard[] = [];
    const end = overviewOf(handoff()).feed.subscribe(['run:started'], () =>
      inner.push(new Heard(handoff(), 'run:started', 'run:finished')),
    );
    await handoff().execute(dagOf({ id: 'a', code: t.one }));
    end();
    inner[0]!.end();
    expect(inner[0]!.told.map(({ event }) => event.type)).toEqual(['run:started', 'run:finished']);
  });

  it('has each function that another takes results of once, however often it does', async () => {
    const heard = new Heard(handoff(), 'run:started');
    await handoff().execute(
      dagOf(
        { id: 'a', code: t.one },
        { id: 'b', code: t.one },
        { id: 'c', code: t.add, args: ['a', 'a'] },
        { id: 'd', code: t.add, args: ['c', 'b'] },
        { id: 'e', code: t.add, args: ['a', 'b', 'a', 'd'] },
      ),
    );
    heard.end();
    expect(heard.told[0]!.graph!.deps).toEqual([[], [], [0], [2, 1], [0, 1, 3]]);
  });

  it('hears no more of what it does not want, and nothing once it is ended', async () => {
    const heard = new Heard(handoff(), 'run:finished');
    const all = new Heard(handoff(), ...eventTypes);
    await handoff().execute(dagOf({ id: 'a', code: t.one }));
    heard.end();
    heard.end();
    await handoff().execute(dagOf({ id: 'a', code: t.one }));
    all.end();
    await handoff().execute(dagOf({ id: 'a', code: t.one }));
    expect(heard.told.map(({ event }) => event.type)).toEqual(['run:finished']);
    expect(all.of('run:finished')).toHaveLength(2);
    expect(all.of('attempts')).toHaveLength(2);
    expect(all.of('function:started')).toHaveLength(2);
  });

  it('continues when a listener throws, and when others stop listening to the Handoff', async () => {
    const thrown: unknown[] = [];
    const catching = (error: unknown): void => void thrown.push(error);
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException').on('uncaughtException', catching);
    try {
      const end = overviewOf(handoff()).feed.subscribe(['run:started'], () => {
        throw new Error('mine');
      });
      const heard = new Heard(handoff(), 'run:started');
      handoff().removeAllListeners();
      await handoff().execute(dagOf({ id: 'a', code: t.one }));
      end();
      heard.end();
      expect(heard.told).toHaveLength(1);
      expect(thrown).toMatchObject([{ message: 'mine' }]);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of before) process.on('uncaughtException', listener);
    }
  });
});
