/** What some specs need from the machine, such as a browser. */
import { describe, it } from 'vitest';

/**
 * A `describe` for specs that need something. Where it is missing they are skipped, with one line that says what to
 * install; under `CI=true`, where nothing may be skipped unseen, that line is a failure.
 *
 * @param what what they need and how to get it
 * @param isThere whether it is there
 */
export function describeWith(what: string, isThere: boolean): typeof describe | typeof describe.skip {
  if (isThere) return describe;
  if (process.env['CI'] === 'true') {
    it(`needs ${what}`, () => {
      throw new Error(`These specs need ${what}. Under CI=true they may not be skipped.`);
    });
  } else {
    it.skip(`needs ${what}`, () => {});
  }
  return describe.skip;
}
