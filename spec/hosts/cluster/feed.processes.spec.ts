/** The events of all hosts, as one of them reads them. */
import { describe, expect, it, vi } from 'vitest';
import { Peer } from '../../../lib/hosts/cluster/peer.ts';
import { Dag, type EventType, type Handoff, tasks } from '../../../lib/index.ts';
import { recordedEvents } from '../../../lib/report/run-record.ts';
import { overviewOf } from '../../../lib/runtime/handoff.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';
import { Heard } from '../../support/heard.ts';
import { type HostProcess, record, startHere, startHost } from '../../support/hosts.ts';
import { f, Folder, until } from './folder.ts';

const e = tasks<typeof import('../../fixtures/expand-tasks.ts')>(
  new URL('../../fixtures/expand-tasks.ts', import.meta.url),
);
const runEvents: readonly EventType[] = ['run:started', 'run:finished', 'run:failed'];

interface Two {
  readonly handoff: Handoff;
  readonly other: HostProcess;
}

/** This host has node a, the other node b, which has a gpu. */
async function two(env: Record<string, string> = {}): Promise<Two> {
  const other = await startHost({ nodes: [{ name: 'b', capabilities: { cpu: 2, gpu: 1 }, threads: 2 }], env });
  const handoff = await startHere({
    nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads: 2 }],
    join: [other.address],
  });
  return { handoff, other };
}

describe('what another host runs', () => {
  it('is reported from the start of the run and its graph to its end, with errors and causes', async () => {
    const { handoff, other } = await two();
    const heard = await Heard.everywhere(
      handoff,
      ...runEvents,
      'attempts',
      'function:retrying',
      'function:failed',
      'function:log',
    );
    const dag = dagOf(
      { id: 'x', code: t.one },
      { id: 'y', code: f.throwFar, args: [], maxRetries: 1, retryDelay: 1, node: 'b' },
    );
    await errorOf(other.execute(dag));
    const end = await heard.first('run:failed');
    expect(heard.told.every(({ host }) => host === other.address)).toBe(true);
    expect(heard.of('run:started')).toHaveLength(1);
    expect(heard.told[0]).toMatchObject({
      event: { type: 'run:started', dagId: dag.id, functions: 2 },
      graph: { dagId: dag.id, ids: ['x', 'y'], names: ['one', 'throwFar'], deps: [[], []], pins: [null, 'b'] },
    });
    expect(heard.told.at(-1)).toBe(end);
    expect(end.event.error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'y', cause: { name: 'FarError' } });
    expect(heard.of('function:retrying')).toHaveLength(1);
    expect(heard.of('function:failed')).toHaveLength(1);
    expect(heard.of('function:failed')[0]!.event.error).toBeInstanceOf(RangeError);
    const attempts = heard
      .of('attempts')
      .flatMap(({ event }) =>
        event.functionIds.map((id: string, k: number) => [id, event.attempts[k], event.failed.includes(k)]),
      );
    expect(attempts.filter(([id]) => id === 'y')).toEqual([
      ['y', 1, true],
      ['y', 2, true],
    ]);
  });

  it('is reported as failed, without its results and its many failures', async () => {
    const there = await startHere({ nodes: [{ name: 'b', capabilities: { cpu: 1 } }] });
    const here = await startHere({ join: [there.address!] });
    const heard = await Heard.everywhere(here, ...runEvents);
    const own = await errorOf(
      there.execute(dagOf({ id: 'x', code: t.one }, { id: 'y', code: t.boom }), { failurePolicy: 'continue' }),
    );
    expect(own).toMatchObject({ results: { x: 1 }, failures: [{ functionId: 'y' }] });
    const {
      event: { error },
    } = await heard.first('run:failed');
    expect(error).toMatchObject({
      code: own.code,
      message: own.message,
      functionId: 'y',
      dagId: own.dagId,
      cause: { name: 'TaskError' },
    });
    expect(error).not.toHaveProperty('results');
    expect(error).not.toHaveProperty('failures');
  });

  it('is reported in order, each attempt once, even when there are many', async () => {
    const { handoff, other } = await two();
    const heard = await Heard.everywhere(handoff, ...runEvents, 'function:started', 'function:finished', 'attempts');
    const size = 300; // several batches each
    const dags = [0, 1, 2].map(() =>
      dagOf(
        ...Array.from({ length: size }, (_, k) => ({
          id: `f${k}`,
          code: t.add,
          extraArgs: [1],
          ...(k >= 30 && { args: [`f${k - 30}`] }),
        })),
      ),
    );
    await Promise.all([other.execute(dags[0]!), other.execute(dags[1]!), handoff.execute(dags[2]!)]);
    await Promise.all(dags.map(({ id }) => heard.first('run:finished', ({ dagId }) => dagId === id)));
    for (const [k, { id }] of dags.entries()) {
      const own = heard.told.filter(({ event }) => event.dagId === id);
      expect(new Set(own.map(({ host }) => host))).toEqual(new Set([k < 2 ? other.address : overviewOf(handoff).host]));
      expect(own[0]!.event.type).toBe('run:started');
      expect(own.at(-1)!.event.type).toBe('run:finished');
      const ids = own.flatMap(({ event }) => (event.type === 'attempts' ? event.functionIds : []));
      expect(ids).toHaveLength(size);
      expect(new Set(ids).size).toBe(size);
      const begun = new Set<string>();
      for (const { event } of own) {
        if (event.type === 'function:started') begun.add(event.functionId);
        else if (event.type === 'function:finished')
          expect(begun.delete(event.functionId), 'told to have started before').toBe(true);
      }
      expect(own.filter(({ event }) => event.type === 'function:finished')).toHaveLength(size);
    }
    expect(overviewOf(handoff).feed.dropped).toBe(0);
  });

  it('is reported with its start time to hosts that join while it runs', async () => {
    const { handoff, other } = await two();
    const folder = new Folder();
    const dag = dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 1] }, { id: 'y', code: t.one });
    const running = other.execute(dag);
    await folder.arrived(1);
    await until(
      async () => (await overviewOf(handoff).explain(other.address, dag.id, 'y')).functions[0]!.state === 'done',
    );
    const asked = performance.timeOrigin + performance.now();
    const first = new Heard(handoff, ...runEvents, 'attempts');
    const { event, graph, host, earlier } = await first.first('run:started');
    expect(earlier).toEqual({ grown: [], done: [1], skipped: [], failed: [] });
    expect(first.told[0]!.event).toBe(event);
    expect(host).toBe(other.address);
    expect(graph!.ids).toEqual(['x', 'y']);
    expect(event.at).toBeLessThan(asked);
    const second = new Heard(handoff, ...runEvents);
    // Clocks are aligned anew meanwhile, so that the time may differ by a little.
    expect(await second.first('run:started')).toMatchObject({
      event: { ...event, at: expect.closeTo(event.at, -3) as number },
      earlier,
      graph,
    });
    expect(first.of('run:started'), 'whoever knows is not told again').toHaveLength(1);
    folder.open();
    await running;
    await Promise.all([first.first('run:finished'), second.first('run:finished')]);
    expect(first.of('run:started')).toHaveLength(1);
    expect(second.of('run:started')).toHaveLength(1);
    expect(new Heard(handoff, ...runEvents).told).toEqual([]);
  });

  it('is reported with its growth, to hosts that already follow it and to hosts that join later', async () => {
    const { handoff, other } = await two();
    const folder = new Folder();
    const early = await Heard.everywhere(handoff, ...recordedEvents);
    const dag = dagOf(
      { id: 'm', code: t.double, extraArgs: [[1, 2, 3]], map: true },
      { id: 'tree', code: e.sum, extraArgs: [0, 16, 4] },
      { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 1] },
    );
    const running = other.execute(dag);
    await folder.arrived(1);
    const now = () => early.recordOf(early.of('run:started')[0]!.event.runId);
    await until(() => early.of('run:started').length > 0 && now().done === 13);
    const late = new Heard(handoff, ...recordedEvents);
    const { event } = await late.first('run:started');
    const [known, learned] = [now(), late.recordOf(event.runId)];
    expect(learned.graph.growth).toHaveLength(4);
    expect([learned.graph, [...learned.outcome], learned.done]).toEqual([known.graph, [...known.outcome], 13]);
    folder.open();
    await running;
    await Promise.all([early.first('run:finished'), late.first('run:finished')]);
    expect([now().done, late.recordOf(event.runId).done]).toEqual([14, 14]);
    expect(overviewOf(handoff).feed.dropped).toBe(0);
  });

  it('is also reported of a host that joins later', async () => {
    const handoff = await startHere({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }] });
    const heard = new Heard(handoff, ...runEvents, 'node:up');
    const late = await startHost({ nodes: [{ name: 'late', capabilities: { cpu: 1 } }], join: [handoff.address!] });
    expect(await heard.first('node:up')).toMatchObject({ host: late.address, event: { node: 'late' } });
    await late.execute(dagOf({ id: 'x', code: t.one }));
    expect(await heard.first('run:finished')).toMatchObject({ host: late.address });
  });

  it('is reported to each host that listens', async () => {
    const { handoff, other } = await two();
    const third = await startHere({ join: [other.address], deaf: true });
    const all = await Promise.all([handoff, third].map((each) => Heard.everywhere(each, ...runEvents)));
    await other.execute(dagOf({ id: 'x', code: t.one }));
    for (const heard of all) expect(await heard.first('run:finished')).toMatchObject({ host: other.address });
    await third.execute(dagOf({ id: 'y', code: t.one }));
    const [told] = await Promise.all(
      all.map((heard) => heard.first('run:finished', ({ dagId }) => dagId !== heard.told[0]!.event.dagId)),
    );
    expect(told!.host).not.toBe(other.address);
    expect(all[1]!.told.at(-1)!.host).toBe('local');
  });
});

describe('what happens to nodes', () => {
  it('is reported once, by their own host, even when a function of another host ends a thread', async () => {
    const { handoff, other } = await two();
    const heard = await Heard.everywhere(handoff, 'worker:crashed', 'worker:restarted');
    const own = record(handoff, 'worker:crashed');
    await errorOf(handoff.execute(dagOf({ id: 'x', code: t.exit, extraArgs: [3], node: 'b', maxRetries: 0 })));
    expect(own, 'this host knows, too').toHaveLength(1);
    await heard.first('worker:restarted');
    await overviewOf(handoff).trees();
    expect(heard.of('worker:crashed')).toMatchObject([{ host: other.address, event: { node: 'b' } }]);
    expect(heard.of('worker:restarted')).toMatchObject([{ host: other.address, event: { node: 'b' } }]);
  });

  it('is reported when they change, with their host', async () => {
    const { handoff, other } = await two();
    const heard = await Heard.everywhere(handoff, 'node:up', 'node:down', 'node:capabilities-changed');
    await other.call('updateCapabilities', 'b', { memory: 100 });
    await heard.first('node:capabilities-changed');
    await other.call('registerNode', 'c', { cpu: 1 });
    await heard.first('node:up');
    await other.call('removeNode', 'c');
    await heard.first('node:down');
    await handoff.updateCapabilities('a', { memory: 7 });
    expect(heard.told.map(({ host, event }) => [host, event.type, event.node])).toEqual([
      [other.address, 'node:capabilities-changed', 'b'],
      [other.address, 'node:up', 'c'],
      [other.address, 'node:down', 'c'],
      [handoff.address ?? 'local', 'node:capabilities-changed', 'a'],
    ]);
  });
});

describe('a host that is lost in the middle', () => {
  it('has its runs reported as failed and its nodes as down, and reports again when it comes back', async () => {
    const { handoff, other } = await two();
    const folder = new Folder();
    const heard = await Heard.everywhere(handoff, ...runEvents, 'node:down', 'node:up');
    const running = other.execute(dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 1], node: 'b' }));
    running.catch(() => {});
    const {
      event: { dagId },
    } = await heard.first('run:started');
    await folder.arrived(1);
    await other.kill();
    expect(await heard.first('run:failed')).toMatchObject({
      host: other.address,
      event: { dagId, error: { code: 'NODE_DOWN', message: expect.stringContaining(other.address) } },
    });
    expect(heard.of('node:down')).toMatchObject([{ host: other.address, event: { node: 'b' } }]);
    expect(new Heard(handoff, ...runEvents).told).toEqual([]);
    const again = await startHost({
      nodes: [{ name: 'b', capabilities: { cpu: 1 } }],
      join: [handoff.address!],
      transport: { port: Number(other.address.split(':').at(-1)) },
    });
    await heard.first('node:up');
    await again.execute(dagOf({ id: 'z', code: t.one }));
    expect(await heard.first('run:finished')).toMatchObject({ host: again.address });
  });
});

describe('a host whose clock is an hour ahead', () => {
  it("reports events and runs functions of others in times of the reader's clock", async () => {
    const shift = 3_600_000;
    const { handoff, other } = await two({
      NODE_OPTIONS: `--import ${new URL('../../fixtures/shifted-clock.mjs', import.meta.url).href}`,
      SHIFTED_BY: String(shift),
    });
    const heard = await Heard.everywhere(handoff, ...runEvents, 'attempts', 'function:started');
    await other.watch('run:started');
    const before = performance.timeOrigin + performance.now();
    const mine = dagOf({ id: 'x', code: t.later, extraArgs: [20, 1], node: 'b' });
    const theirs = dagOf(
      { id: 'y', code: t.later, extraArgs: [20, 1], node: 'a' },
      { id: 'z', code: t.later, extraArgs: [20, 1], node: 'b' },
    );
    await handoff.execute(mine);
    await other.execute(theirs);
    await heard.first('run:finished', ({ dagId }) => dagId === theirs.id);
    const folder = new Folder();
    const open = handoff.execute(
      dagOf({ id: 'door', code: f.passDoor, extraArgs: [folder.path, 'door', 1], node: 'b' }),
    );
    await folder.arrived(1);
    const threads = (await overviewOf(handoff).nodes()).flatMap((node) => node.threads);
    folder.open();
    await open;
    const after = performance.timeOrigin + performance.now();
    expect((await other.told('run:started')).at, 'by its own clock').toBeGreaterThan(before + shift / 2);
    const slack = 1000; // an hour would show, whatever the machine is busy with
    const since = threads.flatMap(({ running }) => (running === null ? [] : running.since));
    const times = heard.told.flatMap(({ event }) => [event.at, ...(event.type === 'attempts' ? event.spans : [])]);
    expect(since).toHaveLength(1);
    expect(times.length).toBeGreaterThanOrEqual(2 * 2 + 3 + 3 * 3);
    for (const at of [...times, ...since]) {
      expect(at).toBeGreaterThan(before - slack);
      expect(at).toBeLessThan(after + slack);
    }
    for (const {
      event: { spans },
    } of heard.of('attempts'))
      expect(spans[1]! - spans[0]!).toBeGreaterThanOrEqual(19);
  });
});

describe('a reader that does not keep up', () => {
  it('receives fewer events, knows how many are missing, and still receives the ends of runs', async () => {
    const there = await startHere({ nodes: [{ name: 'b', capabilities: { cpu: 2 } }] });
    const here = await startHere({ join: [there.address!] });
    const heard = await Heard.everywhere(here, ...runEvents, 'attempts');
    const size = 130_000; // more than a host keeps for another
    const request = Peer.prototype.request;
    const busy = Promise.withResolvers<void>();
    const stalled = vi.spyOn(Peer.prototype, 'request').mockImplementation(async function (
      this: Peer,
      method,
      ...args
    ) {
      if (method === 'deliver') await busy.promise;
      return (request as (...all: any[]) => Promise<any>).call(this, method, ...args);
    });
    try {
      const dag = new Dag();
      for (let k = 0; k < size; k++) dag.add({ id: `f${k}`, code: t.one });
      await there.execute(dag, { collect: [] });
      expect(heard.of('run:finished')).toEqual([]);
      busy.resolve();
      await heard.first('run:finished');
    } finally {
      stalled.mockRestore();
    }
    const { dropped } = overviewOf(here).feed;
    const ids = heard.of('attempts').flatMap(({ event }) => event.functionIds);
    expect(new Set(ids).size).toBe(ids.length);
    expect(dropped).toBeGreaterThanOrEqual(size - 100_000);
    expect(ids.length + dropped).toBe(size);
    expect(heard.of('run:started')[0]!.graph!.ids).toHaveLength(size);
  });
});

describe('a host that sends malformed events', () => {
  /** What `there` tells has more in it. */
  function adding(wires: () => readonly unknown[]): { mockRestore(): void } {
    const request = Peer.prototype.request;
    return vi.spyOn(Peer.prototype, 'request').mockImplementation(function (this: Peer, method, ...args) {
      return (request as (...all: any[]) => Promise<any>).call(
        this,
        method,
        ...(method === 'deliver' ? [args[0], [...wires(), ...(args[1] as unknown[])], args[2]] : args),
      );
    });
  }

  it('is still heard: malformed entries are left out and counted', async () => {
    const there = await startHere({ nodes: [{ name: 'b', capabilities: { cpu: 1 } }] });
    const here = await startHere({ join: [there.address!] });
    const at = performance.timeOrigin + performance.now();
    const run = { type: 'run:started', at, runId: 'bad', dagId: 'bad', functions: 1 };
    const graph = {
      runId: 'bad',
      dagId: 'bad',
      ids: ['x'],
      code: [0],
      names: ['n'],
      pins: [null],
      cost: [0],
      costs: [null],
      duration: [null],
      offset: Int32Array.of(0, 1),
      edges: Int32Array.of(7),
    };
    const none = { grown: [], done: new Int32Array(0), skipped: new Int32Array(0), failed: new Int32Array(0) };
    const good = {
      event: { ...run, runId: 'good', dagId: 'good' },
      graph: { ...graph, runId: 'good', dagId: 'good', offset: Int32Array.of(0, 0), edges: new Int32Array(0) },
    };
    const wires = [
      null,
      1,
      { event: run, graph },
      { event: run, graph: 'graph' },
      { underWay: null },
      { underWay: [null] },
      { underWay: [{ event: run, graph, earlier: none }] },
      { underWay: [{ event: { ...run, runId: 'other' }, earlier: { ...none, done: Int32Array.of(5) } }] },
      { underWay: [{ event: run, graph: { ...good.graph, runId: 'bad', dagId: 'bad' }, earlier: 'all' }] },
      good,
      {
        event: {
          type: 'attempts',
          at,
          runId: 'good',
          dagId: 'good',
          node: 'b',
          thread: 0,
          functionIds: ['x'],
          indexes: [-1],
          attempts: [1],
          spans: [at, at],
          bytes: [0],
          failed: [],
        },
      },
    ];
    let left = 1;
    const added = adding(() => (left-- > 0 ? wires : []));
    try {
      const heard = await Heard.everywhere(here, ...runEvents, 'attempts');
      await there.execute(dagOf({ id: 'a', code: t.one }));
      await heard.first('run:finished');
      const runs = heard.of('run:started');
      expect(runs.map(({ graph: { ids, deps } = {} as any }) => [ids, deps])).toEqual([
        [['x'], [[]]],
        [['a'], [[]]],
      ]);
      expect(overviewOf(here).feed.dropped).toBe(wires.length - 1);
      const late = await Heard.everywhere(here, ...runEvents);
      await there.execute(dagOf({ id: 'b', code: t.one }));
      expect((await late.first('run:finished')).host).toBe(there.address);
    } finally {
      added.mockRestore();
    }
  });

  it('gets an answer that names the fault when its list is missing or has holes', async () => {
    const there = await startHere({ nodes: [{ name: 'b', capabilities: { cpu: 1 } }] });
    const here = await startHere({ join: [there.address!] });
    const sent = vi.spyOn(Peer.prototype, 'request');
    const heard = new Heard(here, 'run:finished');
    const find = (): number => sent.mock.calls.findIndex(([method]) => method === 'deliver');
    await until(() => find() >= 0);
    const [, session] = sent.mock.calls[find()]!;
    const peer = sent.mock.contexts[find()] as Peer;
    sent.mockRestore();
    const holes: unknown[] = [];
    holes.length = 4_000_000_000;
    for (const [events, dropped] of [
      ['x', 0],
      [[], NaN],
      [[], -1],
      [holes, 0],
    ])
      await expect(
        peer.request('deliver', session as number, events as unknown[], dropped as number),
      ).rejects.toMatchObject({ code: 'PROTOCOL_ERROR' });
    for (const [which, types] of [
      [1, holes],
      [1, 'run:started'],
      ['1', []],
    ])
      await expect(peer.request('watch', which as number, types as string[])).rejects.toMatchObject({
        code: 'PROTOCOL_ERROR',
      });
    expect(overviewOf(here).feed.dropped).toBe(0);
    await there.execute(dagOf({ id: 'a', code: t.one }));
    await heard.first('run:finished');
  });

  it('receives one message at a time, however often it asks', async () => {
    const there = await startHere({ nodes: [{ name: 'b', capabilities: { cpu: 1 } }] });
    const here = await startHere({ join: [there.address!] });
    const busy = Promise.withResolvers<void>();
    const request = Peer.prototype.request;
    let told = 0;
    const asking = new Set<Peer>();
    const stalled = vi.spyOn(Peer.prototype, 'request').mockImplementation(async function (
      this: Peer,
      method,
      ...args
    ) {
      if (method === 'watch') asking.add(this);
      if (method === 'deliver') {
        told++;
        await busy.promise;
      }
      return (request as (...all: any[]) => Promise<any>).call(this, method, ...args);
    });
    try {
      const heard = await Heard.everywhere(here, 'run:finished');
      const [peer] = asking;
      for (let session = 100; session < 120; session++)
        await peer!.request('watch', session, ['run:started', 'run:finished']);
      await until(() => told > 0);
      for (let session = 100; session < 120; session++)
        await peer!.request('watch', session, ['run:started', 'run:finished']);
      await there.execute(dagOf({ id: 'a', code: t.one }));
      expect(told).toBe(1);
      heard.end();
    } finally {
      busy.resolve();
      stalled.mockRestore();
    }
  });
});

describe('without a subscriber', () => {
  it('no host receives a message or request, also after the last subscriber has left', async () => {
    const sent = vi.spyOn(Peer.prototype, 'request');
    const there = await startHere({ nodes: [{ name: 'b', capabilities: { cpu: 1 } }] });
    const here = await startHere({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }], join: [there.address!] });
    const asked = (): unknown[] =>
      sent.mock.calls.map(([method]) => method).filter((method) => method === 'watch' || method === 'deliver');
    await there.execute(dagOf({ id: 'x', code: t.one }));
    expect(asked()).toEqual([]);
    const one = await Heard.everywhere(here, 'run:finished');
    const other = new Heard(here, 'run:finished');
    expect(
      asked().filter((method) => method === 'watch'),
      'the second wants nothing else',
    ).toHaveLength(1);
    await there.execute(dagOf({ id: 'x', code: t.one }));
    await Promise.all([one.first('run:finished'), other.first('run:finished')]);
    one.end();
    other.end();
    await overviewOf(here).trees();
    const before = asked().length;
    await there.execute(dagOf({ id: 'x', code: t.one }));
    await overviewOf(here).trees();
    expect(asked()).toHaveLength(before);
    expect(one.told).toHaveLength(1);
    sent.mockRestore();
  });
});
