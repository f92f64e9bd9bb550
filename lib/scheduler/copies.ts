/** What is noted of functions that are run twice at once. See `contest.ts`. */

/** What a batch is in a contest, or was. */
export interface Contest<Batch> {
  /** The other, as long as both may win. */
  rival: Batch | null;
  readonly isCopy: boolean;
  /** The other has won. */
  isLost: boolean;
}

/** Copies of a run. */
export interface Copies {
  started: number;
  won: number;
  /** Batches that have lost, and are not gone yet. */
  losing: number;
}
