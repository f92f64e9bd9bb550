/** Makes foreign text, such as ids, safe to display. */

/**
 * Where a character that changes the direction of writing stands, it is shown as a sign: it would reverse what follows.
 */
export function plainText(text: string): string {
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\u{fffd}');
}
