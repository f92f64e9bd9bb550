/**
 * The vertex of the value form. A call is a value, and an edge is an argument: `t.clean(raw, 10)` creates a vertex that
 * depends on `raw`. Creating a call runs nothing.
 */
import { HandoffError } from '../core/errors.ts';
import { eachItem } from '../core/items.ts';
import { messageOf } from '../core/message-of.ts';
import { findObstacle, notData } from '../core/serializable.ts';
import { neverText } from './refuse-text.ts';
import { show } from '../core/show.ts';
import { type FunctionReference, nameOf } from './code.ts';
import { literalOf } from './compile/literal.ts';
import { Reference } from './result-reference.ts';
import type { FunctionSpec, MapOptions } from './types.ts';

declare const result: unique symbol;

/**
 * Stands for the result of a function. `Value` is the type of the result; a `Call<Dog>` may feed a parameter of type
 * `Animal`.
 */
export interface Call<out Value> {
  /** Exists only in types. */
  readonly [result]: Value;
  /**
   * The same call with other options. Calls are immutable: the original stays unchanged. If both are used, they are two
   * functions of the DAG.
   *
   * @param options fields of a `FunctionSpec`; they replace those set before
   * @returns a new call
   */
  with<const Options extends CallOptions>(options: Options): Call<WithOptions<Value, Options>>;
  /**
   * The same call, run only after others, whose results it does not take.
   *
   * @param others the calls to wait for
   * @returns a new call
   * @throws `INVALID_FUNCTION` when one of `others` is not a call
   */
  after(...others: readonly Call<unknown>[]): Call<Value>;
  /**
   * The same call, run only if the result of another one is truthy or, with `not`, falsy. Otherwise it is skipped: it
   * has no result, and calls that take its result are skipped too, unless they take it by `choose` or `optional`.
   *
   * @param condition the call whose result decides
   * @param options `not`: run if the result is falsy; default false
   * @returns a new call
   * @throws `INVALID_FUNCTION` when `condition` is not a call
   */
  when(condition: Call<unknown>, options?: { readonly not?: boolean | undefined }): Call<Value>;
}

/** A settled element of a map. */
export type Settled<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: unknown };

/** The result of a call with these options: a map that settles gives a list of settled elements. */
type WithOptions<Value, Options> = Options extends { readonly map: { readonly settle: true } }
  ? Value extends readonly (infer Item)[]
    ? Settled<Item>[]
    : Value
  : Value;

declare const chosen: unique symbol;

/** Made by `choose` or `optional`: an argument of a call, or an output of a DAG. */
export interface Choice<out Value> {
  /** Exists only in types. */
  readonly [chosen]: Value;
}

/**
 * The options of a call besides its arguments: the fields of a `FunctionSpec`. A call may be collocated with another
 * call.
 */
export interface CallOptions extends Omit<
  FunctionSpec,
  'id' | 'args' | 'code' | 'extraArgs' | 'argumentInclusion' | 'layout' | 'node' | 'type' | 'when' | 'map'
> {
  /** Default: the export's name, `#` and a number. */
  readonly id?: string | undefined;
  readonly type?: 'regular' | 'inline' | undefined;
  readonly node?: string | { readonly collocatedWith: string | Call<unknown> } | undefined;
  /** For a call made by `map` of a task. */
  readonly map?: MapOptions | undefined;
  /** The condition: a call, or the id of one. */
  readonly when?: CallCondition | undefined;
}

/** A condition of a call. */
export type CallCondition =
  string | Call<unknown> | { readonly id: string | Call<unknown>; readonly not?: boolean | undefined };

/** The parts of a call. */
export interface Vertex {
  readonly code: FunctionReference;
  readonly args: readonly unknown[];
  readonly options: CallOptions;
  readonly after: readonly Call<unknown>[];
}

class CallVertex implements Call<unknown> {
  declare readonly [result]: unknown;
  readonly #vertex: Vertex;

  constructor(vertex: Vertex) {
    this.#vertex = vertex;
  }

  static is(value: unknown): value is CallVertex {
    return typeof value === 'object' && value !== null && #vertex in value;
  }

  static read(call: Call<unknown>): Vertex {
    return (call as CallVertex).#vertex;
  }

  /** @throws `INVALID_FUNCTION`, because a call in a text, in arithmetic or in a comparison has no useful value */
  [Symbol.toPrimitive](): never {
    throw this.#misused('is used as a text or a number');
  }

  /** @throws `INVALID_FUNCTION`, for the same reason */
  toJSON(): never {
    throw this.#misused('is turned into JSON');
  }

  /** The text that `console.log` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const args = this.#vertex.args.map((arg) => (isCall(arg) ? `${nameOf(vertexOf(arg).code)}(…)` : show(arg)));
    return `Call ${nameOf(this.#vertex.code)}(${args.join(', ')})`;
  }

  when(condition: Call<unknown>, { not = false }: { readonly not?: boolean | undefined } = {}): Call<unknown> {
    if (!CallVertex.is(condition)) {
      const text = `when() takes a call, got ${show(condition)}.${otherCopyHint(condition)}`;
      throw new HandoffError('INVALID_FUNCTION', text);
    }
    return this.with({ when: { id: condition, not } });
  }

  #misused(how: string): HandoffError {
    const name = nameOf(this.#vertex.code);
    const fix =
      'It has no value before the DAG runs: pass it as an argument to a function that does this with the value.';
    return new HandoffError('INVALID_FUNCTION', `The call ${name}(…) ${how}. ${fix}`);
  }

  with(options: CallOptions): Call<any> {
    return new CallVertex({ ...this.#vertex, options: { ...this.#vertex.options, ...options } });
  }

  after(...others: readonly Call<unknown>[]): Call<unknown> {
    const invalid = others.find((each) => !CallVertex.is(each));
    if (invalid !== undefined) {
      throw new HandoffError('INVALID_FUNCTION', `after() takes calls, got ${show(invalid)}.${otherCopyHint(invalid)}`);
    }
    return new CallVertex({ ...this.#vertex, after: [...this.#vertex.after, ...others] });
  }
}

Object.defineProperty(CallVertex.prototype, notData, {
  value: 'a call where only plain values may stand (calls may be arguments of calls, and items of lists there)',
});

class ChoiceVertex implements Choice<unknown> {
  declare readonly [chosen]: unknown;
  readonly kind: 'anyOf' | 'optional';
  readonly calls: readonly Call<unknown>[];

  constructor(kind: ChoiceVertex['kind'], calls: readonly Call<unknown>[]) {
    const invalid = calls.find((call) => !isCall(call));
    if (calls.length === 0 || invalid !== undefined) {
      const name = kind === 'anyOf' ? 'choose' : 'optional';
      const got = calls.length === 0 ? 'nothing' : show(invalid);
      throw new HandoffError('INVALID_FUNCTION', `${name}() takes calls, got ${got}.${otherCopyHint(invalid)}`);
    }
    this.kind = kind;
    this.calls = calls;
  }
}

Object.defineProperty(ChoiceVertex.prototype, notData, {
  value:
    'a choice where only plain values may stand (choices may be arguments of calls, items of lists there, and outputs of DAGs)',
});
neverText(
  ChoiceVertex.prototype,
  'choose(…) or optional(…) is',
  'pass it as an argument to a function that does this with the value',
);

/**
 * An argument or an output: the result of the first of these calls that was not skipped. If all were skipped, the call
 * that takes it is skipped too, and the output is `undefined`.
 *
 * @param calls at least one call
 * @returns an argument for a call, or an output of a DAG
 * @throws `INVALID_FUNCTION` when one of `calls` is not a call
 * @example
 * ```ts
 * const small = t.isSmall(data);
 * const fast = t.fast(data).when(small);
 * const thorough = t.thorough(data).when(small, { not: true });
 * const report = t.report(choose(fast, thorough));
 * ```
 */
export function choose<const Calls extends readonly [Call<unknown>, ...Call<unknown>[]]>(
  ...calls: Calls
): Choice<Calls[number] extends Call<infer Value> ? Value : never> {
  return new ChoiceVertex('anyOf', [...new Set(calls)]) as Choice<unknown> as Choice<never>;
}

/**
 * An argument or an output: the result of the call, or `undefined` if it was skipped.
 *
 * @param call the call
 * @returns an argument for a call, or an output of a DAG
 * @throws `INVALID_FUNCTION` when `call` is not a call
 */
export function optional<Value>(call: Call<Value>): Choice<Value | undefined> {
  return new ChoiceVertex('optional', [call]) as Choice<unknown> as Choice<never>;
}

/** The kind and the calls of a choice; undefined for any other value. */
export function choiceOf(value: unknown): Pick<ChoiceVertex, 'kind' | 'calls'> | undefined {
  return value instanceof ChoiceVertex ? value : undefined;
}

/** A hint for a value that looks like a call but is not one of this copy of the library. */
export function otherCopyHint(value: unknown): string {
  const isTheirs =
    typeof value === 'object' && value !== null && !isCall(value) && notData in value && 'after' in value;
  if (!isTheirs) return '';
  return ' It was made by another copy of handoffjs: make all calls of a DAG with one copy (npm ls handoffjs lists the installed copies).';
}

const noOptions: CallOptions = Object.freeze({});
const noCalls: readonly Call<unknown>[] = Object.freeze([]);

/**
 * Creates a vertex. Plain values among its arguments are copied.
 *
 * @throws `NOT_SERIALIZABLE` when an argument cannot be copied
 */
export function createCall(
  code: FunctionReference,
  args: readonly unknown[],
  options: CallOptions = noOptions,
): Call<unknown> {
  return new CallVertex({ code, args: args.map((arg, i) => ownArgument(code, arg, i)), options, after: noCalls });
}

function ownArgument(code: FunctionReference, arg: unknown, i: number): unknown {
  try {
    return argumentOf(arg, 0);
  } catch (error) {
    if (!(error instanceof Uncopied)) throw error;
    const path = `argument[${i}]${error.path}`;
    const text = `The call ${nameOf(code)}(…): ${path} is ${error.message}, which cannot leave its thread. Pass plain data.`;
    throw new HandoffError('NOT_SERIALIZABLE', text, { path, cause: error.cause });
  }
}

export function isCall(value: unknown): value is Call<unknown> {
  return CallVertex.is(value);
}

/** The parts of the call. */
export function vertexOf(call: Call<unknown>): Vertex {
  return CallVertex.read(call);
}

// Lists in lists are searched down to this depth. The limit ends the search of a list that contains itself.
const maxListDepth = 64;

/** A value of which no copy can be made. */
class Uncopied extends Error {
  /** Where it is in its argument. */
  readonly path: string;

  constructor(value: unknown, depth: number, cause: unknown) {
    const { path, what } = findObstacle(value) ?? {
      path: '',
      what: `a value that refuses a copy (${messageOf(cause)})`,
    };
    super(what, { cause });
    this.path = '[…]'.repeat(depth) + path;
  }
}

function argumentOf(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  try {
    if (isEdge(value)) return value;
    if (!Array.isArray(value) || depth >= maxListDepth || !holdsEdge(value)) return literalOf(value);
  } catch (error) {
    throw new Uncopied(value, depth, error);
  }
  const list: unknown[] = [];
  list.length = value.length;
  eachItem(value, (item, i) => (list[i] = argumentOf(item, depth + 1)));
  return list;
}

/** The calls in an argument: the argument itself, those of a choice, or calls in a list. */
export function callsIn(value: unknown, found: Call<unknown>[] = [], depth = 0): Call<unknown>[] {
  if (isCall(value)) found.push(value);
  else if (value instanceof ChoiceVertex) found.push(...value.calls);
  else if (Array.isArray(value) && depth < maxListDepth) eachItem(value, (item) => callsIn(item, found, depth + 1));
  return found;
}

/** Whether an argument is, or is a list that contains, something that stands for a result. */
export function holdsEdge(value: unknown, depth = 0): boolean {
  if (!Array.isArray(value) || depth >= maxListDepth) return isEdge(value);
  let isFound = false;
  eachItem(value, (item) => (isFound ||= holdsEdge(item, depth + 1)));
  return isFound;
}

function isEdge(value: unknown): boolean {
  return isCall(value) || value instanceof ChoiceVertex || value instanceof Reference;
}
