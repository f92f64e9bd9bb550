/** Task modules in TypeScript, whose types one thread strips for all others. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

vi.setConfig({ testTimeout: 120_000 });

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'typed-'));
  writeFileSync(join(folder, 'helper.ts'), `export const helped: string = 'kept by the helper';`);
  writeFileSync(
    join(folder, 'tasks.ts'),
    `import { helped } from './helper.ts';
    type Text = string;
    export const text = (): Text => 'kept by the module, ' + helped;
    export const fails = (): never => { throw new Error('it fails'); };`,
  );
  writeFileSync(join(folder, 'plain.js'), `export { text } from './tasks.ts';`);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a program with a folder for temporary files, and gives what it prints. */
async function run(module: string, temporary: string): Promise<string> {
  const program = `
    import { Dag, Handoff, tasks } from ${JSON.stringify(new URL('../../../lib/index.ts', import.meta.url).href)};
    const t = tasks(new URL(${JSON.stringify(`file://${folder}/${module}`)}));
    await using handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: {}, threads: 2 }] });
    console.log((await handoff.execute(new Dag().add({ id: 'x', code: t.text }))).results.x);
    if (${JSON.stringify(module)} === 'tasks.ts')
      await handoff.execute(new Dag().add({ id: 'x', code: t.fails })).catch((error) => console.log(error.cause.stack));`;
  const { NODE_COMPILE_CACHE: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...env, TMPDIR: temporary, NODE_OPTIONS: '' }, // without the bundle of the specs
  });
  return stdout;
}

/** All that was written to a folder, as text. */
const writtenTo = (place: string): string =>
  readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');

it.each(['tasks.ts', 'plain.js'])(
  'the stripped text of %s and what it imports is kept for all threads',
  async (module) => {
    const temporary = mkdtempSync(join(tmpdir(), 'cache-'));
    expect(await run(module, temporary)).toContain('kept by the module, kept by the helper');
    const written = writtenTo(temporary);
    expect(written).toContain("'kept by the module, '");
    expect(written).toContain("'kept by the helper'");
    rmSync(temporary, { recursive: true });
  },
);

it('errors name the line and the column that were written', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'cache-'));
  for (let round = 0; round < 2; round++) expect(await run('tasks.ts', temporary)).toMatch(/tasks\.ts:4:47/);
  rmSync(temporary, { recursive: true });
});

it('a read-only cache folder does no harm', async () => {
  expect(await run('tasks.ts', join(folder, 'helper.ts'))).toContain('kept by the module, kept by the helper');
});
