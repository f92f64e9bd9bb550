/** The faults of a simulation and their rates. Every rate defaults to 0. */
export interface Faults {
  /** The probability that an attempt fails. */
  readonly failure?: number | undefined;
  /**
   * The probability that an attempt hangs. Applies only to functions with a timeout, because others would never end.
   */
  readonly hang?: number | undefined;
  /** The probability that an attempt kills its thread. */
  readonly crash?: number | undefined;
  /** The probability that an attempt takes ten times as long. */
  readonly slow?: number | undefined;
  /** Deaths of a node per second of its life. */
  readonly nodeDeaths?: number | undefined;
  /** ms until a dead node returns, with a new incarnation. Default 100. */
  readonly nodeReturn?: number | undefined;
  /** ms without a sign of life after which a node counts as dead. Default 50. */
  readonly silence?: number | undefined;
  /**
   * The probability that a message between a node and the orchestrator is lost. The link then breaks, and the node
   * restarts.
   */
  readonly loss?: number | undefined;
  /** The probability that a message arrives twice. */
  readonly duplication?: number | undefined;
  /** The probability that a message is late, by up to 20 ms, so that others overtake it. */
  readonly lateness?: number | undefined;
  /** Losses of existing results per second. */
  readonly losses?: number | undefined;
  /** Jumps of the orchestrator's clock per second, each by up to a minute ahead. */
  readonly clockJumps?: number | undefined;
}

export type ResolvedFaults = { readonly [Name in keyof Faults]-?: number };

export const noFaults: ResolvedFaults = {
  failure: 0,
  hang: 0,
  crash: 0,
  slow: 0,
  nodeDeaths: 0,
  nodeReturn: 100,
  silence: 50,
  loss: 0,
  duplication: 0,
  lateness: 0,
  losses: 0,
  clockJumps: 0,
};

/** The maximum delay of a late message in ms. */
export const maxLateMs = 20;
