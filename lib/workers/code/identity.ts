/**
 * What code is, apart from where it lies: one hash over a module and every module that it imports within the project, and over the names and
 * versions of the packages that these import. Equal hashes mean equal code, on any host and at any time.
 *
 * ```
 *   tasks.ts ──► helper.ts ──► ../shared/units.ts       contents, by their paths from tasks.ts
 *       └──► sharp                                      sharp@0.35.5
 * ```
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pathOf, resolvePackage } from './locate.ts';
import { type FileMark, readSource, stampOf } from './source-file.ts';

export interface CodeIdentity {
  readonly hash: string;
  /** What it was made from. */
  readonly files: readonly FileMark[];
}

/** What an import without an extension may mean, to CommonJS. */
const endings = ['.js', '.json', '.cjs', '.mjs', '.ts', '.cts', '.mts', '/index.js', '/index.cjs', '/index.ts'];

/**
 * The identity of a module as it is now.
 *
 * @throws what the file system throws when the module itself cannot be read
 */
export function identify(url: string): CodeIdentity {
  const path = pathOf(url);
  if (path === undefined) return { hash: digest([url]), files: [] }; // the text itself, or part of Node
  const entry = realpathSync(path);
  const home = packageOf(entry);
  if (home !== undefined) return { hash: digest([home.hash, relative(dirname(home.path), entry)]), files: [home] };
  const files = new Map<string, FileMark>();
  const packages = new Map<string, FileMark>();
  const open = [entry];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (files.has(next)) continue;
    const file = readSource(next);
    files.set(next, file);
    for (const specifier of file.specifiers) {
      const found = follow(specifier, next);
      if (typeof found === 'string') open.push(found);
      else if (found !== undefined) packages.set(found.path, found);
    }
  }
  const lines = [...files.values()].map((file) => `${relative(dirname(entry), file.path).split(sep).join('/')}\0${file.hash}`);
  return { hash: digest([...lines.sort(), ...[...packages.values()].map(({ hash }) => hash).sort()]), files: [...files.values(), ...packages.values()].map(({ path: at, stamp, hash }) => ({ path: at, stamp, hash })) };
}

/** A file of the project, or a package; undefined: neither, or it is not there, as its import will say. */
function follow(specifier: string, from: string): string | FileMark | undefined {
  try {
    if (/^(\.{0,2}\/|file:)/.test(specifier)) return fileAt(pathOf(new URL(specifier, pathToFileURL(from)).href));
    if (isBuiltin(specifier) || /^[a-z]+:/.test(specifier)) return undefined;
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
    const found = specifier.startsWith('#') || name === undefined ? undefined : packageNamed(name, dirname(from));
    if (found !== undefined) return found;
    return fileAt(pathOf(resolvePackage(specifier, pathToFileURL(from).href))); // of the project, by its own package.json or a link
  } catch {
    return undefined;
  }
}

function fileAt(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const found = ['', ...endings].map((ending) => path + ending).find((each) => statSync(each, { throwIfNoEntry: false })?.isFile() === true);
  return found === undefined ? undefined : realpathSync(found);
}

const inPackage = `${sep}node_modules${sep}`;

/** The package as it is installed, seen from a folder; undefined: it is not, or is part of the project. */
function packageNamed(name: string, from: string): FileMark | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name, 'package.json');
    if (existsSync(path)) {
      const real = realpathSync(path);
      return real.includes(inPackage) ? packageMark(real) : undefined;
    }
    if (dirname(folder) === folder) return undefined;
  }
}

/** The package that a file is part of; undefined: it is part of the project. */
function packageOf(path: string): FileMark | undefined {
  const at = path.lastIndexOf(inPackage);
  if (at < 0) return undefined;
  const name = /^(?:@[^/\\]+[/\\])?[^/\\]+/.exec(path.slice(at + inPackage.length))![0];
  return packageMark(join(path.slice(0, at), 'node_modules', name, 'package.json'));
}

const packages = new Map<string, FileMark>();

/** Of a package its name and version count. */
function packageMark(path: string): FileMark {
  const stamp = stampOf(path);
  const known = packages.get(path);
  if (known?.stamp === stamp) return known;
  const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
  const mark = { path, stamp, hash: `${name}@${version}` };
  packages.set(path, mark);
  return mark;
}

function digest(lines: readonly string[]): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  for (const line of lines) hash.update(line).update('\n');
  return hash.digest('hex');
}
