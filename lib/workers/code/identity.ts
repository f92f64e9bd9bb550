/**
 * The identity of code, independent of its location: one hash over a module and every project module it imports, and
 * over the names and versions of the packages they import. Equal hashes mean equal code, on any host and at any time.
 *
 * ```
 *   tasks.ts ──► helper.ts ──► ../shared/units.ts       contents, by their paths from tasks.ts
 *       └──► sharp                                      sharp@0.35.5
 * ```
 */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type FileMark, hashOf, inPackage, packageMark } from './file-mark.ts';
import { pathOf, resolvePackage } from './locate.ts';
import { readSource } from './source-file.ts';

export interface CodeIdentity {
  /** Calculated when it is read first: other hosts, the cache and the journal need it. */
  readonly hash: string;
  /** The files the hash covers. */
  readonly files: readonly FileMark[];
}

/** What CommonJS may append to an import without an extension. */
const endings = ['.js', '.json', '.cjs', '.mjs', '.ts', '.cts', '.mts', '/index.js', '/index.cjs', '/index.ts'];

/**
 * The current identity of a module.
 *
 * @throws what the file system throws when the module itself cannot be read
 */
export function identify(url: string): CodeIdentity {
  const path = pathOf(url);
  if (path === undefined) return identityOf([], () => [url]); // the URL holds the source, or names a module of Node
  const entry = realpathSync.native(path);
  const home = packageOf(entry);
  if (home !== undefined) return identityOf([home], () => [home.content, relative(dirname(home.path), entry)]);
  const files = new Map<string, FileMark>();
  const packages = new Map<string, FileMark>();
  const seen: Seen = new Map();
  const open = [entry];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (files.has(next)) continue;
    const file = readSource(next);
    files.set(next, file);
    for (const specifier of file.specifiers) {
      const found = follow(specifier, next, seen);
      if (typeof found === 'string') open.push(found);
      else if (found !== undefined) packages.set(found.path, found);
    }
  }
  const marks = [...files.values(), ...packages.values()].map(({ path: at, stamp, content }) => ({
    path: at,
    stamp,
    content,
  }));
  return identityOf(marks, () => {
    const lines = [...files.values()].map(
      (file) => `${relative(dirname(entry), file.path).split(sep).join('/')}\0${hashOf(file)}`,
    );
    return [...lines.sort(), ...[...packages.values()].map(({ content }) => content).sort()];
  });
}

function identityOf(files: readonly FileMark[], lines: () => readonly string[]): CodeIdentity {
  let hash: string | undefined;
  return {
    files,
    get hash() {
      return (hash ??= digest(lines()));
    },
  };
}

/** A project file or a package; undefined: neither, or missing, which the import itself will report. */
function follow(specifier: string, from: string, seen: Seen): string | FileMark | undefined {
  try {
    if (/^(\.{0,2}\/|file:)/.test(specifier)) return fileAt(pathOf(new URL(specifier, pathToFileURL(from)).href));
    if (isBuiltin(specifier) || /^[a-z]+:/.test(specifier)) return undefined;
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
    const found = specifier.startsWith('#') || name === undefined ? undefined : packageNamed(name, dirname(from), seen);
    if (found !== undefined) return found;
    // A project file named through package.json or a link.
    return fileAt(pathOf(resolvePackage(specifier, pathToFileURL(from).href)));
  } catch {
    return undefined;
  }
}

function fileAt(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const found = ['', ...endings]
    .map((ending) => path + ending)
    .find((each) => statSync(each, { throwIfNoEntry: false })?.isFile() === true);
  return found === undefined ? undefined : realpathSync.native(found);
}

/** Packages by folder and name; null: none in this folder or above, or part of the project. */
type Seen = Map<string, FileMark | null>;

/** The installed package that a folder sees; undefined: none, or part of the project. */
function packageNamed(name: string, folder: string, seen: Seen): FileMark | undefined {
  const key = `${folder}\0${name}`;
  let found = seen.get(key);
  if (found === undefined) {
    const path = join(folder, 'node_modules', name, 'package.json');
    if (existsSync(path)) {
      const real = realpathSync.native(path);
      found = real.includes(inPackage) ? packageMark(real) : null;
    } else {
      found = dirname(folder) === folder ? null : (packageNamed(name, dirname(folder), seen) ?? null);
    }
    seen.set(key, found);
  }
  return found ?? undefined;
}

/** The package that contains a file; undefined: the file is part of the project. */
function packageOf(path: string): FileMark | undefined {
  const at = path.lastIndexOf(inPackage);
  if (at < 0) return undefined;
  const name = /^(?:@[^/\\]+[/\\])?[^/\\]+/.exec(path.slice(at + inPackage.length))![0];
  return packageMark(join(path.slice(0, at), 'node_modules', name, 'package.json'));
}

function digest(lines: readonly string[]): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  for (const line of lines) hash.update(line).update('\n');
  return hash.digest('hex');
}
