/** What keeps a process alive. */

/**
 * Kinds of open resources that were not there before; none, as soon as what is being closed is closed.
 *
 * @param before of `process.getActiveResourcesInfo()`
 */
export async function leftSince(before: readonly string[]): Promise<string[]> {
  for (let look = 0; ; look++) {
    const left = process.getActiveResourcesInfo().filter((kind) => !before.includes(kind));
    if (left.length === 0 || look === 500) return left;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
