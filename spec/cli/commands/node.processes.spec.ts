/** `handoff node` and `handoff nodes`, each host a process. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clusterFiles, Processes } from '../processes.ts';

const processes = new Processes(clusterFiles);

describe('handoff node', () => {
  it('prints its address and nodes: as text on stderr, as JSON on stdout', async () => {
    const node = processes.start([
      'node',
      '--listen',
      '127.0.0.1:0',
      '--nodes',
      'a:cpu=2,memory=4000;b:gpu=1',
      '--json',
    ]);
    const { address, nodes } = await node.ready();
    expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(nodes).toEqual({ a: { cpu: 2, memory: 4000 }, b: { gpu: 1 } });
    await node.said(`listening on ${address}\n`);
    await node.said('node a, of this host: cpu 2, memory 4000');
    node.kill('SIGTERM');
    const { stdout } = await node.finished;
    expect(stdout.trim().split('\n')).toHaveLength(1);
  });

  it('has one node with all of the machine by default, under a name of its own', async () => {
    const node = processes.start(['node', '--listen', '127.0.0.1:0', '--json']);
    const [[name, capabilities] = []] = Object.entries((await node.ready()).nodes);
    expect(name).toMatch(/-\d+$/);
    expect(capabilities).toMatchObject({ cpu: expect.any(Number) as number, memory: expect.any(Number) as number });
  });

  it('reports nodes that come and go', async () => {
    const a = await processes.node('a');
    const b = await processes.node('b', { args: ['--join', a.address], capabilities: 'cpu=1,gpu=1' });
    await a.said('node b is up: cpu 1, gpu 1');
    await b.said('node a: cpu 2');
    b.kill('SIGINT');
    expect((await b.finished).code).toBe(130);
    await a.said('node b is down');
  });

  it("prints the names of other hosts' nodes without control characters", async () => {
    const a = await processes.node('a');
    const b = await processes.node('b\u001b[2J\nforged', { args: ['--join', a.address], capabilities: 'c\u001bpu=1' });
    await a.said('node b\ufffd[2J\ufffdforged is up: c\ufffdpu 1\n');
    await b.said('node b\ufffd[2J\ufffdforged, of this host: c\ufffdpu 1\n');
    const { stdout } = await processes.command(['nodes', '--join', a.address]);
    expect(stdout).toMatch(/^node +host +busy threads +cpu +c\ufffdpu$/m);
    expect(stdout).toMatch(/^b\ufffd\[2J\ufffdforged +127/m);
    b.kill('SIGTERM');
    await a.said('node b\ufffd[2J\ufffdforged is down');
  });

  it('starts although a host to join does not answer, says so, and finds it when it comes', async () => {
    processes.write('impatient.mjs', "export default { transport: { type: 'tcp', joinTimeout: 100 } };");
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const a = await processes.node('a', { args: ['--join', `127.0.0.1:${port}`, '--config', 'impatient.mjs'] });
    await a.said(`No host answers at 127.0.0.1:${port} yet`);
    processes.start(['node', '--listen', `127.0.0.1:${port}`, '--name', 'b', '--capabilities', 'cpu=1']);
    await a.said('node b is up: cpu 1');
  });

  it('drains on SIGTERM: functions that run here finish, and the run succeeds', async () => {
    const gate = join(processes.folder, 'drained');
    const a = await processes.node('a');
    await processes.node('b', { args: ['--join', a.address] });
    const run = processes.start(['run', 'held.ts', '--join', a.address, '--json', '--', gate]);
    await a.said('held runs');
    a.kill('SIGTERM');
    await a.said('draining');
    processes.write('drained', '');
    expect((await a.finished).code).toBe(143);
    const { code, stdout, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      results: { after: 20, other: 2 },
      allocations: { held: 'a', after: 'b' },
      stats: { retries: 0 },
    });
  });

  it('a second signal ends it at once', async () => {
    const a = await processes.node('a');
    const run = processes.start(['run', 'held.ts', '--join', a.address, '--', join(processes.folder, 'never')]);
    await a.said('held runs');
    a.kill('SIGTERM');
    await a.said('draining');
    a.kill('SIGTERM');
    expect((await a.finished).code).toBe(143);
    run.kill('SIGINT');
    await run.finished;
  });

  it('finds all hosts by joining one', async () => {
    const a = await processes.node('a');
    const b = await processes.node('b', { args: ['--join', a.address] });
    const c = await processes.node('c', { args: ['--join', b.address] });
    await a.said('node c is up');
    const { code, stdout, stderr } = await processes.command(['nodes', '--join', c.address, '--json']);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      hosts: [a.address, b.address, c.address].sort(),
      nodes: { a: { cpu: 2 }, b: { cpu: 2 }, c: { cpu: 2 } },
      activity: expect.arrayContaining(
        [a, b, c].map(({ address }, i) =>
          expect.objectContaining({ name: 'abc'[i], host: address, isUp: true, claimed: {} }),
        ),
      ),
    });
  });
});

describe('handoff node refuses', () => {
  it('a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      const { code, stderr } = await processes.command(['node', '--listen', `127.0.0.1:${port}`]);
      expect(code).toBe(2);
      expect(stderr).toContain(`cannot listen on 127.0.0.1:${port}`);
      expect(stderr).toContain('the port is in use. Give another port, or 0 for any free port (EADDRINUSE).');
    } finally {
      server.close();
    }
  });

  it('to be reached by others without a secret', async () => {
    const { code, stdout, stderr } = await processes.command([
      'node',
      '--listen',
      '0.0.0.0:0',
      '--advertise',
      '127.0.0.1',
      '--json',
    ]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('requires a secret');
    expect(stderr).toContain('HANDOFF_SECRET');
  });

  it('to join with another secret, and says where the secret comes from', async () => {
    const a = await processes.node('a', { env: { HANDOFF_SECRET: 'right and long enough' } });
    const secret = processes.write('wrong-secret', 'wrong and secret\n');
    for (const [args, env] of [
      [[], { HANDOFF_SECRET: 'wrong and secret' }],
      [['--secret-file', secret], {}],
      [[], { HANDOFF_SECRET_FILE: secret }],
      [[], {}],
    ] as const) {
      const { code, stderr } = await processes.run(
        ['node', '--listen', '127.0.0.1:0', '--join', a.address, ...args],
        env,
      );
      expect(code).toBe(2);
      expect(stderr).toMatch(/^UNAUTHORIZED: /m);
      expect(stderr).toContain('HANDOFF_SECRET, HANDOFF_SECRET_FILE or --secret-file');
      expect(stderr).not.toContain('wrong and secret');
    }
    const visit = await processes.run(['nodes', '--join', a.address], {
      HANDOFF_SECRET_FILE: processes.write('right-secret', 'right and long enough\n'),
    });
    expect(visit.code, visit.stderr).toBe(0);
  });

  it('a name that another host has', async () => {
    const a = await processes.node('a');
    const { code, stderr } = await processes.command([
      'node',
      '--listen',
      '127.0.0.1:0',
      '--name',
      'a',
      '--join',
      a.address,
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('Node name "a" is taken');
  });

  it.each([
    ['no address', ['node', '--listen', 'here'], '--listen: "here" is not an address'],
    ['a port that is none', ['node', '--listen', '127.0.0.1:70000'], '--listen: "127.0.0.1:70000" is not an address'],
    ['no --listen', ['node'], '--listen HOST:PORT, or unix:/PATH, is missing'],
    ['a bad --join', ['node', '--listen', '127.0.0.1:0', '--join', 'there'], '--join: "there" is not an address'],
    ['a bad --advertise', ['node', '--listen', '127.0.0.1:0', '--advertise', 'a:b:c'], 'advertise'],
    [
      'a bad --capabilities',
      ['node', '--listen', '127.0.0.1:0', '--capabilities', 'cpu'],
      '--capabilities: "cpu" is not resource=amount',
    ],
    [
      'two ways to say what nodes there are',
      ['node', '--listen', '127.0.0.1:0', '--nodes', 'a', '--name', 'b'],
      'Give either',
    ],
    ['a secret as a flag', ['node', '--listen', '127.0.0.1:0', '--secret', 'x'], '--secret'],
    [
      'a file for the secret that is not there',
      ['node', '--listen', '127.0.0.1:0', '--secret-file', 'nope'],
      '--secret-file: nope cannot be read',
    ],
    [
      'half of TLS',
      ['node', '--listen', '127.0.0.1:0', '--tls-cert', 'tasks.ts'],
      '--tls-key and --tls-ca are missing',
    ],
    [
      'TLS that is none',
      ['node', '--listen', '127.0.0.1:0', '--tls-cert', 'tasks.ts', '--tls-key', 'tasks.ts', '--tls-ca', 'tasks.ts'],
      'tls.cert is not valid',
    ],
  ])('%s', async (_, args, mention) => {
    const { code, stdout, stderr } = await processes.command(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(mention);
  });

  it.each([
    ['half of TLS', { HANDOFF_TLS_CERT: 'tasks.ts' }, 'HANDOFF_TLS_KEY and HANDOFF_TLS_CA are missing'],
    [
      'a secret that is too short',
      { HANDOFF_SECRET: 'fifteen letters' },
      '(from HANDOFF_ variables): option secret must be a string of at least 16 characters',
    ],
    [
      'a secret that is empty',
      { HANDOFF_SECRET_FILE: '/dev/null' },
      'HANDOFF_SECRET_FILE names /dev/null, which is empty',
    ],
    ['a port that is none', { HANDOFF_PORT: 'seven' }, 'HANDOFF_ variables'],
  ])('%s in the environment', async (_, env, mention) => {
    const { code, stderr } = await processes.run(['node', '--listen', '127.0.0.1:0'], env);
    expect(code).toBe(2);
    expect(stderr).toContain(mention);
  });
});

describe('handoff nodes', () => {
  it('prints a table, with 0 for a resource that a node lacks', async () => {
    const a = await processes.node('a', { capabilities: 'cpu=2,memory=4000' });
    const box = await processes.node('gpu-box', { args: ['--join', a.address], capabilities: 'cpu=1,gpu=1' });
    const { code, stdout, stderr } = await processes.run(['nodes', '--join', a.address]);
    expect(code).toBe(0);
    const [head, ...rows] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.trim().split(/\s{2,}/));
    expect(head).toEqual(['node', 'host', 'busy threads', 'cpu', 'memory', 'gpu']);
    expect(rows.sort()).toEqual([
      ['a', a.address, '0 of 2', '2', '4000', '0'],
      ['gpu-box', box.address, '0 of 1', '1', '0', '1'],
    ]);
    expect(stderr).toContain('2 nodes on 2 hosts: ');
    await a.said('node gpu-box is up');
  });

  it('refuses to start without a host to join', async () => {
    const { code, stderr } = await processes.command(['nodes']);
    expect(code).toBe(2);
    expect(stderr).toContain('--join HOST:PORT or --nats URL is missing');
  });

  it('takes neither the port nor the names of the host that is configured here', async () => {
    const a = await processes.node('a');
    const env = { HANDOFF_JOIN: a.address, HANDOFF_PORT: a.address.split(':')[1], HANDOFF_ADVERTISE: a.address };
    expect(await processes.run(['nodes', '--json'], env)).toMatchObject({ code: 0 });
    expect(await processes.run(['nodes', '--json'], env)).toMatchObject({ code: 0 });
  });
});
