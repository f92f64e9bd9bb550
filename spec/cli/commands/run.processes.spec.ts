import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from '../../../lib/cli/commands/run.ts';
import { Handoff } from '../../../lib/index.ts';
import type { RunSummary } from '../../../lib/report/summary.ts';
import { checkTrace } from '../../report/trace-format.ts';
import { cli, type Finished, fixture, startCli } from '../../support/cli.ts';
import { command } from '../../support/command-server.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('handoff run', () => {
  it('prints the outputs on stdout, and progress on stderr, a line a function', async () => {
    const { code, stdout, stderr } = await cli('run', fixture('pipeline.ts'));
    expect(code).toBe(0);
    expect(stdout).toBe("sum: 6\nmap: Map(1) { 'big' => 10n }\n");
    expect(stderr).toMatch(/^\[\d\/8\] sum on local in \d+ ms$/m);
    expect(stderr).toMatch(/8 functions in .* on local \(8\)/);
    expect(stderr).not.toContain('\u001b');
  });

  it('prints the results of functions without dependents, for a plain DAG', async () => {
    const { code, stdout } = await command('run', fixture('struct.ts'), '--no-progress');
    expect(code).toBe(0);
    expect(stdout).toBe('b: 2\nc: 2\n');
  });

  it('prints JSON, and passes arguments on', async () => {
    const { stdout, stderr } = await command(
      'run',
      fixture('pipeline.ts'),
      '--json',
      '--no-progress',
      '--nodes',
      'x:cpu=1;y:cpu=1,threads=2',
      '--',
      '5',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      dagId: 'pipeline',
      results: { sum: 20, map: [['big', '10']] },
      stats: { functions: 12, retries: 0 },
    });
    expect(
      Object.values((JSON.parse(stdout) as { allocations: Record<string, string> }).allocations).every(
        (node) => node === 'x' || node === 'y',
      ),
    ).toBe(true);
    expect(stderr).toBe('');
  });

  it('keeps stdout for results: what functions print goes to stderr', async () => {
    const { stdout, stderr } = await command('run', fixture('printing.ts'), '--no-progress');
    expect(stdout).toBe('the result\n');
    expect(stderr).toContain('printed by the function');
    expect(stderr).toContain('written by the function');
    expect(stderr).toContain('chatty#1: logged { n: 1 }');
  });

  it('prefixes each line that a function logs or prints with the function', async () => {
    const { stderr } = await cli('run', fixture('printing.ts'), '--no-progress');
    expect(stderr).toBe(
      'chatty#1: printed by the function\nchatty#1: written by the function\nchatty#1: logged { n: 1 }\n',
    );
  });

  it('with --log grouped prints the lines of a function together, although functions run at the same time', async () => {
    const { code, stderr } = await command(
      'run',
      fixture('alternating.ts'),
      '--no-progress',
      '--log',
      'grouped',
      '--nodes',
      'n:cpu=2,threads=2',
    );
    expect(code).toBe(0);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      ...Array.from({ length: 4 }, () => lines[0]!.split(':')[0]),
      ...Array.from({ length: 4 }, () => lines[4]!.split(':')[0]),
    ]);
    expect(new Set(lines)).toEqual(
      new Set(['left', 'right'].flatMap((id) => [0, 1, 2, 3].map((turn) => `${id}: turn ${turn}`))),
    );
  });

  it('with --log none prints nothing that functions log or print', async () => {
    expect(await command('run', fixture('printing.ts'), '--no-progress', '--log', 'none')).toMatchObject({
      code: 0,
      stdout: 'the result\n',
      stderr: '',
    });
  });

  it.each([
    ['well', []],
    ['badly', ['--', 'fail']],
  ])('lets no name and no error touch the terminal or make a line of its own, when it ends %s', async (_, args) => {
    const { stdout, stderr } = await command(
      'run',
      fixture('control-characters.ts'),
      '--nodes',
      'n\u001b[2J\nforged:cpu=1',
      ...args,
    );
    // eslint-disable-next-line no-control-regex -- just those
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(stdout + stderr).not.toMatch(/^forged/m);
    expect(stderr).toMatch(/^speaks.\[2J.forged.1A: out hello$/m);
    expect(stderr).toMatch(/^\[1\/[12]\] speaks.\[2J.forged.1A on n.\[2J.forged in /m);
    if (args.length === 0) expect(stdout).toMatch(/^speaks.\[2J.forged.1A: hello\n$/);
    else expect(stderr).toMatch(/^fails.\[2J.forged.1A failed on n.\[2J.forged, trying again: message forged.?$/m);
  });

  it('prints its results even if stderr is closed', async () => {
    const child = startCli('run', fixture('pipeline.ts'));
    child.closeStderr();
    expect(await child.finished).toMatchObject({ code: 0, stdout: "sum: 6\nmap: Map(1) { 'big' => 10n }\n" });
  });

  it('reports a file that cannot be imported as wrong usage', async () => {
    const file = join(folder, 'broken.ts');
    writeFileSync(file, 'export default {;');
    const { code, stderr } = await cli('run', file);
    expect(code).toBe(2);
    expect(stderr).toContain('broken.ts cannot be imported');
    expect(stderr).not.toContain('node:internal');
  });

  it.each([
    ['at its top level', 'await new Promise(() => {});'],
    ['in the function that it exports', 'export default () => new Promise(() => {});'],
  ])('reports a file that awaits what never happens %s', async (_, text) => {
    const file = join(folder, 'stuck.ts');
    writeFileSync(file, text);
    const { code, stdout, stderr } = await startCli('run', file).finished;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/stuck\.ts waits for something that never happens.+Check what it awaits\.\n$/);
    expect(stderr).not.toContain('Warning');
  });

  it('says how to mend syntax that Node does not strip', async () => {
    const file = join(folder, 'enum.ts');
    writeFileSync(file, 'enum Colour { Red }\nexport default Colour.Red;');
    const { code, stderr } = await command('run', file);
    expect(code).toBe(2);
    expect(stderr).toContain('TypeScript enum is not supported');
    expect(stderr).toContain('Node strips types only. Replace the enum');
  });

  it.each(['--trace', '--summary', '--report'])(
    'refuses a file for %s that cannot be written, before anything runs',
    async (flag) => {
      const { code, stderr } = await command(
        'run',
        fixture('struct.ts'),
        flag,
        join(folder, 'no such folder', 'out.json'),
      );
      expect(code).toBe(2);
      expect(stderr).toMatch(new RegExp(`^${flag}: .*out\\.json cannot be written: ENOENT`));
      expect(stderr).not.toContain('[1/');
    },
  );

  it('writes a trace whose slices and flows are those of the DAG, and a summary', async () => {
    const trace = join(folder, 'trace.json');
    const summary = join(folder, 'summary.json');
    const { code } = await command('run', fixture('struct.ts'), '--trace', trace, '--summary', summary);
    expect(code).toBe(0);
    const { slices, flows } = checkTrace(readFileSync(trace, 'utf8'));
    expect(slices.map(({ name }) => name).toSorted()).toEqual(['a', 'b', 'c', 'run struct']);
    expect(flows.map(({ from, to }) => `${from.name} -> ${to.name}`).toSorted()).toEqual(['a -> b', 'a -> c']);
    const told = JSON.parse(readFileSync(summary, 'utf8')) as RunSummary;
    expect(told).toMatchObject({
      dagId: 'struct',
      ok: true,
      functions: 3,
      done: 3,
      failed: 0,
      retries: 0,
      price: 0,
      bytesFetched: 0,
      nodes: { local: 3 },
      allocations: { a: 'local', b: 'local', c: 'local' },
      names: expect.arrayContaining([expect.objectContaining({ name: 'double', count: 2 })]) as unknown,
      nodeUse: {
        local: {
          functions: 3,
          peakClaimed: { cpu: expect.any(Number) as unknown },
          peakMemoryMb: expect.any(Number) as unknown,
        },
      },
    });
    const { links, afterMs } = told.criticalPath;
    expect(links.reduce((sum, { waitMs, durationMs }) => sum + waitMs + durationMs, afterMs)).toBeCloseTo(
      told.durationMs,
      3,
    );
  });

  it('prints a summary of the run on stderr', async () => {
    const { stderr } = await command('run', fixture('struct.ts'), '--nodes', 'n:cpu=2,threads=2');
    expect(stderr).toMatch(/^3 functions in .* on n \(3\) · \d+ % of 2 threads used$/m);
    expect(stderr).toMatch(/^Critical path: \d functions? that ran .* in between$/m);
    expect(stderr).toMatch(/^ {2}double +2 .* ms .* ms .* ms$/m);
    expect(stderr).toMatch(/^ {2}n +2 +3 .* cpu [12] +\d+ MB$/m);
  });

  it('writes trace, summary and report of a run that failed, too', async () => {
    const [trace, summary, report] = ['trace', 'summary', 'report'].map((name) => join(folder, `failed-${name}`)) as [
      string,
      string,
      string,
    ];
    const { code, stderr } = await command(
      'run',
      fixture('failing.ts'),
      '--trace',
      trace,
      '--summary',
      summary,
      '--report',
      report,
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^0 of 1 functions in .* · 1 failed · .* · 1 retried$/m);
    expect(stderr.indexOf('Critical path')).toBeLessThan(stderr.indexOf('FUNCTION_FAILED'));
    const { slices, instants } = checkTrace(readFileSync(trace, 'utf8'));
    expect(slices.filter(({ cat }) => cat === 'function')).toMatchObject([
      { args: { attempt: 1, error: 'went wrong' } },
      { args: { attempt: 2, error: 'went wrong' } },
    ]);
    expect(instants.map(({ name }) => name)).toEqual(['retry of bad', 'failure of bad']);
    expect(JSON.parse(readFileSync(summary, 'utf8'))).toMatchObject({
      ok: false,
      failed: 1,
      retries: 1,
      criticalPath: { links: [{ functionId: 'bad', attempts: 2, since: 'retry' }] },
      error: { code: 'FUNCTION_FAILED' },
    });
    expect(readFileSync(report, 'utf8')).toContain('went wrong');
  });

  describe('that does not begin', () => {
    const flags = ['trace', 'summary', 'report'] as const;
    const named = (name: string): string[] => flags.map((flag) => join(folder, `${name}-${flag}`));
    const asked = (paths: readonly string[]): string[] => flags.flatMap((flag, k) => [`--${flag}`, paths[k]!]);

    it('leaves no files but a summary with the error', async () => {
      const paths = named('refused');
      const { code, stderr } = await command('run', fixture('struct.ts'), '--nodes', 'a:memory=1', ...asked(paths));
      expect(code).toBe(2);
      expect(stderr).toMatch(/^ALLOCATION_ERROR[^\n]*\n$/);
      expect(paths.map((path) => existsSync(path))).toEqual([false, true, false]);
      expect(JSON.parse(readFileSync(paths[1]!, 'utf8'))).toMatchObject({
        dagId: 'struct',
        ok: false,
        error: { code: 'ALLOCATION_ERROR' },
      });
    });

    it('leaves no files at all when there is no DAG', async () => {
      const paths = named('nothing');
      expect((await command('run', fixture('not-a-dag.ts'), ...asked(paths))).code).toBe(2);
      expect(paths.filter((path) => existsSync(path))).toEqual([]);
    });

    it('leaves no file when one of them cannot be written', async () => {
      const [trace] = named('half');
      expect(
        (await command('run', fixture('struct.ts'), '--trace', trace!, '--report', join(folder, 'no such folder', 'x')))
          .code,
      ).toBe(2);
      expect(existsSync(trace!)).toBe(false);
    });

    it('keeps existing files, and says so', async () => {
      const paths = named('old');
      for (const path of paths) writeFileSync(path, 'old');
      const { stderr } = await command('run', fixture('struct.ts'), '--nodes', 'a:memory=1', ...asked(paths));
      expect(stderr).toContain(`--trace: nothing was written; ${paths[0]} still holds its old content.\n`);
      expect(stderr).toContain(`--report: nothing was written; ${paths[2]} still holds its old content.\n`);
      expect(stderr).not.toContain('--summary');
      expect([0, 2].map((k) => readFileSync(paths[k]!, 'utf8'))).toEqual(['old', 'old']);
    });

    it('stops the nodes that it started when the DAG cannot be read', async () => {
      const start = vi.spyOn(Handoff, 'start');
      await expect(run(fixture('odd.ts'), [], { progress: true, log: 'stream' })).rejects.toThrow(
        'not to be looked at',
      );
      const handoff = (await start.mock.results[0]!.value) as Handoff;
      start.mockRestore();
      const error = await errorOf(handoff.execute(dagOf({ id: 'a', code: t.one })));
      await handoff.stop();
      expect(error).toMatchObject({ code: 'STOPPED' });
    });

    it('says why without a stack, when no function caused it', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      const { code, stderr } = await command('run', fixture('struct.ts'), '--listen', `127.0.0.1:${port}`);
      await new Promise((resolve) => server.close(resolve));
      expect(code).toBe(2);
      expect(stderr).toMatch(
        new RegExp(
          `^INVALID_OPTION: [^\\n]*127\\.0\\.0\\.1:${port}[^\\n]*EADDRINUSE[^\\n]*\\n  Given by --listen\\.\\n$`,
        ),
      );
    });
  });

  it('writes a report that is one page', async () => {
    const report = join(folder, 'report.html');
    const { code, stderr } = await command('run', fixture('names.ts'), '--no-progress', '--report', report);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const html = readFileSync(report, 'utf8');
    expect(html).toMatch(/^<!doctype html>/i);
    expect(html).not.toContain('<script>alert');
    expect(html).not.toMatch(/src="(?!data:)|href="(?!data:|#)/);
  });

  it('exits with 1 when a function fails, with its stack', async () => {
    const { code, stdout, stderr } = await cli('run', fixture('failing.ts'));
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('bad failed on local, trying again: went wrong');
    expect(stderr).toContain('FUNCTION_FAILED: Function "bad" failed after 2 attempts on node local: went wrong');
    expect(stderr).toContain('fixtures/tasks.ts');
  });

  it.each([
    ['a graph that is not valid', [fixture('cyclic.ts')], 'a -> b -> a'],
    ['a file that is not there', ['nope.ts'], 'The file nope.ts does not exist'],
    ['no default export', [fixture('no-default.ts')], 'no default export'],
    ['a default export that is no DAG', [fixture('not-a-dag.ts')], 'must be a DAG, got 42'],
    ['a function that returns no DAG', [fixture('returns-no-dag.ts')], 'returns-no-dag.ts returns must be a DAG, got'],
    [
      'a time limit that is no number',
      [fixture('struct.ts'), '--timeout', 'soon'],
      'Give digits, such as --timeout 1000',
    ],
    ['a capability that stands twice', [fixture('struct.ts'), '--nodes', 'a:cpu=1,cpu=2'], '--nodes: cpu stands twice'],
    ['a bad --nodes', [fixture('struct.ts'), '--nodes', 'a:cpu'], 'cpu'],
    ['a node without a name', [fixture('struct.ts'), '--nodes', ':cpu=1'], 'no name'],
    ['a strategy that does not exist', [fixture('struct.ts'), '--strategy', 'best'], 'Given by --strategy.'],
    ['nodes on which it cannot run', [fixture('struct.ts'), '--nodes', 'a:memory=1'], 'ALLOCATION_ERROR'],
    [
      'an unknown --log',
      [fixture('struct.ts'), '--log', 'some'],
      '--log: "some" is not a mode. Modes: stream, grouped, none.',
    ],
    ['an unknown option', [fixture('struct.ts'), '--node', 'a:cpu=1'], '--nodes'],
    ['an unknown option', ['--nope'], 'handoff run --help'],
    ['the name of another library', [fixture('struct.ts'), '--retries', '2'], 'Did you mean --max-retries?'],
    ['no file', [], 'file'],
  ])('exits with 2 for %s', async (_, args, mention) => {
    const { code, stdout, stderr } = await command('run', ...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(mention);
  });
});

describe('Ctrl-C', () => {
  let gate = '';
  beforeEach(() => void (gate = join(mkdtempSync(join(folder, 'gate-')), 'open')));

  /** Interrupts a run while its first function runs, which then ends. */
  async function interrupted(signal: NodeJS.Signals, ...flags: string[]): Promise<Finished> {
    const child = startCli('run', fixture('slow.ts'), gate, ...flags);
    await child.said('running');
    child.kill(signal);
    await child.said('Running functions finish');
    writeFileSync(gate, '');
    return child.finished;
  }

  it('still writes the requested files', async () => {
    const [trace, summary, report] = ['trace', 'summary', 'report'].map((name) =>
      join(folder, `interrupted-${name}`),
    ) as [string, string, string];
    const files = ['--trace', trace, '--summary', summary, '--report', report];
    expect((await interrupted('SIGINT', '--no-progress', ...files)).code).toBe(130);
    expect(checkTrace(readFileSync(trace, 'utf8')).slices.filter(({ cat }) => cat === 'function')).toMatchObject([
      { name: 'slow#1' },
    ]);
    expect(JSON.parse(readFileSync(summary, 'utf8'))).toMatchObject({
      ok: false,
      done: 1,
      functions: 2,
      error: { code: 'STOPPED' },
    });
    expect(readFileSync(report, 'utf8')).toContain('slow#1');
  });

  it('lets running functions finish, starts no more, and says so', async () => {
    const { code, stdout, stderr } = await interrupted('SIGINT');
    expect(code).toBe(130);
    expect(stderr).toContain('Running functions finish');
    expect(stderr).not.toContain('after runs');
    expect(stderr).toContain('1 of 2 functions in ');
    expect(stdout).toBe('');
  });

  it('a second time ends at once, and leaves no empty file', async () => {
    const trace = join(folder, 'ended-at-once');
    const child = startCli('run', fixture('slow.ts'), '--trace', trace);
    await child.said('running');
    child.kill('SIGINT');
    await child.said('Running functions finish');
    child.kill('SIGINT');
    expect((await child.finished).code).toBe(130);
    expect(existsSync(trace)).toBe(false);
  });

  it('as SIGTERM exits with 143', async () => {
    expect((await interrupted('SIGTERM')).code).toBe(143);
  });
});
