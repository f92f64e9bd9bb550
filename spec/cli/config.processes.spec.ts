/** Flags over the environment over the configuration file. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeEnvironment, type TransportVariables } from '../../lib/cli/flags/environment.ts';
import { merge } from '../../lib/cli/start.ts';
import type { HandoffOptions, TcpTransportOptions } from '../../lib/index.ts';
import { clusterFiles, Processes } from './processes.ts';

const processes = new Processes(clusterFiles);
const tcp = (options: Partial<TcpTransportOptions> = {}): TransportVariables => ({ tcp: options, nats: {} });
const nodes = [{ name: 'configured', capabilities: { cpu: 1 } }];

describe('merge', () => {
  const config: HandoffOptions = {
    nodes,
    maxRetries: 7,
    transport: { type: 'tcp', host: '127.0.0.1', port: 1, join: ['c:1'], secret: 'of the file', drainTimeout: 9 },
  };

  it('takes flags first, then the environment, then the file', () => {
    expect(
      merge(
        { join: ['f:1,g:2'], listen: '127.0.0.1:3', name: 'f', capabilities: 'cpu=3' },
        tcp({ port: 2, join: ['e:1'], secret: 'of the environment' }),
        config,
        'host',
      ),
    ).toEqual({
      nodes: [{ name: 'f', capabilities: { cpu: 3 } }],
      maxRetries: 7,
      transport: {
        type: 'tcp',
        host: '127.0.0.1',
        port: 3,
        join: ['f:1', 'g:2'],
        secret: 'of the environment',
        drainTimeout: 9,
      },
    });
    expect(merge({}, tcp({ port: 2, join: ['e:1'] }), config, 'host').transport).toMatchObject({
      port: 2,
      join: ['e:1'],
      secret: 'of the file',
    });
  });

  it('gives a host that only runs a DAG neither nodes nor a port, unless flags do', () => {
    const transport = { type: 'tcp', join: ['c:1'], secret: 'of the file', drainTimeout: 9 };
    expect(merge({}, tcp({ advertise: 'e:5' }), config, 'orchestrator')).toEqual({
      nodes: [],
      maxRetries: 7,
      transport,
    });
    expect(merge({ listen: '[::1]:0', nodes: 'f:cpu=1' }, tcp(), config, 'orchestrator')).toEqual({
      nodes: [{ name: 'f', capabilities: { cpu: 1 } }],
      maxRetries: 7,
      transport: { ...transport, host: '::1', port: 0 },
    });
  });

  it('starts no transport when there is no host to reach', () => {
    expect(merge({ strategy: 'load-balanced' }, tcp({ secret: 'x' }), { nodes }, 'orchestrator')).toEqual({
      nodes,
      allocationStrategy: 'load-balanced',
    });
    expect(merge({}, tcp({ join: ['e:1'] }), { nodes }, 'orchestrator')).toEqual({
      nodes: [],
      transport: { type: 'tcp', join: ['e:1'] },
    });
  });
});

describe('merge, with a NATS server', () => {
  const config: HandoffOptions = {
    nodes,
    transport: { type: 'nats', servers: 'c:1', host: '10.0.0.1', port: 1, secret: 'of the file', bulk: 'broker' },
  };

  it('takes flags first, then the environment, then the file', () => {
    expect(
      merge(
        { nats: ['f:1,g:2'], natsNamespace: 'f' },
        { tcp: {}, nats: { servers: ['e:1'], user: 'e' } },
        config,
        'host',
      ),
    ).toEqual({
      nodes,
      transport: {
        type: 'nats',
        servers: ['f:1', 'g:2'],
        namespace: 'f',
        user: 'e',
        host: '10.0.0.1',
        port: 1,
        secret: 'of the file',
        bulk: 'broker',
      },
    });
  });

  it('gives commands that only use other hosts neither nodes nor a port', () => {
    expect(merge({}, tcp(), config, 'orchestrator')).toEqual({
      nodes: [],
      transport: { type: 'nats', servers: 'c:1', secret: 'of the file', bulk: 'broker' },
    });
    expect(merge({}, { tcp: {}, nats: { servers: ['e:1'] } }, {}, 'visitor').transport).toEqual({
      type: 'nats',
      servers: ['e:1'],
    });
  });

  it('lets flags choose between --join and NATS, and refuses both at once', () => {
    expect(merge({ join: ['f:1'] }, tcp(), config, 'visitor').transport).toEqual({ type: 'tcp', join: ['f:1'] });
    expect(merge({ nats: ['f:1'] }, tcp({ join: ['e:1'] }), {}, 'visitor').transport).toEqual({
      type: 'nats',
      servers: ['f:1'],
    });
    expect(() => merge({ nats: ['f:1'], join: ['f:2'] }, tcp(), {}, 'host')).toThrow('--join has no effect');
    expect(() => merge({ natsUser: 'a' }, tcp(), {}, 'host')).toThrow('--nats URL is missing');
    expect(() => merge({}, { tcp: { join: ['e:1'] }, nats: { servers: ['e:2'] } }, {}, 'host')).toThrow(
      'HANDOFF_NATS and HANDOFF_JOIN',
    );
  });
});

it('takeEnvironment takes its variables out, so that functions do not see them', () => {
  const env = {
    HANDOFF_SECRET: 'sixteen letters!',
    HANDOFF_SECRET_FILE: '',
    HANDOFF_PORT: '7',
    HANDOFF_JOIN: 'a:1, b:2',
    HANDOFF_OTHER: '1',
    HOME: '/',
  };
  expect(takeEnvironment(env)).toEqual({
    tcp: { secret: 'sixteen letters!', port: 7, join: ['a:1', 'b:2'] },
    nats: { secret: 'sixteen letters!', port: 7 },
  });
  expect(env).toEqual({ HANDOFF_OTHER: '1', HOME: '/' });
});

describe('the command', () => {
  const here = (name: string): string => join(processes.folder, name);
  // A folder each, as a configuration is looked for in the working directory.
  const inFolder = (name: string, config: string): string => {
    processes.write(`${name}/handoff.config.ts`, config);
    return here(name);
  };

  it('runs on the nodes of handoff.config.ts, and on those of --nodes in their place', async () => {
    const folder = inFolder(
      'plain',
      "import type { HandoffOptions } from LIBRARY;\nexport default (): HandoffOptions => ({ nodes: [{ name: 'configured', capabilities: { cpu: 1 } }] });",
    );
    expect((await processes.run(['run', '../sums.ts'], {}, folder)).stderr).toContain('on configured (8)');
    expect((await processes.command(['run', '../sums.ts', '--nodes', 'flagged:cpu=1'], folder)).stderr).toContain(
      'on flagged (8)',
    );
  });

  it('starts a node as handoff.config.ts, the environment and flags say', async () => {
    const folder = inFolder(
      'node',
      "export default { nodes: [{ name: 'configured', capabilities: { cpu: 1 } }], transport: { type: 'tcp', port: 1, secret: 'of the file' } };",
    );
    const node = processes.start(
      ['node', '--json', '--listen', '127.0.0.1:0'],
      { HANDOFF_SECRET: 'of the environment' },
      folder,
    );
    const { address, nodes: ready } = await node.ready();
    expect(ready).toEqual({ configured: { cpu: 1 } });
    expect(await processes.run(['nodes', '--join', address], { HANDOFF_SECRET: 'of the environment' })).toMatchObject({
      code: 0,
    });
    expect(await processes.command(['nodes', '--join', address], folder)).toMatchObject({ code: 2 });
  });

  it.each([
    [
      'an option that does not exist',
      'export default { nodez: [] };',
      /INVALID_OPTION: .*no option "nodez".*Did you mean "nodes"\?.*handoff\.config\.ts/,
    ],
    [
      'an option of the transport that does not exist',
      "export default { transport: { type: 'tcp', joins: [] } };",
      /INVALID_OPTION: .*no option "joins".*Did you mean "join"/,
    ],
    ['a transport that is none', "export default { transport: 'tcp' };", /option transport must be/],
    ['no default export', 'export const nodes = [];', /handoff\.config\.ts has no default export/],
    [
      'a default export that is no options',
      'export default 42;',
      /handoff\.config\.ts must be options of Handoff\.start.*is 42/,
    ],
    ['what cannot be imported', 'export default {', /handoff\.config\.ts cannot be imported/],
  ])('refuses %s', async (name, config, mention) => {
    const { code, stdout, stderr } = await processes.command(['run', '../sums.ts'], inFolder(name, config));
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(mention);
  });

  it('refuses a --config that is not there', async () => {
    const { code, stderr } = await processes.command(['run', 'sums.ts', '--config', 'nope.ts']);
    expect(code).toBe(2);
    expect(stderr).toContain('There is no configuration nope.ts');
  });
});
