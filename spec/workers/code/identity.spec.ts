/** Code has one identity: what it and all that it imports hold, wherever it lies. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { identify } from '../../../lib/workers/code/identity.ts';
import { firstChanged } from '../../../lib/workers/code/file-mark.ts';
import { specifiersIn } from '../../../lib/workers/code/source-file.ts';

const root = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const project: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "app", "type": "module", "imports": { "#units": "./shared/units.js" } }',
  'src/tasks.ts':
    'import { a } from "./a.ts";\nexport * from \'../shared/b.js\';\nimport data from "./data.json" with { type: "json" };\nimport { z } from "dependency/deep";\nimport "node:fs";\nexport const one = (): unknown => [a, data, z];\n',
  'src/a.ts':
    'import type { T } from "./types.ts";\nimport "./tasks.ts";\nexport const a: T = 1;\nexport const lazy = () => import(/* later */ "./lazy.ts");\n',
  'src/types.ts': 'export type T = number;\n',
  'src/lazy.ts': 'export const lazy = 1;\n',
  'src/data.json': '{ "n": 1 }',
  'shared/b.js':
    'import { unit } from "#units";\nimport legacy from "./legacy.cjs";\nexport const b = [unit, legacy];\n',
  'shared/units.js': 'export const unit = 1;\n',
  'shared/legacy.cjs': 'const inner = require("./inner");\nmodule.exports = { inner };\n',
  'shared/inner.cjs': 'exports.x = 1;\n',
  'src/beside.ts': 'export const nobody = 1;\n',
  'node_modules/dependency/package.json':
    '{ "name": "dependency", "version": "1.2.3", "type": "module", "exports": { "./deep": "./deep.js" } }',
  'node_modules/dependency/deep.js': 'export const z = 1;\n',
  'packages/own/package.json': '{ "name": "own", "version": "1.0.0", "type": "module", "exports": "./index.js" }',
  'packages/own/index.js': 'export const own = 1;\n',
  'src/uses-own.ts': 'import { own } from "own";\nexport const one = () => own;\n',
};

let made = 0;
function folder(changes: Readonly<Record<string, string>> = {}): string {
  const at = join(root, String(++made));
  for (const [name, text] of Object.entries({ ...project, ...changes })) {
    mkdirSync(dirname(join(at, name)), { recursive: true });
    writeFileSync(join(at, name), text);
  }
  symlinkSync('../packages/own', join(at, 'node_modules/own'));
  return at;
}
const hashIn = (at: string, file = 'src/tasks.ts'): string => identify(pathToFileURL(join(at, file)).href).hash;

describe('the identity of a module', () => {
  const same = hashIn(folder());

  it('is the same wherever it lies, and through a link', () => {
    const at = folder();
    expect(hashIn(at)).toBe(same);
    const copy = join(root, 'copy');
    cpSync(at, copy, { recursive: true });
    expect(hashIn(copy)).toBe(same);
    symlinkSync(copy, join(root, 'link'));
    expect(hashIn(join(root, 'link'))).toBe(same);
  });

  it.each([
    'src/tasks.ts',
    'src/a.ts',
    'src/lazy.ts',
    'src/data.json',
    'shared/b.js',
    'shared/units.js',
    'shared/legacy.cjs',
    'shared/inner.cjs',
  ])('is another when %s is', (file) => expect(hashIn(folder({ [file]: `${project[file]} ` }))).not.toBe(same));

  it('changes with the version of a package, but not with a single file of it', () => {
    expect(
      hashIn(
        folder({
          'node_modules/dependency/package.json': project['node_modules/dependency/package.json']!.replace(
            '1.2.3',
            '1.2.4',
          ),
        }),
      ),
    ).not.toBe(same);
    expect(hashIn(folder({ 'node_modules/dependency/deep.js': 'export const z = 2;\n' }))).toBe(same);
  });

  it('does not depend on neighbouring files', () => {
    expect(hashIn(folder({ 'src/beside.ts': 'export const other = 2;\n' }))).toBe(same);
  });

  it('changes with a package of the project itself', () => {
    expect(hashIn(folder({ 'packages/own/index.js': 'export const own = 2;\n' }), 'src/uses-own.ts')).not.toBe(
      hashIn(folder(), 'src/uses-own.ts'),
    );
  });

  it('of a package is its name and version', () => {
    const [first, other] = [folder(), folder({ 'node_modules/dependency/deep.js': 'export const z = 3;\n' })];
    expect(hashIn(first, 'node_modules/dependency/deep.js')).toBe(hashIn(other, 'node_modules/dependency/deep.js'));
  });

  it('needs no import to be there', () => {
    expect(() =>
      hashIn(
        folder({
          'src/a.ts': 'import "./absent.ts"; import "no-such-package"; import "#nothing"; import `./x`; require("")',
        }),
      ),
    ).not.toThrow();
  });
});

describe('the identity of modules of any length', () => {
  const long = `export const text = '${'é'.repeat(20_000)}';\n`;
  const withA = (text: string): string => folder({ 'src/a.ts': text });

  it.each([
    ['short', 'export const a = 1;\n', 'export const a = 2;\n'],
    ['long', long, long.replace('é', 'è')],
  ])('is of its bytes when it is %s, and so is what has changed', (_, text, other) => {
    const at = withA(text);
    expect(hashIn(withA(text))).toBe(hashIn(at));
    expect(hashIn(withA(other))).not.toBe(hashIn(at));
    const { files } = identify(pathToFileURL(join(at, 'src/a.ts')).href);
    utimesSync(join(at, 'src/a.ts'), 1, 1);
    expect(firstChanged(files)).toBeUndefined();
    writeFileSync(join(at, 'src/a.ts'), other);
    expect(firstChanged(files)).toBe(join(at, 'src/a.ts'));
  });

  it('is that of the first use, although it is requested later', () => {
    const at = withA('export const a = 1;\n');
    const identity = identify(pathToFileURL(join(at, 'src/tasks.ts')).href);
    writeFileSync(join(at, 'src/a.ts'), 'export const a = 2;\n');
    expect(identity.hash).toBe(hashIn(withA('export const a = 1;\n')));
  });
});

describe('a changed file', () => {
  it('has other content or is gone, and was not only touched', () => {
    const at = folder();
    const { files } = identify(pathToFileURL(join(at, 'src/tasks.ts')).href);
    expect(firstChanged(files)).toBeUndefined();
    utimesSync(join(at, 'src/a.ts'), 1, 1);
    expect(firstChanged(files)).toBeUndefined();
    writeFileSync(join(at, 'shared/inner.cjs'), 'exports.x = 2;\n');
    expect(firstChanged(files)).toBe(join(at, 'shared/inner.cjs'));
    rmSync(join(at, 'src/a.ts'));
    expect(firstChanged(files.filter(({ path }) => path.endsWith('a.ts')))).toBe(join(at, 'src/a.ts'));
  });
});

describe('imports in a text', () => {
  it.each([
    ['import a from "./a"', './a'],
    ["import{a}from'./a';", './a'],
    ['import"./a"', './a'],
    ['export*from"./a"', './a'],
    ['export { a } from /* b */ "./a"', './a'],
    ['await import( // c\n  "./a")', './a'],
    ['import(`./a`)', './a'],
    ['const a = require ( "./a" )', './a'],
    ['import a = require("./a");', './a'],
    ['import type { A } from "./a"', './a'],
  ])('%s', (text, specifier) => expect(specifiersIn(text)).toEqual([specifier]));

  it.each([
    'import.meta.url',
    'const from = 1',
    'import(`./${name}`)',
    'important("./a")',
    'Array.from([1], () => "./a")',
  ])('none in %s', (text) => expect(specifiersIn(text)).toEqual([]));

  it('are found fast in texts with unclosed strings and comments', () => {
    for (const text of [
      'from'.repeat(1e5),
      `import ${'/*'.repeat(1e5)}`,
      `import ${'//\n'.repeat(1e5)}`,
      `from ${' '.repeat(1e5)}`,
    ])
      expect(specifiersIn(text)).toEqual([]);
  });
});
