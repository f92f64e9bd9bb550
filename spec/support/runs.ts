/**
 * How many cases a property test draws: a fifth of what the nightly run draws, as each commit draws the same cases and
 * the nightly run draws new ones.
 *
 * @param nightly how many the nightly run draws
 */
export function runs(nightly: number): number {
  return process.env['CHAOS'] === 'full' ? nightly : Math.ceil(nightly / 5);
}
