/** The messages between the orchestrator and simulated nodes. */
import type { Event } from '../scheduler/events.ts';
import type { Batch } from '../scheduler/state.ts';

type WithoutTime<Each> = Each extends { now: number } ? Omit<Each, 'now'> : never;

/** An event without its time. */
export type Happening = WithoutTime<Event>;

/** A batch as it is sent, with the inputs that its functions wait for. */
export interface SentBatch {
  readonly batch: Batch;
  /** By position: the positions of functions of the same batch whose results it takes. */
  readonly locals: readonly (readonly number[])[];
  /** By position: the places of results that other threads hand over. */
  readonly imports: readonly (readonly number[])[];
  /** By position: the time at which the last result of other nodes arrives, in ms; 0 without any. */
  readonly arrivals: Float64Array;
  /** By position: the number of the attempt, from 1. */
  readonly attempts: Int32Array;
}

export type ToNode =
  /** `downs`: the number of ends of the thread that the orchestrator had received. */
  | { readonly type: 'start'; readonly thread: number; readonly sent: SentBatch; readonly downs: number }
  | { readonly type: 'take-back'; readonly thread: number; readonly batch: number; readonly count: number }
  | { readonly type: 'cancel'; readonly thread: number; readonly batch: number }
  | { readonly type: 'kill'; readonly thread: number; readonly batch: number };
