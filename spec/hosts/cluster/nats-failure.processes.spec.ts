/** What happens to runs when the NATS server or a host at it fails. */
import { afterEach, expect, it } from 'vitest';
import { Dag, type Handoff, type NatsTransportOptions } from '../../../lib/index.ts';
import { t } from '../../support/handoff.ts';
import { type HostProcess, next, startHere, startHost } from '../../support/hosts.ts';
import { describeNats, NatsServer } from '../../support/nats-server.ts';

describeNats('hosts at a NATS server that fails', () => {
  const servers: NatsServer[] = [];
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  /** A Handoff here without nodes, and hosts with one node each. */
  const start = async (more: Partial<NatsTransportOptions> = {}) => {
    const server = await NatsServer.start();
    servers.push(server);
    const transport: NatsTransportOptions = { type: 'nats', servers: server.url, ...more };
    const hosts = await Promise.all(['a', 'b'].map((name) => startHost({ nodes: nodes(name), transport })));
    const here = await startHere({ transport });
    return { server, transport, here, hosts: hosts as [HostProcess, HostProcess] };
  };

  const nodes = (name: string) => [{ name, capabilities: { cpu: 2 }, threads: 2 }];

  const bothNodes = (here: Handoff): Promise<void> =>
    new Promise((resolve) => {
      const look = async (): Promise<void> => {
        if (Object.keys(await here.discoverNodes()).length === 2) resolve();
      };
      here.on('node:up', () => void look()); // before the first look, so that none is missed
      void look();
    });

  const count = 60;

  /** Runs a DAG, and does something when a third of its functions has finished. Resolves with the sum of its results. */
  const runWhile = async (here: Handoff, act: () => unknown): Promise<unknown> => {
    const ids = Array.from({ length: count }, (_, i) => `f${i}`);
    const dag = new Dag('a run that something happens to');
    for (const [i, id] of ids.entries()) dag.add({ id, code: t.later, extraArgs: [30, i] });
    dag.add({ id: 'sum', code: t.sumList, args: ids, argumentInclusion: 'list' });
    let finished = 0;
    const isThere = Promise.withResolvers<void>();
    const listener = (): void => void (++finished === count / 3 && isThere.resolve());
    here.on('function:finished', listener);
    const run = here.execute(dag);
    await isThere.promise;
    here.off('function:finished', listener);
    await act();
    return (await run).results['sum'];
  };
  const sum = (count * (count - 1)) / 2;

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'finish a run when the server is ended by %s and starts again',
    async (signal) => {
      const { server, here } = await start();
      const down = next(here, 'node:down');
      const result = runWhile(here, async () => {
        await server.kill(signal);
        await down;
        await server.restart();
      });
      expect(await result).toBe(sum);
      expect(Object.keys(await here.discoverNodes()).sort()).toEqual(['a', 'b']);
    },
  );

  it('finish a run when the server hangs for a while', async () => {
    const { server, here } = await start({ heartbeatTimeout: 2000 });
    const down = next(here, 'node:down');
    const result = runWhile(here, async () => {
      await server.kill('SIGSTOP');
      await down;
      await server.kill('SIGCONT');
    });
    expect(await result).toBe(sum);
  });

  it('finish a run on other hosts when one is killed', async () => {
    const { here, hosts } = await start();
    const down = next(here, 'node:down', ({ node }) => node === 'a');
    expect(await runWhile(here, () => hosts[0].kill())).toBe(sum);
    expect(await down).toMatchObject({ node: 'a' });
    expect(Object.keys(await here.discoverNodes())).toEqual(['b']);
  });

  it('notice a killed host by the next heartbeat: the server reports that it has gone', async () => {
    // Silence alone would be noticed only hours later.
    const { here, hosts } = await start({ heartbeatTimeout: 10_000_000 });
    const down = next(here, 'node:down', ({ node }) => node === 'a');
    await hosts[0].kill();
    expect(await down).toMatchObject({ node: 'a' });
  });

  it('finish a run when a host hangs for a while', async () => {
    const { here, hosts } = await start({ heartbeatTimeout: 2000 });
    const down = next(here, 'node:down', ({ node }) => node === 'a');
    const result = runWhile(here, () => hosts[0].signal('SIGSTOP'));
    await down;
    expect(await result).toBe(sum);
    const up = next(here, 'node:up', ({ node }) => node === 'a');
    hosts[0].signal('SIGCONT');
    await up;
    expect(await runWhile(here, () => undefined)).toBe(sum);
  });

  it('go on without a host that the server refuses after a change of password; it returns when it is accepted', async () => {
    const users = (pass: string): string =>
      `authorization { users: [{ user: x, password: "x" }, { user: b, password: "${pass}" }] }`;
    const server = await NatsServer.start(users('old'));
    servers.push(server);
    const as = (user: string, pass: string): NatsTransportOptions => ({
      type: 'nats',
      servers: server.url,
      user,
      pass,
    });
    await Promise.all([
      startHost({ nodes: nodes('a'), transport: as('x', 'x') }),
      startHost({ nodes: nodes('b'), transport: as('b', 'old') }),
    ]);
    const here = await startHere({ transport: as('x', 'x') });
    await bothNodes(here);
    const restart = async (pass: string, node: string): Promise<void> => {
      const up = next(here, 'node:up', (event) => event.node === node);
      await server.kill();
      await server.restart(users(pass));
      await up;
    };
    await restart('new', 'a');
    expect(await runWhile(here, () => undefined)).toBe(sum);
    expect(Object.keys(await here.discoverNodes())).toEqual(['a']);
    await restart('old', 'b');
    expect(await runWhile(here, () => undefined)).toBe(sum);
  });

  it('use another server of the cluster when theirs is killed', async () => {
    const first = await NatsServer.startCluster(3);
    servers.push(...first);
    const transport = (i: number): NatsTransportOptions => ({
      type: 'nats',
      servers: first.map((_, k) => first[(i + k) % 3]!.url),
    });
    await Promise.all([
      startHost({ nodes: nodes('a'), transport: transport(1) }),
      startHost({ nodes: nodes('b'), transport: transport(2) }),
    ]);
    const here = await startHere({ transport: transport(0) });
    await bothNodes(here);
    expect(await runWhile(here, () => first[1]!.kill())).toBe(sum);
  });
});
