/** `handoff plan`, `handoff graph`, `handoff plot`: what is drawn. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, fixture } from '../support/cli.ts';
import { command } from '../support/command-server.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);
const nowhere = (): string => join(folder, 'no such folder', 'out.svg');
const isPicture = async (svg: string): Promise<boolean> => (await sharp(Buffer.from(svg)).metadata()).format === 'svg';

describe('handoff plan', () => {
  it('prints the schedule, a row for each thread, the makespan and the critical path, and runs nothing', async () => {
    const { code, stdout } = await cli('plan', fixture('struct.ts'), '--nodes', 'n:cpu=1');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines.toSpliced(6, 1)).toEqual([
      'function  node  start ms  finish ms',
      'a         n            0         10',
      'b         n           10         30',
      'c         n           30         35',
      '',
      expect.stringMatching(/^ {3}0 +10 ms +20 ms +30 ms$/),
      '',
      'd double   o one   =, CAPITALS: on the critical path',
      '',
      'makespan 35 ms, at least 35 ms on these nodes',
      'critical path: a -> b',
      '',
    ]);
    expect(lines[6]).toMatch(/^n \|\[a=+\]\[b=+\]\[c-+\]\|$/);
  });

  it('leaves no file when there is no plan', async () => {
    expect((await command('plan', fixture('cyclic.ts'), '--svg', file('no-plan.svg'))).code).toBe(2);
    expect(existsSync(file('no-plan.svg'))).toBe(false);
  });

  it('prints JSON', async () => {
    const { stdout } = await command('plan', fixture('struct.ts'), '--nodes', 'n:cpu=2,threads=2', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      makespan: 30,
      lowerBound: 30,
      criticalPath: ['a', 'b'],
      allocations: { a: 'n', b: 'n', c: 'n' },
    });
  });

  it('draws it into a file', async () => {
    const { code, stdout } = await command(
      'plan',
      fixture('struct.ts'),
      '--nodes',
      'n:cpu=2,threads=2',
      '--json',
      '--svg',
      file('plan.svg'),
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ makespan: 30 });
    const svg = readFileSync(file('plan.svg'), 'utf8');
    expect(svg).toContain('makespan 30 ms');
    expect(await isPicture(svg)).toBe(true);
  });

  it('tries as many candidates as --budget says, and takes every strategy', async () => {
    for (const strategy of ['cost-optimized', 'time-optimized']) {
      const { code, stdout, stderr } = await command(
        'plan',
        fixture('struct.ts'),
        '--nodes',
        'n:cpu=2,threads=2',
        '--budget',
        '20',
        '--strategy',
        strategy,
        '--json',
      );
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ lowerBound: 30 });
    }
  });

  it.each([
    ['a --budget that is no number', ['--budget', 'many'], '--budget: "many" is not a number'],
    ['a --budget below 1', ['--budget', '0'], 'budget'],
    ['a strategy that does not exist', ['--strategy', 'best'], "'time-optimized'"],
    [
      'a file that cannot be written',
      ['--svg', '/no such folder/out.svg'],
      '--svg: /no such folder/out.svg cannot be written: ENOENT',
    ],
  ])('exits with 2 for %s', async (_, args, mention) => {
    const { code, stdout, stderr } = await command('plan', fixture('struct.ts'), ...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(mention);
  });
});

describe('handoff graph', () => {
  it.each([
    ['mermaid', 'flowchart TD'],
    ['dot', 'digraph "struct"'],
    ['svg', '<svg'],
    ['json', '"id": "struct"'],
  ])('draws %s', async (format, mention) => {
    const { code, stdout } = await command('graph', fixture('struct.ts'), '--format', format);
    expect(code).toBe(0);
    expect(stdout).toContain(mention);
  });

  it.each(['mermaid', 'dot', 'svg'])('draws names without control characters, as %s', async (format) => {
    const { stdout } = await command('graph', fixture('control-characters.ts'), '--format', format);
    // eslint-disable-next-line no-control-regex -- just those
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(stdout).toContain('speaks\ufffd[2J\ufffdforged');
    if (format === 'svg') expect(await isPicture(stdout)).toBe(true);
  });

  it('draws a graph that is not valid, and exits with 2, with --plan too', async () => {
    for (const more of [[], ['--plan']]) {
      const { code, stdout, stderr } = await cli('graph', fixture('cyclic.ts'), ...more);
      expect(code).toBe(2);
      expect(stdout).toContain('f0 --> f1');
      expect(stderr).toContain('CYCLIC_DEPENDENCY');
    }
  });

  it.each([
    ['mermaid', ['f0["a<br/>one<br/>cpu 1<br/>on n"]', 'style f0 fill:#', 'n0(["node n"])']],
    ['dot', ['label="node n"']],
    ['svg', ['>node n<']],
  ])('with --plan colours functions by node, with a legend, as %s', async (format, mentions) => {
    const { code, stdout } = await command(
      'graph',
      fixture('struct.ts'),
      '--plan',
      '--nodes',
      'n:cpu=2',
      '--format',
      format,
    );
    expect(code).toBe(0);
    for (const mention of mentions) expect(stdout).toContain(mention);
  });

  it('colours functions by what a run has written', async () => {
    expect(
      await command(
        'run',
        fixture('struct.ts'),
        '--no-progress',
        '--nodes',
        'ran <b>here</b>:cpu=1',
        '--summary',
        file('summary.json'),
      ),
    ).toMatchObject({ code: 0 });
    const { code, stdout } = await command(
      'graph',
      fixture('struct.ts'),
      '--allocations',
      file('summary.json'),
      '--format',
      'svg',
    );
    expect(code).toBe(0);
    expect(stdout).toContain('ran &lt;b&gt;here&lt;/b&gt;');
    expect(await isPicture(stdout)).toBe(true);
    writeFileSync(file('plain.json'), '{ "a": "x", "b": "y" }');
    expect((await command('graph', fixture('struct.ts'), '--allocations', file('plain.json'))).stdout).toContain(
      'n1(["node y"])',
    );
  });

  it.each([
    ['an unknown format', ['--format', 'png'], '--format: "png" is not a format. Formats: '],
    ['--plan and --allocations at once', ['--plan', '--allocations', 'x'], 'Give either'],
    [
      'allocations that are not there',
      ['--allocations', 'no such file'],
      '--allocations: no such file cannot be read: ENOENT',
    ],
    [
      'allocations that are none',
      ['--allocations', fileURLToPath(new URL('../../package.json', import.meta.url))],
      'node names by function id',
    ],
  ])('exits with 2 for %s', async (_, args, mention) => {
    const { code, stdout, stderr } = await command('graph', fixture('struct.ts'), ...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(mention);
  });

  it('draws what a run became with --run: elements, answered graphs and skipped functions', async () => {
    const trace = file('growing.json');
    expect(await command('run', fixture('growing.ts'), '--no-progress', '--trace', trace)).toMatchObject({ code: 0 });
    const { code, stdout } = await command('graph', '--run', trace, '--format', 'dot');
    expect(code).toBe(0);
    expect(stdout).toContain('increment#1[2]');
    expect(stdout).toMatch(/sum#1\/\w+#1/);
    expect(stdout).toContain('dashed');
    expect(stdout).toContain('on local');
  });

  it.each([
    ['a file that is no trace', () => [fixture('struct.ts')], 'is not a trace of a run'],
    ['a plan of what has ended', () => ['--plan', file('growing.json')], 'Leave out --plan'],
  ])('exits with 2 for --run and %s', async (_, more, mention) => {
    const { code, stdout, stderr } = await command('graph', '--run', ...more());
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(mention);
  });

  it('does not mind a reader that stops early', async () => {
    const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));
    const child = spawn('sh', ['-c', `"${process.execPath}" "${main}" graph "${fixture('struct.ts')}" | head -1`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    await once(child, 'close');
    expect(stderr).toBe('');
  });
});

describe('handoff plot', () => {
  it('draws a run that was traced, to stdout or into a file', async () => {
    expect(
      await command(
        'run',
        fixture('names.ts'),
        '--no-progress',
        '--nodes',
        'n:cpu=2,memory=100',
        '--trace',
        file('trace.json'),
      ),
    ).toMatchObject({ code: 0 });
    const { code, stdout } = await cli('plot', file('trace.json'));
    expect(code).toBe(0);
    expect(await isPicture(stdout)).toBe(true);
    expect(stdout).not.toMatch(/<script|onload="/);
    expect(stdout).toContain('memory of n: claimed at most 70');
    expect(await command('plot', file('trace.json'), '--svg', file('plot.svg'))).toMatchObject({ code: 0, stdout: '' });
    expect(readFileSync(file('plot.svg'), 'utf8')).toBe(stdout);
  });

  it('draws a run that failed', async () => {
    expect(await command('run', fixture('failing.ts'), '--no-progress', '--trace', file('failed.json'))).toMatchObject({
      code: 1,
    });
    const { code, stdout } = await command('plot', file('failed.json'));
    expect(code).toBe(0);
    expect(stdout).toContain(', failed');
  });

  it.each([
    ['a file that is not there', () => 'no such file', 'no such file cannot be read: ENOENT'],
    ['a file that is no trace', () => fixture('struct.ts'), 'is not a trace of a run: it is not JSON'],
    [
      'the trace of another program',
      () => fileURLToPath(new URL('../../package.json', import.meta.url)),
      'has no list "traceEvents". Write one with handoff run pipeline.ts --trace FILE.',
    ],
  ])('exits with 2 for %s', async (_, path, mention) => {
    const { code, stdout, stderr } = await command('plot', path());
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(mention);
  });

  it('refuses a file that cannot be written', async () => {
    await command('run', fixture('struct.ts'), '--no-progress', '--trace', file('struct.json'));
    const { code, stderr } = await command('plot', file('struct.json'), '--svg', nowhere());
    expect(code).toBe(2);
    expect(stderr).toMatch(/^--svg: .*cannot be written: ENOENT/);
  });
});
