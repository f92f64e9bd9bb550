/** `handoff init` writes a project that runs, passes its tests and compiles. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../../support/cli.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const command = join(root, 'lib/cli/main.ts');
let around = '';
let project = '';

/** What an installed package gives, by references to the unbuilt library. */
function install(folder: string): void {
  const home = join(folder, 'node_modules/handoffjs');
  mkdirSync(home, { recursive: true });
  writeFileSync(
    join(home, 'package.json'),
    JSON.stringify({ name: 'handoffjs', type: 'module', exports: './index.js', types: './index.d.ts' }),
  );
  const library = JSON.stringify(join(root, 'lib/index.ts'));
  writeFileSync(join(home, 'index.js'), `export * from ${library};\n`);
  writeFileSync(join(home, 'index.d.ts'), `export * from ${library};\n`);
}

function node(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, args, { cwd: project, env: { ...process.env, NO_COLOR: '1' } });
}

beforeAll(async () => {
  around = mkdtempSync(join(tmpdir(), 'handoff-init-'));
  project = join(around, 'My words ä');
  const { code, stdout, stderr } = await cli('init', project);
  expect(code, stderr).toBe(0);
  expect(stdout.trim().split('\n').sort()).toEqual(
    readdirSync(project)
      .map((file) => join(project, file))
      .sort(),
  );
  install(project);
});
afterAll(() => rmSync(around, { recursive: true }));

describe.concurrent('the project of handoff init', () => {
  it('runs, as a program and by the command', async () => {
    writeFileSync(join(project, 'words.txt'), 'to be or not to be');
    expect((await node('main.ts', 'words.txt')).stdout).toBe('2 × be\n2 × to\n1 × not\n1 × or\n');
    const { stdout } = await node(command, 'run', 'pipeline.ts', '--json', '--no-progress', '--', 'words.txt');
    expect(JSON.parse(stdout).results.top[0]).toEqual(['be', 2]);
  });

  it('passes its tests', async () => {
    const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
    expect(scripts.test).toBe('node --test');
    expect((await node('--test')).stdout).toMatch(/^(ℹ|#) pass 3$/m);
  });

  it('has a name that npm accepts, and depends on this version', () => {
    const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({ name: 'my-words', dependencies: { handoffjs: `^${version}` } });
  });

  it('compiles with its own options', async () => {
    const types = ['--typeRoots', join(root, 'node_modules/@types'), '--rewriteRelativeImportExtensions', 'false'];
    const { stdout } = await node(
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      '.',
      '--skipLibCheck',
      ...types,
    ).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  });
});

it('nothing is written where a file of the project exists already, and the error names it', async () => {
  const taken = join(around, 'taken');
  mkdirSync(taken);
  writeFileSync(join(taken, 'tasks.ts'), 'mine');
  const { code, stdout, stderr } = await cli('init', taken);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('tasks.ts already, and nothing was written');
  expect(readdirSync(taken)).toEqual(['tasks.ts']);
  expect(readFileSync(join(taken, 'tasks.ts'), 'utf8')).toBe('mine');
});

it('a folder that cannot be made is an error that names the file', async () => {
  const blocked = join(around, 'blocked');
  writeFileSync(blocked, '');
  const { code, stderr } = await cli('init', join(blocked, 'inside'));
  expect(code).toBe(1);
  expect(stderr).toContain('package.json cannot be written');
});
