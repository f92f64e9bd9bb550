/**
 * A scheduling problem as it was published: what the planner, the reference rules and the validator each read on their
 * own.
 */
export interface Work {
  readonly id: string;
  /** ms at speed 1. */
  readonly duration: number;
  readonly deps: readonly string[];
  readonly cost?: Readonly<Record<string, number>>;
  /** Of the result. */
  readonly bytes?: number;
  readonly node?: string | { readonly collocatedWith: string };
  readonly priority?: number;
}

export interface Machine {
  readonly name: string;
  readonly threads: number;
  readonly speed: number;
  readonly capabilities: Readonly<Record<string, number>>;
  /** Of each ms that something runs there. */
  readonly price?: number;
}

export interface Instance {
  readonly name: string;
  readonly set: string;
  readonly work: readonly Work[];
  readonly machines: readonly Machine[];
  /** Bytes per second. */
  readonly bandwidth?: number;
  /** ms. */
  readonly latency?: number;
  /** What schedules are measured against: the optimum or best known makespan, or a bound. */
  readonly best: number;
  /** What is proven that no schedule can undercut. */
  readonly proven?: number;
}

export interface Placed {
  readonly id: string;
  readonly node: string;
  readonly start: number;
  readonly finish: number;
}

/** ms that a result takes from one machine to another. */
export function transfer({ bandwidth = Infinity, latency = 0 }: Instance, { bytes = 0 }: Work): number {
  return latency + (bytes / bandwidth) * 1000;
}
