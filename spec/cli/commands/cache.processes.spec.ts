/** The cache from the command line, and between processes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cli, fixture, startCli } from '../../support/cli.ts';
import { command } from '../../support/command-server.ts';

let folder = '';
let marks = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-cli-'));
  marks = join(folder, 'marks');
  writeFileSync(join(folder, 'gate'), '');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = fixture('durable.ts');
const ran = (): string[] => (existsSync(marks) ? readFileSync(marks, 'utf8').trim().split('\n') : []);
const run = (...flags: string[]) => ['run', file, marks, join(folder, 'gate'), '--no-progress', ...flags];

describe('handoff run --cache', () => {
  it.each([['--cache-dir'], ['--journal']])('says how much came from the cache in %s', async (flag) => {
    const where = [flag, join(folder, 'cache')];
    const first = await cli(...run('--cache', ...where));
    expect(first).toMatchObject({ code: 0, stdout: 'last: 2\n', stderr: '0 of 2 cached\n' });
    const second = await command(...run('--cache', ...where));
    expect(second).toMatchObject({ code: 0, stdout: 'last: 2\n', stderr: '2 of 2 cached\n' });
    expect(ran()).toEqual(['first', '+last', 'last']);
    expect(await command(...run('--no-cache', ...where))).toMatchObject({ code: 0, stderr: '' });
    expect(ran()).toHaveLength(6);

    const { stdout } = await cli('cache', 'stats', ...where, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ results: 2, maxBytes: 2 ** 30 });
    expect((await command('cache', 'stats', ...where)).stdout).toMatch(/^2 results, .* of at most 1 GiB$/m);
    expect(await command('cache', 'clear', ...where)).toMatchObject({ code: 0, stderr: '2 results deleted.\n' });
    expect((await command(...run('--cache', ...where))).stderr).toBe('0 of 2 cached\n');
  });

  it('keeps results for other runs before it ends, even if it is killed afterwards', async () => {
    const where = ['--cache-dir', join(folder, 'cache')];
    const waiting = join(folder, 'waiting');
    const first = startCli('run', file, marks, waiting, '--no-progress', '--log', 'none', '--cache', ...where);
    await expect.poll(ran, { timeout: 50_000, interval: 20 }).toContain('+last');
    await expect
      .poll(async () => JSON.parse((await command('cache', 'stats', ...where, '--json')).stdout).results as number, {
        timeout: 50_000,
      })
      .toBe(1);
    first.kill('SIGKILL');
    await first.finished;
    writeFileSync(waiting, '');
    const second = await cli('run', file, marks, waiting, '--no-progress', '--cache', ...where);
    expect(second).toMatchObject({ code: 0, stdout: 'last: 2\n', stderr: '1 of 2 cached\n' });
    expect(ran()).toEqual(['first', '+last', '+last', 'last']);
  });

  it('lets two processes use one folder at once', async () => {
    const where = ['--cache-dir', join(folder, 'cache')];
    for (let round = 0; round < 3; round++) {
      const both = await Promise.all([cli(...run('--cache', ...where)), cli(...run('--cache', ...where))]);
      for (const each of both) expect(each).toMatchObject({ code: 0, stdout: 'last: 2\n' });
      if (round > 0) expect(both.map(({ stderr }) => stderr)).toEqual(['2 of 2 cached\n', '2 of 2 cached\n']);
    }
  });
});

describe('handoff cache', () => {
  it('needs a folder with a cache', async () => {
    const none = await command('cache', 'stats', '--cache-dir', join(folder, 'none'));
    expect(none).toMatchObject({ code: 2, stdout: '' });
    expect(none.stderr).toContain(`There is no cache in ${join(folder, 'none')}`);
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });
});
