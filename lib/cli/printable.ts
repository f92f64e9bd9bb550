/** Text of others as a terminal can show it: nothing in it moves the cursor, colours what follows or makes lines that are not ours. */
import { stripVTControlCharacters } from 'node:util';

/** A name, in one line. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- just those
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\u{fffd}');
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
