/**
 * Bundles the library once, as the build does, for the threads and processes that specs start. A process that loads
 * lib/ unbuilt spends most of its start-up on 200 modules. The bundle is kept in node_modules/.cache by the place and
 * content of lib/.
 *
 * Node's `--import redirect.mjs` gives the bundle to whatever imports a file of lib/, so that fixtures, examples and
 * the command keep their imports. Modules that a spec itself imports stay those of lib/.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type RolldownPlugin, rolldown, VERSION } from 'rolldown';
import { bundleOf, modules } from '../../../lib/bundle.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
};
const cache = join(root, 'node_modules/.cache/spec-bundle');

/** Vitest calls it once for a run, before it starts any worker: those inherit its environment. */
export default async function setup(): Promise<void> {
  const redirect = pathToFileURL(join(await bundle(), 'redirect.mjs')).href;
  process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} --import=${redirect}`.trim();
}

/** @returns the folder of a bundle of lib/ as it is now */
async function bundle(): Promise<string> {
  const entries = [
    ...new Set([
      'cli/main',
      ...modules,
      ...named(/moduleUrl\('([\w/-]+)'\)/g, 'lib/**/*.ts'), // threads
      ...named(/'(?:\.\.\/)+lib\/([\w/-]+)\.ts'/g, 'spec/fixtures/**/*.ts', 'examples/**/*.ts'),
    ]),
  ].sort();
  const folder = join(cache, keyOf(entries));
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const unfinished = mkdtempSync(join(cache, 'unfinished-'));
  const { output, ...input } = await bundleOf({
    dir: unfinished,
    extension: 'mjs',
    more: entries,
    plugins: [packageFiles(folder)],
  });
  const build = await rolldown({ cwd: root, logLevel: 'warn', ...input });
  await build.write(output);
  await build.close();
  writeFileSync(join(unfinished, 'redirect.mjs'), redirectOf(entries));
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    // Another run has made the same one in the meantime.
    if (!existsSync(folder)) throw error;
    rmSync(unfinished, { recursive: true });
  }
  return folder;
}

/** The modules of lib/ that some files name, by their path without extension. */
function named(what: RegExp, ...files: readonly string[]): string[] {
  return globSync([...files], { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(what)].map(([, path]) => path!),
  );
}

function keyOf(entries: readonly string[]): string {
  const hash = createHash('sha256').update(
    JSON.stringify([VERSION, root, entries, readFileSync(import.meta.filename, 'utf8')]),
  );
  for (const file of globSync('lib/**/*.{ts,mjs}', { cwd: root, exclude: ['lib/dashboard/page/**'] }).sort())
    hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 16);
}

/** The bundle starts threads from itself, and has all other files, which it does not copy, from lib/. */
const packageFiles = (folder: string): RolldownPlugin => ({
  name: 'package-files',
  load: (id) =>
    id.endsWith('lib/core/package-files.ts')
      ? `
          export const isBuilt = false;
          export const fileUrl = (path) => new URL(path, ${urlOf(join(root, 'lib'))});
          export const moduleUrl = (path) => new URL(path + '.mjs', ${urlOf(folder)});
          export const packageVersion = () => ${JSON.stringify(manifest.version)};
        `
      : undefined,
});

/** The URL of a folder, as a literal. */
function urlOf(folder: string): string {
  return JSON.stringify(pathToFileURL(join(folder, '/')).href);
}

function redirectOf(entries: readonly string[]): string {
  return `
    import { registerHooks } from 'node:module';
    const lib = ${urlOf(join(root, 'lib'))};
    const entries = new Set(${JSON.stringify(entries)});
    registerHooks({
      resolve(specifier, context, next) {
        const found = next(specifier, context);
        if (!found.url.startsWith(lib) || !found.url.endsWith('.ts')) return found;
        const entry = found.url.slice(lib.length, -3);
        return entries.has(entry)
          ? { url: new URL(entry + '.mjs', import.meta.url).href, format: 'module', shortCircuit: true }
          : found;
      },
    });
  `;
}
