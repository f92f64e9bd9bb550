/** From a module as users name it to its URL, before and after a build. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, isAbsolute } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { HandoffError } from '../../core/errors.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';

/** Extensions before and after a build, likeliest first. */
const counterparts: Readonly<Record<string, readonly string[]>> = {
  '.ts': ['.js', '.mjs', '.cjs'],
  '.mts': ['.mjs', '.js'],
  '.cts': ['.cjs', '.js'],
  '.tsx': ['.js', '.mjs', '.cjs'],
  '.js': ['.ts', '.mts', '.cts'],
  '.mjs': ['.mts', '.ts'],
  '.cjs': ['.cts', '.ts'],
};
const isModule = /\.[cm]?[jt]sx?$/;

// How many files beside a missing one the error names.
const maxNames = 8;

/**
 * The URL of a module. Where a file is missing, its counterpart (`.ts` or `.js`) counts. Packages resolve from the
 * working directory.
 *
 * @throws what Node throws when there is no such package
 */
export function locate(module: string): string {
  if (/^(data|node):/.test(module)) return module;
  if (module.startsWith('file:')) return present(module);
  if (isAbsolute(module)) return present(pathToFileURL(module).href);
  return resolvePackage(module, pathToFileURL(`${process.cwd()}/`).href);
}

/** Loaded on demand: most modules are files. */
export function resolvePackage(specifier: string, from: string): string {
  const { resolve } = createRequire(import.meta.url)('import-meta-resolve') as typeof import('import-meta-resolve');
  return resolve(specifier, from);
}

function present(url: string): string {
  const path = pathOf(url);
  if (path === undefined || existsSync(path)) return url;
  const extension = extname(path);
  const other = counterparts[extension]?.find((each) => existsSync(path.slice(0, -extension.length) + each));
  if (other === undefined) return url;
  const found = new URL(url);
  found.pathname = found.pathname.slice(0, -extension.length) + other;
  return found.href;
}

/** The path of a `file:` URL; undefined for any other. */
export function pathOf(url: string): string | undefined {
  if (!url.startsWith('file:')) return undefined;
  try {
    return fileURLToPath(url);
  } catch {
    return undefined; // a path of another machine
  }
}

/**
 * The error for a missing file, with the names of the files beside it.
 *
 * @param module the name users gave
 * @returns undefined when the file exists, or when the URL names no file
 */
export function missing(module: string, url: string): HandoffError | undefined {
  const path = pathOf(url);
  if (path === undefined || existsSync(path)) return undefined;
  const folder = dirname(path);
  const extension = extname(path);
  const names = namesIn(folder);
  const suggestion = nearest(basename(path), names);
  const tried = counterparts[extension]?.map((each) => basename(path, extension) + each);
  const found =
    names === none
      ? `there is no folder ${folder}`
      : `there is no file ${basename(path)}${tried === undefined ? '' : `, nor ${tried.join(' or ')}`}, in ${folder}`;
  const beside =
    names.length === 0 || suggestion !== undefined
      ? ''
      : ` Modules there: ${names.slice(0, maxNames).join(', ')}${names.length > maxNames ? ` and ${names.length - maxNames} more` : ''}.`;
  const built =
    /\.[cm]?tsx?$/.test(extension) && names !== none && suggestion === undefined
      ? ' A build must give the module of the functions a file of its own: see https://github.com/handoffjs/handoff/blob/main/.github/docs/guides/typescript-and-building.md'
      : '';
  return new HandoffError(
    'FUNCTION_NOT_FOUND',
    `Module ${module} is missing: ${found}.${didYouMean(suggestion)}${beside}${built}`,
    { module, ...(suggestion !== undefined && { suggestion }) },
  );
}

const none: readonly string[] = [];

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => isModule.test(name) && !name.endsWith('.d.ts'))
      .sort();
  } catch {
    return none;
  }
}
