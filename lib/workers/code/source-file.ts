/** One source file: its content and what it imports. */
import { readFileSync } from 'node:fs';
import { contentOf, type FileMark, stampOf } from './file-mark.ts';

export interface SourceFile extends FileMark {
  /** Specifiers as written. May hold more than the real imports, where text looks like an import. */
  readonly specifiers: readonly string[];
}

const files = new Map<string, SourceFile>();

// At this size the cache is emptied, so that a program that keeps creating modules does not fill the memory.
const maxFiles = 20_000;

// Longer comments are not searched, so that the time stays linear in the length of the text.
const gap = String.raw`(?:\s|\/\*[^]{0,500}?\*\/|\/\/[^\n]{0,500}\n)*`;
// Matches too much rather than too little: a false match only adds a file to the comparison. So it needs no parser that
// knows every syntax a loader may accept.
const imports = new RegExp(
  String.raw`\b(?:from|import|require)${gap}(?:\(${gap})?(?:'([^'\n]+)'|"([^"\n]+)"|${'`'}([^${'`'}$\n]+)${'`'})`,
  'g',
);

/** The current state of a file; reads it only when its stamp has changed. @throws what the file system throws */
export function readSource(path: string): SourceFile {
  const stamp = stampOf(path);
  const known = files.get(path);
  if (known?.stamp === stamp) return known;
  const bytes = readFileSync(path);
  const file: SourceFile = {
    path,
    stamp,
    content: contentOf(bytes),
    specifiers: /\.[cm]?[jt]sx?$/.test(path) ? specifiersIn(bytes.toString()) : [],
  };
  if (files.size >= maxFiles) files.clear();
  files.set(path, file);
  return file;
}

/** The specifiers that a text imports or requires, each once. */
export function specifiersIn(text: string): string[] {
  const found = new Set<string>();
  for (const match of text.matchAll(imports)) found.add(match[1] ?? match[2] ?? match[3]!);
  return [...found];
}
