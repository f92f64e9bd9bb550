/** A file at one moment, and whether it has changed since. */
import { readFileSync, statSync } from 'node:fs';
import { sep } from 'node:path';

export interface FileMark {
  readonly path: string;
  /** Changes whenever the file may have changed. An equal stamp means equal content. */
  readonly stamp: string;
  /**
   * What stands for its content: `=` and the bytes themselves when they are few, otherwise their hash; for a package's
   * package.json: name and version.
   */
  readonly content: string;
}

// Hashing loads a large part of Node, which most short programs need for nothing else.
const maxBytes = 16 * 1024;

/** @throws what the file system throws */
export function stampOf(path: string): string {
  const { size, mtimeMs, ctimeMs, ino } = statSync(path);
  return `${size}:${mtimeMs}:${ctimeMs}:${ino}`;
}

export function contentOf(bytes: Buffer): string {
  return bytes.length <= maxBytes ? `=${bytes.toString('latin1')}` : sha256(bytes);
}

/** The hash of a file by what stands for its content. */
export function hashOf({ content }: FileMark): string {
  return content.startsWith('=') ? sha256(Buffer.from(content.slice(1), 'latin1')) : content;
}

function sha256(bytes: Buffer): string {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(bytes).digest('hex');
}

export const inPackage = `${sep}node_modules${sep}`;

const packages = new Map<string, FileMark>();

/** A package by its package.json: only name and version count. @throws what the file system throws */
export function packageMark(path: string): FileMark {
  const stamp = stampOf(path);
  const known = packages.get(path);
  if (known?.stamp === stamp) return known;
  const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
  const mark = { path, stamp, content: `${name}@${version}` };
  packages.set(path, mark);
  return mark;
}

/** The path of the first file that has changed; undefined: none. Reads only files whose stamp has changed. */
export function firstChanged(files: readonly FileMark[]): string | undefined {
  return files.find(({ path, stamp, content }) => {
    try {
      return (
        stampOf(path) !== stamp &&
        (path.includes(inPackage) && path.endsWith('package.json')
          ? packageMark(path).content
          : contentOf(readFileSync(path))) !== content
      );
    } catch {
      return true;
    }
  })?.path;
}
