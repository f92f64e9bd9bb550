/** What caches have in common, wherever they keep results. */

/** Larger results are kept apart from what is looked up. */
export const maxInlineBytes = 16 * 1024;

/** What a result takes beside its bytes, so that many small ones stay within the limit, too. */
export const rowBytes = 256;

/** The part of the limit that is used after old results were deleted, so that this happens rarely. */
export const afterEviction = 0.9;

/** The time of the last use is exact to this many ms, so that hits write little. */
export const useGrainMs = 60_000;

/** The maximum number of hits whose use is not written yet. */
export const maxUnwritten = 2000;
