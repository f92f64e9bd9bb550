/** Several orchestrators on the same nodes, and those that die. */
import { describe, expect, it } from 'vitest';
import { Dag, type Handoff } from '../../../lib/index.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';
import { type HostProcess, record, startHere, startHost, useCluster } from '../../support/hosts.ts';
import { f, Folder, until } from './folder.ts';

const node = { name: 'n', capabilities: { cpu: 3, gpu: 1 }, threads: 6 } as const;

const free = async (host: HostProcess): Promise<boolean> => Object.keys((await host.claims('n')).now).length === 0;

// The node of most specs, an orchestrator in this process, and two in others.
const cluster = useCluster({}, { nodes: [node] }, {}, {});
const parts = (): { host: HostProcess; other: HostProcess; here: Handoff; folder: Folder } => ({
  host: cluster.hosts[0]!,
  other: cluster.hosts[1]!,
  here: cluster.handoff,
  folder: new Folder(),
});

describe('several orchestrators at once', () => {
  it('never exceed the capacity of a node together, and all finish', async () => {
    const { host, here, folder } = parts();
    const others = cluster.hosts.slice(1);
    const dag = (name: string): Dag =>
      dagOf(
        ...Array.from({ length: 24 }, (_, i) => ({
          id: `f${i}`,
          code: f.hold,
          args: i < 8 ? [] : [`f${i - 8}`],
          layout: [{ value: folder.path }, { value: `${name}${i}` }, { value: 4 }, ...(i < 8 ? [] : [{ arg: 0 }])],
          cost: { cpu: 1 },
        })),
      );
    const all = await Promise.all([
      ...others.map((other, k) => other.execute(dag(`o${k}-`))),
      here.execute(dag('here-')),
      host.execute(dag('own-')),
    ]);
    for (const { results } of all)
      expect(Object.values(results)).toEqual(Array.from({ length: 24 }, (_, i) => Math.floor(i / 8) + 1));
    expect(folder.names).toHaveLength(4 * 24);
    expect(folder.most).toBeLessThanOrEqual(3);
    expect((await host.claims('n')).most['cpu']).toBeLessThanOrEqual(3);
    expect(await free(host)).toBe(true);
  });

  it('with claims of different sizes are all served, and none starves', async () => {
    const { host, other, here, folder } = parts();
    const small = here.execute(
      dagOf(
        ...Array.from({ length: 60 }, (_, i) => ({
          id: `s${i}`,
          code: f.hold,
          extraArgs: [folder.path, `s${i}`, 3],
          cost: { cpu: 1 },
        })),
      ),
    );
    const large = other.execute(
      dagOf(
        ...Array.from({ length: 5 }, (_, i) => ({
          id: `l${i}`,
          code: f.hold,
          extraArgs: [folder.path, `l${i}`, 3],
          cost: { cpu: 3 },
        })),
      ),
    );
    await Promise.all([small, large]);
    expect((await host.claims('n')).most).toMatchObject({ cpu: 3 });
    // The last large one did not wait for all small ones.
    expect(folder.names.findLastIndex((name) => name.startsWith('l'))).toBeLessThan(64);
    expect(await free(host)).toBe(true);
  });

  it('may run DAGs of the same id at once', async () => {
    const { other, here, folder } = parts();
    const dag = (value: number): Dag =>
      new Dag('same')
        .add({ id: 'x', code: f.passDoor, extraArgs: [folder.path, `${value}`, value], node: 'n' })
        .add({ id: 'y', code: t.double, args: ['x'], node: 'n' });
    const [mine, theirs] = [here.execute(dag(1)), other.execute(dag(2))];
    await folder.arrived(2);
    folder.open();
    expect([(await mine).results, (await theirs).results]).toEqual([
      { x: 1, y: 2 },
      { x: 2, y: 4 },
    ]);
  });

  it('receive the logs of their own functions only, even when run ids are equal, and after functions have ended', async () => {
    const { host, other, here, folder } = parts();
    await Promise.all([host, other].map((each) => each.watch('function:log')));
    const own = record(here, 'function:log');
    const run = (who: typeof other | typeof here, name: string): Promise<unknown> =>
      who.execute(new Dag('same').add({ id: name, code: f.logBehindDoor, extraArgs: [folder.path, name] }), {
        runId: 'alike',
      });
    const runs = [run(here, 'here'), run(other, 'other'), run(host, 'host')];
    await folder.arrived(3);
    folder.open();
    await Promise.all(runs);
    await until(() => own.length >= 2 && other.events.length >= 2 && host.events.length >= 2);
    const said = (events: readonly any[]): unknown[] =>
      events.map(({ runId, dagId, functionId, values }) => [runId, dagId, functionId, ...values]);
    for (const [name, events] of [
      ['here', own],
      ['other', other.events],
      ['host', host.events],
    ] as const) {
      expect(said(events)).toEqual([
        ['alike', 'same', name, 'inside', name],
        ['alike', 'same', name, 'afterwards', name],
      ]);
    }
  });

  it('run functions side by side on a node with threads and room for both', async () => {
    const { host, other, here, folder } = parts();
    const dag = (name: string): Dag =>
      dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, name, name], cost: { cpu: 1 } });
    const runs = [here.execute(dag('mine')), other.execute(dag('theirs')), host.execute(dag('own'))];
    await folder.arrived(3);
    expect((await host.claims('n')).now).toEqual({ cpu: 3 });
    folder.open();
    expect((await Promise.all(runs)).map(({ results }) => results['x'])).toEqual(['mine', 'theirs', 'own']);
  });

  it('wait for capacity that another holds, and continue when it is free', async () => {
    const { host, other, here, folder } = parts();
    const holding = other.execute(
      dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], cost: { gpu: 1 } }),
    );
    await folder.arrived(1);
    const waiting = here.execute(
      dagOf({ id: 'y', code: f.noted, extraArgs: [folder.path, 'y', 'mine'], cost: { gpu: 1 } }),
    );
    const own = host.execute(dagOf({ id: 'z', code: f.noted, extraArgs: [folder.path, 'z', 'own'], cost: { gpu: 1 } }));
    await errorOf(here.getValue('no', 'such', { fromNode: 'n' })); // by now it stands in the line
    expect(folder.names).toEqual(['x']);
    folder.open();
    await holding;
    expect((await waiting).results).toEqual({ y: 'mine' });
    expect((await own).results).toEqual({ z: 'own' });
    expect((await host.claims('n')).most).toMatchObject({ gpu: 1 });
  });

  it('that wait for one resource do not hold up requests for another', async () => {
    const { host, other, here, folder } = parts();
    const holding = host.execute(dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], cost: { gpu: 1 } }));
    await folder.arrived(1);
    const waiting = here.execute(
      dagOf({ id: 'y', code: f.noted, extraArgs: [folder.path, 'y', 'mine'], cost: { gpu: 1 } }),
    );
    await errorOf(here.getValue('no', 'such', { fromNode: 'n' })); // by now it stands in the line
    const passing = await other
      .execute(dagOf({ id: 'z', code: t.one, cost: { cpu: 1 } }), { timeout: 120_000 })
      .catch((error: unknown) => error);
    folder.open();
    await holding;
    await waiting;
    expect(passing).toMatchObject({ results: { z: 1 } });
  });

  it('can abort a function that waits for its claim, which leaves the line', async () => {
    const { host, other, here, folder } = parts();
    const holding = other.execute(
      dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], cost: { cpu: 2 } }),
    );
    await folder.arrived(1);
    const controller = new AbortController();
    const waiting = errorOf(
      here.execute(dagOf({ id: 'y', code: t.one, cost: { cpu: 3 } }), { signal: controller.signal }),
    );
    await errorOf(here.getValue('no', 'such', { fromNode: 'n' })); // by now it stands in the line
    controller.abort();
    expect((await waiting).code).toBe('ABORTED');
    expect((await other.execute(dagOf({ id: 'z', code: t.one, cost: { cpu: 1 } }))).results).toEqual({ z: 1 });
    folder.open();
    await holding;
    expect(await free(host)).toBe(true);
  });
});

describe('an orchestrator that dies', () => {
  it('releases its claims, and its functions are aborted', async () => {
    const { host, folder } = parts();
    const other = await startHost({ join: [host.address] });
    void other
      .execute(
        dagOf(
          { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], cost: { cpu: 2 } },
          { id: 'y', code: f.passDoor, extraArgs: [folder.path, 'y'], cost: { gpu: 1 } },
        ),
      )
      .catch(() => {});
    await folder.arrived(2);
    expect((await host.claims('n')).now).toEqual({ cpu: 2, gpu: 1 });
    await other.kill();
    await until(() => folder.lines.filter(([sign]) => sign === '!').length === 2);
    await until(() => free(host));
    expect(
      folder.lines
        .filter(([sign]) => sign === '!')
        .map(([, name, code]) => `${name} ${code}`)
        .sort(),
    ).toEqual(['x ABORTED', 'y ABORTED']);
  });

  it('has functions ended that ignore their signal, and others run in their place', async () => {
    const host = await startHost({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
    const folder = new Folder();
    const other = await startHost({ join: [host.address] });
    const here = await startHere({ join: [host.address] });
    void other
      .execute(dagOf({ id: 'x', code: f.hang, extraArgs: [folder.path, 'x'], cost: { cpu: 1 } }))
      .catch(() => {});
    await folder.arrived(1);
    const mine = here.execute(dagOf({ id: 'y', code: f.pid, cost: { cpu: 1 } }));
    const own = host.execute(dagOf({ id: 'z', code: f.pid, cost: { cpu: 1 } }));
    await other.kill();
    expect((await mine).results).toEqual({ y: host.pid });
    expect((await own).results).toEqual({ z: host.pid });
    await until(() => free(host));
  });

  it('has its waiting requests removed', async () => {
    const { host, here, folder } = parts();
    const other = await startHost({ join: [host.address] });
    const holding = here.execute(dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], cost: { cpu: 2 } }));
    await folder.arrived(1);
    void other
      .execute(
        dagOf(
          { id: 'never', code: f.noted, extraArgs: [folder.path, 'never', 1], cost: { cpu: 3 } },
          { id: 'seen', code: f.noted, extraArgs: [folder.path, 'seen', 1] },
        ),
      )
      .catch(() => {});
    await folder.arrived(2);
    await other.kill();
    expect((await here.execute(dagOf({ id: 'z', code: t.one, cost: { cpu: 1 } }))).results).toEqual({ z: 1 });
    folder.open();
    await holding;
    await until(() => free(host));
    expect(folder.calls('never')).toBe(0);
  });

  it('or falls silent loses its claims, and its run continues elsewhere when it is back', async () => {
    const host = await startHost({ nodes: [node], transport: { heartbeatInterval: 100, heartbeatTimeout: 1000 } });
    const folder = new Folder();
    const other = await startHost({
      join: [host.address],
      nodes: [{ name: 'own', capabilities: { cpu: 3, gpu: 1 } }],
      transport: { heartbeatInterval: 100 },
    });
    await other.watch('node:up');
    const running = other.execute(
      dagOf(
        { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 'value'], cost: { cpu: 2 } },
        { id: 'y', code: f.passDoor, extraArgs: [folder.path, 'y', 'far'], cost: { cpu: 2 } },
      ),
    );
    await folder.arrived(2);
    expect((await host.claims('n')).now).toEqual({ cpu: 2 });
    other.signal('SIGSTOP');
    await until(() => free(host));
    expect((await host.execute(dagOf({ id: 'z', code: t.one, cost: { cpu: 3, gpu: 1 }, node: 'n' }))).results).toEqual({
      z: 1,
    });
    other.signal('SIGCONT');
    await folder.arrived(3);
    folder.open();
    expect((await running).results).toEqual({ x: 'value', y: 'far' });
    await until(() => free(host));
  });

  it('that stops without draining frees its claims too', async () => {
    const { host, folder } = parts();
    const other = await startHost({ join: [host.address] });
    const running = errorOf(
      other.execute(dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], cost: { gpu: 1 } })),
    );
    await folder.arrived(1);
    await other.call('stop', { drain: false });
    expect((await running).code).toBe('STOPPED');
    await until(() => free(host));
    expect(folder.lines.map(([sign, name]) => `${sign} ${name}`)).toContain('! x');
  });

  it('affects neither runs of others nor those of the host', async () => {
    const host = await startHost({ nodes: ['n', 'm', 'o'].map((name) => ({ ...node, name })) });
    const folder = new Folder();
    const other = await startHost({ join: [host.address] });
    const here = await startHere({ join: [host.address] });
    const door = (name: string, where: string): Dag =>
      dagOf(
        { id: 'x', code: f.passDoor, extraArgs: [folder.path, name, name], cost: { cpu: 1 }, node: where },
        { id: 'large', code: f.ramp, extraArgs: [20_000], node: where },
        { id: 'sum', code: f.sumAfter, args: ['large', 'x'], node: where },
      );
    const [mine, own] = [here.execute(door('mine', 'n')), host.execute(door('own', 'm'))];
    void other.execute(door('theirs', 'o')).catch(() => {});
    await folder.arrived(3);
    await other.kill();
    await until(() => folder.lines.some(([sign]) => sign === '!'));
    folder.open();
    for (const run of [mine, own]) expect((await run).results['sum']).toBe((20_000 * 19_999) / 2);
    expect(folder.lines.filter(([sign]) => sign === '!').map(([, name]) => name)).toEqual(['theirs']);
    for (const name of ['n', 'm', 'o'])
      await until(async () => Object.keys((await host.claims(name)).now).length === 0);
  });
});
