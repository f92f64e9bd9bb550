/** Hosts that find each other at a real NATS server. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Dag, type NatsTransportOptions } from '../../../lib/index.ts';
import { t } from '../../support/handoff.ts';
import { next, startHere, startHost } from '../../support/hosts.ts';
import { describeNats, NatsServer } from '../../support/nats-server.ts';
import { f } from './folder.ts';

const secret = 'open sesame, long and random';

describeNats('hosts at a NATS server', () => {
  let server: NatsServer;
  let namespaces = 0;
  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.stop());

  /** Options of hosts that find each other, and no others. */
  const nats = (more: Partial<NatsTransportOptions> = {}): NatsTransportOptions => ({
    type: 'nats',
    servers: server.url,
    namespace: `handoff.spec-${++namespaces}`,
    ...more,
  });

  it.each<[string, Partial<NatsTransportOptions>]>([
    ['large results directly', {}],
    ['large results through the broker', { bulk: 'broker' }],
    ['a secret', { secret }],
    ['a secret, large results through the broker', { secret, bulk: 'broker' }],
  ])('find each other without addresses, and run a DAG together: %s', async (_name, options) => {
    const transport = nats(options);
    const [a, b] = await Promise.all(
      ['a', 'b'].map((name) => startHost({ nodes: [{ name, capabilities: { cpu: 2 } }], transport })),
    );
    const here = await startHere({ transport });
    const length = 640 * 1024; // 5 MiB
    const { results, allocations } = await here.execute(
      new Dag('together')
        .add({ id: 'atA', code: f.pid, node: 'a' })
        .add({ id: 'atB', code: f.pid, node: 'b' })
        .add({ id: 'large', code: t.float64, extraArgs: [length, 7], node: 'a' })
        .add({ id: 'sum', code: t.total, args: ['large'], node: 'b' }),
    );
    expect(results).toMatchObject({ atA: a!.pid, atB: b!.pid, sum: length * 7 });
    expect(allocations).toEqual({ atA: 'a', atB: 'b', large: 'a', sum: 'b' });
    expect((results['large'] as Float64Array).every((each) => each === 7)).toBe(true);
  });

  it('do not find those of another namespace', async () => {
    await startHost({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }], transport: nats() });
    const b = await startHere({ nodes: [{ name: 'b', capabilities: { cpu: 1 } }], transport: nats() });
    expect(Object.keys(await b.discoverNodes())).toEqual(['b']);
  });

  it('find a host that starts later', async () => {
    const transport = nats();
    const a = await startHere({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }], transport });
    const up = next(a, 'node:up', ({ node }) => node === 'b');
    await startHost({ nodes: [{ name: 'b', capabilities: { cpu: 1 } }], transport });
    await up;
    expect(Object.keys(await a.discoverNodes()).sort()).toEqual(['a', 'b']);
  });

  it('refuse a host that does not know the secret, whatever it publishes', async () => {
    const transport = nats({ secret });
    await startHost({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }], transport });
    for (const [other, what] of [
      ['another secret, long and random', 'a different secret'],
      [undefined, 'has a secret|has none|requires'],
    ] as const) {
      const error = await startHere({ transport: { ...transport, secret: other } }).catch((cause: unknown) => cause);
      expect(error).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringMatching(what) });
      expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain(secret);
    }
  });

  it('need a server', async () => {
    const stopped = await NatsServer.start();
    await stopped.stop();
    await expect(startHere({ transport: nats({ servers: stopped.url, joinTimeout: 10 }) })).rejects.toMatchObject({
      code: 'NODE_DOWN',
      message: expect.stringContaining(`no NATS server answers at 127.0.0.1:${stopped.port}`),
    });
  });

  it('need another host when they have no nodes', async () => {
    await expect(startHere({ transport: nats({ joinTimeout: 50 }) })).rejects.toMatchObject({
      code: 'NODE_DOWN',
      message: expect.stringContaining('No other host was found within 50 ms'),
    });
  });

  it('do not start with a node name that is taken', async () => {
    const transport = nats();
    const nodes = [{ name: 'same', capabilities: { cpu: 1 } }];
    await startHost({ nodes, transport });
    await expect(startHere({ nodes, transport })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('"same" is taken'),
    });
  });
});
