/** The types of a DAG as users write it, as plain data. */
import type { CodeLike, FunctionReference } from './code.ts';

/** Named amounts that a node has: `cpu`, `memory` (MB), `gpu`, or any other name. */
export type Capabilities = Readonly<Record<string, number>>;

/** Named amounts that a function holds while it runs, with the same names as capabilities. */
export type Cost = Readonly<Record<string, number>>;

/** Named amounts of the limits that belong to the program, not to a node. */
export type Uses = Readonly<Record<string, number>>;

/** A function of the DAG with static arguments, appended to the values it is called with. */
export interface Transform {
  readonly code: CodeLike;
  readonly extraArgs?: readonly unknown[] | undefined;
}

/**
 * An argument whose value is transformed on its way: `serialize` runs on the producer's node, `deserialize` on the
 * consumer's node. Both are called as `fn(data, sourceNode, targetNode, ...extraArgs)`. Each becomes an ordinary
 * function of the DAG.
 */
export interface Argument {
  /** The id of the producer. */
  readonly id: string;
  readonly serialize?: Transform | undefined;
  readonly deserialize?: Transform | undefined;
}

/** An argument that takes the result of the first of these functions that was not skipped. */
export interface AnyOf {
  /** The ids of functions, at least one, each once. */
  readonly anyOf: readonly string[];
}

/** An argument that is `undefined` when the function was skipped. */
export interface Optional {
  /** The id of a function. */
  readonly optional: string;
}

/** An argument that takes a result of another run, which is not copied. */
export interface ResultOf {
  readonly resultOf: {
    /** The id of the other run. It has ended, and has kept the result. */
    readonly runId: string;
    /** The id of a function of it, such as `m[3]` for an element of a map. */
    readonly id: string;
  };
}

/** A function whose result decides whether another one runs: it runs when the result is truthy or, with `not`, falsy. */
export interface Condition {
  readonly id: string;
  /** Default false. */
  readonly not?: boolean | undefined;
}

/** How results are kept for later runs. */
export interface CacheOptions {
  /** Results of another version are not taken. Change it when something changes that the code does not show. */
  readonly version?: string | number | undefined;
  /** The maximum age of a result in ms. Default: no limit. */
  readonly ttl?: number | undefined;
}

/** Delay before the next attempt, in ms: `min(max, initial * factor ** (attempt - 1))`, then spread by `jitter`. */
export interface RetryDelay {
  /** ms before the second attempt. */
  readonly initial: number;
  /** The factor by which each further delay grows. Default 2. */
  readonly factor?: number | undefined;
  /** The maximum delay in ms. Default: no limit. */
  readonly max?: number | undefined;
  /** The share of the delay, from 0 to 1, that is random. Default 0. */
  readonly jitter?: number | undefined;
}

/** Where a function must run: on a node given by name, or on the node of another function. */
export type Placement = string | { readonly collocatedWith: string };

/** One parameter of a call that mixes results and plain values. The value form writes it. */
export type Part =
  | { readonly arg: number }
  | { readonly value: unknown }
  | { readonly list: readonly Part[] }
  /** The name of the node on which this function runs. */
  | { readonly nodeOf: string };

/** How a function is called for each element of a list. */
export interface MapOptions {
  /** The number of elements that run at a time. Default: no limit but that of the run. */
  readonly concurrency?: number | undefined;
  /**
   * Whether an element that fails gives `{ ok: false, error }` instead of failing, and any other `{ ok: true, value }`.
   * Default false.
   */
  readonly settle?: boolean | undefined;
  /** The number of elements that `plan` and `simulate` assume. Default 1. */
  readonly expect?: number | undefined;
}

/** What may stand among the `args` of a function. */
export type FunctionArgument = string | Argument | AnyOf | Optional | ResultOf;

export type FunctionType = 'regular' | 'inline' | 'input';

/** A vertex of the graph: an id, code, arguments, cost. */
export interface FunctionSpec {
  /** Unique in the DAG; must not be empty. */
  readonly id: string;
  /** Ids of functions, `Argument`s, `AnyOf`s, `Optional`s and `ResultOf`s, in call order. Default `[]`. */
  readonly args?: readonly FunctionArgument[] | undefined;
  /** A reference to an exported function; `null` only for `type: 'input'`. */
  readonly code: CodeLike | null;
  /** Appended after the dependency values. Default `[]`. */
  readonly extraArgs?: readonly unknown[] | undefined;
  /**
   * `'variadic'` (default): each value is a parameter of its own. `'list'`: the first parameter is an array of them,
   * then `extraArgs`.
   */
  readonly argumentInclusion?: 'variadic' | 'list' | undefined;
  /** `'regular'` (default); `'inline'`: runs inside its dependents; `'input'`: a source of a stream. */
  readonly type?: FunctionType | undefined;
  readonly node?: Placement | undefined;
  /** The amounts it holds while it runs; each finite and at least 0. */
  readonly cost?: Cost | undefined;
  /**
   * What it holds of the program's `limits` while it runs: their names, or an amount by name. Default: nothing. An attempt
   * counts towards a rate when it starts.
   */
  readonly uses?: readonly string[] | Uses | undefined;
  /** Attempts *after* the first. Default: that of the run, which is 3 by default. */
  readonly maxRetries?: number | undefined;
  /** ms before the next attempt. Default 0. */
  readonly retryDelay?: number | RetryDelay | undefined;
  /** An exported predicate `(error, attempt) => boolean` that decides whether to retry. Default: always. */
  readonly retryIf?: CodeLike | undefined;
  /** The limit of an attempt in ms. Default: none. */
  readonly timeout?: number | undefined;
  /**
   * Whether its effects may happen more than once. Default true. With `false` it is retried only after it failed
   * itself, and is never copied (`speculate` of `execute`). If its node is lost after it may have started, the run
   * fails with `NODE_DOWN`.
   */
  readonly idempotent?: boolean | undefined;
  /**
   * Whether it may share its thread with other concurrent functions while it waits. Default: that of `tasks()`, which is
   * false by default. A thread holds as many of them as `concurrency` of its node says, and no other function
   * meanwhile. Ignored on inline functions.
   */
  readonly concurrent?: boolean | undefined;
  /**
   * It runs only if the result of this function is truthy or, with `not`, falsy. Otherwise it is skipped, and so are
   * the functions that take its result, except through `anyOf` and `optional`.
   */
  readonly when?: string | Condition | undefined;
  /**
   * Calls the function once per element of the list that is its first parameter, with the other parameters unchanged.
   * The elements are functions of their own, with the ids `id[0]`, `id[1]`, …; its result is the list of their results.
   */
  readonly map?: boolean | MapOptions | undefined;
  /**
   * Whether its result is kept for later runs, and taken instead of running it, when its code and its inputs are the
   * same. Needs `journal` or `cacheDir` of `Handoff.start`. Default: that of the run, which is `false` by default.
   */
  readonly cache?: boolean | CacheOptions | undefined;
  /** Among ready functions, the highest priority goes first. Default 0. */
  readonly priority?: number | undefined;
  /** The expected duration in ms on a node of speed 1. Default: learned from earlier runs. */
  readonly duration?: number | undefined;
  /** The expected size of the result in bytes. Default: learned from earlier runs. */
  readonly outputBytes?: number | undefined;
  /** The parameters of the call. Default: `args` in order, then `extraArgs`. */
  readonly layout?: readonly Part[] | undefined;
  /** Streams only: runs once per stage worker. */
  readonly init?: CodeLike | Transform | undefined;
  /** Streams only: the number of workers of the stage. Default 1. */
  readonly parallelism?: number | undefined;
  /** Streams only: items per batch. */
  readonly batchSize?: number | undefined;
  /** Streams only: ms after which a partial batch is processed. */
  readonly batchTimeout?: number | undefined;
}

/** A function of the DAG with its defaults filled in and its code as plain data. */
export interface ResolvedFunction extends Omit<
  FunctionSpec,
  'code' | 'retryIf' | 'init' | 'args' | 'when' | 'uses' | 'map'
> {
  /** The ids of all functions whose results it takes or waits for. */
  readonly args: readonly string[];
  readonly when?: Condition;
  readonly map?: MapOptions;
  readonly code: FunctionReference | null;
  readonly extraArgs: readonly unknown[];
  readonly argumentInclusion: 'variadic' | 'list';
  readonly type: FunctionType;
  readonly priority: number;
  readonly idempotent: boolean;
  readonly concurrent: boolean;
  readonly parallelism: number;
  readonly uses?: Uses | undefined;
  readonly retryIf?: FunctionReference;
  readonly init?: { readonly code: FunctionReference; readonly extraArgs: readonly unknown[] };
}
