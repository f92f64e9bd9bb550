/**
 * The types of the value form: what a task takes, what it returns, and which results can leave a thread. Types only.
 */
import type { Call, Choice } from './call.ts';
import type { FunctionReference, reference } from './code.ts';
import type { Expand } from './expansion.ts';
import type { ResultReference } from './result-reference.ts';

// `never` as parameters accepts every function.
export type AnyFunction = (...args: never) => unknown;

export type Result<Fn extends AnyFunction> = ResultOf<ReturnType<Fn>>;

/** What a function that returns this gives in the end: the result of the graph, if it answers with one. */
type ResultOf<Returned> = Collapsed<Awaited<Returned>>;

type Collapsed<Value> = Value extends Expand<infer Inner> ? Inner : Value;

/**
 * A function as a task: it takes calls where `Fn` takes values, and returns a call. It is also a reference to its code.
 */
export type Task<Fn extends AnyFunction> = [Obstacle<Result<Fn>>] extends [never]
  ? Reference & Lifted<Fn>
  : CannotLeaveThread<Obstacle<Result<Fn>>>;

/**
 * The signatures of `Fn` on the graph: of up to four overloads each. TypeScript cannot keep the type parameters of a
 * generic function here: they become what they extend, `unknown` where they extend nothing. Say which instance is
 * meant, as in `tasks<{ first: typeof module.first<number> }>(…)`, or of one call, as in `t.first(rows) as
 * Call<number>`.
 */
type Lifted<Fn extends AnyFunction> = Fn extends {
  (...args: infer A): infer R;
  (...args: infer B): infer S;
  (...args: infer C): infer T;
  (...args: infer D): infer U;
}
  ? IsSame<[A, R], [D, U]> extends true
    ? Lift<Parameters<Fn>, ReturnType<Fn>>
    : Lift<A, R> & Lift<B, S> & Lift<C, T> & Lift<D, U>
  : Lift<Parameters<Fn>, ReturnType<Fn>>;

interface Lift<Args extends readonly unknown[], Returned> {
  (...args: Edges<Args>): Call<ResultOf<Returned>>;
  /**
   * Calls the function once per element of a list, with the other arguments unchanged.
   *
   * @param args the list, or a call that returns it, and then the other arguments
   * @returns a call whose result is the list of results, in order
   * @example
   * ```ts
   * const files = t.list('photos');
   * const thumbs = t.thumbnail.map(files, 320);
   * ```
   */
  map(...args: MapEdges<Args>): Call<ResultOf<Returned>[]>;
}

type MapEdges<Args extends readonly unknown[]> = Args extends readonly [(infer First)?, ...infer Rest]
  ? [list: Edge<ListOf<First>>, ...rest: Edges<Rest>]
  : never;

/** The lists whose elements may be values of this type. */
type ListOf<Item> =
  | readonly Item[]
  | (number extends Item ? NumberArray : never)
  | (bigint extends Item ? BigInt64Array | BigUint64Array : never);

type NumberArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

type IsSame<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

interface Reference {
  readonly [reference]: FunctionReference;
}

/** Replaces a task whose result cannot leave its thread. */
export interface CannotLeaveThread<Held extends string> {
  readonly 'cannot leave its thread: the result holds': Held;
}

// `never` as parameters accepts every class.
type AnyClass = new (...args: never) => unknown;

declare const instance: unique symbol;

/** An exported class, which can be spawned as an actor. */
export interface ClassReference<out Instance, out Args extends readonly unknown[]> extends Reference {
  /** Exists only in types. */
  readonly [instance]: { readonly instance: Instance; readonly args: Args };
}

/** A module's exports: each function as a task, and its classes. `any` for a module without types. */
export type Tasks<Module> = 0 extends 1 & Module
  ? any
  : {
      readonly [
        Name in keyof Module as Module[Name] extends AnyFunction | AnyClass ? Name : never
      ]: Module[Name] extends AnyFunction
        ? Task<Module[Name]>
        : Module[Name] extends new (...args: infer Args) => infer Instance
          ? ClassReference<Instance, Args>
          : never;
    };

/**
 * The values accepted for a parameter of type `Value`: a value, a call that returns it, a choice of calls, the result of
 * another run, or for a list a list of these.
 */
export type Edge<Value> = Value | Call<Value> | Choice<Value> | ResultReference<Value> | EdgeList<Value>;

// For arrays this is an array type, not a mapped type: array types are deferred, so recursive types such as JSON
// terminate.
type EdgeList<Value> = Value extends readonly (infer Item)[]
  ? number extends Value['length']
    ? readonly Edge<Item>[]
    : { readonly [Position in keyof Value]: Edge<Value[Position]> }
  : never;

type Edges<Values extends readonly unknown[]> = { [Position in keyof Values]: Edge<Values[Position]> };

// What structured clone copies. Node's types have no single name for it.
type Copied =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Date
  | RegExp
  | Error
  | ArrayBuffer
  | SharedArrayBuffer
  | ArrayBufferView;

/**
 * A description of the part of `Value` that cannot be copied to another thread; `never` when none is found. Searches
 * four levels deep, which keeps the compiler fast. Deeper parts are found at run time (`NOT_SERIALIZABLE`).
 */
type Obstacle<Value, Depth extends 0[] = []> = 0 extends 1 & Value
  ? never // any
  : Depth['length'] extends 4
    ? never
    : Value extends Copied
      ? never
      : Value extends AnyFunction
        ? 'a function'
        : Value extends symbol
          ? 'a symbol'
          : Value extends PromiseLike<unknown>
            ? 'a promise'
            : Value extends ReadonlyMap<infer Key, infer Item>
              ? Obstacle<Key | Item, [0, ...Depth]>
              : Value extends ReadonlySet<infer Item>
                ? Obstacle<Item, [0, ...Depth]>
                : Value extends readonly (infer Item)[]
                  ? Obstacle<Item, [0, ...Depth]>
                  : Value extends object
                    ? { [Key in keyof Value]-?: Obstacle<Value[Key], [0, ...Depth]> }[keyof Value]
                    : never;
