/** Text of others, cut where it is long. */

/** A copy: what is cut off, and what the text itself was cut from, is not held on to, as it is by a `slice`. */
export function cut(text: string, length: number): string {
  return text.length <= length ? copied(text) : `${copied(text.slice(0, length))}…`;
}

/** Half of a pair of surrogates, as a cut may leave it, becomes U+FFFD. */
function copied(text: string): string {
  return Buffer.from(text).toString();
}
