/** One file of a program: what it holds, in short, and what it imports. */
import { readFileSync } from 'node:fs';
import { type FileMark, hashOf, stampOf } from './file-mark.ts';

export interface SourceFile extends FileMark {
  /** What it imports, as written; more than that where a text merely looks like an import. */
  readonly specifiers: readonly string[];
}

const files = new Map<string, SourceFile>();

// Known files beyond this number are forgotten: a program that makes modules again and again must not fill the memory.
const mostFiles = 20_000;

// Comments that are longer are not looked through: a text must not take longer than it is long.
const gap = String.raw`(?:\s|\/\*[^]{0,500}?\*\/|\/\/[^\n]{0,500}\n)*`;
// Takes in too much rather than too little: `from` and a text in a comment only add a file to what is compared. So it
// needs no parser that knows every syntax that a loader might accept.
const imports = new RegExp(
  String.raw`\b(?:from|import|require)${gap}(?:\(${gap})?(?:'([^'\n]+)'|"([^"\n]+)"|${'`'}([^${'`'}$\n]+)${'`'})`,
  'g',
);

/** A file as it is now; read only when it may have changed. @throws what the file system throws */
export function readSource(path: string): SourceFile {
  const stamp = stampOf(path);
  const known = files.get(path);
  if (known?.stamp === stamp) return known;
  const content = readFileSync(path);
  const file: SourceFile = {
    path,
    stamp,
    hash: hashOf(content),
    specifiers: /\.[cm]?[jt]sx?$/.test(path) ? specifiersIn(content.toString()) : [],
  };
  if (files.size >= mostFiles) files.clear();
  files.set(path, file);
  return file;
}

/** What a text imports or requires, each once. */
export function specifiersIn(text: string): string[] {
  const found = new Set<string>();
  for (const match of text.matchAll(imports)) found.add(match[1] ?? match[2] ?? match[3]!);
  return [...found];
}
