/**
 * Calls that do more than pass results in order and then `extraArgs`: those with lists, plain values between results,
 * names of nodes, or inline functions, which run in place.
 */
import { dagError } from './dag-error.ts';
import { show } from '../core/show.ts';
import type { DagParts, Entry } from './compile/entry.ts';
import type { Links } from './compile/links.ts';
import { type CallPart, Flag, type OtherResult } from './compile/compiled-dag.ts';
import type { FunctionReference } from './code.ts';
import type { FunctionArgument, Part, ResultOf } from './types.ts';

// An inline function runs once for each path that reaches it, so each further inline diamond in a row doubles the
// number of calls.
const maxInlineCalls = 10_000;

interface Input {
  readonly parts: DagParts;
  readonly links: Links;
  readonly order: Int32Array;
  /**
   * The position in the plan, by position in the DAG; -1 for absorbed functions. Undefined when no function is
   * absorbed.
   */
  readonly dense: Int32Array | undefined;
  codeOf(code: FunctionReference): number;
  /**
   * Written here: `Flag.special`, `Flag.needsNodes`, and `Flag.once` for a function that runs an inline function that
   * is not idempotent.
   */
  readonly flags: Uint8Array;
}

export interface Calls {
  readonly calls: ReadonlyMap<number, readonly CallPart[]>;
  readonly nodesNeeded: ReadonlyMap<number, readonly number[]>;
  /** See `CompiledDag`. */
  readonly others: readonly OtherResult[];
}

/**
 * The calls of the functions that need more than the default call.
 *
 * @throws `INVALID_INLINE_FUNCTION` when a function would run more than 10,000 inline functions per attempt
 */
export function calls(input: Input): Calls {
  const { parts, links, order, dense, flags } = input;
  if (dense === undefined && !parts.traited.some((i) => isArranged(parts.entries[i]!)))
    return { calls: new Map(), nodesNeeded: new Map(), others: [] };
  const made = new Map<number, readonly CallPart[]>();
  const nodesNeeded = new Map<number, readonly number[]>();
  const others = new Map<string, OtherResult>();
  const absorbed = new Map<number, { readonly part: CallPart; readonly runs: number; readonly once: boolean }>();
  for (const i of order) {
    const entry = parts.entries[i]!;
    const own = dense === undefined ? i : dense[i]!;
    const takesAbsorbed =
      dense !== undefined && entry.args.some((_, k) => dense[links.deps[links.depOffset[i]! + k]!]! < 0);
    if (own >= 0 && !takesAbsorbed && !isArranged(entry)) continue;

    let runs = 0;
    let once = false;
    const needed = new Set<number>();
    const parsed = parametersOf(entry).map((part) => toCallPart(part));
    const total = runs;
    if (own < 0) {
      // An absorbed function receives the nodes of functions that have run before it: those it waits for.
      absorbed.set(i, {
        part: { kind: 'call', code: input.codeOf(entry.code!), parts: parsed },
        runs: total + 1,
        once: once || !entry.traits.idempotent,
      });
      continue;
    }
    if (total > maxInlineCalls) {
      const text = `Function ${show(entry.id)} would run ${total} inline functions per attempt (expected at most ${maxInlineCalls}).`;
      const fix = 'An inline function runs once for each path that reaches it: make the shared ones regular.';
      throw dagError('INVALID_INLINE_FUNCTION', `${text} ${fix}`, { functionId: entry.id });
    }
    made.set(own, parsed);
    flags[own]! |= Flag.special | (once ? Flag.once : 0);
    needed.delete(own);
    if (needed.size > 0) {
      nodesNeeded.set(own, [...needed]);
      flags[own]! |= Flag.needsNodes;
    }

    function toCallPart(part: Parameter): CallPart {
      if ('value' in part) return { kind: 'value', value: part.value };
      if ('list' in part) return { kind: 'list', parts: part.list.map(toCallPart) };
      if ('nodeOf' in part) return nodePart(part.nodeOf);
      if ('optional' in part) return { kind: 'optional', of: regular(part.optional) };
      if ('anyOf' in part) return { kind: 'anyOf', of: part.anyOf.map(regular) };
      if ('resultOf' in part) return other(part.resultOf);
      const dep = links.deps[links.depOffset[i]! + part.arg]!;
      const inlined = absorbed.get(dep);
      if (inlined === undefined) return { kind: 'result', of: dense === undefined ? dep : dense[dep]! };
      runs += inlined.runs;
      once ||= inlined.once;
      return inlined.part;
    }

    /** The function at a position among the arguments. Validation has refused inline ones here. */
    function regular(position: number): number {
      const dep = links.deps[links.depOffset[i]! + position]!;
      return dense === undefined ? dep : dense[dep]!;
    }

    function nodePart(id: string): CallPart {
      const at = parts.index.get(id) ?? -1;
      const of = dense === undefined || at < 0 ? at : dense[at]!;
      // The function itself and inline functions run on the node of the function itself.
      if (of < 0 || of === own) return { kind: 'node', of: -1 };
      needed.add(of);
      return { kind: 'node', of };
    }
  }
  return { calls: made, nodesNeeded, others: [...others.values()] };

  function other({ runId, id }: ResultOf['resultOf']): OtherResult {
    const key = JSON.stringify([runId, id]);
    let known = others.get(key);
    if (known === undefined) others.set(key, (known = { kind: 'resultOf', runId, id }));
    return known;
  }
}

/** Whether the function needs more than its arguments in order. */
function isArranged({ traits }: Entry): boolean {
  return (
    traits.layout !== undefined ||
    traits.list ||
    traits.when !== undefined ||
    traits.map !== undefined ||
    isMixed(traits.written)
  );
}

/** Whether some argument is not simply the result of one function. */
function isMixed(written: readonly FunctionArgument[] | undefined): boolean {
  return written !== undefined && written.some((arg) => typeof arg === 'object' && !('id' in arg));
}

/** A parameter of a call, by positions among the entry's `args`. */
type Parameter =
  | { readonly arg: number }
  | { readonly optional: number }
  | { readonly anyOf: readonly number[] }
  | { readonly value: unknown }
  | { readonly list: readonly Parameter[] }
  | { readonly nodeOf: string }
  | ResultOf;

function parametersOf(entry: Entry): readonly Parameter[] {
  const { layout, list } = entry.traits;
  const values = argumentsOf(entry);
  if (layout !== undefined) return layout.map((part) => toParameter(entry, values, part));
  const extra = entry.extraArgs.map((value) => ({ value }));
  return list ? [{ list: values }, ...extra] : [...values, ...extra];
}

function toParameter(entry: Entry, values: readonly Parameter[], part: Part): Parameter {
  if ('list' in part) return { list: part.list.map((each) => toParameter(entry, values, each)) };
  if (!('arg' in part)) return part;
  const found = values[part.arg];
  if (found !== undefined) return found;
  const text = `Function ${show(entry.id)}: its layout names argument ${part.arg}, but it has ${values.length}.`;
  throw dagError('INVALID_FUNCTION', text, { functionId: entry.id });
}

/** The arguments as written, without the condition. */
function argumentsOf({ args, traits: { written } }: Entry): Parameter[] {
  if (written === undefined) return args.map((_, arg) => ({ arg }));
  let next = 0;
  return written.map((arg): Parameter => {
    if (typeof arg === 'string' || 'id' in arg) return { arg: next++ };
    if ('resultOf' in arg) return arg;
    return 'optional' in arg ? { optional: next++ } : { anyOf: arg.anyOf.map(() => next++) };
  });
}
