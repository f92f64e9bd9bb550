/** `dag(name, outputs)` creates a DAG in the value form: it collects everything that the outputs depend on. */
import { isPlainObject } from '../core/copy.ts';
import { HandoffError } from '../core/errors.ts';
import { candidatesOf, leavesOf, mapSlots, type OutputShape, type OutputSlot } from '../core/output-shape.ts';
import {
  type Call,
  type CallCondition,
  type CallOptions,
  type Choice,
  callsIn,
  choiceOf,
  holdsEdge,
  isCall,
  otherCopyHint,
  vertexOf,
} from './call.ts';
import { show } from '../core/show.ts';
import { Dag, type DagJson } from './dag.ts';
import { nameOf } from './code.ts';
import { Reference } from './result-reference.ts';
import type { Condition, FunctionArgument, FunctionSpec, Part } from './types.ts';

/** An output: a call, or a choice of calls. */
export type Output = Call<unknown> | Choice<unknown>;

/** One output, a list of them, or a record of them. */
export type Outputs = Output | readonly Output[] | { readonly [name: string]: Output };

/** The values of the outputs, in the shape of the outputs. */
export type Resolved<Out> = Out extends Output ? ValueOf<Out> : { -readonly [Key in keyof Out]: ValueOf<Out[Key]> };

type ValueOf<Out> = Out extends Call<infer Value> | Choice<infer Value> ? Value : never;

declare const outputs: unique symbol;

/** A DAG of calls, which knows its outputs and their types. */
export class ValueDag<Out extends Outputs> extends Dag {
  /** Exists only in types. */
  declare readonly [outputs]: Out;
  /** The ids of the outputs, in the shape of the outputs. */
  readonly outputIds: OutputShape<string>;

  constructor(id: string, ids: ValueDag<Out>['outputIds'], functions: readonly FunctionSpec[]) {
    super(id);
    this.outputIds = ids;
    for (const spec of functions) this.add(spec);
  }

  /** Includes the ids of the outputs. */
  override toJSON(): DagJson {
    return { ...super.toJSON(), outputs: this.outputIds };
  }

  /** The id of each output, and of each call that a choice may take, without repeats. */
  get outputList(): readonly string[] {
    return leavesOf(this.outputIds);
  }

  /** Takes the outputs, in their shape, from results by id. */
  pick(results: Readonly<Record<string, unknown>>): Resolved<Out> {
    return pickOutputs(this.outputIds, results) as Resolved<Out>;
  }
}

/**
 * Creates a DAG from its outputs: every call they depend on, and nothing else.
 *
 * The id of a function is the one set by `.with({ id })`, or else `<export>#<n>`. Chains may have any length: the walk
 * does not recurse.
 *
 * @param name the DAG's id
 * @param out a call, a list of calls, or a record of calls; each may also be a `choose` or an `optional`
 * @returns a DAG for `handoff.run`
 * @throws `INVALID_FUNCTION` when an output is neither a call nor a choice, `DUPLICATE_FUNCTION` when two calls have the same id,
 *   `INVALID_COLLOCATION` when a call is collocated with one outside the DAG, `NOT_SERIALIZABLE` when an argument
 *   cannot leave its thread
 * @example
 * ```ts
 * const etl = dag('etl', { report: t.report('Orders', t.sum(totals), rows) });
 * const { report } = await handoff.run(etl);
 * ```
 */
export function dag<const Out extends Outputs>(name: string, out: Out): ValueDag<Out> {
  const roots = rootsOf(out);
  const order = walk(roots);
  const ids = nameAll(order);
  return new ValueDag(
    name,
    toShape(out, (call) => ids.get(call)!),
    order.map((call) => toSpec(call, ids)),
  );
}

function rootsOf(out: Outputs): readonly Call<unknown>[] {
  // A Map is refused, because its values are not its fields.
  const given = isPlainObject(out) || Array.isArray(out) ? Object.values(out) : [out];
  const other = given.find((each) => !isOutput(each));
  if (other !== undefined || given.includes(undefined)) {
    const expected =
      'The outputs of a DAG must be calls, such as t.report(rows): one call, a list or a record of calls';
    throw new HandoffError('INVALID_FUNCTION', `${expected}; got ${show(other)}.${otherCopyHint(other)}`);
  }
  const calls = (given as readonly Output[]).flatMap((output) => choiceOf(output)?.calls ?? (output as Call<unknown>));
  if (calls.some((call) => vertexOf(call).options.type === 'inline')) {
    throw new HandoffError(
      'INVALID_INLINE_FUNCTION',
      "An output of a DAG cannot be inline, because an inline function has no result of its own. Make it regular (without type: 'inline').",
    );
  }
  return calls;
}

function isOutput(value: unknown): value is Output {
  return isCall(value) || choiceOf(value) !== undefined;
}

function toShape(out: Outputs, idOf: (call: Call<unknown>) => string): OutputShape<string> {
  const toSlot = (output: Output): OutputSlot<string> => {
    const choice = choiceOf(output);
    if (choice === undefined) return idOf(output as Call<unknown>);
    return choice.kind === 'anyOf' ? { anyOf: choice.calls.map(idOf) } : idOf(choice.calls[0]!);
  };
  if (isOutput(out)) return toSlot(out);
  if (Array.isArray(out)) return (out as readonly Output[]).map(toSlot);
  return Object.fromEntries(Object.entries(out).map(([name, output]) => [name, toSlot(output as Output)]));
}

/**
 * Takes outputs, in their shape, from results by id. An output that was skipped is `undefined`.
 *
 * @param shape the ids of the outputs
 * @param results by id
 */
export function pickOutputs(shape: OutputShape<string>, results: Readonly<Record<string, unknown>>): unknown {
  return mapSlots(shape, (slot) => {
    const id = candidatesOf(slot).find((candidate) => Object.hasOwn(results, candidate));
    return id === undefined ? undefined : results[id];
  });
}

/** Every call that the roots reach, dependencies first. */
function walk(roots: readonly Call<unknown>[]): Call<unknown>[] {
  const order: Call<unknown>[] = [];
  const entered = new Set<Call<unknown>>();
  const stack: { readonly call: Call<unknown>; readonly inputs: readonly Call<unknown>[]; next: number }[] = [];
  const enter = (call: Call<unknown>): void => {
    if (entered.has(call)) return;
    entered.add(call);
    stack.push({ call, inputs: inputsOf(call), next: 0 });
  };
  for (const root of roots) {
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const input = top.inputs[top.next++];
      if (input !== undefined) enter(input);
      else order.push(stack.pop()!.call);
    }
  }
  return order;
}

function inputsOf(call: Call<unknown>): Call<unknown>[] {
  const { args, after, options } = vertexOf(call);
  const found: Call<unknown>[] = [];
  for (const arg of args) callsIn(arg, found);
  const condition = conditionOf(options.when);
  return [...found, ...after, ...(condition !== undefined && isCall(condition.id) ? [condition.id] : [])];
}

function nameAll(order: readonly Call<unknown>[]): Map<Call<unknown>, string> {
  const taken = new Set<string>();
  for (const call of order) {
    const { id } = vertexOf(call).options;
    if (id !== undefined) taken.add(id);
  }
  const numbers = new Map<string, number>();
  const ids = new Map<Call<unknown>, string>();
  for (const call of order) {
    const { code, options } = vertexOf(call);
    ids.set(call, options.id ?? nextId(nameOf(code)));
  }
  return ids;

  function nextId(base: string): string {
    let n = numbers.get(base) ?? 0;
    do n++;
    while (taken.has(`${base}#${n}`));
    numbers.set(base, n);
    return `${base}#${n}`;
  }
}

function toSpec(call: Call<unknown>, ids: ReadonlyMap<Call<unknown>, string>): FunctionSpec {
  const { code, args, options, after } = vertexOf(call);
  const id = ids.get(call)!;
  const spec = {
    ...options,
    id,
    code,
    ...(options.node !== undefined && { node: toPlacement(id, options.node, ids) }),
    ...(options.when !== undefined && { when: toCondition(options.when, ids) }),
  };
  return { ...spec, ...toArguments(args, after, ids) } as FunctionSpec;
}

/** A malformed condition stays as it is, and is refused by `Dag.add`. */
function conditionOf(when: CallCondition | undefined): Exclude<CallCondition, string | Call<unknown>> | undefined {
  if (isCall(when)) return { id: when };
  return typeof when === 'object' && when !== null ? when : undefined;
}

function toCondition(when: CallCondition, ids: ReadonlyMap<Call<unknown>, string>): string | Condition {
  const condition = conditionOf(when);
  if (condition === undefined || !isCall(condition.id)) return when as string | Condition;
  return { ...condition, id: ids.get(condition.id)! };
}

function toPlacement(
  id: string,
  node: NonNullable<CallOptions['node']>,
  ids: ReadonlyMap<Call<unknown>, string>,
): unknown {
  if (typeof node !== 'object' || !isCall(node.collocatedWith)) return node;
  const target = ids.get(node.collocatedWith);
  if (target === undefined) {
    const text = `Function ${show(id)} is collocated with a call that is not part of this DAG.`;
    throw new HandoffError('INVALID_COLLOCATION', `${text} Calls are immutable: c.with(…) returns a new call.`, {
      functionId: id,
    });
  }
  return { collocatedWith: target };
}

/** The arguments in the struct form: plain where that is possible, otherwise with a layout. */
function toArguments(
  args: readonly unknown[],
  after: readonly Call<unknown>[],
  ids: ReadonlyMap<Call<unknown>, string>,
): Partial<FunctionSpec> {
  const leading = args.findIndex((arg) => !isCall(arg));
  const calls = (leading < 0 ? args : args.slice(0, leading)) as readonly Call<unknown>[];
  const rest = leading < 0 ? [] : args.slice(leading);
  if (after.length === 0 && !rest.some((arg) => holdsEdge(arg)))
    return { args: calls.map((call) => ids.get(call)!), extraArgs: rest };

  const first = args[0];
  if (
    after.length === 0 &&
    Array.isArray(first) &&
    first.every(isCall) &&
    !args.slice(1).some((arg) => holdsEdge(arg))
  ) {
    return { args: first.map((call) => ids.get(call)!), argumentInclusion: 'list', extraArgs: args.slice(1) };
  }
  const inputs: FunctionArgument[] = [];
  const toPart = (value: unknown): Part => {
    if (isCall(value)) return { arg: inputs.push(ids.get(value)!) - 1 };
    const choice = choiceOf(value);
    if (choice !== undefined) {
      const chosen = choice.calls.map((call) => ids.get(call)!);
      return { arg: inputs.push(choice.kind === 'anyOf' ? { anyOf: chosen } : { optional: chosen[0]! }) - 1 };
    }
    if (value instanceof Reference) return { arg: inputs.push({ resultOf: { ...value.resultOf } }) - 1 };
    return Array.isArray(value) && holdsEdge(value) ? { list: value.map(toPart) } : { value };
  };
  const layout = args.map(toPart);
  return { args: [...inputs, ...after.map((call) => ids.get(call)!)], layout };
}
