/** What nodes and functions are about, as people look at them. Plain data: it goes to other hosts. */
import type { Capabilities, Cost } from '../dag/types.ts';

export interface ThreadActivity {
  /** 0 to 1; null: nobody has looked. */
  readonly utilization: number | null;
  readonly heapMb: number | null;
  /** What runs there, as far as the hosts that answered know; `since`: ms since the epoch, by the clock of the host that asked. */
  readonly running: { readonly runId: string; readonly dagId: string; readonly functionId: string; readonly since: number } | null;
  /** Functions that were sent, by any host, and have not ended, that which runs included. */
  readonly queue: number;
}

export interface NodeActivity {
  readonly name: string;
  /** As in `Told`. */
  readonly host: string;
  readonly isUp: boolean;
  readonly declared: Capabilities;
  readonly claimed: Cost;
  /** Cores and MB; null: nobody has looked. */
  readonly used: { readonly cpu: number; readonly memory: number } | null;
  readonly threads: readonly ThreadActivity[];
}

/** A function, beyond what the `RunGraph` says of it. */
export interface FunctionDetail {
  readonly functionId: string;
  /** The name of its code. */
  readonly name: string;
  /** Where its code is; null: it was given as source text. */
  readonly module: string | null;
  /** In call order: ids of functions whose results it takes, and other values as text, cut off where they are long. */
  readonly args: readonly ({ readonly result: string } | { readonly literal: string })[];
  /** Bytes of its result in shared memory; 0: it is a plain value; null: there is none, or it has been dropped. */
  readonly bytes: number | null;
}
