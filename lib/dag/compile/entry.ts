/**
 * A DAG's record of a function: small and of one shape. Rarely set fields are in `Traits`, which functions with
 * defaults share.
 */
import type { FunctionReference } from '../code.ts';
import type {
  CacheOptions,
  Condition,
  Cost,
  FunctionArgument,
  FunctionType,
  MapOptions,
  Part,
  Placement,
  ResolvedFunction,
  RetryDelay,
  Uses,
} from '../types.ts';

/** The fields that most functions do not set. */
export interface Traits {
  readonly type: FunctionType;
  /** Arguments arrive as one list. */
  readonly list: boolean;
  readonly node: Placement | undefined;
  readonly cost: Cost | undefined;
  readonly uses: Uses | undefined;
  readonly maxRetries: number | undefined;
  readonly retryDelay: number | RetryDelay;
  readonly retryIf: FunctionReference | undefined;
  readonly timeout: number | undefined;
  readonly idempotent: boolean;
  /** Undefined: as the run. */
  readonly cache: boolean | CacheOptions | undefined;
  readonly concurrent: boolean;
  readonly priority: number;
  readonly duration: number | undefined;
  readonly outputBytes: number | undefined;
  readonly layout: readonly Part[] | undefined;
  readonly init: { readonly code: FunctionReference; readonly extraArgs: readonly unknown[] } | undefined;
  readonly parallelism: number | undefined;
  readonly batchSize: number | undefined;
  readonly batchTimeout: number | undefined;
  readonly map: MapOptions | undefined;
  /** The condition; the id of its function is the last of the entry's `args`. */
  readonly when: Condition | undefined;
  /** The arguments as given, when they differ from the entry's `args`. */
  readonly written: readonly FunctionArgument[] | undefined;
  /** Set on the functions that an `Argument` adds. */
  readonly transforms:
    { readonly side: 'serialize' | 'deserialize'; readonly producer: string; readonly consumer: string } | undefined;
}

export interface Entry {
  readonly id: string;
  readonly args: readonly string[];
  readonly code: FunctionReference | null;
  readonly extraArgs: readonly unknown[];
  readonly traits: Traits;
}

/** The internal parts of a DAG, for the modules that compile, check and draw it. */
export interface DagParts {
  readonly entries: readonly Entry[];
  readonly index: ReadonlyMap<string, number>;
  /** Positions of the functions whose traits differ from the defaults. Most passes visit only these. */
  readonly traited: readonly number[];
}

export const defaultTraits: Traits = Object.freeze({
  type: 'regular',
  list: false,
  node: undefined,
  cost: undefined,
  uses: undefined,
  maxRetries: undefined,
  retryDelay: 0,
  retryIf: undefined,
  timeout: undefined,
  idempotent: true,
  cache: undefined,
  concurrent: false,
  priority: 0,
  duration: undefined,
  outputBytes: undefined,
  layout: undefined,
  init: undefined,
  parallelism: undefined,
  batchSize: undefined,
  batchTimeout: undefined,
  map: undefined,
  when: undefined,
  written: undefined,
  transforms: undefined,
});

export const none: readonly never[] = Object.freeze([]);

/** The fields of a function that are not among its traits. */
export const basicFields: ReadonlySet<string> = new Set(['id', 'args', 'code', 'extraArgs']);

/** The traits of functions that are only concurrent. */
export const concurrentTraits: Traits = Object.freeze({ ...defaultTraits, concurrent: true });

/** The function as users see it, with defaults filled in. It shares the DAG's values and must not be changed. */
export function toResolved({ id, args, code, extraArgs, traits }: Entry): ResolvedFunction {
  const { type, list, parallelism = 1, written: _written, transforms: _transforms, ...rest } = traits;
  const defined = Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined),
  ) as Partial<Traits>;
  return {
    id,
    args,
    code,
    extraArgs,
    type,
    argumentInclusion: list ? 'list' : 'variadic',
    parallelism,
    ...defined,
  } as ResolvedFunction;
}
