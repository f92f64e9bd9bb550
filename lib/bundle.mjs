/**
 * How the code of the library becomes one file for each entry point and each thing that is loaded later. The build uses
 * it for dist/, the specs for what they start in threads and processes. Packages stay imports, except two of which a
 * small part is used: the whole of valibot takes five times as long to import, and prom-client brings packages of 3 MB
 * that its counters do not need.
 */
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

/** The public entry points. */
export const modules = ['index', 'task', 'simulate', 'metrics', 'otel'];

const shipped = [
  ...modules,
  'cli/bin',
  'cli/main',
  'workers/node/worker/serve',
  'workers/actor/serve',
  'hosts/transport/beacon/thread',
];

const fileOf = (entry) => fileURLToPath(new URL(`./${entry}.ts`, import.meta.url));
const external = /^(?![./]|\/|valibot$|prom-client\/)/;

/**
 * Takes Node's modules without importing them: an import reads every export, and so loads what stands behind those that
 * load it when they are read, such as `fs.promises`. Some modules are loaded at the first call.
 */
const builtins = {
  name: 'builtins',
  transform(source, id) {
    if (!id.endsWith('.ts')) return undefined;
    // Only statements: texts may have lines that look like imports.
    const imports = this.parse(source, { lang: 'ts' }).body.filter(({ type }) => type === 'ImportDeclaration');
    const code = imports.reduceRight(
      (text, { start, end }) => text.slice(0, start) + taken(text.slice(start, end)) + text.slice(end),
      source,
    );
    return code === source ? undefined : { code, map: null };
  },
};

/** The statement that takes what an import of one of Node's modules names; any other import as it is. */
function taken(statement) {
  return statement.replace(/^import \{([^}]*)\} from '(node:[^']+)';$/, (whole, list, module) => {
    const names = list
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '));
    if (names.length === 0) return whole;
    const from = `process.getBuiltinModule('${module}')`;
    const lines = '\n'.repeat(whole.split('\n').length - 1);
    const isLate = lazy.has(module) && names.every((name) => /^[a-z]/.test(name));
    if (!isLate) return `const { ${names.join(', ').replaceAll(' as ', ': ')} } = ${from};${lines}`;
    const late = names
      .map((name) => name.split(' as '))
      .map(([name, own = name]) => `${own} = (...args) => ${from}.${name}(...args)`);
    return `const ${late.join(', ')};${lines}`;
  });
}

// Of these modules the library uses mostly functions. A class must be there at once.
const lazy = new Set(['node:fs/promises', 'node:v8']);

/** The modules that an entry loads at once. */
async function loadedBy(entry) {
  const build = await rolldown({ input: { entry: fileOf(entry) }, platform: 'node', external, logLevel: 'silent' });
  const { output } = await build.generate({ format: 'esm' });
  const loaded = new Set();
  const add = (chunk) => {
    for (const id of chunk.moduleIds) loaded.add(id);
    for (const file of chunk.imports) {
      const next = output.find(({ fileName }) => fileName === file);
      if (next !== undefined) add(next);
    }
  };
  add(output.find(({ name, isEntry }) => isEntry && name === 'entry'));
  await build.close();
  return loaded;
}

/** See the declaration. */
export async function bundleOf({ dir, extension = 'js', more = [], plugins = [], minify = false }) {
  // What is loaded together is one file: a thread loads one beside its entry, functions that import `handoffjs/task`
  // one more, and the library three.
  const [inThreads, inTasks, inCommand, inLibrary] = await Promise.all(
    ['workers/node/worker/serve', 'task', 'cli/main', 'index'].map(loadedBy),
  );
  const entries = [...new Set([...shipped, ...more])];
  return {
    input: Object.fromEntries(entries.map((entry) => [entry, fileOf(entry)])),
    platform: 'node',
    external,
    plugins: [builtins, ...plugins],
    output: {
      dir,
      format: 'esm',
      entryFileNames: `[name].${extension}`,
      chunkFileNames: `chunks/[name].${extension}`,
      sourcemap: true,
      minify,
      comments: false,
      // Node reads and compiles plain ASCII in half the time and memory.
      charset: 'ascii',
      codeSplitting: {
        groups: [
          // One file knows where the others are, and must therefore stay where it is.
          { name: 'package-files', test: /core\/package-files\.ts$/ },
          // What refuses an old Node is a file of its own, so that it runs before all others.
          { name: 'node-version', test: /core\/node-version\.ts$/ },
          { name: 'thread', test: (id) => inThreads.has(id) && !shipped.some((entry) => id === fileOf(entry)) },
          { name: 'dag', test: (id) => inTasks.has(id) && inLibrary.has(id) },
          { name: 'command', test: (id) => inCommand.has(id) && inLibrary.has(id) },
          { name: 'library', test: (id) => inLibrary.has(id) && id !== fileOf('index') },
        ],
      },
    },
  };
}
