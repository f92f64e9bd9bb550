/**
 * Runs that grow: by the elements of maps, which are known only once their list exists, and by the graphs that functions
 * answer with. Both are appended behind the functions of the plan, so that no index changes. Growing costs O(new
 * functions), amortized.
 *
 * ```
 *   plan:      list ──► thumbs (map) ──► scored (map) ──► best
 *   elements:           thumbs[0] ─────► scored[0]
 *                       thumbs[1] ─────► scored[1]       no edge is stored: element k of a span takes
 *                       …                …               element k of the span before it
 * ```
 *
 * A map is done when all its elements are. An element waits for what its map waits for, except for the list, of which
 * it takes one element. A function that answered with a graph is done when all functions of that are.
 */
import { leavesOf, mapLeaves } from '../../../core/output-shape.ts';
import type { CompiledDag } from '../../../dag/compile/compiled-dag.ts';
import type { Entry } from '../../../dag/compile/entry.ts';
import { Flag } from '../../../dag/compile/compiled-dag.ts';
import { AppendedEntry } from './appended-entry.ts';
import { mergePlan, withOwnLists } from '../plan/merge-plan.ts';
import { extended, type Growing } from '../columns.ts';
import type { Answer, Block, Expansion, Growth, Span } from './span.ts';
import { keyOf } from '../../../dag/code.ts';
import type { RunSettings } from '../events.ts';
import type { Run } from '../state.ts';

/** What a function was appended with; undefined for a function of the submitted plan. */
function blockOf({ growth }: Run, i: number): Block | undefined {
  if (growth === null || i < growth.size) return undefined;
  const { blocks } = growth;
  let low = 0;
  for (let high = blocks.length; high - low > 1;) {
    const middle = (low + high) >> 1;
    if (blocks[middle]!.base <= i) low = middle;
    else high = middle;
  }
  return blocks[low]!;
}

/** The span of an element; undefined for any other function. */
export function spanOf(run: Run, i: number): Span | undefined {
  const block = blockOf(run, i);
  return block !== undefined && 'map' in block ? block : undefined;
}

/** The elements of a map; undefined if they are not known, or it is no map. */
export function spanOfOwner({ growth }: Run, i: number): Span | undefined {
  return growth === null ? undefined : growth.byOwner.get(i);
}

/** The graph that a function is part of, if another function answered with it. */
export function expansionOf(run: Run, i: number): Expansion | undefined {
  const block = blockOf(run, i);
  return block !== undefined && 'outputs' in block ? block : undefined;
}

/** The graph that a function answered with. */
export function expansionOfOwner({ growth }: Run, i: number): Expansion | undefined {
  return growth === null ? undefined : growth.expansions.get(i);
}

/** The functions that a function waits for, repeats included. */
export function inputsOf(run: Run, i: number): number[] {
  const { depOffset, deps } = run.plan;
  const span = spanOf(run, i);
  if (span === undefined) return [...deps.subarray(depOffset[i]!, depOffset[i + 1]!)];
  const { owner, source, base } = span;
  const inherited = [...deps.subarray(depOffset[owner]!, depOffset[owner + 1]!)];
  if (source === null) return inherited;
  return [source.base + i - base, ...inherited.filter((dep) => dep !== source.owner)];
}

/**
 * The functions whose results are read for an input: the elements of a map, what gives the result of a graph, or the
 * function itself.
 */
export function holdersOf(run: Run, dep: number): Iterable<number> {
  const span = spanOfOwner(run, dep);
  if (span !== undefined) return elementsOf(span);
  return expansionOfOwner(run, dep)?.holders ?? [dep];
}

export function* elementsOf({ base, count }: { readonly base: number; readonly count: number }): Iterable<number> {
  for (let i = base; i < base + count; i++) yield i;
}

/**
 * The place of a function in the dispatch order. What was appended comes in place of the function of the submitted plan
 * that it stems from, the latest first: so what was begun is finished before more is begun, and few results are kept.
 */
export function rankOf(run: Run, i: number): number {
  const block = blockOf(run, i);
  if (block === undefined) return run.plan.rank[i]!;
  const { base, count, root } = block;
  const order = 'map' in block ? i - base : block.rank[i - base]!;
  return run.plan.rank[root]! + 1 - (base + count - order) / scaleOf(run);
}

/** The reverse of `rankOf`. */
export function functionAt(run: Run, rank: number): number {
  const { growth, plan } = run;
  if (growth === null) return plan.byRank[rank]!;
  const whole = Math.floor(rank);
  if (whole === rank) return plan.byRank[rank]!;
  const position = Math.round((whole + 1 - rank) * scaleOf(run)) - 1;
  const block = blockOf(run, position)!;
  const order = block.base + block.count - 1 - position;
  return block.base + ('map' in block ? order : block.byRank[order]!);
}

/** Ranks are whole numbers below the size of the plan; the other bits of a double tell what was appended apart. */
function scaleOf({ growth }: Run): number {
  return 2 ** (52 - Math.ceil(Math.log2(growth!.size + 1)));
}

function growthOf(run: Run): Growth {
  if (run.growth !== null) return run.growth;
  const ownerOf = (i: number): number => spanOf(run, i)?.owner ?? i;
  run.plan = { ...withOwnLists(run.plan, ownerOf), indexOf: (id) => indexOf(run, id) };
  run.settings = { ...run.settings };
  return (run.growth = {
    size: run.plan.size,
    blocks: [],
    byOwner: new Map(),
    expansions: new Map(),
    codes: new Map(run.plan.codes.map((code, i) => [keyOf(code), i])),
    costs: new Map(),
  });
}

/** The function of the submitted plan that a function stems from. */
function rootOf(run: Run, i: number): number {
  return blockOf(run, i)?.root ?? i;
}

/** Appends the elements of a map to a run. They wait for nothing yet. */
export function append(run: Run, owner: number, count: number, source: Span | null): Span {
  const growth = growthOf(run);
  const { plan } = run;
  const base = plan.size;
  const map = plan.maps!.get(owner)!;
  const span: Span = {
    owner,
    map,
    base,
    count,
    root: rootOf(run, map.root),
    source,
    takers: [],
    isListRead: false,
    holding: 0,
    isReading: true,
    left: count,
    errors: new Set(),
    admitted: new Set(),
    held: [],
    nextHeld: 0,
  };
  // The maps that take its elements will have as many.
  const room = count * (map.places - map.place);
  extendRun(run, count, owner, room);
  extendPlan(run, span, room);
  if (count > 0) growth.blocks.push(span);
  growth.byOwner.set(owner, span);
  source?.takers.push(span);
  return span;
}

/** Appends the graph that a function answered with. */
export function appendGraph(run: Run, owner: number, { plan: graph, shape, codes }: Answer): Expansion {
  const growth = growthOf(run);
  const base = run.plan.size;
  const absolute = mapLeaves(shape, (i) => base + i);
  const expansion: Expansion = {
    owner,
    base,
    count: graph.size,
    root: rootOf(run, owner),
    depth: depthOf(run, owner) + 1,
    shape: absolute,
    outputs: leavesOf(absolute),
    rank: graph.rank,
    byRank: graph.byRank,
    indexOf: (id) => graph.indexOf(id),
    isRead: false,
    left: graph.size,
    isSettled: false,
    holders: [],
  };
  const { settings, plan } = run;
  const [codeCount, groupCount] = [plan.codes.length, plan.groups.length];
  extendRun(run, graph.size, owner);
  run.missing.set(graph.inDegree, base);
  const code = mergePlan(growth, plan, graph, owner);
  if (plan.codes.length > codeCount) {
    const all = new Int32Array(plan.codes.length).fill(-1);
    all.set(settings.codes);
    for (const [own, at] of code.entries()) all[at] = codes[own]!;
    (settings as Growing<RunSettings>).codes = all;
  }
  run.groupNode = extended(run.groupNode, groupCount, plan.groups.length, -1);
  run.promisedAt = extended(run.promisedAt, groupCount, plan.groups.length, -1);
  growth.blocks.push(expansion);
  growth.expansions.set(owner, expansion);
  return expansion;
}

/** How many graphs a function is inside of. */
export function depthOf(run: Run, i: number): number {
  const block = blockOf(run, i);
  if (block === undefined) return 0;
  return 'map' in block ? depthOf(run, block.owner) : block.depth;
}

/**
 * @param count of functions more
 * @param room the number of functions that the run will soon have more
 */
function extendRun(run: Run, count: number, owner: number, room = count): void {
  const from = run.plan.size;
  const size = from + count;
  const end = from + room;
  run.status = extended(run.status, from, size, 0, end);
  run.missing = extended(run.missing, from, size, 0, end);
  run.attempts = extended(run.attempts, from, size, 0, end);
  run.node = extended(run.node, from, size, -1, end);
  run.batch = extended(run.batch, from, size, -1, end);
  run.tally = extended(run.tally, from, size, 0, end);
  if (run.unread !== null) run.unread = extended(run.unread, from, size, 0, end);
  if (run.assigned !== null) run.assigned = extended(run.assigned, from, size, -1, end);
  const settings: Growing<RunSettings> = run.settings;
  const { kept, home } = settings;
  if (kept !== null) settings.kept = extended(kept, from, size, kept[owner]!, end);
  if (home !== undefined) settings.home = extended(home, from, size, -1, end);
}

function extendPlan(run: Run, { owner, base, count, map }: Span, room: number): void {
  const plan: Growing<CompiledDag> = run.plan;
  const size = base + count;
  const end = base + room;
  const kind = plan.flags[owner]! & (Flag.exclusive | Flag.once | Flag.limited);
  const isLimited = map.concurrency < Infinity;
  const entries = plan.entries as Entry[];
  const of = entries[owner]!;
  for (let k = 0; k < count; k++) entries.push(new AppendedEntry(of, of, k));
  plan.depOffset = extended(plan.depOffset, base + 1, size + 1, plan.depOffset[base]!, end + 1);
  plan.outOffset = extended(plan.outOffset, base + 1, size + 1, plan.outOffset[base]!, end + 1);
  plan.inDegree = extended(plan.inDegree, base, size, 0, end);
  plan.bLevel = extended(plan.bLevel, base, size, plan.bLevel[owner]!, end);
  // Those of a limited map must ask for a place, so they do not follow others in a batch.
  plan.flags = extended(plan.flags, base, size, kind | (isLimited ? Flag.ordered : 0), end);
  plan.code = extended(plan.code, base, size, plan.code[owner]!, end);
  plan.cost = extended(plan.cost, base, size, plan.cost[owner]!, end);
  if (plan.group !== null) plan.group = extended(plan.group, base, size, -1, end);
  plan.size = size;
}

const elementId = /^(.*)\[(\d+)\]$/s;

/** The function with an id, such as `sort/merge#1` or `thumbs[3]`; -1 for none. */
function indexOf(run: Run, id: string): number {
  return findIn(run, (local) => run.indexOf(local), id);
}

/** @param known the functions whose ids begin here */
function findIn(run: Run, known: (id: string) => number, id: string): number {
  const direct = functionIn(run, known, id);
  if (direct >= 0) return direct;
  for (let at = id.indexOf('/'); at >= 0; at = id.indexOf('/', at + 1)) {
    const expansion = expansionOfOwner(run, functionIn(run, known, id.slice(0, at)));
    if (expansion === undefined) continue;
    const local = (rest: string): number => {
      const i = expansion.indexOf(rest);
      return i < 0 ? -1 : expansion.base + i;
    };
    const found = findIn(run, local, id.slice(at + 1));
    if (found >= 0) return found;
  }
  return -1;
}

/** The function or element with an id that names no graph. */
function functionIn(run: Run, known: (id: string) => number, id: string): number {
  const direct = known(id);
  if (direct >= 0) return direct;
  const [, owner, k] = elementId.exec(id) ?? [];
  const span = owner === undefined ? undefined : spanOfOwner(run, known(owner));
  return span === undefined || Number(k) >= span.count || String(Number(k)) !== k ? -1 : span.base + Number(k);
}
