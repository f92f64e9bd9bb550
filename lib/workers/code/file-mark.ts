/** A file as it was when it was looked at, and whether it is still that. */
import { readFileSync, statSync } from 'node:fs';
import { sep } from 'node:path';

export interface FileMark {
  readonly path: string;
  /** Changes whenever the file may have changed; while it is the same, so is the content. */
  readonly stamp: string;
  /** Of its content; of a package's package.json: its name and version. */
  readonly hash: string;
}

/** @throws what the file system throws */
export function stampOf(path: string): string {
  const { size, mtimeMs, ctimeMs, ino } = statSync(path);
  return `${size}:${mtimeMs}:${ctimeMs}:${ino}`;
}

export function hashOf(content: Buffer): string {
  // Loaded when first needed: few threads ever need it.
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(content).digest('hex');
}

export const inPackage = `${sep}node_modules${sep}`;

const packages = new Map<string, FileMark>();

/** A package by its package.json: its name and version count. @throws what the file system throws */
export function packageMark(path: string): FileMark {
  const stamp = stampOf(path);
  const known = packages.get(path);
  if (known?.stamp === stamp) return known;
  const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
  const mark = { path, stamp, hash: `${name}@${version}` };
  packages.set(path, mark);
  return mark;
}

/** The path of the first file that is not what it was; undefined: none. Reads only those that may have changed. */
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
