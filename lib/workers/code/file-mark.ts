/** A file at one moment, and whether it has changed since. */
import { readFileSync, statSync } from 'node:fs';
import { sep } from 'node:path';

export interface FileMark {
  readonly path: string;
  /** Changes whenever the file may have changed. An equal stamp means equal content. */
  readonly stamp: string;
  /** Hash of its content; for a package's package.json: name and version. */
  readonly hash: string;
}

/** @throws what the file system throws */
export function stampOf(path: string): string {
  const { size, mtimeMs, ctimeMs, ino } = statSync(path);
  return `${size}:${mtimeMs}:${ctimeMs}:${ino}`;
}

export function hashOf(content: Buffer): string {
  // Loaded on demand: few threads need it.
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(content).digest('hex');
}

export const inPackage = `${sep}node_modules${sep}`;

const packages = new Map<string, FileMark>();

/** A package by its package.json: only name and version count. @throws what the file system throws */
export function packageMark(path: string): FileMark {
  const stamp = stampOf(path);
  const known = packages.get(path);
  if (known?.stamp === stamp) return known;
  const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
  const mark = { path, stamp, hash: `${name}@${version}` };
  packages.set(path, mark);
  return mark;
}

/** The path of the first file that has changed; undefined: none. Reads only files whose stamp has changed. */
export function firstChanged(files: readonly FileMark[]): string | undefined {
  return files.find(({ path, stamp, hash }) => {
    try {
      return (
        stampOf(path) !== stamp &&
        (path.includes(inPackage) && path.endsWith('package.json')
          ? packageMark(path).hash
          : hashOf(readFileSync(path))) !== hash
      );
    } catch {
      return true;
    }
  })?.path;
}
