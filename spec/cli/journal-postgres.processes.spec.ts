/** Durable runs in a database, from the command line. The password of its URL stays off the screen. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cli, fixture, startCli } from '../support/cli.ts';
import { PostgresServer } from '../support/postgres/server.ts';
import { describePostgres } from '../support/postgres/shared.ts';

/** It only ends what hangs. */
const patient = { timeout: 60_000, interval: 20 };

describePostgres('--journal postgres://…', () => {
  it('records a run, lists it, and continues it', async () => {
    const server = await PostgresServer.start();
    const folder = mkdtempSync(join(tmpdir(), 'handoff-cli-'));
    try {
      const [marks, gate] = [join(folder, 'marks'), join(folder, 'gate')];
      const journal = ['--journal', server.url.replace('handoff@', 'handoff:pa55@')];
      const dag = [fixture('durable.ts'), marks, gate];
      expect(await cli('submit', ...dag, ...journal, '--run-id', 's')).toMatchObject({ code: 0, stdout: 's\n' });
      expect((await cli('runs', ...journal)).stdout).toMatch(/^s +waiting +queued +0 of 2 /m);
      const first = startCli('run', ...dag, '--no-progress', '--log', 'none', ...journal, '--run-id', 'r');
      await expect.poll(() => existsSync(marks) && readFileSync(marks, 'utf8'), patient).toContain('+last');
      first.kill('SIGINT');
      await first.said('To continue it: handoff resume r --journal postgres://handoff@127.0.0.1');
      first.kill('SIGINT');
      expect((await first.finished).stderr).not.toContain('pa55');
      writeFileSync(gate, '');
      expect(await cli('resume', 'r', ...journal)).toMatchObject({ code: 0, stdout: 'last: 2\n' });
      await server.kill();
      const { code, stderr } = await cli('runs', ...journal);
      expect(stderr).toMatch(/The journal at 127\.0\.0\.1:\d+\/postgres cannot be opened/);
      expect(stderr).not.toContain('pa55');
      expect(code).toBeGreaterThan(0);
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
