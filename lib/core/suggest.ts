/** "Did you mean": the nearest of the names that exist. */
import { distance } from 'fastest-levenshtein';

// Beyond this many names an error message is not worth the time.
const maxNames = 20_000;

/**
 * The name nearest to `wrong`, when one is near enough to be what was meant: at most two fifths of its letters differ.
 *
 * @param wrong what was written
 * @param names what exists
 */
export function nearest(wrong: string, names: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(wrong.length * 0.4));
  let best: string | undefined;
  let bestDistance = limit + 1;
  let looked = 0;
  for (const name of names) {
    if (++looked > maxNames) break;
    if (Math.abs(name.length - wrong.length) >= bestDistance) continue;
    const steps = name.toLowerCase() === wrong.toLowerCase() ? 0 : distance(wrong, name);
    if (steps < bestDistance) {
      best = name;
      bestDistance = steps;
    }
  }
  return best;
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(suggestion: string | undefined): string {
  return suggestion === undefined ? '' : ` Did you mean ${JSON.stringify(suggestion)}?`;
}
