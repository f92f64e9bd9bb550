/** Durable runs from the command line. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cli, fixture, startCli } from '../../support/cli.ts';
import { command } from '../../support/command-server.ts';

let folder = '';
let journal: string[] = [];
let marks = '';
let gate = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-cli-'));
  journal = ['--journal', join(folder, 'journal')];
  [marks, gate] = [join(folder, 'marks'), join(folder, 'gate')];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...more: string[]) => ['run', fixture('durable.ts'), marks, gate, '--no-progress', ...journal, ...more];

describe('handoff run --journal', () => {
  it('says on Ctrl-C how to continue the run, which then goes on where it was', async () => {
    const first = startCli(...run('--run-id', 'r', '--log', 'none'));
    await expect.poll(() => readIfThere(marks), { timeout: 50_000, interval: 20 }).toContain('+last');
    first.kill('SIGINT');
    await first.said('To continue it: handoff resume r --journal');
    first.kill('SIGINT');
    expect((await first.finished).code).toBe(130);

    const listed = await cli('runs', ...journal);
    expect(listed.stdout).toMatch(/^r +waiting +orphaned +1 of 2 /m);
    writeFileSync(gate, '');
    const resumed = await cli('resume', 'r', ...journal);
    expect(resumed).toMatchObject({ code: 0, stdout: 'last: 2\n' });
    expect(readFileSync(marks, 'utf8')).toBe('first\n+last\n+last\nlast\n');

    const again = await command(...run('--run-id', 'r'));
    expect(again).toMatchObject({ code: 0, stdout: 'last: 2\n' });
    const { stdout } = await command('runs', '--json', ...journal);
    expect(JSON.parse(stdout)).toMatchObject([{ runId: 'r', dagId: 'waiting', state: 'finished', done: 2 }]);
  });
});

describe('handoff submit', () => {
  it('prints the id of a run that waits, and can be shown, cancelled and compacted', async () => {
    const submitted = await cli('submit', fixture('durable.ts'), marks, gate, ...journal, '--run-id', 'r');
    expect(submitted).toMatchObject({ code: 0, stdout: 'r\n' });
    expect((await command('show', 'r', ...journal)).stdout).toMatch(/queued[^]*not finished: first, last/);
    expect(await command('cancel', 'r', ...journal)).toMatchObject({ code: 0, stderr: 'Run r is cancelled.\n' });
    expect((await command('show', 'r', ...journal)).stdout).toMatch(/cancelled[^]*error: .*was cancelled/);
    expect(await command('journal', 'compact', ...journal)).toMatchObject({ code: 0, stderr: '0 runs deleted.\n' });
  });
});

describe('handoff resume', () => {
  it.each([[[]], [['--json']]])('prints results by the names of outputs, as run does (%j)', async (flags) => {
    const ran = await cli('run', fixture('pipeline.ts'), '--no-progress', ...flags);
    await cli('submit', fixture('pipeline.ts'), ...journal, '--run-id', 'r');
    const resumed = await cli('resume', 'r', ...journal, ...flags);
    expect(resumed.code).toBe(0);
    const shown = ({ stdout }: { readonly stdout: string }): unknown =>
      flags.length === 0 ? stdout : JSON.parse(stdout).results;
    expect(shown(resumed)).toEqual(shown(ran));
    expect(Object.keys(JSON.parse((await cli('resume', 'r', ...journal, '--json')).stdout).results)).toEqual([
      'sum',
      'map',
    ]);
  });

  it('prints by id what the run was to give beside its outputs', async () => {
    const file = [fixture('pipeline.ts'), '--no-progress', ...journal, '--run-id', 'r', '--collect', 'all'];
    const ran = await cli('run', ...file);
    expect(ran.stdout).toContain('add#1: ');
    expect(await cli('resume', 'r', ...journal)).toMatchObject({ code: 0, stdout: ran.stdout });
  });

  it('names a run that does not exist', async () => {
    await cli('submit', fixture('pipeline.ts'), ...journal);
    expect(await cli('resume', 'x', ...journal)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no run "x"'),
    });
  });
});

describe('handoff show --report', () => {
  it('writes a report of a run that only the journal has', async () => {
    writeFileSync(gate, '');
    expect(await cli(...run('--run-id', 'r'))).toMatchObject({ code: 0 });
    const file = join(folder, 'run.html');
    expect(await cli('show', 'r', ...journal, '--report', file)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^r +waiting +finished +2 of 2 /m),
    });
    const html = readFileSync(file, 'utf8');
    expect(html).toContain('"runId":"r"');
    expect(html).toMatch(/"id":"first",.*"state":"done"/);
  });

  it('writes nothing for a run that does not exist, and refuses a file that cannot be written', async () => {
    await cli('submit', fixture('durable.ts'), marks, gate, ...journal, '--run-id', 'r');
    const file = join(folder, 'run.html');
    expect(await cli('show', 'x', ...journal, '--report', file)).toMatchObject({ code: 2 });
    expect(existsSync(file)).toBe(false);
    expect(await cli('show', 'r', ...journal, '--report', folder)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`--report: ${folder} cannot be written`),
    });
  });
});

describe('wrong usage', () => {
  it.each([
    [['runs'], '--journal DIR is missing'],
    [['runs', '--state', 'gone', '--journal', 'x'], '"gone" is not a state'],
    [['resume', 'r', '--journal', 'x', '--result', 'pay'], '"pay" is not ID=JSON'],
    [['run', fixture('pipeline.ts'), '--in-doubt', 'retry'], '--in-doubt has no effect without a journal'],
  ])('%j is refused', async (args, text) => {
    const { code, stderr } = await command(...args);
    expect(stderr).toContain(text);
    expect(code).toBe(2);
  });

  it.each([['runs'], ['show', 'r'], ['resume', 'r'], ['cancel', 'r'], ['journal', 'compact']])(
    '%s refuses a folder without a journal, and creates none',
    async (...args) => {
      const missing = join(folder, 'misspelt');
      const { code, stderr } = await command(...args, '--journal', missing);
      expect(stderr).toContain(`There is no journal in ${missing}`);
      expect(code).toBe(2);
      expect(existsSync(missing)).toBe(false);
    },
  );

  it('names a run that does not exist', async () => {
    await command('submit', fixture('durable.ts'), marks, gate, ...journal);
    expect(await command('show', 'x', ...journal)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no run "x"'),
    });
  });
});

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
