/** Commands: everything that the scheduler asks its driver to do. */
import type { Uses } from '../../dag/types.ts';
import type { FunctionFailure, Outcome } from './outcome.ts';
import type { Batch, Node, Run } from './state.ts';

export type Command =
  /** Send a batch to its thread. */
  | { readonly type: 'Start'; readonly batch: Batch }
  /**
   * Ask for up to `count` functions from the end of a batch that its worker has not started. Answered by `TakenBack`.
   */
  | { readonly type: 'TakeBack'; readonly batch: Batch; readonly count: number }
  /** Take back everything that has not started (answered by `TakenBack`), and abort the running function. */
  | { readonly type: 'Cancel'; readonly batch: Batch; readonly why: 'aborted' | 'timeout' }
  /** End a worker thread, whatever it runs. Answered by `ThreadDown`. */
  | { readonly type: 'Kill'; readonly node: Node; readonly thread: number; readonly batch: number }
  /** Send `TimerFired` after `ms`. */
  | { readonly type: 'SetTimer'; readonly timer: number; readonly ms: number }
  | { readonly type: 'ClearTimer'; readonly timer: number }
  /** Ask the processes that share the limits for all of this. Answered by `LimitsGranted`, when there is enough. */
  | { readonly type: 'AskLimits'; readonly uses: Uses }
  /** Nothing wants what `AskLimits` has asked for any more: `LimitsGranted` does not follow. */
  | { readonly type: 'WithdrawLimits'; readonly uses: Uses }
  /** Give back of a shared limit what functions have held, and what none has used. */
  | { readonly type: 'ReturnLimit'; readonly name: string; readonly held: number; readonly unused: number }
  /** For observers: a function may start as soon as there is room. Only sent when `State.observed`. */
  | { readonly type: 'Ready'; readonly run: Run; readonly index: number }
  /** For observers: an attempt failed, and the next follows after `delay` ms. */
  | { readonly type: 'Retry'; readonly run: Run; readonly failed: FunctionFailure; readonly delay: number }
  /** For observers: a copy of a slow function was sent. */
  | { readonly type: 'Speculated'; readonly batch: Batch; readonly index: number }
  /** Tell the number of elements in the list of a map. Answered by `RunGrown` or `GrowthFailed`. */
  | { readonly type: 'Grow'; readonly run: Run; readonly index: number; readonly asked: number }
  /** Check and compile the graph that a function answered with. Answered by `GraphGrown` or `GrowthFailed`. */
  | { readonly type: 'Expand'; readonly run: Run; readonly index: number; readonly asked: number }
  /** The elements of a map, or the graph that a function answered with, were appended. */
  | { readonly type: 'Grown'; readonly run: Run; readonly index: number; readonly base: number; readonly count: number }
  /** The run has grown as it had before (`RunSettings.grown`), and functions are done (`RunSettings.restored`). */
  | { readonly type: 'Restored'; readonly run: Run }
  /** All elements of a map, or all functions of a graph, are done: they give the result of this function. */
  | { readonly type: 'Gathered'; readonly run: Run; readonly index: number }
  /** An element of a map that settles failed for good: its result is the error. */
  | { readonly type: 'Settled'; readonly run: Run; readonly failed: FunctionFailure }
  /** For observers: a function does not run, because of its condition or a skipped input. */
  | { readonly type: 'Skipped'; readonly run: Run; readonly index: number }
  /** For observers: a function failed for good. */
  | { readonly type: 'Failed'; readonly run: Run; readonly failed: FunctionFailure }
  /** Lost or dropped results are made again. Forget what remains of them. */
  | { readonly type: 'Recompute'; readonly run: Run; readonly indexes: readonly number[] }
  /** Results that no function will read again. */
  | { readonly type: 'Release'; readonly run: Run; readonly indexes: readonly number[] }
  /** Every function is done. Losing attempts of copied functions may still run. */
  | { readonly type: 'FinishRun'; readonly run: Run }
  /**
   * The run ends without finishing, and none of its functions run any more, except losing attempts of copied functions.
   */
  | { readonly type: 'FailRun'; readonly run: Run; readonly outcome: Outcome };

export type CommandOf<Type extends Command['type']> = Extract<Command, { readonly type: Type }>;
