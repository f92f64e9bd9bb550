/** Merges a compiled graph into the plan of a run. O(functions and arguments of the graph), amortized. */
import { keyOf } from '../../../dag/code.ts';
import type { Branches, CallPart, CompiledDag, MapPlan } from '../../../dag/compile/compiled-dag.ts';
import type { Entry } from '../../../dag/compile/entry.ts';
import { amountsKey } from '../../../dag/compile/amounts-key.ts';
import { AppendedEntry } from '../growth/appended-entry.ts';
import { extended, extendedBy, type Growing } from '../columns.ts';
import { GrownPins } from '../growth/grown-pins.ts';
import type { Growth } from '../growth/span.ts';

/** Translates numbers of a graph to those of the plan that it is merged into. */
interface Numbers {
  readonly base: number;
  readonly code: readonly number[];
  readonly cost: readonly number[];
  readonly group: number;
}

/**
 * @param growth of the run, whose tables of codes and costs are kept
 * @param plan of the run, which is its own: it is changed
 * @param graph what a function answered with
 * @param owner that function
 * @returns by code of the graph: its number in the plan
 */
export function mergePlan(growth: Growth, plan: Growing<CompiledDag>, graph: CompiledDag, owner: number): number[] {
  const base = plan.size;
  const size = base + graph.size;
  const code = mergedCodes(growth, plan, graph);
  const numbers: Numbers = { base, code, cost: mergeCosts(growth, plan, graph), group: plan.groups.length };
  const entries = plan.entries as Entry[];
  const of = entries[owner]!;
  for (const entry of graph.entries) entries.push(new AppendedEntry(of, entry, `/${entry.id}`));
  const predicates = plan.predicates as CompiledDag['predicates'][number][];
  predicates.push(...graph.predicates);
  mergeCalls(plan, graph, numbers);
  mergePins(plan, graph, base);
  const [deps, outs] = [plan.depOffset[base]!, plan.outOffset[base]!];
  plan.deps = extendedBy(plan.deps, deps, graph.deps, base);
  plan.outs = extendedBy(plan.outs, outs, graph.outs, base);
  plan.depOffset = extendedBy(plan.depOffset, base, graph.depOffset, deps);
  plan.outOffset = extendedBy(plan.outOffset, base, graph.outOffset, outs);
  plan.inDegree = extendedBy(plan.inDegree, base, graph.inDegree, 0);
  plan.bLevel = extended(plan.bLevel, base, size, plan.bLevel[owner]!);
  plan.flags = extendedBy(plan.flags, base, graph.flags, 0);
  plan.code = extendedBy(plan.code, base, graph.code, 0, code);
  plan.cost = extendedBy(plan.cost, base, graph.cost, 0, numbers.cost);
  plan.prioritized ||= graph.prioritized;
  plan.maps = mergeMaps(plan, graph, numbers);
  plan.branches = mergeBranches(plan, graph, base);
  mergeGroups(plan, graph, numbers);
  plan.size = size;
  return code;
}

function mergedCodes(growth: Growth, plan: CompiledDag, graph: CompiledDag): number[] {
  const codes = plan.codes as CompiledDag['codes'][number][];
  return graph.codes.map((each) => {
    const key = keyOf(each);
    let at = growth.codes.get(key);
    if (at === undefined) growth.codes.set(key, (at = codes.push(each) - 1));
    return at;
  });
}

/** A plan with lists and maps of its own, to which functions may be appended. */
export function withOwnLists(plan: CompiledDag, ownerOf: (i: number) => number): CompiledDag {
  return {
    ...plan,
    entries: [...plan.entries],
    codes: [...plan.codes],
    predicates: [...plan.predicates],
    costs: [...plan.costs],
    uses: [...plan.uses],
    calls: new Map(plan.calls),
    maps: plan.maps && new Map(plan.maps),
    branches: plan.branches && ownBranches(plan.branches),
    groups: [...plan.groups],
    pins: new GrownPins(plan.pins, ownerOf),
    nodesNeeded: new Map(plan.nodesNeeded),
  };
}

function ownBranches({ when, tolerated, choices }: Branches): Branches {
  return { when: new Map(when), tolerated: new Map(tolerated), choices: new Map(choices) };
}

function mergeCosts({ costs: known }: Growth, plan: CompiledDag, graph: CompiledDag): number[] {
  const [costs, uses] = [plan.costs as (typeof plan.costs)[number][], plan.uses as (typeof plan.uses)[number][]];
  if (known.size === 0) costs.forEach((cost, i) => known.set(`${amountsKey(cost)};${amountsKey(uses[i])}`, i));
  return graph.costs.map((cost, i) => {
    const key = `${amountsKey(cost)};${amountsKey(graph.uses[i])}`;
    let at = known.get(key);
    if (at === undefined) {
      known.set(key, (at = costs.push(cost) - 1));
      uses.push(graph.uses[i]);
    }
    return at;
  });
}

function mergeCalls(plan: CompiledDag, graph: CompiledDag, numbers: Numbers): void {
  const calls = plan.calls as Map<number, readonly CallPart[]>;
  for (const [i, parts] of graph.calls)
    calls.set(
      numbers.base + i,
      parts.map((part) => shiftedPart(part, numbers)),
    );
  const needed = plan.nodesNeeded as Map<number, readonly number[]>;
  for (const [i, others] of graph.nodesNeeded)
    needed.set(
      numbers.base + i,
      others.map((other) => numbers.base + other),
    );
}

function shiftedPart(part: CallPart, numbers: Numbers): CallPart {
  const { base, code } = numbers;
  switch (part.kind) {
    case 'value':
    case 'resultOf':
      return part;
    case 'result':
    case 'optional':
      return { ...part, of: part.of + base };
    case 'node':
      return part.of < 0 ? part : { ...part, of: part.of + base };
    case 'anyOf':
      return { ...part, of: part.of.map((dep) => dep + base) };
    case 'list':
      return { ...part, parts: part.parts.map((each) => shiftedPart(each, numbers)) };
    case 'call':
      return { ...part, code: code[part.code]!, parts: part.parts.map((each) => shiftedPart(each, numbers)) };
  }
}

function mergePins(plan: CompiledDag, graph: CompiledDag, base: number): void {
  const pins = plan.pins as Map<number, string>;
  for (const [i, node] of graph.pins) pins.set(base + i, node);
}

function mergeMaps(plan: CompiledDag, graph: CompiledDag, numbers: Numbers): CompiledDag['maps'] {
  if (graph.maps === null) return plan.maps;
  const maps = (plan.maps ?? new Map()) as Map<number, MapPlan>;
  const { base } = numbers;
  for (const [i, map] of graph.maps) {
    const list = shiftedPart(map.list, numbers);
    const source = map.source < 0 ? -1 : map.source + base;
    maps.set(base + i, { ...map, list, source, root: map.root + base });
  }
  return maps;
}

function mergeBranches(plan: CompiledDag, graph: CompiledDag, base: number): Branches | null {
  if (graph.branches === null) return plan.branches;
  const merged = plan.branches ?? ownBranches({ when: new Map(), tolerated: new Map(), choices: new Map() });
  const { when, tolerated, choices } = merged as { [Key in keyof Branches]: Map<number, any> };
  for (const [i, condition] of graph.branches.when) when.set(base + i, { ...condition, of: condition.of + base });
  for (const [i, deps] of graph.branches.tolerated)
    tolerated.set(base + i, new Set([...deps].map((dep) => dep + base)));
  for (const [i, sets] of graph.branches.choices)
    choices.set(
      base + i,
      sets.map((set) => set.map((dep) => dep + base)),
    );
  return merged;
}

function mergeGroups(plan: Growing<CompiledDag>, graph: CompiledDag, numbers: Numbers): void {
  const { base, cost, group: first } = numbers;
  const size = base + graph.size;
  if (graph.group === null) {
    if (plan.group !== null) plan.group = extended(plan.group, base, size, -1);
    return;
  }
  const groups = plan.groups as CompiledDag['groups'][number][];
  for (const each of graph.groups) {
    const members = each.members.map((member) => member + base);
    groups.push({ ...each, root: each.root + base, members, need: cost[each.need]! });
  }
  const group = extended(plan.group ?? new Int32Array(base).fill(-1), base, size, -1);
  graph.group.forEach((own, i) => (group[base + i] = own < 0 ? -1 : own + first));
  plan.group = group;
}
