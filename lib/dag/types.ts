/** The words of a DAG: what a user writes, as plain data. */
import type { CodeLike, FunctionReference } from './code.ts';

/** Named amounts: `cpu`, `memory` (MB), `gpu`, or any other name. What a node has. */
export type Capabilities = Readonly<Record<string, number>>;

/** Named amounts in the same names as capabilities. What a function holds while it runs. */
export type Cost = Readonly<Record<string, number>>;

/** A function of the DAG with static arguments, which are appended to the values it is called with. */
export interface Transform {
  readonly code: CodeLike;
  readonly extraArgs?: readonly unknown[] | undefined;
}

/**
 * An argument whose value is changed on its way: `serialize` runs on the producer's node, `deserialize` on the consumer's,
 * as `fn(data, sourceNode, targetNode, ...extraArgs)`. Each side becomes an ordinary function of the DAG.
 */
export interface Argument {
  /** The producer. */
  readonly id: string;
  readonly serialize?: Transform | undefined;
  readonly deserialize?: Transform | undefined;
}

/** Delay before the next attempt, in ms: `min(max, initial * factor ** (attempt - 1))`, then spread by `jitter`. */
export interface RetryDelay {
  /** ms before the second attempt. */
  readonly initial: number;
  /** Each further delay is this many times longer. Default 2. */
  readonly factor?: number | undefined;
  /** No delay is longer than this, in ms. Default: no limit. */
  readonly max?: number | undefined;
  /** The share of the delay, 0 to 1, that is random. Default 0. */
  readonly jitter?: number | undefined;
}

/** Where a function must run: a node by name, or wherever another function runs. */
export type Placement = string | { readonly collocatedWith: string };

/** One position of a call, where the values of `args` and plain values mix. Written by the value form. */
export type Part =
  | { readonly arg: number }
  | { readonly value: unknown }
  | { readonly list: readonly Part[] }
  /** The name of the node on which a function runs. */
  | { readonly nodeOf: string };

export type FunctionType = 'regular' | 'inline' | 'input';

/** A vertex of the graph: an id, code, arguments, cost. */
export interface FunctionSpec {
  /** Unique in the DAG, not empty. */
  readonly id: string;
  /** Ids of functions and/or `Argument`s, in call order. Default `[]`. */
  readonly args?: readonly (string | Argument)[] | undefined;
  /** A reference to an exported function; `null` only for `type: 'input'`. */
  readonly code: CodeLike | null;
  /** Appended after the dependency values. Default `[]`. */
  readonly extraArgs?: readonly unknown[] | undefined;
  /** `'variadic'` (default): each value its own parameter; `'list'`: one array of them first, then `extraArgs`. */
  readonly argumentInclusion?: 'variadic' | 'list' | undefined;
  /** `'regular'` (default); `'inline'`: absorbed by its dependents; `'input'`: a source of a stream. */
  readonly type?: FunctionType | undefined;
  readonly node?: Placement | undefined;
  /** What it holds while it runs; each amount finite and not negative. */
  readonly cost?: Cost | undefined;
  /** *Extra* attempts after the first. Default: the run's, which is 3 unless it was set. */
  readonly maxRetries?: number | undefined;
  /** ms before the next attempt. Default 0. */
  readonly retryDelay?: number | RetryDelay | undefined;
  /** An exported predicate `(error, attempt) => boolean`: whether to try again. */
  readonly retryIf?: CodeLike | undefined;
  /** ms per attempt. */
  readonly timeout?: number | undefined;
  /**
   * Whether it may take effect more than once. `false`: it is begun again only after a failure of its own, and never copied (`speculate` of
   * `execute`); when its node is lost after it may have begun, the run fails with `NODE_DOWN`. Default true.
   */
  readonly idempotent?: boolean | undefined;
  /** Higher first among ready functions. Default 0. */
  readonly priority?: number | undefined;
  /** Expected duration in ms on a node of speed 1. */
  readonly duration?: number | undefined;
  /** Expected size of the result in bytes. */
  readonly outputBytes?: number | undefined;
  /** How the call is put together where `args` in order and then `extraArgs` will not do. */
  readonly layout?: readonly Part[] | undefined;
  /** Streams only: run once per stage worker. */
  readonly init?: CodeLike | Transform | undefined;
  /** Streams only: workers of the stage. Default 1. */
  readonly parallelism?: number | undefined;
  /** Streams only: items per batch. */
  readonly batchSize?: number | undefined;
  /** Streams only: ms after which a partial batch is worked on. */
  readonly batchTimeout?: number | undefined;
}

/** A function of the DAG with its defaults filled in and its code as plain data. */
export interface ResolvedFunction extends Omit<FunctionSpec, 'code' | 'retryIf' | 'init' | 'args'> {
  readonly args: readonly string[];
  readonly code: FunctionReference | null;
  readonly extraArgs: readonly unknown[];
  readonly argumentInclusion: 'variadic' | 'list';
  readonly type: FunctionType;
  readonly priority: number;
  readonly idempotent: boolean;
  readonly parallelism: number;
  readonly retryIf?: FunctionReference;
  readonly init?: { readonly code: FunctionReference; readonly extraArgs: readonly unknown[] };
}
