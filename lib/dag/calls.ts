/**
 * How functions are called that do more than take results in order and then their `extraArgs`: lists, plain values between
 * results, the names of nodes, and inline functions, which are run on the spot.
 */
import { dagError } from './dag-error.ts';
import { show } from '../core/show.ts';
import type { DagParts, Entry } from './entry.ts';
import type { Links } from './links.ts';
import { type CallPart, Flag } from './compiled-dag.ts';
import type { FunctionReference } from './code.ts';
import type { Part } from './types.ts';

// An inline function runs once for each way it is reached, so a ladder of inline diamonds doubles at every step.
const maxInlineCalls = 10_000;

interface Input {
  readonly parts: DagParts;
  readonly links: Links;
  readonly order: Int32Array;
  /** By position in the DAG: position in the plan, -1 for absorbed functions. Undefined when none is absorbed. */
  readonly dense: Int32Array | undefined;
  codeOf(code: FunctionReference): number;
  /** Written: `Flag.special`, `Flag.needsNodes`, and `Flag.once` where an inline function says so. */
  readonly flags: Uint8Array;
}

export interface Calls {
  readonly calls: ReadonlyMap<number, readonly CallPart[]>;
  readonly nodesNeeded: ReadonlyMap<number, readonly number[]>;
}

/**
 * The calls of a DAG that need one.
 *
 * @throws `INVALID_INLINE_FUNCTION` when a function would run more than 10,000 inline functions per attempt
 */
export function calls(input: Input): Calls {
  const { parts, links, order, dense, flags } = input;
  if (dense === undefined && !parts.traited.some((i) => isArranged(parts.entries[i]!))) return { calls: new Map(), nodesNeeded: new Map() };
  const made = new Map<number, readonly CallPart[]>();
  const nodesNeeded = new Map<number, readonly number[]>();
  const absorbed = new Map<number, { readonly part: CallPart; readonly runs: number; readonly once: boolean }>();
  for (const i of order) {
    const entry = parts.entries[i]!;
    const own = dense === undefined ? i : dense[i]!;
    const takesAbsorbed = dense !== undefined && entry.args.some((_, k) => dense[links.deps[links.depOffset[i]! + k]!]! < 0);
    if (own >= 0 && !takesAbsorbed && !isArranged(entry)) continue;

    let runs = 0;
    let once = false;
    const needed = new Set<number>();
    const parsed = layoutOf(entry).map((part) => toCallPart(part));
    const total = runs;
    if (own < 0) {
      // An absorbed function is told the nodes of functions that have run by then: those it waits for.
      absorbed.set(i, { part: { kind: 'call', code: input.codeOf(entry.code!), parts: parsed }, runs: total + 1, once: once || !entry.traits.idempotent });
      continue;
    }
    if (total > maxInlineCalls) {
      throw dagError('INVALID_INLINE_FUNCTION', `Function ${show(entry.id)} would run ${total} inline functions per attempt: each runs once for every way it is reached. Make the shared ones regular.`, { functionId: entry.id });
    }
    made.set(own, parsed);
    flags[own]! |= Flag.special | (once ? Flag.once : 0);
    needed.delete(own);
    if (needed.size > 0) {
      nodesNeeded.set(own, [...needed]);
      flags[own]! |= Flag.needsNodes;
    }

    function toCallPart(part: Part): CallPart {
      if ('value' in part) return { kind: 'value', value: part.value };
      if ('list' in part) return { kind: 'list', parts: part.list.map(toCallPart) };
      if ('nodeOf' in part) return nodePart(part.nodeOf);
      const dep = links.deps[links.depOffset[i]! + part.arg];
      if (dep === undefined || part.arg >= entry.args.length) {
        throw dagError('INVALID_FUNCTION', `Function ${show(entry.id)}: its layout names argument ${part.arg}, but it has ${entry.args.length}.`, { functionId: entry.id });
      }
      const inlined = absorbed.get(dep);
      if (inlined === undefined) return { kind: 'result', of: dense === undefined ? dep : dense[dep]! };
      runs += inlined.runs;
      once ||= inlined.once;
      return inlined.part;
    }

    function nodePart(id: string): CallPart {
      const at = parts.index.get(id) ?? -1;
      const of = dense === undefined || at < 0 ? at : dense[at]!;
      // The node of the function itself, and of inline ones, is where it runs.
      if (of < 0 || of === own) return { kind: 'node', of: -1 };
      needed.add(of);
      return { kind: 'node', of };
    }
  }
  return { calls: made, nodesNeeded };
}

/** Whether it takes its arguments otherwise than in order. */
function isArranged({ traits }: Entry): boolean {
  return traits.layout !== undefined || traits.list;
}

function layoutOf(entry: Entry): readonly Part[] {
  const { layout, list } = entry.traits;
  if (layout !== undefined) return layout;
  const values = entry.args.map((_, arg) => ({ arg }));
  const extra = entry.extraArgs.map((value) => ({ value }));
  return list ? [{ list: values }, ...extra] : [...values, ...extra];
}
