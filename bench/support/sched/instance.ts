/** A published scheduling problem, as the planner, the reference rules and the validator each read it. */
export interface Work {
  readonly id: string;
  /** ms at speed 1. */
  readonly duration: number;
  readonly deps: readonly string[];
  readonly cost?: Readonly<Record<string, number>>;
  /** Bytes of the result. */
  readonly bytes?: number;
  readonly node?: string | { readonly collocatedWith: string };
  readonly priority?: number;
}

export interface Machine {
  readonly name: string;
  readonly threads: number;
  readonly speed: number;
  readonly capabilities: Readonly<Record<string, number>>;
  /** Price of each ms in which it runs something. */
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
  /** The reference for schedules: the optimal or best known makespan, or a bound. */
  readonly best: number;
  /** A proven lower bound. */
  readonly proven?: number;
}

export interface Placed {
  readonly id: string;
  readonly node: string;
  readonly start: number;
  readonly finish: number;
}

/** ms to move a result between two machines. */
export function transfer({ bandwidth = Infinity, latency = 0 }: Instance, { bytes = 0 }: Work): number {
  return latency + (bytes / bandwidth) * 1000;
}
