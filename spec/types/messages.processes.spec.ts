/** What the compiler says of a wrong edge: it must be readable. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc');
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(root, 'node_modules/.handoff-types-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function compile(file: string): Promise<string> {
  const config = join(folder, 'tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { rewriteRelativeImportExtensions: false, allowImportingTsExtensions: true },
      include: [],
      exclude: [],
      files: [file],
    }),
  );
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', config, '--pretty', 'false']).catch(
    (error: { stdout: string }) => error,
  );
  return stdout;
}

it('names what was given and what was wanted, line by line', async () => {
  const output = await compile(fileURLToPath(new URL('./broken/edges.ts', import.meta.url)));
  const first = output
    .split('\n')
    .filter((line) => line.includes('error TS'))
    .map((line) => line.replace(/^.*edges\.ts\((\d+),\d+\): error (TS\d+): /, '$1 $2 '));
  expect(first).toEqual([
    "6 TS2322 Type 'Call<Row[]>' is not assignable to type 'number'.",
    "7 TS2345 Argument of type 'Call<number>' is not assignable to parameter of type 'Edge<string>'.",
    "8 TS2345 Argument of type 'Call<Row[]>' is not assignable to parameter of type 'Edge<number>'.",
    '9 TS2349 This expression is not callable.',
    '10 TS2349 This expression is not callable.',
    expect.stringContaining("11 TS2551 Property 'cleen' does not exist on type"),
    "12 TS2345 Argument of type '{ x: number; }' is not assignable to parameter of type 'Outputs'.",
  ]);
  expect(first[5]).toContain("Did you mean 'clean'?");
  expect(output).toContain('CannotLeaveThread<"a function">');
});

it('takes a DAG of a thousand calls', async () => {
  const lines = Array.from(
    { length: 1000 },
    (_, i) => `const c${i + 1} = t.clean(c${i}, ${i}).with({ priority: ${i % 3} });`,
  );
  const file = join(folder, 'thousand.ts');
  writeFileSync(
    file,
    [
      `import { dag, tasks } from ${JSON.stringify(join(root, 'lib/index.ts'))};`,
      `const t = tasks<typeof import(${JSON.stringify(join(root, 'spec/types/tasks.ts'))})>(new URL('file:///tasks.ts'));`,
      "const c0 = t.load('x');",
      ...lines,
      "export default dag('thousand', { last: c1000, sum: t.sum([t.total(c1), t.total(c500)]) });",
    ].join('\n'),
  );
  expect(await compile(file)).toBe('');
});
