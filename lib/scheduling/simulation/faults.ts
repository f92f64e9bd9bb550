/** What goes wrong in a simulation, and how often. All default to never. */
export interface Faults {
  /** How likely an attempt fails. */
  readonly failure?: number | undefined;
  /** How likely an attempt never ends by itself. Only functions with a timeout do that, as others would never end at all. */
  readonly hang?: number | undefined;
  /** How likely an attempt kills its thread. */
  readonly crash?: number | undefined;
  /** How likely an attempt takes ten times as long. */
  readonly slow?: number | undefined;
  /** How often a node dies, per second of its life. */
  readonly nodeDeaths?: number | undefined;
  /** ms until a dead node is back, with another incarnation. Default 100. */
  readonly nodeReturn?: number | undefined;
  /** ms without a sign of life after which a node is taken for dead. Default 50. */
  readonly silence?: number | undefined;
  /** How likely a message between a node and the orchestrator is lost. The link is then broken, and the node begins anew. */
  readonly loss?: number | undefined;
  /** How likely a message arrives twice. */
  readonly duplication?: number | undefined;
  /** How likely a message is late, by up to 20 ms, so that others overtake it. */
  readonly lateness?: number | undefined;
  /** How often a result that is there gets lost, per second. */
  readonly losses?: number | undefined;
  /** How often the orchestrator's clock jumps ahead, per second, by up to a minute. */
  readonly clockJumps?: number | undefined;
}

export type ResolvedFaults = { readonly [Name in keyof Faults]-?: number };

export const noFaults: ResolvedFaults = {
  failure: 0, hang: 0, crash: 0, slow: 0, nodeDeaths: 0, nodeReturn: 100, silence: 50, loss: 0, duplication: 0, lateness: 0, losses: 0, clockJumps: 0,
};

/** How late a late message is at most, in ms. */
export const mostLate = 20;
