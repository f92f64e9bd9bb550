/** Events: everything that the scheduler learns. They are plain data and carry the time at which they happened. */
import type { Answer, RecordedGrowth } from './growth/span.ts';
import type { DynamicAllocator } from '../allocation/allocator.ts';
import type { Strategy } from '../allocation/strategy.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { Capabilities, Uses } from '../../dag/types.ts';
import type { Speculation } from './speculation/straggler-threshold.ts';

export type Event = {
  /** ms on any monotonic clock. */
  readonly now: number;
} &
  /** A node is up. Each time it comes back it has a higher `incarnation`; events of earlier ones are dropped. */
  (
    | {
        readonly type: 'NodeUp';
        readonly node: string;
        readonly incarnation: number;
        readonly capabilities: Capabilities;
        readonly speed: number;
        readonly host?: number;
        /** How many concurrent functions each of its threads holds. Default 64. */
        readonly concurrency?: number | undefined;
      }
    | { readonly type: 'CapabilitiesChanged'; readonly node: string; readonly capabilities: Capabilities }
    /**
     * A node is gone. `returning`: it is restarting, so functions that only it can run wait. `started`: how far its
     * batches had got; batches that are not listed had not started. Undefined if unknown.
     */
    | {
        readonly type: 'NodeDown';
        readonly node: string;
        readonly returning: boolean;
        readonly started?: readonly StartedCount[] | undefined;
      }
    /** A node is about to leave: it finishes what it has started, and gets nothing more. */
    | { readonly type: 'NodeDraining'; readonly node: string }
    /** Another claimant released resources of a node. */
    | { readonly type: 'ResourcesFreed' }
    /** A worker thread is ready. Threads are numbered per node. */
    | { readonly type: 'ThreadUp'; readonly node: string; readonly incarnation: number; readonly thread: number }
    /** A worker thread is gone, and with it everything that it had not reported. */
    | {
        readonly type: 'ThreadDown';
        readonly node: string;
        readonly incarnation: number;
        readonly thread: number;
        readonly crash: Crash;
        readonly started: readonly StartedCount[];
        readonly random: number;
      }
    | {
        readonly type: 'RunSubmitted';
        readonly run: string;
        readonly plan: CompiledDag;
        readonly settings: RunSettings;
      }
    /**
     * The caller aborted the run, or its time is over. The outcome includes `reason`. `gently`: running functions may
     * finish.
     */
    | { readonly type: 'RunAborted'; readonly run: string; readonly reason: unknown; readonly gently: boolean }
    /** The caller cancelled one function. It fails with `reason`, and the run continues by its settings. */
    | { readonly type: 'FunctionCancelled'; readonly run: string; readonly index: number; readonly reason: unknown }
    /** A worker started a function whose start it has to announce. */
    | { readonly type: 'FunctionStarted'; readonly batch: number; readonly index: number }
    /** `count` functions of a batch have ended, from position `first` on. Duplicates are ignored. */
    | {
        readonly type: 'FunctionsEnded';
        readonly batch: number;
        readonly first: number;
        readonly count: number;
        readonly exceptions: readonly Exception[];
        readonly durations: readonly Measured[];
        readonly random: number;
        readonly large?: readonly LargeResult[];
        /** Positions of functions with `Flag.decides` whose result is falsy. Default: none. */
        readonly falsy?: readonly number[];
      }
    /** The worker will not run the functions of a batch from position `limit` on, and has not started them. */
    | { readonly type: 'TakenBack'; readonly batch: number; readonly limit: number }
    /** The list of a map has `count` elements. `asked`: the number of the question that this answers. */
    | {
        readonly type: 'RunGrown';
        readonly run: string;
        readonly index: number;
        readonly asked: number;
        readonly count: number;
      }
    /** The list of a map cannot be read or is no list, or a graph is refused. `error`: as `ErrorWire`. */
    | {
        readonly type: 'GrowthFailed';
        readonly run: string;
        readonly index: number;
        readonly asked: number;
        readonly error: unknown;
      }
    /** The graph that a function answered with, checked and compiled. */
    | {
        readonly type: 'GraphGrown';
        readonly run: string;
        readonly index: number;
        readonly asked: number;
        readonly answer: Answer;
      }
    /**
     * What is known of earlier results of functions in `RunSettings.gated`: those in `hits` have one and are done, those
     * in `misses` have to run. `falsy`: those of the hits that are conditions with a falsy result.
     */
    | {
        readonly type: 'LookedUp';
        readonly run: string;
        readonly hits: readonly number[];
        readonly misses: readonly number[];
        readonly falsy: ReadonlySet<number>;
      }
    /** Results are lost. */
    | { readonly type: 'ResultsLost'; readonly run: string; readonly indexes: readonly number[] }
    /**
     * `count` results that the run keeps to its end are on their way to this host. The run does not finish before they
     * arrive.
     */
    | { readonly type: 'ResultsTravelling'; readonly run: string; readonly count: number }
    /** `count` of those results arrived or were given up. `here`: those that are on this host now. */
    | {
        readonly type: 'ResultsArrived';
        readonly run: string;
        readonly count: number;
        readonly here: readonly number[];
      }
    /**
     * Results hold more memory than allowed, or no longer do. While they do, nothing starts unless no batch is active.
     */
    | { readonly type: 'MemoryPressed'; readonly isPressed: boolean }
    | { readonly type: 'TimerFired'; readonly timer: number }
    /** This process shares its limits with others from now on. Comes before the first run. */
    | { readonly type: 'LimitsShared' }
    /** What `AskLimits` has asked for may start. */
    | { readonly type: 'LimitsGranted'; readonly uses: Uses }
  );

export type EventOf<Type extends Event['type']> = Extract<Event, { readonly type: Type }>;

/** The number of functions of a batch that a dead worker had started. */
export interface StartedCount {
  readonly batch: number;
  readonly started: number;
}

/** Why a worker died. */
export interface Crash {
  /** `import`: an import took too long. `unreadable`: the thread sent an unreadable message and was ended for it. */
  readonly reason: 'exit' | 'uncaught' | 'out-of-memory' | 'killed' | 'import' | 'unreadable';
  readonly exitCode?: number;
  /** The batch of the concurrent function that killed it, if known; a number of no batch: one of another scheduler. */
  readonly batch?: number | undefined;
  /** The thrown error, as `ErrorWire`. */
  readonly error?: unknown;
}

/** A reported function without a result. */
export type Exception =
  /** It threw. `retryable` is false if a retry cannot help, or `retryIf` refused it. */
  | { readonly index: number; readonly kind: 'failed'; readonly error: unknown; readonly retryable: boolean }
  /** It did not start, because a result of the same batch that it needs is missing. */
  | { readonly index: number; readonly kind: 'skipped' }
  /** It succeeded, and answered with a graph instead of a result. */
  | { readonly index: number; readonly kind: 'expanded' };

/** A large result, which is best read where it is. */
export interface LargeResult {
  /** Its position in the batch. */
  readonly index: number;
  readonly bytes: number;
}

/** The total duration in ms, on their node, of functions of one code, and the total size of their results. */
export interface Measured {
  readonly code: number;
  readonly count: number;
  readonly ms: number;
  /** The size of results in shared memory or files; 0 for others. Default 0. */
  readonly bytes?: number;
}

/** A function that an earlier process has done. */
export interface Restored {
  /** The name of its node. If that is gone, a node of this host takes its place. */
  readonly node: string;
  /** Whether its result is truthy, for functions that depend on that. */
  readonly isTruthy: boolean;
  /** Whether its result is not here, because nothing was to read it. Default false. */
  readonly isAbsent?: boolean;
}

export interface RunSettings {
  /** Attempts after the first, for functions without their own setting. */
  readonly maxRetries: number;
  /** The maximum number of losses of one function's result. Default 10. */
  readonly maxResultLosses?: number;
  /** The maximum number of functions of the run, elements of maps included. Default 1,000,000. */
  readonly maxFunctions?: number;
  /** The maximum number of functions in flight. */
  readonly maxConcurrency: number;
  /** When to run copies of functions that take much longer than is typical; null for never. */
  readonly speculate?: Speculation | null;
  /** Whether independent branches finish after a failure. */
  readonly keepGoing: boolean;
  /** Whether the run uses only nodes of this host. */
  readonly hereOnly?: boolean;
  /** Functions that an earlier process has done. Default: none. */
  readonly restored?: ReadonlyMap<number, Restored>;
  /** What the run had grown by when an earlier process recorded that. `restored` numbers these functions, too. */
  readonly grown?: readonly RecordedGrowth[];
  /** 1 for each function that does not start before it is looked up (`LookedUp`). Default: none. */
  readonly gated?: Uint8Array;
  /** The functions whose results the run keeps to its end; null for all. */
  readonly kept: Uint8Array | null;
  readonly strategy: Strategy;
  /** Whether `assigned` is a preference: if the node is gone, another one will do. */
  readonly movable?: boolean;
  /** Node by function, if an allocator has decided. */
  readonly assigned: readonly string[] | null;
  /** By function: the preferred host, or -1 for none. */
  readonly home?: Int32Array;
  /** The allocator that places functions as they become ready. */
  readonly allocator?: DynamicAllocator;
  /**
   * The planned start of each function, in ms from the start of the run. Each node runs its functions in this order,
   * which equals the ranks.
   */
  readonly start?: Float64Array;
  /** Functions whose first attempt started before the run: how many ms before. */
  readonly began?: ReadonlyMap<number, number>;
  /** Index into `State.estimates`, by the plan's code. */
  readonly codes: Int32Array;
  /** ms on a node of speed 1, for functions known to differ from others of their code. */
  readonly known?: ReadonlyMap<number, number> | undefined;
}
