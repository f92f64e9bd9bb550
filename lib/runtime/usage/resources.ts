/** The public types of measured resources. */
import type { Capabilities, Cost } from '../../dag/types.ts';

export interface ThreadUse {
  /** Share of time that the thread is busy, from 0 to 1. Blocking waits inside a function count as busy. */
  readonly utilization: number;
  /** Heap and external memory such as buffers, in MB, including garbage. */
  readonly heapMb: number;
}

export interface NodeUse {
  /** Cores used by its threads. */
  readonly cpu: number;
  /** Memory held by its threads, in MB. */
  readonly memory: number;
  readonly threads: readonly ThreadUse[];
}

export interface HostUse {
  /** Cores used by the process with all its threads. */
  readonly cpu: number;
  /** Resident memory of the process, in MB. */
  readonly rssMb: number;
  /** Memory still available to the process, in MB. */
  readonly freeMemoryMb: number;
}

export interface NodeResources {
  readonly declared: Capabilities;
  readonly claimed: Cost;
  readonly used: NodeUse;
  readonly host: HostUse;
}

/** Returns new amounts for some capabilities of a node, or undefined to keep all. */
export type NodeProbe = (
  resources: NodeResources,
) => Capabilities | undefined | void | Promise<Capabilities | undefined | void>;

/** How a node is monitored. */
export interface NodePolicy {
  readonly probe?: NodeProbe | undefined;
  /** Whether a function that uses more memory than it claims is ended. */
  readonly enforceMemory: boolean;
}
