/** Compiles a DAG: validates it, absorbs inline functions, ranks functions, and shares equal codes and costs. */
import { HandoffError } from '../../core/errors.ts';
import { amountsKey } from './amounts-key.ts';
import { bLevels, depthFirstRanks, ranks, weights } from './analysis.ts';
import { branchesOf } from '../branches.ts';
import { calls } from '../calls.ts';
import { show } from '../../core/show.ts';
import { collocate } from '../validation/collocation.ts';
import { type Dag, partsOf } from '../dag.ts';
import { type DagParts, type Entry, toResolved } from './entry.ts';
import { fromDependencies, link, type Links, sortTopologically } from './links.ts';
import { type CallPart, type CompiledDag, Flag, type Group } from './compiled-dag.ts';
import { keyOf, type FunctionReference } from '../code.ts';
import { mapsOf } from '../maps.ts';
import type { Cost, Uses } from '../types.ts';
import { validateLinked } from '../validation/validate.ts';

export interface CompileOptions {
  /** Ignore pins, collocation and costs, as `executeLocal` does. */
  readonly ignorePlacement?: boolean;
  /** Order functions so that few results are needed at a time, instead of by the longest remaining path. */
  readonly depthFirst?: boolean;
}

/**
 * Compiles a DAG for execution. O(functions + arguments). Functions added to the DAG later are not part of the plan.
 *
 * @throws every error of `Dag.validate`, and `INVALID_FUNCTION` for what only streams use: inputs, `init`,
 *   `parallelism`, `batchSize`, `batchTimeout`
 */
export function compile(dag: Dag, options: CompileOptions = {}): CompiledDag {
  const all = partsOf(dag);
  const parts: DagParts = { entries: all.entries.slice(), index: all.index, traited: all.traited.slice() };
  const links = link(parts);
  const order = sortTopologically(links);
  const error = validateLinked(parts, links, order) ?? refuseStreams(parts);
  if (error !== undefined) throw error;

  const dense = denseIndex(parts);
  const regular = dense === undefined ? { entries: parts.entries, links, order } : absorb(parts, links, order, dense);
  const { entries } = regular;
  const traited = dense === undefined ? parts.traited : parts.traited.map((i) => dense[i]!).filter((i) => i >= 0);
  const weight = weights(entries, traited);
  const bLevel = bLevels(regular.links, regular.order, weight);
  const flags = new Uint8Array(entries.length);
  const code = codeTable(entries);
  const built = calls({ parts, links, order, dense, codeOf: code.indexOf, flags });
  const cost = costTable(entries, traited, options);
  const placed = placements({
    parts,
    entries,
    traited,
    dense,
    nodesNeeded: built.nodesNeeded,
    costIndex: cost.indexOf,
    options,
  });
  const inDegree = new Int32Array(entries.length);
  for (let i = 0; i < entries.length; i++) inDegree[i] = regular.links.depOffset[i + 1]! - regular.links.depOffset[i]!;
  for (const [i, call] of built.calls) if (!takesAll(regular.links, i, call)) flags[i]! |= Flag.ordered;
  for (const i of traited) {
    const { timeout, idempotent, uses } = entries[i]!.traits;
    flags[i]! |= (timeout === undefined ? 0 : Flag.exclusive) | (idempotent ? 0 : Flag.once);
    if (uses !== undefined) flags[i]! |= Flag.limited;
  }
  const indexOf = (id: string): number => {
    const at = parts.index.get(id) ?? -1;
    return at >= parts.entries.length ? -1 : dense === undefined || at < 0 ? at : dense[at]!;
  };
  return {
    ...regular.links,
    dagId: dag.id,
    entries,
    indexOf,
    inDegree,
    bLevel,
    ...(options.depthFirst === true
      ? depthFirstRanks(entries, regular.links)
      : ranks(entries, traited, bLevel, weight === undefined)),
    prioritized: traited.some((i) => entries[i]!.traits.priority !== 0),
    concurrent: concurrencyOf(entries, traited),
    flags,
    codes: code.codes,
    code: code.code,
    predicates: predicatesOf(entries, traited),
    costs: cost.costs,
    uses: cost.uses,
    cost: cost.cost,
    calls: built.calls,
    others: built.others,
    maps: mapsOf({ entries, traited, links: regular.links, order: regular.order, calls: built.calls, flags }),
    branches: branchesOf({ entries, traited, links: regular.links, calls: built.calls, indexOf, flags }),
    nodesNeeded: built.nodesNeeded,
    ...placed,
  };
}

function concurrencyOf(entries: readonly Entry[], traited: readonly number[]): CompiledDag['concurrent'] {
  let count = 0;
  for (const i of traited) if (entries[i]!.traits.concurrent) count++;
  return count === 0 ? 'none' : count < entries.length ? 'some' : 'all';
}

/** Whether a call takes the result of every function that it waits for. */
function takesAll({ depOffset, deps }: Links, i: number, call: readonly CallPart[]): boolean {
  const taken = new Set<number>();
  const parts = [...call];
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    if (part.kind === 'result') taken.add(part.of);
    else if (part.kind === 'list' || part.kind === 'call') parts.push(...part.parts);
  }
  return deps.subarray(depOffset[i]!, depOffset[i + 1]!).every((dep) => taken.has(dep));
}

/** Refuses what only streams use, because a run would ignore it. */
function refuseStreams({ entries, traited }: DagParts): HandoffError | undefined {
  for (const i of traited) {
    const { id, traits } = entries[i]!;
    const field = traits.type === 'input' ? "type 'input'" : streamFields.find((name) => traits[name] !== undefined);
    if (field === undefined) continue;
    const instead = traits.type === 'input' ? 'Give the value by a regular function' : `Leave ${field} out`;
    const text = `Function ${show(id)} has ${field}, which only a stream can use, and streams are not implemented yet. ${instead}.`;
    return new HandoffError('INVALID_FUNCTION', text, { functionId: id });
  }
  return undefined;
}

const streamFields = ['init', 'parallelism', 'batchSize', 'batchTimeout'] as const;

/** Whether a function is not part of the plan: it is inline, or the deserializer of an inline consumer. */
function isAbsorbed(parts: DagParts, { traits }: Entry): boolean {
  if (traits.type === 'inline') return true;
  const { transforms } = traits;
  if (transforms?.side !== 'deserialize') return false;
  return parts.entries[parts.index.get(transforms.consumer) ?? -1]?.traits.type === 'inline';
}

/**
 * The position in the plan, by position in the DAG; -1 for absorbed functions. Undefined when no function is absorbed.
 */
function denseIndex(parts: DagParts): Int32Array | undefined {
  if (!parts.traited.some((i) => isAbsorbed(parts, parts.entries[i]!))) return undefined;
  const dense = new Int32Array(parts.entries.length);
  let size = 0;
  parts.entries.forEach((entry, i) => (dense[i] = isAbsorbed(parts, entry) ? -1 : size++));
  return dense;
}

/**
 * The graph of regular functions only. The dependencies of an absorbed function become dependencies of its dependents.
 */
function absorb(
  parts: DagParts,
  links: Links,
  order: Int32Array,
  dense: Int32Array,
): { entries: Entry[]; links: Links; order: Int32Array } {
  const waits = new Map<number, Set<number>>(); // absorbed function -> regular functions it waits for
  const rows: number[][] = [];
  for (const i of order) {
    const own = new Set<number>();
    const row: number[] = [];
    for (let k = links.depOffset[i]!; k < links.depOffset[i + 1]!; k++) {
      const dep = links.deps[k]!;
      if (dense[dep]! >= 0) row.push(dense[dep]!);
      else for (const further of waits.get(dep)!) own.add(further);
    }
    if (dense[i]! < 0) {
      for (const each of row) own.add(each);
      waits.set(i, own);
    } else {
      for (const each of row) own.delete(each);
      rows[dense[i]!] = [...row, ...own];
    }
  }
  const depOffset = new Int32Array(rows.length + 1);
  rows.forEach((row, i) => (depOffset[i + 1] = depOffset[i]! + row.length));
  return {
    entries: parts.entries.filter((_, i) => dense[i]! >= 0),
    links: fromDependencies(depOffset, Int32Array.from(rows.flat())),
    order: order.filter((i) => dense[i]! >= 0).map((i) => dense[i]!),
  };
}

function codeTable(entries: readonly Entry[]): {
  codes: FunctionReference[];
  code: Int32Array;
  indexOf(code: FunctionReference): number;
} {
  const codes: FunctionReference[] = [];
  const byKey = new Map<string, number>();
  const known = new Map<FunctionReference, number>(); // most references are shared, so this avoids computing their key
  const indexOf = (reference: FunctionReference): number => {
    let index = known.get(reference);
    if (index !== undefined) return index;
    const key = keyOf(reference);
    index = byKey.get(key) ?? codes.push(reference) - 1;
    byKey.set(key, index);
    known.set(reference, index);
    return index;
  };
  const code = new Int32Array(entries.length);
  for (let i = 0, last: FunctionReference | undefined, index = 0; i < entries.length; i++) {
    const own = entries[i]!.code!;
    if (own !== last) index = indexOf((last = own)); // neighbours often have the same code
    code[i] = index;
  }
  return { codes, code, indexOf };
}

function predicatesOf(entries: readonly Entry[], traited: readonly number[]): FunctionReference[] {
  const byKey = new Map<string, FunctionReference>();
  for (const i of traited) {
    const { retryIf } = entries[i]!.traits;
    if (retryIf !== undefined) byKey.set(keyOf(retryIf), retryIf);
  }
  return [...byKey.values()];
}

interface CostTable {
  readonly costs: (Cost | undefined)[];
  readonly uses: (Uses | undefined)[];
  readonly cost: Int32Array;
  indexOf(cost: Cost | undefined): number;
}

function costTable(
  entries: readonly Entry[],
  traited: readonly number[],
  { ignorePlacement }: CompileOptions,
): CostTable {
  const costs: (Cost | undefined)[] = [undefined];
  const uses: (Uses | undefined)[] = [undefined];
  const byKey = new Map<string, number>();
  const indexFor = (given: Cost | undefined, used: Uses | undefined): number => {
    const own = ignorePlacement === true ? undefined : given;
    if (own === undefined && used === undefined) return 0;
    const key = `${amountsKey(own)};${amountsKey(used)}`;
    let index = byKey.get(key);
    if (index === undefined) {
      byKey.set(key, (index = costs.push(own) - 1));
      uses.push(used);
    }
    return index;
  };
  const cost = new Int32Array(entries.length);
  for (const i of traited) cost[i] = indexFor(entries[i]!.traits.cost, entries[i]!.traits.uses);
  return { costs, uses, cost, indexOf: (own) => indexFor(own, undefined) };
}

interface PlacementInput {
  readonly parts: DagParts;
  /** The plan's functions, and those among them with traits. */
  readonly entries: readonly Entry[];
  readonly traited: readonly number[];
  readonly dense: Int32Array | undefined;
  readonly nodesNeeded: ReadonlyMap<number, readonly number[]>;
  readonly costIndex: CostTable['indexOf'];
  readonly options: CompileOptions;
}

function placements(input: PlacementInput): Pick<CompiledDag, 'group' | 'groups' | 'pins'> {
  const { parts, entries, traited, dense, nodesNeeded, costIndex } = input;
  const pins = new Map<number, string>();
  if (input.options.ignorePlacement === true) return { group: null, groups: [], pins };
  const { root } = collocate(parts);
  const members = new Map<number, number[]>(); // by root, both in the plan's numbering
  for (const i of parts.traited) {
    const top = root.get(i);
    const member = dense === undefined ? i : dense[i]!;
    if (top === undefined || member < 0) continue;
    const key = dense === undefined ? top : dense[top]!;
    const known = members.get(key);
    if (known === undefined) members.set(key, [key, member]);
    else known.push(member);
  }
  const groups: Group[] = [];
  const group = new Map<number, number>();
  const form = (top: number, all: readonly number[]): void => {
    const pin = entries[top]!.traits.node;
    for (const member of all) group.set(member, groups.length);
    groups.push({
      root: top,
      members: all,
      need: costIndex(total(entries, all)),
      pin: typeof pin === 'string' ? pin : undefined,
    });
  };
  for (const [top, all] of members) form(top, all);
  // A function whose node must be known in advance becomes a group of its own, because groups are placed early.
  for (const wanted of nodesNeeded.values()) for (const i of wanted) if (!group.has(i)) form(i, [i]);
  for (const i of traited) {
    const { node } = entries[i]!.traits;
    if (typeof node === 'string' && !group.has(i)) pins.set(i, node);
  }
  return { group: groups.length === 0 ? null : byFunction(group, entries.length), groups, pins };
}

function byFunction(known: ReadonlyMap<number, number>, size: number): Int32Array {
  const all = new Int32Array(size).fill(-1);
  for (const [i, value] of known) all[i] = value;
  return all;
}

function total(entries: readonly Entry[], members: readonly number[]): Cost | undefined {
  const sum: Record<string, number> = {};
  for (const i of members) {
    for (const [name, amount] of Object.entries(entries[i]!.traits.cost ?? {})) sum[name] = (sum[name] ?? 0) + amount;
  }
  return Object.keys(sum).length === 0 ? undefined : sum;
}

/** The function as allocators see it. */
export function functionOf(plan: CompiledDag, i: number): ReturnType<typeof toResolved> {
  return toResolved(plan.entries[i]!);
}
