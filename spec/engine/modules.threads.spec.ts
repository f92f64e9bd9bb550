/**
 * What becomes of modules that are not as they were written: built, missing, broken, or with exports that cannot be
 * seen.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FunctionSpec, type HandoffError, tasks } from '../../lib/index.ts';
import { dagOf, errorOf, useHandoff } from '../support/handoff.ts';

const root = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
const folder = join(root, 'app');
const handoff = useHandoff({ nodes: [{ name: 'n', capabilities: { cpu: 1 }, threads: 1 }] });

const files: Record<string, string> = {
  'built.js': 'export const one = () => "built";',
  'unbuilt.ts': 'export const one = (): string => "unbuilt";',
  'bundled.mjs': 'export const one = () => "bundled";',
  'both.ts': 'export const one = (): string => "both.ts";',
  'both.js': 'export const one = () => "both.js";',
  'package.json': '{ "type": "module" }',
  'throws.ts':
    '// the first line\nfunction boom(): never {\n  throw new TypeError("no configuration");\n}\nboom();\nexport const one = 1;\n',
  'throws-text.mjs': 'throw "just text";',
  'exits.mjs': 'process.exit(3);',
  'exits-once.mjs': `import { existsSync, writeFileSync } from 'node:fs';
const mark = new URL('./mark', import.meta.url);
if (!existsSync(mark)) {
  writeFileSync(mark, '');
  process.exit(3);
}
export const one = () => 'second';`,
  'never.mjs': 'await new Promise(() => {});',
  'syntax.mjs': 'export const one = 1;\nexport function two() { let x = ; }\n',
  'syntax.cjs': 'exports.one = 1;\n\nlet x = ;\n',
  'syntax.ts': 'export const one: number = 1;\nexport const two: = 2;\n',
  'enum.ts': 'export const one = 1;\nenum Color { Red }\nexport const red = Color.Red;\n',
  'uses-broken.mjs': 'import "./syntax.mjs";\nexport const one = 1;\n',
  'uses-missing.mjs': 'export const one = 1;\nimport { x } from "./absent.mjs";\n',
  'uses-missing-package.mjs': 'import x from "no-such-package-anywhere";\nexport const one = 1;\n',
  'uses-type.ts': 'import { Shape } from "./built.js";\nexport const one = (shape: Shape): Shape => shape;\n',
  'hidden.cjs': 'const api = { one() { return 1; } };\nmodule.exports = Object.assign({}, api);\n',
  'classes.mjs': 'export class Counter {}\nexport const count = () => 1;\n',
  'hidden-esm.mjs': 'export default { one() { return 1; } };\n',
};
beforeAll(() => {
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const code = (name: string, of = 'one'): NonNullable<FunctionSpec['code']> =>
  tasks<Record<string, () => string>>(pathToFileURL(join(folder, name)))[of]!;
const resultOf = async (name: string): Promise<unknown> =>
  (await handoff().execute(dagOf({ id: 'x', code: code(name) }))).results['x'];
const failure = (name: string, of?: string): Promise<HandoffError> =>
  errorOf(handoff().execute(dagOf({ id: 'x', code: code(name, of) })));

describe('a module that is named by its source file', () => {
  it.each([
    ['built.ts', 'built'],
    ['unbuilt.js', 'unbuilt'],
    ['unbuilt.mjs', 'unbuilt'],
    ['bundled.ts', 'bundled'],
    ['bundled.mts', 'bundled'],
  ])('%s: its counterpart is used when only that is there', async (name, result) =>
    expect(await resultOf(name)).toBe(result),
  );

  it('is used itself when it is there', async () => {
    expect([await resultOf('both.ts'), await resultOf('both.js')]).toEqual(['both.ts', 'both.js']);
  });

  it('keeps the query of its address', async () => {
    const url = new URL('built.ts?version=2', pathToFileURL(`${folder}/`));
    expect((await handoff().execute(dagOf({ id: 'x', code: tasks<{ one(): string }>(url).one }))).results).toEqual({
      x: 'built',
    });
  });
});

describe('a missing module', () => {
  it('is FUNCTION_NOT_FOUND with the closest name', async () => {
    const error = await failure('bulit.ts');
    expect(error).toMatchObject({
      code: 'FUNCTION_NOT_FOUND',
      module: pathToFileURL(join(folder, 'bulit.ts')).href,
      suggestion: 'built.js',
    });
    expect(error.message).toContain('Did you mean "built.js"?');
  });

  it('is FUNCTION_NOT_FOUND with its neighbours, and how to build', async () => {
    const error = await failure('something-else.ts');
    for (const part of [
      'something-else.ts',
      'something-else.js',
      'both.ts',
      'built.js',
      'guides/typescript-and-building.md',
    ])
      expect(error.message).toContain(part);
  });

  it('is FUNCTION_NOT_FOUND with the folder that does not exist', async () => {
    expect((await failure('no/such/folder.ts')).message).toContain(`there is no folder ${join(folder, 'no/such')}`);
  });
});

describe('a module that is there and cannot be imported is MODULE_FAILED with file and line', () => {
  it.each([
    ['throws.ts', 'throws.ts', 3, 'no configuration'],
    ['syntax.mjs', 'syntax.mjs', 2, 'Unexpected token'],
    ['syntax.cjs', 'syntax.cjs', 3, 'Unexpected token'],
    ['syntax.ts', 'syntax.ts', 2, 'Unexpected token'],
    ['enum.ts', 'enum.ts', 2, 'constant object'],
    ['uses-broken.mjs', 'syntax.mjs', 2, 'Unexpected token'],
    ['uses-missing.mjs', 'uses-missing.mjs', 2, 'absent.mjs'],
    ['uses-missing-package.mjs', 'uses-missing-package.mjs', 1, 'no-such-package-anywhere'],
    ['uses-type.ts', 'uses-type.ts', 1, 'import type'],
  ])('%s', async (name, file, line, text) => {
    const error = await failure(name);
    expect(error).toMatchObject({
      code: 'MODULE_FAILED',
      module: pathToFileURL(join(folder, name)).href,
      file: join(folder, file),
      line,
    });
    expect(error.message).toContain(`${file}:${line}`);
    expect(error.message).toContain(text);
  });

  it.each([
    ['throws-text.mjs', 'just text'],
    ['exits.mjs', 'ended'],
  ])('%s: without, where that is not known', async (name, text) => {
    const error = await failure(name);
    expect(error).toMatchObject({ code: 'MODULE_FAILED' });
    expect(error.message).toContain(text);
  });

  it('unless its thread ended for another reason: it is imported once more', async () => {
    expect(await resultOf('exits-once.mjs')).toBe('second');
  });

  it('also when it is a folder', async () => {
    const error = await failure('.');
    expect(error).toMatchObject({ code: 'MODULE_FAILED' });
    expect(error.message).toContain('it is a folder. Name a file in it');
  });

  it('also for an actor, and what awaits something that never happens says so there', async () => {
    const never = tasks<any>(pathToFileURL(join(folder, 'never.mjs')))['Thing']!;
    expect((await errorOf(handoff().spawn(never as never))).message).toContain(
      'waits for something that never happens',
    );
  });

  it('also for an actor, with its place', async () => {
    const { Thing } = tasks<any>(pathToFileURL(join(folder, 'throws.ts')));
    expect(await errorOf(handoff().spawn(Thing! as never))).toMatchObject({ code: 'MODULE_FAILED', line: 3 });
  });
});

describe('a class where a function is expected', () => {
  it('is refused before anything runs, with the right way to use it', async () => {
    const error = await failure('classes.mjs', 'Counter');
    expect(error).toMatchObject({ code: 'FUNCTION_NOT_FOUND', functionId: 'x' });
    expect(error.message).toContain('exports Counter, but it is a class: make an actor of it with spawn()');
  });

  it('is never suggested as the intended name', async () => {
    expect((await failure('classes.mjs', 'counter')).message).toContain('Did you mean "count"?');
  });
});

describe('an export that cannot be seen', () => {
  it.each([
    ['hidden.cjs', 'exports.one = '],
    ['hidden-esm.mjs', 'export the function by its name'],
  ])('%s: how to make it one', async (name, text) => {
    const error = await failure(name);
    expect(error).toMatchObject({ code: 'FUNCTION_NOT_FOUND', functionId: 'x' });
    expect(error.message).toContain(text);
  });
});
