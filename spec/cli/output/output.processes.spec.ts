/**
 * What the command was asked to write, and disks that do not take it. A file size limit stands for a full disk: a write
 * that reaches it is short.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main, Processes } from '../processes.ts';

const processes = new Processes({
  'tasks.ts': `
    import { existsSync } from 'node:fs';
    export function long(n: number): string[] { return Array.from({ length: n }, (_, i) => String(i)); }
    export function fail(): never { throw new Error('went wrong'); }
    export async function wait(gate: string): Promise<void> {
      process.stderr.write('running\\n');
      while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  `,
  'dag.ts': `
    import { dag, tasks } from LIBRARY;
    const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
    console.log('said by the module');
    process.stdout.write('written by the module\\n');
    export default (n = '10') => dag('made', { long: t.long(Number(n)) });
  `,
  'fail.ts': `
    import { Dag, tasks } from LIBRARY;
    const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
    export default new Dag('fail').add({ id: 'bad', code: t.fail, maxRetries: 0 });
  `,
  'wait.ts': `
    import { Dag, tasks } from LIBRARY;
    const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
    export default (gate: string) => new Dag('wait')
      .add({ id: 'first', code: t.wait, extraArgs: [gate] })
      .add({ id: 'second', code: t.wait, args: ['first'], layout: [{ value: gate }] });
  `,
  'endless.ts': `
    process.stderr.write('loading\\n');
    setInterval(() => {}, 60_000);
    await new Promise(() => {});
  `,
});

const shell = (script: string, ...args: string[]): ReturnType<typeof processes.startCommand>['finished'] =>
  processes.startCommand('bash', ['-c', script, 'bash', process.execPath, main, ...args]).finished;

let gates = 0;
/** The path of a file that is not there yet. */
const newGate = (): string => join(processes.folder, `gate-${++gates}`);

/** Interrupts a run while its first function runs, which then ends. */
async function interrupted(signal: NodeJS.Signals, ...flags: string[]): ReturnType<typeof shell> {
  const gate = newGate();
  const child = processes.start(['run', 'wait.ts', '--no-progress', ...flags, '--', gate]);
  await child.said('running');
  child.kill(signal);
  await child.said('Running functions finish');
  writeFileSync(gate, '');
  return child.finished;
}

const refusal = /^stdout: the results cannot be written: E(?:NOSPC|FBIG)\b.*\.$/m;

describe('results that cannot be written', () => {
  it.each([
    ['run', ['run', 'dag.ts', '--no-progress', '--json']],
    ['plan', ['plan', 'dag.ts']],
    ['plan --json', ['plan', 'dag.ts', '--json']],
    ['graph', ['graph', 'dag.ts']],
    ['help', ['--help']],
    ['help of a command', ['run', '--help']],
    ['version', ['--version']],
  ])('are an error of %s', async (_, args) => {
    const { code, stderr } = await shell('exec "$@" > /dev/full', ...args);
    expect(stderr).toMatch(refusal);
    expect(code).toBe(1);
  });

  it('are an error of plot', async () => {
    expect((await processes.command(['run', 'dag.ts', '--no-progress', '--trace', 'to-plot.json'])).code).toBe(0);
    expect(await shell('exec "$@" > /dev/full', 'plot', 'to-plot.json')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(refusal) as string,
    });
  });

  it('are an error where only their beginning fits', async () => {
    const { code, stderr } = await shell(
      'ulimit -f 8; exec "$@" > short.json',
      'run',
      'dag.ts',
      '100000',
      '--no-progress',
      '--json',
    );
    expect(statSync(join(processes.folder, 'short.json')).size).toBeGreaterThan(0);
    expect(stderr).toMatch(refusal);
    expect(code).toBe(1);
  });

  it('are an error of a host that prints where it listens', async () => {
    const { code, stderr } = await shell(
      'exec "$@" > /dev/full',
      'node',
      '--listen',
      '127.0.0.1:0',
      '--name',
      'a',
      '--capabilities',
      'cpu=1',
      '--json',
    );
    expect(stderr).toMatch(refusal);
    expect(code).toBe(1);
  });

  it('do not stop the files from being written, nor the error from being printed', async () => {
    const { code, stderr } = await shell(
      'exec "$@" > /dev/full',
      'run',
      'dag.ts',
      '--no-progress',
      '--json',
      '--summary',
      'beside.json',
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(refusal);
    expect(JSON.parse(readFileSync(join(processes.folder, 'beside.json'), 'utf8'))).toMatchObject({ ok: true });
  });

  it('are no error when the reader closes the pipe early, and the files are written', async () => {
    const { code, stdout, stderr } = await shell(
      'set -o pipefail; "$@" | head -c 2',
      'run',
      'dag.ts',
      '100000',
      '--no-progress',
      '--json',
      '--summary',
      'head.json',
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{\n' });
    expect(stderr).not.toContain('cannot be written');
    expect(JSON.parse(readFileSync(join(processes.folder, 'head.json'), 'utf8'))).toMatchObject({ ok: true });
  });

  it('are whole in a file and in a pipe', async () => {
    const args = ['run', 'dag.ts', '100000', '--no-progress', '--json'] as const;
    const { code } = await shell('exec "$@" > whole.json', ...args);
    const [file, pipe] = [
      readFileSync(join(processes.folder, 'whole.json'), 'utf8'),
      (await processes.run(args)).stdout,
    ].map((text) => JSON.parse(text) as { results: { long: string[] } });
    expect(code).toBe(0);
    expect(file!.results.long).toHaveLength(100_000);
    expect(pipe!.results).toEqual(file!.results);
  });
});

describe('stdout', () => {
  it.each([
    ['run', ['run', 'dag.ts', '--no-progress', '--json']],
    ['plan', ['plan', 'dag.ts', '--json']],
    ['graph', ['graph', 'dag.ts', '--format', 'json']],
  ])('holds nothing that the module of the DAG prints, for %s', async (_, args) => {
    const { stdout, stderr } = await processes.run(args);
    expect(() => void JSON.parse(stdout)).not.toThrow();
    expect(stderr).toContain('said by the module\n');
    expect(stderr).toContain('written by the module\n');
  });
});

describe('an output file that cannot be written', () => {
  const flags = ['--trace', '--summary', '--report'] as const;

  it.each(flags)('%s does not hide that the run failed, nor the other files', async (full) => {
    const others = flags.filter((flag) => flag !== full);
    const { code, stderr } = await processes.command([
      'run',
      'fail.ts',
      '--no-progress',
      full,
      '/dev/full',
      ...others.flatMap((flag) => [flag, `beside${full}${flag}`]),
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^FUNCTION_FAILED: Function "bad" failed/m);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^${full}: /dev/full cannot be written: ENOSPC`));
    for (const flag of others) expect(statSync(join(processes.folder, `beside${full}${flag}`)).size).toBeGreaterThan(0);
  });

  it('fails a run that went well, after its results', async () => {
    const { code, stdout, stderr } = await processes.command([
      'run',
      'dag.ts',
      '--no-progress',
      '--json',
      '--trace',
      '/dev/full',
      '--report',
      '/dev/full',
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ results: { long: expect.anything() as unknown } });
    expect(stderr).toMatch(
      /^--trace: \/dev\/full cannot be written: ENOSPC.*\n--report: \/dev\/full cannot be written: ENOSPC.*$/m,
    );
  });

  it('does not hide that a run was interrupted', async () => {
    const { code, stderr } = await interrupted('SIGINT', '--trace', '/dev/full');
    expect(code).toBe(130);
    expect(stderr).toContain('--trace: /dev/full cannot be written');
  });

  it('keeps what the path held, where only the beginning of the new file fits', async () => {
    writeFileSync(join(processes.folder, 'kept.html'), 'of before');
    const before = readdirSync(processes.folder);
    const { code, stderr } = await shell(
      'ulimit -f 8; exec "$@"',
      'run',
      'dag.ts',
      '--no-progress',
      '--report',
      'kept.html',
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^--report: kept\.html cannot be written: EFBIG/m);
    expect(readFileSync(join(processes.folder, 'kept.html'), 'utf8')).toBe('of before');
    expect(readdirSync(processes.folder)).toEqual(before);
  });

  it('of learned costs does not hide that the run failed', async () => {
    // A folder that takes no new file: the size limit lets none be longer than nothing.
    const { code, stderr } = await shell(
      'ulimit -f 0; exec "$@"',
      'run',
      'fail.ts',
      '--no-progress',
      '--cost-model',
      'learned.json',
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/FUNCTION_FAILED[\s\S]*\n--cost-model learned\.json: .*cannot be written/);
  });

  it.each([
    ['plan', ['plan', 'dag.ts', '--json', '--svg', '/dev/full']],
    ['plot', ['plot', 'to-plot.json', '--svg', '/dev/full']],
  ])('fails %s with 1', async (_, args) => {
    await processes.command(['run', 'dag.ts', '--no-progress', '--trace', 'to-plot.json']);
    const { code, stdout, stderr } = await processes.command(args);
    expect({ code, stderr: stderr.trimEnd().split('\n').at(-1) }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^--svg: \/dev\/full cannot be written: ENOSPC/) as string,
    });
    if (args[0] === 'plan') expect(JSON.parse(stdout)).toHaveProperty('makespan');
  });
});

describe('an output file', () => {
  it('replaces the file that a link names, with its permissions', async () => {
    const path = (name: string): string => join(processes.folder, name);
    writeFileSync(path('target'), 'old', { mode: 0o640 });
    rmSync(path('link'), { force: true });
    symlinkSync('target', path('link'));
    expect((await processes.command(['run', 'dag.ts', '--no-progress', '--summary', 'link'])).code).toBe(0);
    expect(JSON.parse(readFileSync(path('target'), 'utf8'))).toMatchObject({ ok: true });
    expect(statSync(path('target')).mode & 0o777).toBe(0o640);
    expect(readFileSync(path('link'), 'utf8')).toBe(readFileSync(path('target'), 'utf8'));
  });

  it('may be stdout, after the results', async () => {
    const { code } = await shell('exec "$@" > both.txt', 'run', 'dag.ts', '--no-progress', '--summary', '/dev/stdout');
    expect(code).toBe(0);
    expect(readFileSync(join(processes.folder, 'both.txt'), 'utf8')).toMatch(/^long: [\s\S]*\n\{[\s\S]*"ok": true/);
  });

  it('is refused at once where there is a folder', async () => {
    mkdirSync(join(processes.folder, 'folder'), { recursive: true });
    expect(await processes.command(['run', 'dag.ts', '--trace', 'folder'])).toMatchObject({
      code: 2,
      stderr: '--trace: folder cannot be written: it is a directory.\n',
    });
  });

  it('is refused where another flag names the same file', async () => {
    const both = ['--trace', 'both.json', '--summary', './both.json'];
    expect(await processes.command(['run', 'dag.ts', ...both])).toMatchObject({
      code: 2,
      stderr: '--trace and --summary name the same file ./both.json. Give each its own.\n',
    });
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'is opened only when the run has ended: %s while the module loads leaves none',
    async (signal) => {
      const child = processes.start([
        'run',
        'endless.ts',
        '--trace',
        'never-trace',
        '--summary',
        'never-summary',
        '--report',
        'never-report',
      ]);
      await child.said('loading');
      child.kill(signal);
      expect((await child.finished).signal).toBe(signal);
      expect(readdirSync(processes.folder).filter((name) => /never|tmp/.test(name))).toEqual([]);
    },
  );
});

describe('a closed terminal (SIGHUP)', () => {
  it('lets running functions finish, and writes the files', async () => {
    const { code, stderr } = await interrupted('SIGHUP', '--trace', 'hung-up.json');
    expect(code).toBe(129);
    expect(stderr.match(/running/g)).toHaveLength(1);
    expect(readFileSync(join(processes.folder, 'hung-up.json'), 'utf8')).toContain('"first"');
  });

  it('drains a host', async () => {
    const host = await processes.node('a');
    host.kill('SIGHUP');
    expect(await host.finished).toMatchObject({ code: 129, stderr: expect.stringContaining('draining') as string });
  });

  it('ends functions that ignore the first signal', async () => {
    const child = processes.start(['run', 'wait.ts', '--no-progress', '--summary', 'twice.json', '--', newGate()]);
    await child.said('running');
    child.kill('SIGHUP');
    await child.said('Running functions finish');
    child.kill('SIGHUP');
    expect((await child.finished).code).toBe(129);
    expect(existsSync(join(processes.folder, 'twice.json'))).toBe(false);
  });
});
