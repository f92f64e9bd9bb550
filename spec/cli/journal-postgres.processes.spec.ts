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
      expect(await cli('runs', ...journal)).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^s +waiting +queued +0 of 2 /m),
      });
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

  it('keeps results that other processes take, and counts and clears them', async () => {
    const server = await PostgresServer.start();
    const folder = mkdtempSync(join(tmpdir(), 'handoff-cli-'));
    try {
      const [marks, gate] = [join(folder, 'marks'), join(folder, 'gate')];
      writeFileSync(gate, '');
      const journal = ['--journal', server.url];
      const run = () => cli('run', fixture('durable.ts'), marks, gate, '--no-progress', '--cache', ...journal);
      expect(await run()).toMatchObject({ code: 0, stdout: 'last: 2\n', stderr: '0 of 2 cached\n' });
      expect(await run()).toMatchObject({ code: 0, stdout: 'last: 2\n', stderr: '2 of 2 cached\n' });
      expect(readFileSync(marks, 'utf8')).toBe('first\n+last\nlast\n');
      const { code, stdout } = await cli('cache', 'stats', ...journal, '--json');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ results: 2, maxBytes: 2 ** 30 });
      expect(await cli('cache', 'clear', ...journal)).toMatchObject({ code: 0, stderr: '2 results deleted.\n' });
      expect(await run()).toMatchObject({ code: 0, stdout: 'last: 2\n', stderr: '0 of 2 cached\n' });
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
