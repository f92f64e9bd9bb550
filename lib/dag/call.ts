/**
 * The value form's vertex. A call is a value, an edge is an argument: `t.clean(raw, 10)` makes a vertex that depends on `raw`.
 * Nothing runs until a DAG of calls does.
 */
import { HandoffError } from '../core/errors.ts';
import type { FunctionReference } from './code.ts';
import type { FunctionSpec } from './types.ts';

declare const result: unique symbol;

/** Stands for the result of a function. `Value` is what it resolves to; a `Call<Dog>` may feed a parameter of type `Animal`. */
export interface Call<out Value> {
  /** Exists in types only. */
  readonly [result]: Value;
  /**
   * The same call with other options. Calls are immutable: the one this is called on stays as it is, and is another function
   * of the DAG if both are used.
   */
  with(options: CallOptions): Call<Value>;
  /** The same call, run only after others, without their results. */
  after(...others: readonly Call<unknown>[]): Call<Value>;
}

/** What a call may be given beside its arguments: the fields of a `FunctionSpec`, and a call to be collocated with. */
export interface CallOptions extends Omit<FunctionSpec, 'id' | 'args' | 'code' | 'extraArgs' | 'argumentInclusion' | 'layout' | 'node' | 'type'> {
  /** Default: the export's name and a number. */
  readonly id?: string;
  readonly type?: 'regular' | 'inline';
  readonly node?: string | { readonly collocatedWith: string | Call<unknown> };
}

/** What a call is made of. */
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

  with(options: CallOptions): Call<unknown> {
    return new CallVertex({ ...this.#vertex, options: { ...this.#vertex.options, ...options } });
  }

  after(...others: readonly Call<unknown>[]): Call<unknown> {
    const stranger = others.find((other) => !CallVertex.is(other));
    if (stranger !== undefined) throw new HandoffError('INVALID_FUNCTION', `after() takes calls, got ${String(stranger)}.`);
    return new CallVertex({ ...this.#vertex, after: [...this.#vertex.after, ...others] });
  }
}

const noOptions: CallOptions = Object.freeze({});
const noCalls: readonly Call<unknown>[] = Object.freeze([]);

/** A new vertex. */
export function createCall(code: FunctionReference, args: readonly unknown[]): Call<unknown> {
  return new CallVertex({ code, args, options: noOptions, after: noCalls });
}

export function isCall(value: unknown): value is Call<unknown> {
  return CallVertex.is(value);
}

/** What the call is made of. */
export function vertexOf(call: Call<unknown>): Vertex {
  return CallVertex.read(call);
}
