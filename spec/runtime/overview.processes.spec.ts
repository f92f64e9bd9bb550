/** What there is to see and to do over all hosts, asked on one of them. */
import { describe, expect, it } from 'vitest';
import { type Dag, dag, Handoff } from '../../lib/index.ts';
import type { NodeActivity, ThreadActivity } from '../../lib/events/activity.ts';
import { overviewOf } from '../../lib/runtime/handoff.ts';
import type { Overview } from '../../lib/runtime/overview.ts';
import { f, Folder, until } from '../hosts/cluster/folder.ts';
import { dagOf, errorOf, t } from '../support/handoff.ts';
import { Heard } from '../support/heard.ts';
import { startHere, startHost, useCluster } from '../support/hosts.ts';

const patient = { options: { gracePeriod: 60_000 } }; // a busy machine may take long to deliver a signal
const cluster = useCluster(
  { nodes: [{ name: 'a', capabilities: { cpu: 2, memory: 100 }, threads: 2 }], ...patient },
  { nodes: [{ name: 'b', capabilities: { cpu: 2 }, threads: 2 }], ...patient },
);
const overview = (): Overview => overviewOf(cluster.handoff);
const there = (): string => cluster.hosts[0]!.address;
const here = (): string => overview().host;

// Clocks of hosts agree as well as messages between them are quick.
const slack = 1000;

const door = (folder: Folder, name: string, node: string): Parameters<typeof dagOf>[0] => ({
  id: name,
  code: f.passDoor,
  extraArgs: [folder.path, name, name],
  node,
});

const runOf = ({ id }: Dag): string => `a run of ${id}`;

/** Starts a run on one of the two hosts, under an id that is not its DAG's. */
function execute(on: 'here' | 'there', functions: Dag): Promise<unknown> {
  const options = { runId: runOf(functions) };
  const run =
    on === 'here' ? cluster.handoff.execute(functions, options) : cluster.hosts[0]!.execute(functions, options);
  run.catch(() => {});
  return run;
}

describe.each(['here', 'there'] as const)('a run of the host that is %s', (on) => {
  const host = (): string => (on === 'here' ? here() : there());

  it('can be cancelled: it fails with ABORTED, and what it ran is aborted', async () => {
    const folder = new Folder();
    const wanted = dagOf(door(folder, 'x', 'a'), door(folder, 'y', 'b'));
    const run = execute(on, wanted);
    await folder.arrived(2);
    const heard = await Heard.everywhere(cluster.handoff, 'run:failed');
    expect(await overview().cancel(host(), runOf(wanted))).toBe(true);
    expect(await errorOf(run)).toMatchObject({
      code: 'ABORTED',
      runId: runOf(wanted),
      dagId: wanted.id,
      message: expect.stringContaining('cancelled'),
    });
    expect(await heard.first('run:failed')).toMatchObject({
      host: host(),
      event: { runId: runOf(wanted), dagId: wanted.id, error: { code: 'ABORTED' } },
    });
    heard.end();
    await until(() => folder.lines.filter(([sign]) => sign === '!').length === 2);
    expect(folder.lines).toContainEqual(['!', 'x', 'ABORTED']);
    expect(await overview().cancel(host(), runOf(wanted))).toBe(false);
  });

  it('is explained: what waits, and for what', async () => {
    const folder = new Folder();
    const wanted = dagOf(door(folder, 'x', 'b'), { id: 'y', code: t.collect, args: ['x'] });
    const run = execute(on, wanted);
    await folder.arrived(1);
    expect(await overview().explain(host(), runOf(wanted), 'y')).toMatchObject({
      functions: [{ functionId: 'y', state: 'results', functions: ['x'] }],
    });
    expect((await overview().explain(host(), runOf(wanted))).text).toContain('of 2 functions');
    expect(await errorOf(overview().explain(host(), runOf(wanted), 'z'))).toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('"z"'),
    });
    folder.open();
    await run;
    expect(await errorOf(overview().explain(host(), runOf(wanted), 'y'))).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('shows the code and the arguments of a function, also after the end of a run that it has seen', async () => {
    const heard = await Heard.everywhere(cluster.handoff, 'run:started', 'run:finished');
    const long = 'x'.repeat(5000);
    const wanted = dagOf(
      { id: 'a', code: t.float64, extraArgs: [100_000, 1] },
      { id: 'b', code: t.collect, args: ['a', 'a'], extraArgs: [{ deep: [1, 2, { more: '<script>' }] }, long, null] },
      { id: 'inline', code: t.double, type: 'inline', extraArgs: [21] },
      { id: 'c', code: t.collect, args: ['b', 'inline'] },
    );
    await execute(on, wanted);
    await heard.first('run:finished', ({ dagId }) => dagId === wanted.id);
    heard.end();
    const detail = await overview().functionDetail(host(), runOf(wanted), 'b');
    expect(detail).toMatchObject({
      functionId: 'b',
      name: 'collect',
      module: expect.stringMatching(/fixtures\/tasks\.ts$/),
    });
    expect(detail.args.slice(0, 3)).toEqual([
      { result: 'a' },
      { result: 'a' },
      { literal: "{ deep: [ 1, 2, { more: '<script>' } ] }" },
    ]);
    const [, , , cut, none] = detail.args as [unknown, unknown, unknown, { literal: string }, unknown];
    expect(cut.literal.length).toBeLessThanOrEqual(300);
    expect(none).toEqual({ literal: 'null' });
    expect((await overview().functionDetail(host(), runOf(wanted), 'a')).bytes).toBeGreaterThanOrEqual(800_000);
    expect((await overview().functionDetail(host(), runOf(wanted), 'c')).args).toEqual([
      { result: 'b' },
      { literal: 'double(21)' },
    ]);
    expect(await errorOf(overview().functionDetail(host(), runOf(wanted), 'nothing'))).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it('is seen on the threads of either host: what runs, and how much waits behind it', async () => {
    const folder = new Folder();
    const doors = ['a', 'b'].flatMap((node) => [0, 1, 2].map((k) => door(folder, `${node}${k}`, node)));
    const asked = performance.timeOrigin + performance.now();
    const run = execute(on, dagOf(...doors));
    await folder.arrived(4);
    const now = performance.timeOrigin + performance.now();
    const nodes = await overview().nodes();
    expect(nodes.map(({ name, host: of, isUp }) => [name, of, isUp])).toEqual([
      ['a', here(), true],
      ['b', there(), true],
    ]);
    for (const { name, threads } of nodes) {
      expect(threads.map(({ running }) => running?.functionId)).toEqual(
        expect.arrayContaining(folder.names.filter((each) => each.startsWith(name))),
      );
      for (const { queue, utilization, heapMb, running } of threads) {
        expect(running!.since).toBeGreaterThanOrEqual(asked - slack);
        expect(running!.since).toBeLessThanOrEqual(now + slack);
        expect(queue).toBeGreaterThanOrEqual(1);
        expect(utilization).toBeGreaterThanOrEqual(0);
        expect(heapMb).toBeGreaterThan(0);
      }
    }
    folder.open();
    await run;
    await until(async () =>
      (await overview().nodes()).every(({ threads }) =>
        threads.every(({ running, queue }) => running === null && queue === 0),
      ),
    );
  });
});

describe('the feed of this host alone', () => {
  it('reports events of this host only', async () => {
    const told: string[] = [];
    const all = await Heard.everywhere(cluster.handoff, 'run:finished', 'node:capabilities-changed');
    const end = overview().ownFeed.subscribe(
      ['run:started', 'run:finished', 'node:capabilities-changed', 'attempts'],
      ({ host, event, graph }) => void told.push(`${host} ${event.type} ${graph?.ids.join() ?? ''}`),
    );
    await execute('there', dagOf({ id: 'x', code: t.one, node: 'a' }));
    await all.first('run:finished');
    await cluster.handoff.updateCapabilities('b', { memory: 5 });
    await all.first('node:capabilities-changed');
    await execute('here', dagOf({ id: 'y', code: t.one, node: 'b' }));
    end();
    all.end();
    expect(told).toEqual([`${here()} run:started y`, `${here()} attempts `, `${here()} run:finished `]);
  });
});

describe('nodes', () => {
  it('show what is declared, claimed and used', async () => {
    const folder = new Folder();
    const run = execute('there', dagOf({ ...door(folder, 'x', 'a'), cost: { memory: 60, cpu: 1 } }));
    await folder.arrived(1);
    const [a] = await overview().nodes();
    expect(a).toMatchObject({
      name: 'a',
      declared: { cpu: 2, memory: 100 },
      claimed: { memory: 60, cpu: 1 },
      used: { cpu: expect.any(Number), memory: expect.any(Number) },
    });
    folder.open();
    await run;
  });

  it('exclude those of a lost host', async () => {
    const third = await startHost({ nodes: [{ name: 'c', capabilities: { cpu: 1 } }], join: [there()] });
    await until(async () => 'c' in (await cluster.handoff.discoverNodes()));
    expect((await overview().nodes()).map(({ name }) => name).toSorted()).toEqual(['a', 'b', 'c']);
    const asked: Promise<NodeActivity[]> = overview().nodes();
    await third.kill();
    expect((await asked).length).toBeGreaterThanOrEqual(2);
    await until(async () => !('c' in (await cluster.handoff.discoverNodes())));
    expect((await overview().nodes()).map(({ name }) => name)).toEqual(['a', 'b']);
    expect(await overview().cancel(third.address, 'any')).toBe(false);
    expect(await errorOf(overview().explain(third.address, 'any'))).toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining(third.address),
    });
  });

  it('have idle threads, and nothing waiting, once all has ended', async () => {
    await using own = await Handoff.start({ nodes: [{ name: 'alone', capabilities: { cpu: 1 } }] });
    const numbers = t.one();
    await own.run(dag('once', { one: numbers }));
    const [alone] = await overviewOf(own).nodes();
    expect(alone).toMatchObject({
      name: 'alone',
      host: 'local',
      isUp: true,
      threads: [{ running: null, queue: 0 }] satisfies Partial<ThreadActivity>[],
    });
  });
});

describe('trees', () => {
  it('come from all hosts', async () => {
    const guest = await startHere({ join: [there()], deaf: true });
    const trees = await overviewOf(guest).trees();
    expect(Object.keys(trees)).toEqual(expect.arrayContaining(['local', here(), there()]));
    expect(trees['local']).toEqual(guest.tree());
    expect(trees[there()]).toEqual(await cluster.hosts[0]!.tree());
    expect(trees[there()]!.children!.find(({ id }) => id === 'nodes')!.children).toMatchObject([
      { id: 'b', state: 'running' },
    ]);
  });
});
