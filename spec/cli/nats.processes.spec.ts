/** The command with hosts that find each other at a NATS server. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, Stream } from '../dashboard/support.ts';
import { describeNats, NatsServer } from '../support/nats-server.ts';
import { clusterFiles, Processes } from './processes.ts';

const processes = new Processes(clusterFiles);

describeNats('the command at a NATS server', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await NatsServer.start('authorization { user: host, password: "pass-word-1" }');
    processes.write('pass', 'pass-word-1\n');
    processes.write('wrong', 'pass-word-2\n');
    processes.write('secret', 'open sesame, long and random\n');
  });
  afterAll(() => server.stop());
  const at = (namespace: string): string[] => [
    ...['--nats', server.url, '--nats-namespace', namespace],
    ...['--nats-user', 'host', '--nats-pass-file', 'pass', '--secret-file', 'secret'],
  ];

  it('starts hosts, lists them, and runs on them: by flags, the environment or the configuration file', async () => {
    const a = processes.start(['node', '--name', 'a', '--capabilities', 'cpu=1', '--json', ...at('cli')]);
    expect((await a.ready()).address).toMatch(/^nats:/);
    await a.said('listening on nats:');
    const env = {
      HANDOFF_NATS: server.url,
      HANDOFF_NATS_NAMESPACE: 'cli',
      HANDOFF_NATS_USER: 'host',
      HANDOFF_NATS_PASS_FILE: 'pass',
      HANDOFF_SECRET_FILE: 'secret',
    };
    const b = processes.start(['node', '--name', 'b', '--capabilities', 'cpu=1', '--json'], env);
    await b.ready();
    await a.said('node b is up');
    processes.write(
      'nats.config.mjs',
      `export default { transport: { type: 'nats', servers: '${server.url}', namespace: 'cli', user: 'host', pass: 'pass-word-1', secret: 'open sesame, long and random' } };`,
    );
    const listed = await processes.run(['nodes', '--config', 'nats.config.mjs']);
    expect(listed.stdout).toMatch(/^a +nats:/m);
    expect(listed.stdout).toMatch(/^b +nats:/m);
    const run = await processes.run(['run', 'sums.ts', '--json'], env);
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).toMatch(/on a|on b/);
    a.kill('SIGTERM');
    expect((await a.finished).code).toBe(143);
    await b.said('node a is down');
  });

  it('shows what hosts do, from a dashboard that runs nothing', async () => {
    const a = processes.start(['node', '--name', 'a', '--capabilities', 'cpu=2', '--json', ...at('cli-4')]);
    const { address } = await a.ready();
    const dashboard = processes.start(['dashboard', '--port', '0', '--json', ...at('cli-4')]);
    const { url } = (await dashboard.ready()) as unknown as { readonly url: string };
    const stream = new Stream(url);
    const shown = (): { key: string; state: string } | undefined =>
      stream
        .of('runs')
        .flatMap(({ runs }) => runs)
        .findLast(({ dagId }) => dagId === 'held');
    const run = processes.start(['run', 'held.ts', ...at('cli-4'), '--', join(processes.folder, 'never')]);
    await stream.until(
      () =>
        shown() !== undefined &&
        stream.of('nodes').some(({ nodes }) => nodes.some(({ name, host }) => name === 'a' && host === address)),
    );
    await a.said('held runs');
    expect(
      await ask(url, `/api/runs/${shown()!.key}/cancel`, { method: 'POST', headers: { 'x-handoff': '1' } }),
    ).toMatchObject({ status: 202 });
    const { code, stderr } = await run.finished;
    expect(code).toBe(1);
    expect(stderr).toContain('ABORTED');
    await stream.until(() => shown()?.state === 'failed');
    dashboard.kill('SIGINT');
    expect((await dashboard.finished).code).toBe(130);
    await stream.closed;
  });

  it('says why it cannot join, without showing secrets', async () => {
    const wrong = await processes.run(['nodes', ...at('cli-2').map((each) => (each === 'pass' ? 'wrong' : each))]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('the NATS server at');
    expect(wrong.stderr).not.toContain('pass-word');
    const alone = await processes.run(['run', 'sums.ts', ...at('cli-3')], {});
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain('No other host was found');
    const inUrl = await processes.run(['nodes', '--nats', server.url.replace('//', '//host:pass-word-1@')]);
    expect(inUrl.code).toBe(2);
    expect(inUrl.stderr).toContain('option servers must be');
    expect(inUrl.stderr).not.toContain('pass-word');
  });
});
