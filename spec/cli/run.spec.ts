import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, fixture, startCli } from '../support/cli.ts';

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

  it('prints what no function depends on, of a plain DAG', async () => {
    const { code, stdout } = await cli('run', fixture('struct.ts'), '--no-progress');
    expect(code).toBe(0);
    expect(stdout).toBe('b: 2\nc: 2\n');
  });

  it('prints JSON, and passes arguments on', async () => {
    const { stdout, stderr } = await cli('run', fixture('pipeline.ts'), '--json', '--no-progress', '--nodes', 'x:cpu=1;y:cpu=1,threads=2', '--', '5');
    expect(JSON.parse(stdout)).toMatchObject({ dagId: 'pipeline', results: { sum: 20, map: [['big', '10']] }, stats: { functions: 12, retries: 0 } });
    expect(Object.values((JSON.parse(stdout) as { allocations: Record<string, string> }).allocations).every((node) => node === 'x' || node === 'y')).toBe(true);
    expect(stderr).toBe('');
  });

  it('keeps stdout for results: what functions print goes to stderr', async () => {
    const { stdout, stderr } = await cli('run', fixture('printing.ts'), '--no-progress');
    expect(stdout).toBe('the result\n');
    expect(stderr).toContain('printed by the function');
    expect(stderr).toContain('written by the function');
    expect(stderr).toContain('chatty#1: logged { n: 1 }');
  });

  it('prints its results though nobody reads its progress', async () => {
    const child = startCli('run', fixture('pipeline.ts'));
    child.closeStderr();
    expect(await child.finished).toMatchObject({ code: 0, stdout: "sum: 6\nmap: Map(1) { 'big' => 10n }\n" });
  });

  it('tells of a file that cannot be imported as wrong usage', async () => {
    const file = join(folder, 'broken.ts');
    writeFileSync(file, 'export default {;');
    const { code, stderr } = await cli('run', file);
    expect(code).toBe(2);
    expect(stderr).toContain('broken.ts cannot be imported');
  });

  it.each(['--trace', '--summary'])('refuses a file for %s that cannot be written, before anything runs', async (flag) => {
    const { code, stderr } = await cli('run', fixture('struct.ts'), flag, join(folder, 'no such folder', 'out.json'));
    expect(code).toBe(2);
    expect(stderr).toMatch(new RegExp(`^${flag}: .*out\\.json cannot be written: ENOENT`));
    expect(stderr).not.toContain('[1/');
  });

  it('writes a trace whose slices and flows are those of the DAG, and a summary', async () => {
    const trace = join(folder, 'trace.json');
    const summary = join(folder, 'summary.json');
    const { code } = await cli('run', fixture('struct.ts'), '--trace', trace, '--summary', summary);
    expect(code).toBe(0);
    const { traceEvents } = JSON.parse(readFileSync(trace, 'utf8')) as { traceEvents: { ph: string; name: string; ts: number; dur: number; id: number }[] };
    expect(traceEvents.filter(({ ph }) => ph === 'X').map(({ name }) => name).sort()).toEqual(['a', 'b', 'c']);
    expect(traceEvents.every(({ ts }) => ts >= 0)).toBe(true);
    expect(traceEvents.filter(({ ph }) => ph === 's').map(({ id }) => id)).toEqual(traceEvents.filter(({ ph }) => ph === 'f').map(({ id }) => id));
    expect(traceEvents.filter(({ ph }) => ph === 's')).toHaveLength(2);
    expect(JSON.parse(readFileSync(summary, 'utf8'))).toMatchObject({ dagId: 'struct', ok: true, functions: 3, nodes: { local: 3 } });
  });

  it('exits with 1 when a function fails, with its stack', async () => {
    const { code, stdout, stderr } = await cli('run', fixture('failing.ts'));
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('bad failed on local, trying again: went wrong');
    expect(stderr).toContain('FUNCTION_FAILED: Function "bad" failed on node local after 2 attempts: went wrong');
    expect(stderr).toContain('fixtures/tasks.ts');
  });

  it.each([
    ['a graph that is not valid', [fixture('cyclic.ts')], 'a -> b -> a'],
    ['a file that is not there', ['nope.ts'], 'There is no file nope.ts'],
    ['no default export', [fixture('no-default.ts')], 'no default export'],
    ['a default export that is no DAG', [fixture('not-a-dag.ts')], 'not a DAG'],
    ['a bad --nodes', [fixture('struct.ts'), '--nodes', 'a:cpu'], 'cpu'],
    ['a node without a name', [fixture('struct.ts'), '--nodes', ':cpu=1'], 'no name'],
    ['a strategy that does not exist', [fixture('struct.ts'), '--strategy', 'best'], 'allocationStrategy'],
    ['nodes on which it cannot run', [fixture('struct.ts'), '--nodes', 'a:memory=1'], 'ALLOCATION_ERROR'],
    ['an unknown option', [fixture('struct.ts'), '--node', 'a:cpu=1'], '--nodes'],
    ['no file', [], 'file'],
  ])('exits with 2 for %s', async (_, args, mention) => {
    const { code, stdout, stderr } = await cli('run', ...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(mention);
  });
});

describe('Ctrl-C', () => {
  it('lets the functions finish that run, starts no other, and says so', async () => {
    const child = startCli('run', fixture('slow.ts'), '300');
    await child.said('running');
    child.kill('SIGINT');
    const { code, stdout, stderr } = await child.finished;
    expect(code).toBe(130);
    expect(stderr).toContain('Finishing the functions that run');
    expect(stderr).not.toContain('after runs');
    expect(stdout).toBe('');
  });

  it('a second time ends at once', async () => {
    const child = startCli('run', fixture('slow.ts'));
    await child.said('running');
    child.kill('SIGINT');
    await child.said('Finishing');
    child.kill('SIGINT');
    expect((await child.finished).code).toBe(130);
  });

  it('as SIGTERM exits with 143', async () => {
    const child = startCli('run', fixture('slow.ts'), '100');
    await child.said('running');
    child.kill('SIGTERM');
    expect((await child.finished).code).toBe(143);
  });
});
