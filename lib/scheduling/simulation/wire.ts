/** What the orchestrator and simulated nodes tell each other. */
import type { Event } from '../scheduler/events.ts';
import type { Batch } from '../scheduler/state.ts';

type WithoutTime<Each> = Each extends { now: number } ? Omit<Each, 'now'> : never;

/** An event, before it has a time. */
export type Happening = WithoutTime<Event>;

/** A batch as it is sent: with what its functions need that is not there yet. */
export interface SentBatch {
  readonly batch: Batch;
  /** By position: results of the same batch that it takes, by position. */
  readonly locals: readonly (readonly number[])[];
  /** By position: results that other lanes hand over, by place. */
  readonly imports: readonly (readonly number[])[];
  /** By position: ms until the results are there that other nodes have. */
  readonly transfers: Float64Array;
  /** By position: the attempt, from 1. */
  readonly attempts: Int32Array;
}

export type ToNode =
  /** `downs`: how many ends of the lane the orchestrator had heard of. */
  | { readonly type: 'start'; readonly lane: number; readonly sent: SentBatch; readonly downs: number }
  | { readonly type: 'take-back'; readonly lane: number; readonly batch: number; readonly count: number }
  | { readonly type: 'cancel'; readonly lane: number; readonly batch: number }
  | { readonly type: 'kill'; readonly lane: number; readonly batch: number };
