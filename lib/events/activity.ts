/**
 * The activity of nodes and the details of functions, for people to look at. Plain data, so that it can go to other
 * hosts.
 */
import type { Capabilities, Cost } from '../dag/types.ts';

export interface ThreadActivity {
  /** 0 to 1; null if not measured yet. */
  readonly utilization: number | null;
  readonly heapMb: number | null;
  /**
   * The function that runs here, as far as the hosts that answered know. `since`: ms since the epoch, by the clock of
   * the host that asked.
   */
  readonly running: {
    readonly runId: string;
    readonly dagId: string;
    readonly functionId: string;
    readonly since: number;
  } | null;
  /** Functions that any host has sent here and that have not ended, including the running one. */
  readonly queue: number;
}

export interface NodeActivity {
  readonly name: string;
  /** As in `FeedEvent`. */
  readonly host: string;
  readonly isUp: boolean;
  readonly declared: Capabilities;
  readonly claimed: Cost;
  /**
   * Limits of the program that runs on its host: the amount that functions on this node hold, that of all nodes, and how
   * much they may hold at a time and start per second. Left out without limits, and by hosts of earlier versions.
   */
  readonly limits?: Readonly<
    Record<
      string,
      { readonly here: number; readonly used: number; readonly concurrency?: number; readonly perSecond?: number }
    >
  >;
  /** Cores and MB; null if not measured yet. */
  readonly used: { readonly cpu: number; readonly memory: number } | null;
  readonly threads: readonly ThreadActivity[];
}

/** Details of a function that the `RunGraph` does not have. */
export interface FunctionDetail {
  readonly functionId: string;
  /** The name of its code. */
  readonly name: string;
  /** The module of its code; null for source text. */
  readonly module: string | null;
  /** Arguments in call order: the id of the function whose result is taken, or another value as text, cut if long. */
  readonly args: readonly ({ readonly result: string } | { readonly literal: string })[];
  /** Bytes of its result in shared memory. 0 for a plain value; null if there is no result, or it has been dropped. */
  readonly bytes: number | null;
}
