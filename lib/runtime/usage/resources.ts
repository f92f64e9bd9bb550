/** What is declared of nodes, what is claimed of it, and what is really in use, as users see it. */
import type { Capabilities, Cost } from '../../dag/types.ts';

export interface ThreadUse {
  /** The share of time that it was busy, waiting inside a function that blocks included; 0 to 1. */
  readonly utilization: number;
  /** Its heap and what lies outside of it, such as buffers, with what is not collected yet. */
  readonly heapMb: number;
}

export interface NodeUse {
  /** Cores that its threads use. */
  readonly cpu: number;
  /** MB that its threads hold. */
  readonly memory: number;
  readonly threads: readonly ThreadUse[];
}

export interface HostUse {
  /** Cores that the process of the host uses, all of its threads together. */
  readonly cpu: number;
  /** MB of memory that the process takes. */
  readonly rssMb: number;
  /** MB that the system could still give to it. */
  readonly freeMemoryMb: number;
}

export interface NodeResources {
  readonly declared: Capabilities;
  readonly claimed: Cost;
  readonly used: NodeUse;
  readonly host: HostUse;
}

/** Gives capabilities that a node has from now on, the others staying as they are; undefined: all stay. */
export type NodeProbe = (resources: NodeResources) => Capabilities | undefined | void | Promise<Capabilities | undefined | void>;

/** What somebody asked to be watched of a node. */
export interface NodePolicy {
  readonly probe?: NodeProbe | undefined;
  /** A function that uses more memory than it claims is ended. */
  readonly enforceMemory: boolean;
}
