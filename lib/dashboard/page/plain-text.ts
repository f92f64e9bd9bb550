/** Makes foreign text, such as ids, safe to display. */

/** Replaces characters that change the writing direction, because they would reverse the text after them. */
export function plainText(text: string): string {
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\u{fffd}');
}
