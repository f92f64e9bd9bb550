/** The argument of `onProgress`. */

/** The progress of a run. */
export interface Progress {
  readonly runId: string;
  readonly dagId: string;
  /** Functions that have a result. */
  readonly done: number;
  /** Functions that were sent to worker threads and have not ended. */
  readonly running: number;
  /** Functions of the run, without skipped ones. */
  readonly total: number;
}
