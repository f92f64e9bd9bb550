/** What happened: all that the scheduler learns of the world. Plain data, with the time it happened at. */
import type { DynamicAllocator } from '../allocation/allocator.ts';
import type { Strategy } from '../allocation/strategy.ts';
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import type { Capabilities } from '../../dag/types.ts';
import type { Speculation } from './straggler-threshold.ts';

export type Event = {
  /** ms on any clock that does not run backwards. */
  readonly now: number;
} & (
  /**
   * A node is there. Each time it comes back it has another `incarnation`, higher than before: what an earlier one still tells is
   * dropped.
   */
  | { readonly type: 'NodeUp'; readonly node: string; readonly incarnation: number; readonly capabilities: Capabilities; readonly speed: number; readonly host?: number }
  | { readonly type: 'CapabilitiesChanged'; readonly node: string; readonly capabilities: Capabilities }
  /**
   * A node is gone. `returning`: it is being restarted, so that what only it can run waits. `started`: how far its batches had got, all
   * that are not in it had not begun; undefined when that is not known.
   */
  | { readonly type: 'NodeDown'; readonly node: string; readonly returning: boolean; readonly started?: readonly StartedCount[] | undefined }
  /** A node is about to go: it finishes what it has begun, and nothing more is to be sent to it. */
  | { readonly type: 'NodeDraining'; readonly node: string }
  /** Somebody else gave back what was claimed of a node. */
  | { readonly type: 'ResourcesFreed' }
  /** A worker thread is ready; lanes are numbered per node. */
  | { readonly type: 'LaneUp'; readonly node: string; readonly incarnation: number; readonly lane: number }
  /** A worker thread is gone, and what it had not reported with it. */
  | { readonly type: 'LaneDown'; readonly node: string; readonly incarnation: number; readonly lane: number; readonly crash: Crash; readonly started: readonly StartedCount[]; readonly random: number }
  | { readonly type: 'RunSubmitted'; readonly run: string; readonly plan: CompiledDag; readonly settings: RunSettings }
  /** The caller gave up, or the run's time is over. `reason` comes back in the outcome. `gently`: what runs may finish. */
  | { readonly type: 'RunAborted'; readonly run: string; readonly reason: unknown; readonly gently: boolean }
  /** The worker began a function whose start was to be announced. */
  | { readonly type: 'FunctionStarted'; readonly batch: number; readonly index: number }
  /** `count` functions of a batch have ended, from position `first` on. Told twice, they count once. */
  | { readonly type: 'FunctionsEnded'; readonly batch: number; readonly first: number; readonly count: number; readonly exceptions: readonly Exception[]; readonly durations: readonly Measured[]; readonly random: number; readonly large?: readonly LargeResult[] }
  /** Functions of a batch from position `limit` on had not begun and never will. */
  | { readonly type: 'TakenBack'; readonly batch: number; readonly limit: number }
  /** Results that were there are not any more. */
  | { readonly type: 'ResultsLost'; readonly run: string; readonly indexes: readonly number[] }
  /** Results that the run is to have in the end are on their way to this host: so many more. It does not finish before they are there. */
  | { readonly type: 'ResultsTravelling'; readonly run: string; readonly count: number }
  /** So many of them are there, or have been given up. */
  | { readonly type: 'ResultsArrived'; readonly run: string; readonly count: number }
  /** Results hold more memory than they may, or no longer: then nothing is started while something is under way. */
  | { readonly type: 'MemoryPressed'; readonly isPressed: boolean }
  | { readonly type: 'TimerFired'; readonly timer: number }
);

export type EventOf<Type extends Event['type']> = Extract<Event, { readonly type: Type }>;

/** How many functions of a batch a dead worker had begun, of all the batch was sent with. */
export interface StartedCount {
  readonly batch: number;
  readonly started: number;
}

/** Why a worker died. */
export interface Crash {
  /** `import`: one took too long. `unreadable`: the thread sent what could not be read, and was ended for that. */
  readonly reason: 'exit' | 'uncaught' | 'out-of-memory' | 'killed' | 'import' | 'unreadable';
  readonly exitCode?: number;
  /** What was thrown, as `ErrorWire`. */
  readonly error?: unknown;
}

/** A function of a report that did not give a result. */
export type Exception =
  /** It threw. `retryable`: false when trying again cannot help, or its `retryIf` said no. */
  | { readonly index: number; readonly kind: 'failed'; readonly error: unknown; readonly retryable: boolean }
  /** It was not begun, as it needs a result of the same batch that is not there. */
  | { readonly index: number; readonly kind: 'skipped' };

/** A result that had better be read where it is. */
export interface LargeResult {
  /** Its position in the batch. */
  readonly index: number;
  readonly bytes: number;
}

/** How long functions of one code took on their node, in ms, all together, and how much they gave. */
export interface Measured {
  readonly code: number;
  readonly count: number;
  readonly ms: number;
  /** Of results in shared memory or files; 0 for any other. Default 0. */
  readonly bytes?: number;
}

export interface RunSettings {
  /** Extra attempts for functions that do not say. */
  readonly maxRetries: number;
  /** How often the result of one function may be lost. Default 10. */
  readonly maxResultLosses?: number;
  /** Functions in flight at once. */
  readonly maxConcurrency: number;
  /** Whether functions that take much longer than is typical are run once more beside; null: they are not. */
  readonly speculate?: Speculation | null;
  /** Whether independent branches finish after a failure. */
  readonly keepGoing: boolean;
  /** Whether it runs on nodes of this host alone. */
  readonly hereOnly?: boolean;
  /** Functions whose results the run must hold to its end; null: all. */
  readonly kept: Uint8Array | null;
  readonly strategy: Strategy;
  /** Whether what was `assigned` is for the best, and no must: another node will do when that is gone. */
  readonly movable?: boolean;
  /** Node by function, when an allocator has decided. */
  readonly assigned: readonly string[] | null;
  /** By function: the host it had better be on, -1: it is no matter. */
  readonly home?: Int32Array;
  /** Who gives functions their nodes as they become ready. */
  readonly allocator?: DynamicAllocator;
  /**
   * When the plan has each function start, in ms from the beginning: each node takes its own in this order, which is also that of the
   * ranks.
   */
  readonly start?: Float64Array;
  /** Functions whose first attempt had begun before the run did: how many ms before. */
  readonly began?: ReadonlyMap<number, number>;
  /** Index into `State.estimates`, by the plan's code. */
  readonly codes: Int32Array;
  /** ms on a node of speed 1, of functions that are known to be unlike others of their code. */
  readonly known?: ReadonlyMap<number, number> | undefined;
}
