/**
 * Makes foreign text safe for a terminal: it cannot move the cursor, change colours, reverse text, or fake lines of
 * this command.
 */
import { createRequire } from 'node:module';
import { stripVTControlCharacters } from 'node:util';

/** A name on one line. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are the characters to replace
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\u{fffd}');
}

/** An error message on one line: line breaks become spaces, and colours are removed. */
export function printableLine(text: string): string {
  return printable(
    stripVTControlCharacters(text)
      .trim()
      .replace(/\s*[\r\n]\s*/g, ' ')
      .replaceAll('\t', ' '),
  );
}

/**
 * An error message or stack with its line breaks. All lines but the first are indented, so that none looks like another
 * message.
 */
export function printableLines(text: string): string {
  const [first = '', ...rest] = stripVTControlCharacters(text)
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => printable(line.replaceAll('\t', '  ')));
  return [first, ...rest.map((line) => `  ${line}`)].join('\n');
}

type StringWidth = typeof import('string-width');

// Loaded when a text needs them: they take 60 ms, a fifth of the start of the command.
let stringWidth: StringWidth['default'] | undefined;
let segmenter: Intl.Segmenter | undefined;

/** Columns that a text takes on a terminal: two for a wide character, none for a combining one. */
export function columnsOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  stringWidth ??= (createRequire(import.meta.url)('string-width') as StringWidth).default;
  return stringWidth(text);
}

/** The part of a text that fits, with an ellipsis if it was cut. It never splits a character of several code points. */
export function shortened(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  segmenter ??= new Intl.Segmenter();
  let kept = '';
  let used = 1;
  for (const { segment } of segmenter.segment(text)) {
    used += columnsOf(segment);
    if (used > columns) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** A text padded with spaces to a number of columns. */
export function padded(text: string, columns: number, side: 'after' | 'before' = 'after'): string {
  const blanks = ' '.repeat(Math.max(0, columns - columnsOf(text)));
  return side === 'after' ? text + blanks : blanks + text;
}
