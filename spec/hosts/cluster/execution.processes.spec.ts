/** The origin's tests of distributed execution, where its second Erlang node is a second process. */
import { describe, expect, it } from 'vitest';
import { Dag, fromSource } from '../../../lib/index.ts';
import { c, dagOf, errorOf, t } from '../../support/handoff.ts';
import { startHere, startHost, useCluster } from '../../support/hosts.ts';
import { f, Folder } from './folder.ts';

const cluster = useCluster(
  { nodes: [{ name: 'here', capabilities: { cpu: 2, memory: 2000 }, threads: 2 }] },
  { nodes: [{ name: 'far', capabilities: { cpu: 2, memory: 4000 }, threads: 2 }], options: { allowSource: true } },
);
const far = (): number => cluster.hosts[0]!.pid;

describe('nodes of two hosts', () => {
  it('are all discovered from either host', async () => {
    const all = { here: { cpu: 2, memory: 2000 }, far: { cpu: 2, memory: 4000 } };
    expect(await cluster.handoff.discoverNodes()).toEqual(all);
    expect(await cluster.hosts[0]!.call('discoverNodes')).toEqual(all);
  });

  it('run a DAG on the node of this host when that comes first', async () => {
    const { dagId, results, allocations } = await cluster.handoff.execute(
      new Dag('at home')
        .add({ id: 'source', code: t.constant, extraArgs: [5] })
        .add({ id: 'both', code: t.add, args: ['source'], extraArgs: [3], node: { collocatedWith: 'source' } })
        .add({ id: 'where', code: f.pid, args: [] }),
    );
    expect(dagId).toBe('at home');
    expect(results).toEqual({ source: 5, both: 8, where: process.pid });
    expect(allocations).toEqual({ source: 'here', both: 'here', where: 'here' });
  });

  it('run a function on the only node that is large enough, and its result reaches consumers here', async () => {
    const { results, allocations } = await cluster.handoff.execute(
      new Dag('by cost')
        .add({ id: 'source', code: t.constant, extraArgs: [5], cost: { memory: 2000 } })
        .add({ id: 'middle', code: t.add, args: ['source'], extraArgs: [10], cost: { memory: 3000 } })
        .add({ id: 'where', code: f.pid, cost: { memory: 3000 } })
        .add({ id: 'last', code: t.double, args: ['middle'], node: 'here' }),
    );
    expect(allocations).toEqual({ source: 'here', middle: 'far', where: 'far', last: 'here' });
    expect(results).toEqual({ source: 5, middle: 15, where: far(), last: 30 });
  });

  it('run pinned functions, back and forth', async () => {
    const { results, allocations } = await cluster.handoff.execute(
      new Dag('by pin')
        .add({ id: 'source', code: t.constant, extraArgs: [5], node: 'far' })
        .add({ id: 'middle', code: t.add, args: ['source'], extraArgs: [1], node: 'here' })
        .add({ id: 'last', code: t.add, args: ['middle', 'source'], node: 'far' }),
    );
    expect(allocations).toEqual({ source: 'far', middle: 'here', last: 'far' });
    expect(results).toEqual({ source: 5, middle: 6, last: 11 });
    expect(await cluster.handoff.getLocalValue('by pin', 'middle')).toBe(6);
    expect(await cluster.handoff.lookupDataLocation('by pin', 'last')).toBe('far');
  });

  it('retry a failed function within maxRetries, and not more often', async () => {
    const folder = new Folder();
    const { results, stats } = await cluster.handoff.execute(
      dagOf(
        { id: 'x', code: c.failFirst, node: 'far' },
        { id: 'log', code: f.noted, args: [], extraArgs: [folder.path, 'log', 1], node: 'far' },
      ),
      { maxRetries: 1 },
    );
    expect(results['x']).toBe(2);
    expect(stats.retries).toBe(1);
    expect(folder.calls('log')).toBe(1);
  });

  it('pass dependencies as one list', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'a', code: t.constant, extraArgs: [10], node: 'far' },
        { id: 'b', code: t.constant, extraArgs: [20], node: 'here' },
        { id: 'sum', code: t.sumList, args: ['a', 'b'], argumentInclusion: 'list', node: 'far' },
      ),
    );
    expect(results['sum']).toBe(30);
  });

  it('run an inline function inside each of its dependents, wherever they are', async () => {
    const folder = new Folder();
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'source', code: t.constant, extraArgs: [7], node: 'here' },
        { id: 'i', code: f.noted, args: [], extraArgs: [folder.path, 'i', 3], type: 'inline' },
        { id: 'j', code: t.add, args: ['i', 'source'], type: 'inline' },
        { id: 'x', code: t.collect, args: ['i', 'j'], node: 'far' },
        { id: 'y', code: t.collect, args: ['j'], node: 'here' },
      ),
    );
    expect(results).toEqual({ source: 7, x: [3, 10], y: [10] });
    expect(folder.lines.map(([, , node]) => node).sort()).toEqual(['far', 'far', 'here']);
  });

  it('refuse a function that none can hold, naming it and what each node offers', async () => {
    const error = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'a', code: t.one }, { id: 'huge', code: t.one, cost: { memory: 5000 } })),
    );
    expect(error).toMatchObject({
      code: 'ALLOCATION_ERROR',
      functionId: 'huge',
      offers: { here: { memory: 2000 }, far: { memory: 4000 } },
    });
    const pinned = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'p', code: t.one, cost: { memory: 4001 }, node: 'far' })),
    );
    expect(pinned).toMatchObject({ code: 'ALLOCATION_ERROR', functionId: 'p' });
    const root = await errorOf(
      cluster.handoff.execute(
        dagOf(
          { id: 'root', code: t.one, cost: { memory: 3900 } },
          { id: 'with', code: t.one, cost: { memory: 150 }, node: { collocatedWith: 'root' } },
        ),
      ),
    );
    expect(root).toMatchObject({ code: 'ALLOCATION_ERROR', functionId: 'root' });
  });

  it('run a small DAG right after one was refused', async () => {
    await errorOf(cluster.handoff.execute(dagOf({ id: 'x', code: t.one, cost: { cpu: 10 } })));
    expect(
      (await cluster.handoff.execute(dagOf({ id: 'x', code: t.one, cost: { cpu: 2, memory: 4000 } }))).allocations,
    ).toEqual({ x: 'far' });
  });

  it('run collocated functions together on a node that fits all of them', async () => {
    const { allocations, results } = await cluster.handoff.execute(
      dagOf(
        { id: 'root', code: t.one, cost: { memory: 1500 } },
        { id: 'next', code: t.increment, args: ['root'], cost: { memory: 1500 }, node: { collocatedWith: 'root' } },
        { id: 'last', code: t.increment, args: ['next'], cost: { memory: 500 }, node: { collocatedWith: 'next' } },
      ),
    );
    expect(allocations).toEqual({ root: 'far', next: 'far', last: 'far' });
    expect(results['last']).toBe(3);
  });

  it('share their capacity among several runs', async () => {
    const folder = new Folder();
    const runs = Array.from({ length: 4 }, (_, i) =>
      cluster.handoff.execute(
        new Dag(`spill ${i}`).add({ id: 'x', code: f.passDoor, extraArgs: [folder.path, `${i}`], cost: { cpu: 1 } }),
      ),
    );
    await folder.arrived(4);
    expect(folder.lines.map(([, , node]) => node).sort()).toEqual(['far', 'far', 'here', 'here']);
    folder.open();
    await Promise.all(runs);
    expect((await cluster.hosts[0]!.claims('far')).now).toEqual({});
    expect((await cluster.hosts[0]!.claims('far')).most['cpu']).toBeLessThanOrEqual(2);
  });

  it('fail a run with the complete error of the function', async () => {
    const error = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'x', code: f.throwFar, node: 'far', maxRetries: 0 })),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'x', node: 'far', attempts: 1 });
    expect(error.message).toContain('far away');
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(error.cause).toMatchObject({
      message: 'far away',
      code: 'E_FAR',
      where: { at: [1, 2] },
      cause: { message: 'beneath' },
    });
    expect((error.cause as Error).constructor.name).toBe('FarError');
    expect((error.cause as Error).stack).toContain('cluster-tasks.ts');
  });

  it('run no function of an invalid DAG', async () => {
    const folder = new Folder();
    const error = await errorOf(
      cluster.handoff.execute(
        dagOf(
          { id: 'a', code: t.one, args: ['b'] },
          { id: 'b', code: t.one, args: ['a'] },
          { id: 'c', code: f.noted, extraArgs: [folder.path, 'c', 1], node: 'far' },
        ),
      ),
    );
    expect(error.code).toBe('CYCLIC_DEPENDENCY');
    expect(folder.lines).toEqual([]);
  });

  it('run a chain and a diamond across hosts in the order of dependency, with extra arguments last', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'a', code: t.constant, extraArgs: [5], node: 'far' },
        { id: 'left', code: t.add, args: ['a'], extraArgs: [2], node: 'here' },
        { id: 'right', code: t.double, args: ['a'], node: 'far' },
        { id: 'sum', code: t.add, args: ['left', 'right'], node: 'here' },
        { id: 'order', code: t.collect, args: ['right', 'a', 'left', 'a'], extraArgs: ['x', null], node: 'far' },
      ),
    );
    expect(results).toEqual({ a: 5, left: 7, right: 10, sum: 17, order: [10, 5, 7, 5, 'x', null] });
  });
});

describe('arguments that are changed on their way', () => {
  const here = { id: 'made', code: f.ramp, extraArgs: [3], node: 'here' } as const;

  it('are serialized where they were made and deserialized where they are used, on different hosts', async () => {
    const { results, allocations } = await cluster.handoff.execute(
      new Dag('changed').add(here).add({
        id: 'used',
        code: f.same,
        node: 'far',
        args: [
          { id: 'made', serialize: { code: f.encode, extraArgs: ['with a note'] }, deserialize: { code: f.decode } },
        ],
      }),
    );
    expect(results['used']).toEqual({
      values: [0, 1, 2],
      source: 'here',
      target: 'far',
      agree: true,
      by: [process.pid, far()],
    });
    const [serialized] = Object.keys(allocations).filter((id) => allocations[id] === 'here' && id !== 'made');
    expect(results[serialized!]).toEqual({
      source: 'here',
      target: 'far',
      note: 'with a note',
      text: '0,1,2',
      by: process.pid,
    });
    expect(Object.values(allocations).sort()).toEqual(['far', 'far', 'here', 'here']);
  });

  it('may send one entry of a result', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'pair', code: t.constant, extraArgs: [['first', 'second']], node: 'here' },
        { id: 'used', code: f.same, args: [{ id: 'pair', serialize: { code: t.pick, extraArgs: [1] } }], node: 'far' },
      ),
    );
    expect(results['used']).toBe('second');
  });

  it('receive equal nodes when both are on the other host', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'made', code: t.constant, extraArgs: [1], node: 'far' },
        {
          id: 'used',
          code: f.same,
          args: [
            {
              id: 'made',
              serialize: { code: t.tagSerialized },
              deserialize: { code: t.tagDeserialized, extraArgs: ['x'] },
            },
          ],
          node: { collocatedWith: 'made' },
        },
      ),
    );
    expect(results['used']).toEqual({
      deserialized: { serialized: 1, source: 'far', target: 'far', extra: [] },
      source: 'far',
      target: 'far',
      extra: ['x'],
    });
  });
});

describe('two DAGs at once over two hosts', () => {
  it('keep functions with the same ids apart', async () => {
    const make = (id: string, value: number): Dag =>
      new Dag(id)
        .add({ id: 'source', code: t.constant, extraArgs: [value], node: 'far' })
        .add({ id: 'large', code: f.ramp, extraArgs: [20_000, value], node: 'far' })
        .add({ id: 'used', code: f.sum, args: ['large'], node: 'here' })
        .add({ id: 'double', code: t.double, args: ['source'], node: 'here' });
    const [one, two] = await Promise.all([
      cluster.handoff.execute(make('apart 1', 10)),
      cluster.handoff.execute(make('apart 2', 20)),
    ]);
    expect([one.results['source'], one.results['double'], two.results['source'], two.results['double']]).toEqual([
      10, 20, 20, 40,
    ]);
    expect(two.results['used'].total - one.results['used'].total).toBe(200_000);
    expect([one.results['large'][0], two.results['large'][0]]).toEqual([10, 20]);
    for (const [id, value] of [
      ['apart 1', 10],
      ['apart 2', 20],
    ] as const) {
      expect(await cluster.handoff.getLocalValue(id, 'source')).toBe(value);
      expect(await cluster.handoff.lookupDataLocation(id, 'source')).toBe('far');
      expect(await cluster.handoff.lookupDataLocation(id, 'double')).toBe('here');
    }
  });

  it('from both hosts under one id stay separate', async () => {
    const make = (value: number): Dag =>
      new Dag('same id')
        .add({ id: 'x', code: f.ramp, extraArgs: [20_000, value], node: 'here' })
        .add({ id: 'y', code: f.sum, args: ['x'], node: 'far' })
        .add({ id: 'z', code: f.sum, args: ['x'], node: 'here' });
    const [one, two] = await Promise.all([cluster.handoff.execute(make(0)), cluster.hosts[0]!.execute(make(1))]);
    const total = (20_000 * 19_999) / 2;
    expect([one.results['y'].total, one.results['z'].total]).toEqual([total, total]);
    expect([two.results['y'].total, two.results['z'].total]).toEqual([total + 20_000, total + 20_000]);
  });

  it('that run again under their id never see earlier results', async () => {
    for (const value of [1, 2, 3]) {
      const { results } = await cluster.handoff.execute(
        new Dag('again')
          .add({ id: 'x', code: f.ramp, extraArgs: [10_000, value], node: 'here' })
          .add({ id: 'y', code: f.digest, args: ['x'], node: 'far' })
          .add({ id: 'z', code: f.digest, args: ['x'], node: 'here' }),
      );
      expect(results['y'].slice(0, 2)).toEqual(results['z'].slice(0, 2));
      expect([results['y'][2], results['z'][2]]).toEqual([far(), process.pid]);
    }
  });
});

describe('claims on nodes of other hosts', () => {
  it('are counted on the host of the node, and released after success, failure and abort', async () => {
    const folder = new Folder();
    const [host] = cluster.hosts;
    const controller = new AbortController();
    const run = errorOf(
      cluster.handoff.execute(
        dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], node: 'far', cost: { cpu: 1, memory: 700 } }),
        { signal: controller.signal },
      ),
    );
    await folder.arrived(1);
    expect((await host!.claims('far')).now).toEqual({ cpu: 1, memory: 700 });
    expect(await host!.call('resourcesAvailable', 'far', { memory: 3301 })).toBe(false);
    controller.abort();
    expect((await run).code).toBe('ABORTED');
    await errorOf(
      cluster.handoff.execute(dagOf({ id: 'x', code: t.boom, node: 'far', cost: { cpu: 2 }, maxRetries: 1 })),
    );
    await cluster.handoff.execute(dagOf({ id: 'x', code: t.one, node: 'far', cost: { memory: 4000 } }));
    expect(await host!.call('resourcesAvailable', 'far', { cpu: 2, memory: 4000 })).toBe(true);
  });

  it('spill from node to node, and wait for full ones', async () => {
    const folder = new Folder();
    const run = cluster.handoff.execute(
      dagOf(
        ...Array.from({ length: 6 }, (_, i) => ({
          id: `f${i}`,
          code: f.passDoor,
          extraArgs: [folder.path, `${i}`],
          cost: { cpu: 1 },
        })),
      ),
    );
    await folder.arrived(4);
    expect(folder.lines.map(([, , node]) => node).sort()).toEqual(['far', 'far', 'here', 'here']);
    folder.open();
    await run;
    expect(folder.names).toHaveLength(6);
    expect(folder.most).toBeLessThanOrEqual(4);
  });
});

describe('a function sent as source', () => {
  it('runs on a host that was started with allowSource', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'x', code: fromSource((n: number) => n + 1), extraArgs: [1], node: 'far' },
        { id: 'y', code: fromSource((n: number) => n * 10), args: ['x'], node: 'here' },
      ),
    );
    expect(results).toEqual({ x: 2, y: 20 });
  });

  it('is refused before anything runs by a host that was started without it', async () => {
    const host = await startHost({ nodes: [{ name: 'strict', capabilities: { cpu: 1 } }] });
    const handoff = await startHere({ join: [host.address], nodes: [{ name: 'mine', capabilities: { cpu: 1 } }] });
    const folder = new Folder();
    const error = await errorOf(
      handoff.execute(
        dagOf(
          { id: 'first', code: f.noted, extraArgs: [folder.path, 'first', 1], node: 'mine' },
          { id: 'x', code: fromSource(() => 1), args: ['first'], node: 'strict' },
        ),
      ),
    );
    expect(error.code).toBe('UNAUTHORIZED');
    expect(error.message).toContain('allowSource');
    expect(folder.lines).toEqual([]);
  });
});
