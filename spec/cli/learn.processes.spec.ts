import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CostModelJson, LearnedCode } from '../../lib/engine/costs/cost-json.ts';
import { cli, fixture } from '../support/cli.ts';
import { command } from '../support/command-server.ts';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
  file = join(folder, 'costs.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What the file holds of the code of some functions of the DAG. */
function learned(name: string): LearnedCode {
  const { codes } = JSON.parse(readFileSync(file, 'utf8')) as CostModelJson;
  return Object.entries(codes).find(([key]) => key.endsWith(`/fixtures/tasks.ts#${name}`))![1];
}

describe('--cost-model', () => {
  it('keeps the durations that runs measure, and plans use them', async () => {
    const run = (): ReturnType<typeof cli> => cli('run', fixture('pipeline.ts'), '--cost-model', file, '--no-progress');
    expect(await run()).toMatchObject({ code: 0, stdout: "sum: 6\nmap: Map(1) { 'big' => 10n }\n", stderr: '' });
    expect(learned('double').ms?.count).toBe(3);
    expect((await run()).code).toBe(0);
    expect(learned('double').ms?.count).toBe(6);
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
    const { ms, functions } = learned('double');
    // A busy machine can make one function so slow that it is kept apart from the others of its code.
    expect(finish - start).toBeCloseTo((functions?.['double#1']?.ms ?? ms)!.mean, 9);
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
