/** Durable runs at a NATS server, from the command line. The password comes from a file and stays off the screen. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fixture } from '../support/cli.ts';
import { describeNats, jetStream, NatsServer } from '../support/nats-server.ts';
import { Processes } from './processes.ts';

const processes = new Processes();
/** It only ends what hangs. */
const patient = { timeout: 60_000, interval: 20 };

describeNats('--journal nats://…', () => {
  let server: NatsServer;
  let env: NodeJS.ProcessEnv;
  beforeEach(async () => {
    server = await NatsServer.start(`${jetStream}\nauthorization { user: app, password: "pa55-word" }`);
    env = { HANDOFF_NATS_USER: 'app', HANDOFF_NATS_PASS_FILE: processes.write('pass', 'pa55-word\n') };
  });
  afterEach(() => server.stop());

  it('records a run, lists it, and continues it', async () => {
    const [marks, gate] = [join(processes.folder, 'marks'), join(processes.folder, 'gate')];
    const journal = ['--journal', server.url];
    const dag = [fixture('durable.ts'), marks, gate];
    expect(await processes.run(['submit', ...dag, ...journal, '--run-id', 's'], env)).toMatchObject({
      code: 0,
      stdout: 's\n',
    });
    expect(await processes.run(['runs', ...journal], env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^s +waiting +queued +0 of 2 /m),
    });
    const first = processes.start(['run', ...dag, '--no-progress', '--log', 'none', ...journal, '--run-id', 'r'], env);
    await expect.poll(() => existsSync(marks) && readFileSync(marks, 'utf8'), patient).toContain('+last');
    first.kill('SIGINT');
    await first.said(`To continue it: handoff resume r --journal ${server.url}`);
    first.kill('SIGINT');
    expect((await first.finished).stderr).not.toContain('pa55');
    writeFileSync(gate, '');
    const resumed = await processes.run(['resume', 'r', ...journal], env);
    expect(resumed, resumed.stderr).toMatchObject({ code: 0, stdout: 'last: 2\n' });
    expect(await processes.run(['show', 'r', ...journal], env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^r +waiting +finished +2 of 2 /m),
    });
  });

  it('refuses the commands of a cache, because it has none', async () => {
    for (const command of ['stats', 'clear']) {
      const refused = await processes.run(['cache', command, '--journal', server.url], env);
      expect(refused).toMatchObject({ code: 2, stdout: '' });
      expect(refused.stderr).toContain('This journal keeps no cache of results. Give the folder of one');
    }
  });

  it('says why the server cannot be used, without what is secret', async () => {
    const journal = ['--journal', server.url];
    const wrong = { ...env, HANDOFF_NATS_PASS_FILE: processes.write('wrong', 'pa55-wrong\n') };
    const refused = await processes.run(['runs', ...journal], wrong);
    const inUrl = await processes.run(['runs', '--journal', server.url.replace('//', '//app:pa55-word@')]);
    await server.kill();
    const gone = await processes.run(['runs', ...journal], env);
    expect(refused.stderr).toMatch(/NATS server at .*127\.0\.0\.1/);
    expect(inUrl.stderr).toContain('option servers must be');
    expect(gone.stderr).toMatch(/127\.0\.0\.1/);
    for (const { code, stdout, stderr } of [refused, inUrl, gone]) {
      expect(code).toBeGreaterThan(0);
      expect(stdout + stderr).not.toContain('pa55');
    }
  });
});
