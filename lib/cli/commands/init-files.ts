/** The files that `handoff init` writes: a project that runs, is tested and is typed. */

/** Written apart, so that an import in a text below is not read as one of this module. */
const here = './';

/** @param version of this package, which the project then depends on */
export function projectFiles(name: string, version: string): ReadonlyMap<string, string> {
  return new Map([
    ['package.json', manifest(name, version)],
    ['tsconfig.json', compiler],
    ['tasks.ts', tasks],
    ['pipeline.ts', pipeline],
    ['main.ts', main],
    ['handoff.config.ts', config],
    ['pipeline.test.ts', test],
  ]);
}

function manifest(name: string, version: string): string {
  const content = {
    name,
    private: true,
    type: 'module',
    scripts: {
      start: 'node main.ts',
      test: 'node --test',
      check: 'tsc',
      plan: 'handoff plan pipeline.ts',
      graph: 'handoff graph pipeline.ts --format svg',
      watch: 'handoff run pipeline.ts --dashboard',
    },
    engines: { node: '>=22.18' },
    dependencies: { handoffjs: `^${version}` },
    devDependencies: { '@types/node': '^24.0.0', typescript: '^5.9.0' },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

const compiler = `{
  "compilerOptions": {
    "target": "es2024",
    "lib": ["es2024", "esnext.disposable"],
    "module": "nodenext",
    "types": ["node"],
    "strict": true,
    "exactOptionalPropertyTypes": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "allowImportingTsExtensions": true,
    "noEmit": true
  }
}
`;

const tasks = `/** The functions of the DAG. Threads import this module: it exports plain functions and imports nothing of handoffjs. */
import { readFile } from 'node:fs/promises';

export async function read(file: string): Promise<string> {
  return readFile(file, 'utf8');
}

export function count(text: string): Map<string, number> {
  const times = new Map<string, number>();
  for (const [word] of text.toLowerCase().matchAll(/\\p{L}+/gu)) times.set(word, (times.get(word) ?? 0) + 1);
  return times;
}

/** The words of all counts that come most often, the most frequent first. */
export function top(counts: readonly ReadonlyMap<string, number>[], most: number): [word: string, times: number][] {
  const all = new Map<string, number>();
  for (const each of counts) for (const [word, times] of each) all.set(word, (all.get(word) ?? 0) + times);
  return [...all].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, most);
}
`;

const pipeline = `/** The DAG: each file is read and counted on its own, as many at once as there are threads. */
import { dag, tasks } from 'handoffjs';

const t = tasks<typeof import('${here}tasks.ts')>(new URL('./tasks.ts', import.meta.url));

export function wordsOf(files: readonly string[]) {
  const counts = files.map((file) => t.count(t.read(file).with({ maxRetries: 1 })));
  return dag('words', { top: t.top(counts, 5) });
}

/** What \`handoff run pipeline.ts -- FILE…\` runs. */
export default (...files: string[]) => wordsOf(files.length > 0 ? files : ['tasks.ts', 'pipeline.ts', 'main.ts']);
`;

const main = `/** The program: \`node main.ts FILE…\`. */
import { Handoff, loadConfig } from 'handoffjs';
import words from '${here}pipeline.ts';

const handoff = await Handoff.start(await loadConfig());
try {
  const { top } = await handoff.run(words(...process.argv.slice(2)));
  for (const [word, times] of top) console.log(\`\${times} × \${word}\`);
} finally {
  await handoff.stop();
}
`;

const config = `/** Options of Handoff.start, for the command and for programs that call loadConfig(). */
import type { HandoffOptions } from 'handoffjs';

export default {
  maxRetries: 2,
  costModel: { file: 'costs.json' }, // what runs teach about durations, for plans
} satisfies HandoffOptions;
`;

const test = `/** Functions are tested as plain functions, and the DAG as a run on one thread. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Handoff } from 'handoffjs';
import { wordsOf } from '${here}pipeline.ts';
import { count, top } from '${here}tasks.ts';

test('count counts words, whatever their case', () => {
  assert.deepEqual(count('To be, or not to be.'), new Map([['to', 2], ['be', 2], ['or', 1], ['not', 1]]));
});

test('top adds counts up', () => {
  assert.deepEqual(top([new Map([['a', 1]]), new Map([['a', 1], ['b', 3]])], 2), [['b', 3], ['a', 2]]);
});

test('the DAG is valid, and runs', async () => {
  const words = wordsOf(['tasks.ts']);
  assert.deepEqual(words.validate(), { ok: true });
  const handoff = await Handoff.start({ nodes: [{ name: 'test', capabilities: { cpu: 1 } }] });
  try {
    const result = await handoff.run(words);
    assert.equal(result.top.length, 5);
  } finally {
    await handoff.stop();
  }
});
`;
