/** `handoff dashboard`, and `--dashboard` of other commands, in processes of their own. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ask, Stream } from '../../dashboard/support.ts';
import { clusterFiles, type Process, Processes } from '../processes.ts';

const processes = new Processes(clusterFiles);

async function urlOf(started: Process): Promise<string> {
  return ((await started.ready()) as unknown as { readonly url: string }).url;
}

describe('handoff dashboard', () => {
  it('shows what a cluster does, and cancels it from where nothing runs', async () => {
    const a = await processes.node('a');
    const dashboard = processes.start(['dashboard', '--join', a.address, '--port', '0', '--json']);
    const url = await urlOf(dashboard);
    await dashboard.said(`dashboard: ${url}\n`);
    const run = processes.start(['run', 'held.ts', '--join', a.address, '--', join(processes.folder, 'never')]);
    const stream = new Stream(url);
    const find = (): { key: string; state: string } | undefined =>
      stream
        .of('runs')
        .flatMap(({ runs }) => runs)
        .findLast(({ dagId }) => dagId === 'held');
    await stream.until(
      () =>
        find() !== undefined &&
        stream.of('nodes').some(({ nodes }) => nodes.some(({ name, host }) => name === 'a' && host === a.address)),
    );
    await a.said('held runs');
    expect(
      await ask(url, `/api/runs/${find()!.key}/cancel`, { method: 'POST', headers: { 'x-handoff': '1' } }),
    ).toMatchObject({ status: 202 });
    const { code, stderr } = await run.finished;
    expect(code).toBe(1);
    expect(stderr).toContain('ABORTED');
    await stream.until(() => find()?.state === 'failed');
    dashboard.kill('SIGINT');
    expect((await dashboard.finished).code).toBe(130);
    await stream.closed;
  });

  it('takes its token from the environment or a file, and never prints it', async () => {
    const a = await processes.node('a');
    const token = 'long-and-random';
    const file = processes.write('token', `${token}\n`);
    for (const [args, env] of [
      [[], { HANDOFF_DASHBOARD_TOKEN: token }],
      [['--token-file', file], {}],
    ] as const) {
      const dashboard = processes.start(['dashboard', '--join', a.address, '--port', '0', '--json', ...args], env);
      const url = await urlOf(dashboard);
      expect(await ask(url, '/')).toMatchObject({ status: 401 });
      expect(await ask(url, `/?token=${token}`)).toMatchObject({ status: 303 });
      dashboard.kill('SIGTERM');
      const { code, stdout, stderr } = await dashboard.finished;
      expect(code).toBe(143);
      expect(stdout + stderr).not.toContain(token);
    }
  });

  it.each([
    ['to be reached by others without a token', ['--host', '0.0.0.0'], {}, 'HANDOFF_DASHBOARD_TOKEN'],
    ['a port that is none', ['--port', '70000'], {}, '--port: "70000" is not a port'],
    ['a token that is empty', ['--token-file', '/dev/null'], {}, '--token-file: /dev/null is empty'],
    ['a token that is not there', ['--token-file', 'nope'], {}, '--token-file: nope cannot be read'],
    ['a token as a flag', ['--token', 'x'], {}, '--token'],
  ])('refuses %s', async (_, args, env, mention) => {
    const { code, stdout, stderr } = await processes.run(['dashboard', '--join', '127.0.0.1:9', ...args], env);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(mention);
  });

  it('refuses to start without a host to join', async () => {
    const { code, stderr } = await processes.command(['dashboard']);
    expect(code).toBe(2);
    expect(stderr).toContain('--join HOST:PORT or --nats URL is missing');
  });
});

describe('--dashboard', () => {
  it('of a node shows the node until it stops', async () => {
    const node = processes.start([
      'node',
      '--listen',
      '127.0.0.1:0',
      '--name',
      'a',
      '--capabilities',
      'cpu=1',
      '--dashboard',
      '0',
      '--json',
    ]);
    const { dashboard } = (await node.ready()) as unknown as { readonly dashboard: string };
    await node.said(`dashboard: ${dashboard}\n`);
    expect(await ask(dashboard, '/')).toMatchObject({ status: 200 });
    node.kill('SIGTERM');
    expect((await node.finished).code).toBe(143);
  });

  it('of a run prints its address, and refuses a port in use', async () => {
    const done = processes.write('open', '');
    const { code, stderr } = await processes.run([
      'run',
      'held.ts',
      '--nodes',
      'a:cpu=1',
      '--dashboard',
      '0',
      '--',
      done,
    ]);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^dashboard: http:\/\/127\.0\.0\.1:\d+\/$/m);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      const refused = await processes.run([
        'run',
        'held.ts',
        '--nodes',
        'a:cpu=1',
        '--dashboard',
        String(port),
        '--',
        done,
      ]);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain(`cannot listen on 127.0.0.1:${port}`);
      expect(await processes.run(['run', 'held.ts', '--dashboard', 'x', '--', done])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--dashboard: "x" is not a port') as string,
      });
    } finally {
      server.close();
    }
  });

  it('is taken from the configuration file only by handoff node', async () => {
    processes.write(
      'with-dashboard.mjs',
      "export default { nodes: [{ name: 'a', capabilities: { cpu: 1 } }], dashboard: { port: 0 } };",
    );
    const done = processes.write('open', '');
    const run = await processes.run(['run', 'held.ts', '--config', 'with-dashboard.mjs', '--', done]);
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).not.toContain('dashboard: ');
    const node = processes.start(['node', '--listen', '127.0.0.1:0', '--config', 'with-dashboard.mjs', '--json']);
    expect((await node.ready()) as unknown).toMatchObject({ dashboard: expect.stringMatching(/^http:/) as string });
  });
});
