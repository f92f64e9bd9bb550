/** What a Node hears that is too old. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { oldestNode, refusalOf } from '../../lib/core/node-version.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

it('the oldest Node is the one that package.json names', () => {
  expect(`>=${oldestNode.replace(/\.0$/, '')}`).toBe(manifest.engines.node);
});

it.each([
  ['22.18.0', true],
  ['22.17.9', false],
  ['20.20.2', false],
  ['18.0.0', false],
  ['23.0.0', true],
  ['24.1.0', true],
  ['100.0.0', true],
  ['24.0.0-nightly2025', true],
])('Node %s: %s', (version, isFine) => {
  expect(refusalOf(version)).toBe(
    isFine ? undefined : `handoffjs needs Node 22.18 or newer, and this is Node ${version}.`,
  );
});

/** A Node on this machine that is too old, if there is one. */
const old = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
  const { status, stdout } = spawnSync(path, ['-v'], { encoding: 'utf8' });
  return status === 0 && refusalOf(stdout.trim().slice(1)) !== undefined;
});

describe.skipIf(old === undefined)('an old Node', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(root, 'node_modules/.old-node-'));
    execFileSync(process.execPath, [
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      join(root, 'lib'),
      '--outDir',
      join(folder, 'dist'),
    ]);
    cpSync(join(root, 'package.json'), join(folder, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(Object.keys(manifest.exports).filter((name) => name !== './package.json'))(
    'is refused by import of %s, in one sentence',
    (name) => {
      const { status, stderr } = spawnSync(
        old!,
        [
          '-e',
          `import('handoffjs${name.slice(1)}').then(() => process.exit(0), (error) => { console.error(error.message); process.exit(3); })`,
        ],
        { cwd: folder, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
      );
      expect(stderr).toMatch(/^handoffjs needs Node 22\.18 or newer, and this is Node \d+\.\d+\.\d+\.\n$/);
      expect(status).toBe(3);
    },
  );

  it('is refused by the command, which says nothing else', () => {
    const { status, stdout, stderr } = spawnSync(old!, [join(folder, manifest.bin.handoff), 'run', 'x.js'], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    expect(stderr).toMatch(/^handoffjs needs Node 22\.18 or newer, and this is Node \d+\.\d+\.\d+\.\n$/);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});
