/** What `onProgress` of a run is called with. */

/** How far a run is. */
export interface Progress {
  readonly runId: string;
  readonly dagId: string;
  /** Functions with a result. */
  readonly done: number;
  /** Functions at workers now, begun or about to. */
  readonly running: number;
  readonly total: number;
}
