/** The README's programs, run as a reader would: each fenced block that names a file is that file. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const files = [...readme.matchAll(/^```ts file=(\S+)\n([\s\S]*?)^```$/gm)].map(
  ([, name, text]) => [name!, text!] as const,
);
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-readme-'));
  for (const [name, text] of files)
    writeFileSync(
      join(folder, name),
      text.replaceAll(/'handoffjs(\/\w+)?'/g, (_, path = '/index') => JSON.stringify(join(root, `lib${path}.ts`))),
    );
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
});
afterAll(() => rmSync(folder, { recursive: true }));

it.each(files.filter(([, text]) => text.includes('console.log(')))('%s prints what it says', async (name, text) => {
  const [, promised] = /console\.log\(.*\);\s+\/\/ (.*)$/m.exec(text)!;
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, name)]);
  expect(stdout.trim()).toBe(promised);
});

it('compiles', async () => {
  const config = join(folder, 'tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
        typeRoots: [join(root, 'node_modules/@types')],
      },
      include: [],
      exclude: [],
      files: files.map(([name]) => join(folder, name)),
    }),
  );
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    config,
  ]).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});
