/** Messages of what code throws. */

/** The message of an error, or another thrown value as text. Never throws. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return 'an error that cannot be read'; // a thrown value may refuse conversion to text
  }
}
