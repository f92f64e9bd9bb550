import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, fixture } from '../support/cli.ts';
import { command } from '../support/command-server.ts';

let folder = '';
let file = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
  file = join(folder, 'costs.json');
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Costs {
  readonly codes: Readonly<Record<string, { readonly ms: { readonly mean: number; readonly count: number } }>>;
}

/** What a file holds of a function of the DAG. */
function learned(name: string): { readonly mean: number; readonly count: number } {
  const { codes } = JSON.parse(readFileSync(file, 'utf8')) as Costs;
  return Object.entries(codes).find(([key]) => key.endsWith(`/fixtures/tasks.ts#${name}`))![1].ms;
}

describe('--cost-model', () => {
  it('keeps the durations that runs measure, and plans use them', async () => {
    const run = (): ReturnType<typeof cli> => cli('run', fixture('pipeline.ts'), '--cost-model', file, '--no-progress');
    expect(await run()).toMatchObject({ code: 0, stdout: "sum: 6\nmap: Map(1) { 'big' => 10n }\n", stderr: '' });
    expect(learned('double').count).toBe(3);
    expect((await run()).code).toBe(0);
    expect(learned('double').count).toBe(6);
    const { stdout } = await command(
      'plan',
      fixture('pipeline.ts'),
      '--cost-model',
      file,
      '--json',
      '--nodes',
      'a:cpu=1',
    );
    const { schedule } = JSON.parse(stdout) as { schedule: { functionId: string; start: number; finish: number }[] };
    const { start, finish } = schedule.find(({ functionId }) => functionId === 'double#1')!;
    expect(finish - start).toBeCloseTo(learned('double').mean, 9);
  });

  it('refuses a file with other content, and keeps it', async () => {
    const other = join(folder, 'other.json');
    writeFileSync(other, '{}');
    const { code, stdout, stderr } = await command(
      'run',
      fixture('pipeline.ts'),
      '--cost-model',
      other,
      '--no-progress',
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`${other} is no cost model: it is no handoff-cost-model`);
    expect(readFileSync(other, 'utf8')).toBe('{}');
  });

  it('refuses a file that could not be written, before anything runs', async () => {
    const { code, stdout, stderr } = await command(
      'run',
      fixture('pipeline.ts'),
      '--cost-model',
      join(folder, 'no such folder', 'costs.json'),
      '--no-progress',
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('cannot be written there');
    expect(existsSync(join(folder, 'no such folder'))).toBe(false);
  });
});
