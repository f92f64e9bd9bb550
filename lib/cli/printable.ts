/** Text of others as a terminal can show it: nothing in it moves the cursor, colours or reverses what follows, or makes lines that are not ours. */
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';

/** A name, in one line. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- just those
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\u{fffd}');
}

/** A message of an error, in one line: of several the ends are spaces, and colours are left out. */
export function printableLine(text: string): string {
  return printable(stripVTControlCharacters(text).trim().replace(/\s*[\r\n]\s*/g, ' ').replaceAll('\t', ' '));
}

/** A message of an error, or a stack, in as many lines as it has; all but the first are indented, so that none looks like another message. */
export function printableLines(text: string): string {
  const [first = '', ...rest] = stripVTControlCharacters(text).trimEnd().split(/\r?\n/).map((line) => printable(line.replaceAll('\t', '  ')));
  return [first, ...rest.map((line) => `  ${line}`)].join('\n');
}

/** Columns that a text takes on a terminal: two for a wide character, none for what only changes the one before it. */
export function columnsOf(text: string): number {
  return stringWidth(text);
}

const segmenter = new Intl.Segmenter();

/** As much of a text as fits, with a sign that there is more. No character is cut in two, however many code points it has. */
export function shortened(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let kept = '';
  let used = 1;
  for (const { segment } of segmenter.segment(text)) {
    used += columnsOf(segment);
    if (used > columns) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** A text with blanks after it, or before it, up to so many columns. */
export function padded(text: string, columns: number, side: 'after' | 'before' = 'after'): string {
  const blanks = ' '.repeat(Math.max(0, columns - columnsOf(text)));
  return side === 'after' ? text + blanks : blanks + text;
}
