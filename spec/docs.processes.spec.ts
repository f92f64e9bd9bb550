/**
 * The programs of README.md and of the docs, run as a reader would: each fenced block that names a file is that file.
 * The files of a page are in one folder, with those of the README that the page does not have itself.
 */
import { execFile } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const shared = filesOf('README.md');
const pages = ['README.md', ...globSync('.github/docs/**/*.md', { cwd: root }).sort()].map((page) => ({
  page,
  name: page.replaceAll(/\W+/g, '-'),
  files: filesOf(page),
}));
const programs = pages.flatMap(({ page, name, files }) =>
  [...files].filter(([, text]) => text.includes('Handoff.start(')).map(([file, text]) => ({ page, name, file, text })),
);
let folder = '';

function filesOf(page: string): ReadonlyMap<string, string> {
  const text = readFileSync(join(root, page), 'utf8');
  return new Map([...text.matchAll(/^```\w+ file=(\S+)\n([\s\S]*?)^```$/gm)].map(([, name, code]) => [name!, code!]));
}

/** What the program prints, by the comments behind its `console.log`. */
function promisedBy(text: string): string {
  return [...text.matchAll(/console\.log\(.*\);\s+\/\/ (.*)$/gm)].map(([, line]) => line).join('\n');
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff docs ä ')); // as paths of users are, too
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const { name, files } of pages) {
    mkdirSync(join(folder, name));
    for (const [file, text] of new Map([...shared, ...files]))
      writeFileSync(
        join(folder, name, file),
        text.replaceAll(/'handoffjs(\/\w+)?'/g, (_, path = '/index') => JSON.stringify(join(root, `lib${path}.ts`))),
      );
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.concurrent('a program of the docs prints what it says', () => {
  it.each(programs)('$page: $file', async ({ name, file, text }) => {
    const promised = promisedBy(text);
    expect(promised, 'a program shows what it does by console.log(…); // and what that prints').not.toBe('');
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: join(folder, name) });
    expect(stdout.trim()).toBe(promised);
  });
});

it('all files compile', async () => {
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
      files: pages.flatMap(({ name, files }) => [...files.keys()].map((file) => join(folder, name, file))),
    }),
  );
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    config,
  ]).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});
