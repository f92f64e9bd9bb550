/** The one place where batches are made, so that all have the same shape. */
import type { Cost, Uses } from '../../../dag/types.ts';
import { type Batch, type GangPart, nextId, type Run, type State, type Thread } from '../state.ts';

export interface NewBatch {
  readonly run: Run;
  readonly thread: Thread;
  readonly functions: readonly number[];
  readonly now: number;
  /** Default: a new one. */
  readonly id?: number;
  readonly claim?: Cost | undefined;
  readonly uses?: Uses | undefined;
  readonly holds?: boolean;
  readonly heads?: number;
  readonly expectedMs?: number;
  readonly steady?: boolean;
  readonly exclusive?: boolean;
  readonly gang?: GangPart | null;
}

/** A batch that no function of has ended, not yet on its thread. */
export function newBatch(state: State, made: NewBatch): Batch {
  const { functions } = made;
  return {
    id: made.id ?? nextId(state),
    run: made.run,
    thread: made.thread,
    functions,
    done: 0,
    size: functions.length,
    claim: made.claim,
    uses: made.uses,
    holds: made.holds ?? true,
    heads: made.heads ?? 0,
    expectedMs: made.expectedMs ?? 0,
    steady: made.steady ?? false,
    begunAt: made.now,
    since: made.now,
    exclusive: made.exclusive ?? false,
    cancelled: false,
    timedOut: false,
    isDoomed: false,
    takingBack: false,
    timer: -1,
    gang: made.gang ?? null,
    contest: null,
  };
}
