/** Cuts foreign text that is too long. */

/** Returns a copy, so that the original text can be freed. A `slice` would keep it alive. */
export function cut(text: string, length: number): string {
  return text.length <= length ? copied(text) : `${copied(text.slice(0, length))}…`;
}

/** Replaces half a surrogate pair, which a cut can leave, by U+FFFD. */
function copied(text: string): string {
  return Buffer.from(text).toString();
}
