/** What to do: all that the scheduler asks of the world. */
import type { FunctionFailure, Outcome } from './outcome.ts';
import type { Batch, Node, Run } from './state.ts';

export type Command =
  /** Send a batch to its lane. */
  | { readonly type: 'Start'; readonly batch: Batch }
  /** Ask for up to `count` functions from the end of a batch that its worker has not begun. Answered by `TakenBack`. */
  | { readonly type: 'TakeBack'; readonly batch: Batch; readonly count: number }
  /** Take back all that has not begun (answered by `TakenBack`), and abort the function that runs. */
  | { readonly type: 'Cancel'; readonly batch: Batch; readonly why: 'aborted' | 'timeout' }
  /** End a worker thread, whatever it does. Answered by `LaneDown`. */
  | { readonly type: 'Kill'; readonly node: Node; readonly lane: number; readonly batch: number }
  /** Answer with `TimerFired` after `ms`. */
  | { readonly type: 'SetTimer'; readonly timer: number; readonly ms: number }
  | { readonly type: 'ClearTimer'; readonly timer: number }
  /** For observers: a function may start as soon as there is room. Only when `State.observed`. */
  | { readonly type: 'Ready'; readonly run: Run; readonly index: number }
  /** For observers: an attempt failed and there will be another, after `delay` ms. */
  | { readonly type: 'Retry'; readonly run: Run; readonly failed: FunctionFailure; readonly delay: number }
  /** For observers: a function that takes long has been sent once more. */
  | { readonly type: 'Speculated'; readonly batch: Batch; readonly index: number }
  /** For observers: a function failed for good. */
  | { readonly type: 'Failed'; readonly run: Run; readonly failed: FunctionFailure }
  /** Results that are lost, or had been dropped and are needed for those, are made again: what is left of them is to be forgotten. */
  | { readonly type: 'Recompute'; readonly run: Run; readonly indexes: readonly number[] }
  /** Results that nobody will read any more. */
  | { readonly type: 'Release'; readonly run: Run; readonly indexes: readonly number[] }
  /** Every function is done. What has lost against a copy, or as one, may not be gone yet. */
  | { readonly type: 'FinishRun'; readonly run: Run }
  /** The run is over otherwise, and nothing of it runs any more, but what has lost against a copy. */
  | { readonly type: 'FailRun'; readonly run: Run; readonly outcome: Outcome };
