/** Where runs are recorded. One contract suite holds for every implementation. */
import type { CacheStore } from './cache-store.ts';

export type RunState = 'queued' | 'running' | 'finished' | 'failed' | 'cancelled' | 'orphaned';

/** Whether a run has ended. */
export function hasEnded(state: RunState): boolean {
  return state === 'finished' || state === 'failed' || state === 'cancelled';
}

/** A run in a list. */
export interface RunSummaryRow {
  readonly runId: string;
  readonly dagId: string;
  /** `orphaned`: it has not ended, and the process that ran it is gone. */
  readonly state: RunState;
  /** ms since the epoch. */
  readonly submittedAt: number;
  /** ms since the epoch; undefined while it has not ended. */
  readonly endedAt: number | undefined;
  readonly functions: number;
  readonly done: number;
  /** How many of them were done by a result from the cache. */
  readonly cached: number;
  readonly failed: number;
  /** The owner; undefined for a run without one. */
  readonly owner: string | undefined;
}

/** The right to append to a run. It ends when another owner claims the run, after this one was taken for dead. */
export interface Claim {
  readonly runId: string;
  readonly term: number;
  /** The position of the next chunk. */
  position: number;
}

/** What a chunk changes in the list of runs. */
export interface Change {
  /** How many functions the run has by now, as it has grown by elements of maps and by graphs. */
  readonly functions?: number;
  /** How many functions have a recorded result by now. */
  readonly done?: number;
  /** How many of them were done by a result from the cache. */
  readonly cached?: number;
  readonly failed?: number;
  /** The run ends with this chunk. */
  readonly state?: 'finished' | 'failed' | 'cancelled';
}

export interface RunFilter {
  readonly state?: RunState | undefined;
  /** Default 100. */
  readonly limit?: number | undefined;
  /** Only runs submitted before this time, in ms since the epoch. */
  readonly before?: number | undefined;
}

export interface NewRun {
  readonly runId: string;
  readonly dagId: string;
  readonly functions: number;
}

/** How much of a limit processes may hold at a time, and how much may start per second. */
export interface SharedLimit {
  readonly concurrency: number;
  readonly perSecond: number;
  /** The amount that may start at once after a pause. */
  readonly burst: number;
}

/** Amounts by the names of limits. */
export type Amounts = Readonly<Record<string, number>>;

/**
 * Counts limits over all processes. What a process holds counts until it closes the
 * journal, or dies. All methods reject with
 * `JOURNAL_FAILED` when the store fails.
 */
export interface LimitStore {
  /**
   * Takes all of some amounts, or nothing.
   *
   * @param held what this process holds of these limits, without them
   * @returns 0 when they are taken; otherwise ms after which it may succeed: Infinity if others must give back first
   */
  take(limits: Readonly<Record<string, SharedLimit>>, amounts: Amounts, held: Amounts): Promise<number>;

  /**
   * Gives back.
   *
   * @param held what this process still holds of these limits
   * @param unused what has not started: it does not count towards the rate
   */
  giveBack(limits: Readonly<Record<string, SharedLimit>>, held: Amounts, unused: Amounts): Promise<void>;

  /**
   * Calls back soon after another process has given back.
   *
   * @returns ends the calls
   */
  watch(listener: () => void): () => void;
}

/**
 * A store of logs. Every promise resolves when the change is durable, as far as the store promises that. All methods
 * reject with `JOURNAL_FAILED` when the store fails.
 */
export interface Journal {
  /** The name of this process among the owners of runs. */
  readonly owner: string;

  /**
   * Adds a run, queued, with the first chunk of its log.
   *
   * @returns false when the id is in use
   */
  submit(run: NewRun, chunk: Uint8Array): Promise<boolean>;

  /**
   * Makes this process the owner of a run that has not ended and has no living owner.
   *
   * @returns undefined when there is no such run, it has ended, or its owner lives
   */
  claim(runId: string): Promise<Claim | undefined>;

  /**
   * Appends a chunk at the position of the claim, and advances it.
   *
   * @throws `FENCED` when another process owns the run by now; nothing was written
   */
  append(claim: Claim, chunk: Uint8Array, change: Change): Promise<void>;

  /** Gives a run back to the queue, so that any process may claim it. */
  release(claim: Claim): Promise<void>;

  /** Puts a run that has ended back into the queue, with one more chunk. Returns false when it has not ended. */
  reopen(runId: string, chunk: Uint8Array): Promise<boolean>;

  /** The chunks of a run, in order; empty when there is no such run. */
  read(runId: string): Promise<Uint8Array[]>;

  find(runId: string): Promise<RunSummaryRow | undefined>;

  /** Runs, the newest first. */
  list(filter?: RunFilter): Promise<RunSummaryRow[]>;

  /** Asks the owner of a run to cancel it. A run without an owner is cancelled at once. False when it has ended. */
  cancel(runId: string): Promise<boolean>;

  /** Whether a cancellation of the run was requested. */
  isCancelled(runId: string): Promise<boolean>;

  /** Keeps the bytes of a result of a run under their hash, for as long as the run is kept. */
  putBlob(runId: string, hash: string, bytes: Uint8Array): Promise<void>;

  /** Undefined when the bytes are gone or damaged. */
  getBlob(hash: string): Promise<Uint8Array | undefined>;

  /**
   * Calls back soon after another process may have changed something, and now and then without a change.
   *
   * @returns ends the calls
   */
  watch(listener: () => void): () => void;

  /**
   * Opens the cache of results that lives beside the runs. A journal without this method has none.
   *
   * @param maxBytes the limit of the size of all results
   */
  openCache?(maxBytes: number): Promise<CacheStore>;

  /** Where limits of the program are counted over all processes of this journal. A journal without it counts none. */
  readonly limits?: LimitStore;

  /** Deletes ended runs beyond those to keep, and bytes that no run refers to. Returns the number of runs. */
  compact(): Promise<number>;

  close(): Promise<void>;
}
