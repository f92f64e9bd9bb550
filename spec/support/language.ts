/**
 * `npm run check:language`: refuses words that make sentences hard to read, in the comments, texts and guides of the
 * library.
 */
import { globSync, readFileSync } from 'node:fs';
import { parseSync, Visitor } from 'oxc-parser';

export type Fault = { line: number; words: string };

/**
 * Each has a plainer form: name the subject ("the caller", "no listener"), or use an active verb ("reports", "again",
 * "because").
 */
const banned = [
  'told',
  'tells? of',
  'whoever',
  'whomever',
  'nobody',
  'somebody',
  'anybody',
  'had better',
  'no matter',
  'what is so',
  'so (?:many|much|long|often)',
  'anew',
  'lest',
  'of late',
  'in vain',
  'whence',
  'therein',
  'wherein',
  'wherefrom',
  'whereto',
  'thereof',
  'henceforth',
  'lets? go of',
  'comes? to nothing',
  'is as good as',
  'of (?:its|their) own accord',
  'what there is',
  'when it is over',
  'not any more',
  '(?:is|are) to (?:be|have)',
  'in its turn',
  'what (?:becomes|came) of',
  'who (?:asks|comes|knows|listens|needs|reads|waits|wants)',
];
/** Words of a phrase may be on two lines of a comment. */
const pattern = new RegExp(String.raw`\b(?:${banned.join('|').replaceAll(' ', String.raw`[\s*/]+`)})\b`, 'gi');

/**
 * The banned words of one file. Of TypeScript, only comments and texts count: a literal without a space is a name, and
 * names are code.
 */
export function faultsOf(file: string, source: string): Fault[] {
  const found: Fault[] = [];
  const check = (text: string, start: number): void => {
    // Code in backticks names things, and names are code. Blanks in its place keep the positions.
    text = text.replace(/`[^`\n]*`/g, (name) => ' '.repeat(name.length));
    for (const match of text.matchAll(pattern)) {
      found.push({
        line: source.slice(0, start + match.index).split('\n').length,
        words: match[0].replace(/[\s*/]+/g, ' '),
      });
    }
  };
  if (!file.endsWith('.ts')) {
    check(source, 0);
    return found;
  }
  const { program, comments } = parseSync(file, source);
  for (const comment of comments) check(source.slice(comment.start, comment.end), comment.start);
  new Visitor({
    Literal: (node) =>
      void (
        typeof node.value === 'string' &&
        node.value.includes(' ') &&
        check(source.slice(node.start, node.end), node.start)
      ),
    TemplateElement: (node) => check(node.value.raw, source.indexOf(node.value.raw, node.start)),
  }).visit(program);
  return found.toSorted((a, b) => a.line - b.line);
}

function main(): void {
  const root = new URL('../..', import.meta.url).pathname;
  const files = globSync(
    [
      'README.md',
      'CHANGELOG.md',
      '.github/*.md',
      '.github/{docs,ISSUE_TEMPLATE,workflows}/**/*.{md,yml}',
      'bench/*.md',
      'examples/*/*.md',
      'lib/**/*.{ts,md,html,css}',
    ],
    { cwd: root },
  ).sort();
  for (const file of files) {
    for (const { line, words } of faultsOf(file, readFileSync(root + file, 'utf8'))) {
      console.error(
        `${file}:${line}: “${words}” makes the sentence hard to read. Name the subject and use an active verb.`,
      );
      process.exitCode = 1;
    }
  }
}

if (import.meta.main) main();
