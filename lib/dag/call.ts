/**
 * The value form's vertex. A call is a value, an edge is an argument: `t.clean(raw, 10)` makes a vertex that depends on `raw`.
 * Nothing runs until a DAG of calls does.
 */
import { HandoffError } from '../core/errors.ts';
import { eachItem } from '../core/items.ts';
import { notData } from '../core/serializable.ts';
import { show } from '../core/show.ts';
import { type FunctionReference, nameOf } from './code.ts';
import { literalOf } from './literal.ts';
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
  readonly id?: string | undefined;
  readonly type?: 'regular' | 'inline' | undefined;
  readonly node?: string | { readonly collocatedWith: string | Call<unknown> } | undefined;
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

  /** @throws `INVALID_FUNCTION`: a call in a text, in arithmetic or in a comparison would silently become garbage */
  [Symbol.toPrimitive](): never {
    throw this.#misused('is used as a text or a number');
  }

  /** @throws `INVALID_FUNCTION` likewise */
  toJSON(): never {
    throw this.#misused('is turned into JSON');
  }

  /** What `console.log` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Call ${nameOf(this.#vertex.code)}(${this.#vertex.args.map((arg) => (isCall(arg) ? `${nameOf(vertexOf(arg).code)}(…)` : show(arg))).join(', ')})`;
  }

  #misused(how: string): HandoffError {
    const name = nameOf(this.#vertex.code);
    return new HandoffError('INVALID_FUNCTION', `The call ${name}(…) ${how}. It has no value before the DAG runs: pass it as an argument to a function that does this with the value.`);
  }

  with(options: CallOptions): Call<unknown> {
    return new CallVertex({ ...this.#vertex, options: { ...this.#vertex.options, ...options } });
  }

  after(...others: readonly Call<unknown>[]): Call<unknown> {
    const stranger = others.find((other) => !CallVertex.is(other));
    if (stranger !== undefined) throw new HandoffError('INVALID_FUNCTION', `after() takes calls, got ${show(stranger)}.${otherCopyHint(stranger)}`);
    return new CallVertex({ ...this.#vertex, after: [...this.#vertex.after, ...others] });
  }
}

Object.defineProperty(CallVertex.prototype, notData, { value: 'a call where only plain values may stand (calls may be arguments of calls, and items of lists there)' });

/** Why what looks like a call is none. */
export function otherCopyHint(value: unknown): string {
  const isTheirs = typeof value === 'object' && value !== null && !isCall(value) && notData in value && 'after' in value;
  return isTheirs ? ' It was made by another copy of handoffjs: make all calls of a DAG by one copy (npm ls handoffjs shows which there are).' : '';
}

const noOptions: CallOptions = Object.freeze({});
const noCalls: readonly Call<unknown>[] = Object.freeze([]);

/** A new vertex. Plain values among its arguments are copied. */
export function createCall(code: FunctionReference, args: readonly unknown[]): Call<unknown> {
  return new CallVertex({ code, args: args.map((arg) => argumentOf(arg, 0)), options: noOptions, after: noCalls });
}

export function isCall(value: unknown): value is Call<unknown> {
  return CallVertex.is(value);
}

/** What the call is made of. */
export function vertexOf(call: Call<unknown>): Vertex {
  return CallVertex.read(call);
}

// Lists in lists are looked into, as deep as anyone writes them; the bound ends a list that holds itself.
const maxListDepth = 64;

function argumentOf(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || isCall(value)) return value;
  if (!Array.isArray(value) || depth >= maxListDepth || !holdsCall(value)) return literalOf(value);
  const list: unknown[] = [];
  list.length = value.length;
  eachItem(value, (item, i) => (list[i] = argumentOf(item, depth + 1)));
  return list;
}

/** The calls in an argument: itself, or those in a list. */
export function callsIn(value: unknown, found: Call<unknown>[] = [], depth = 0): Call<unknown>[] {
  if (isCall(value)) found.push(value);
  else if (Array.isArray(value) && depth < maxListDepth) eachItem(value, (item) => callsIn(item, found, depth + 1));
  return found;
}

/** Whether there is a call in an argument. */
export function holdsCall(value: unknown): boolean {
  return callsIn(value).length > 0;
}
