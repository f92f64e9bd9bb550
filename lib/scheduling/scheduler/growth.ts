/**
 * Runs that grow: the elements of maps, which are known only once their list exists. They are appended behind the
 * functions of the plan, so that no index changes. Growing costs O(new functions), amortized.
 *
 * ```
 *   plan:      list ──► thumbs (map) ──► scored (map) ──► best
 *   elements:           thumbs[0] ─────► scored[0]
 *                       thumbs[1] ─────► scored[1]       no edge is stored: element k of a span takes
 *                       …                …               element k of the span before it
 * ```
 *
 * A map is done when all its elements are. An element waits for what its map waits for, except for the list, of which
 * it takes one element.
 */
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import type { Entry } from '../../dag/entry.ts';
import { Flag } from '../../dag/compiled-dag.ts';
import type { Span } from './span.ts';
import type { Run } from './state.ts';

/** The span of an element; undefined for a function of the plan. */
export function spanOf({ growth }: Run, i: number): Span | undefined {
  if (growth === null || i < growth.size) return undefined;
  const { spans } = growth;
  let low = 0;
  for (let high = spans.length; high - low > 1;) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.base <= i) low = middle;
    else high = middle;
  }
  return spans[low]!;
}

/** The elements of a map; undefined if they are not known, or it is no map. */
export function spanOfOwner({ growth }: Run, i: number): Span | undefined {
  return growth === null ? undefined : growth.byOwner.get(i);
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

/** The functions whose results are read for an input: the elements of a map, or the function itself. */
export function holdersOf(run: Run, dep: number): Iterable<number> {
  const span = spanOfOwner(run, dep);
  return span === undefined ? [dep] : elementsOf(span);
}

export function* elementsOf({ base, count }: Span): Iterable<number> {
  for (let i = base; i < base + count; i++) yield i;
}

/** The place of a function in the dispatch order. Elements come in place of their first map, in the order of the list. */
export function rankOf(run: Run, i: number): number {
  const span = spanOf(run, i);
  if (span === undefined) return run.plan.rank[i]!;
  const { root, place, places } = span.map;
  // The later maps first, so that what the first elements become is known early, and few results are kept.
  const position = (i - span.base) * places + (places - 1 - place);
  return run.plan.rank[root]! + (position + 1) / scaleOf(run);
}

/** The reverse of `rankOf`. */
export function functionAt(run: Run, rank: number): number {
  const { growth, plan } = run;
  if (growth === null) return plan.byRank[rank]!;
  const whole = Math.floor(rank);
  if (whole === rank) return plan.byRank[rank]!;
  const root = plan.byRank[whole]!;
  const { places } = plan.maps!.get(root)!;
  const position = Math.round((rank - whole) * scaleOf(run)) - 1;
  const place = places - 1 - (position % places);
  const span = growth.spans.find(({ map }) => map.root === root && map.place === place)!;
  return span.base + Math.floor(position / places);
}

/** Ranks are whole numbers below the size of the plan; the other bits of a double are for the positions of elements. */
function scaleOf({ growth }: Run): number {
  return 2 ** (52 - Math.ceil(Math.log2(growth!.size + 1)));
}

/** Appends the elements of a map to a run. They wait for nothing yet. */
export function append(run: Run, owner: number, count: number, source: Span | null): Span {
  run.growth ??= { size: run.plan.size, spans: [], byOwner: new Map() };
  const { growth, plan } = run;
  const base = plan.size;
  const map = plan.maps!.get(owner)!;
  const span: Span = {
    owner,
    map,
    base,
    count,
    source,
    takers: [],
    isListRead: false,
    left: count,
    admitted: new Set(),
    held: [],
    nextHeld: 0,
  };
  extendRun(run, base + count, owner);
  run.plan = extendPlan(run, span);
  if (count > 0) growth.spans.push(span);
  growth.byOwner.set(owner, span);
  source?.takers.push(span);
  return span;
}

function extendRun(run: Run, size: number, owner: number): void {
  run.status = extended(run.status, size, 0);
  run.missing = extended(run.missing, size, 0);
  run.attempts = extended(run.attempts, size, 0);
  run.node = extended(run.node, size, -1);
  run.batch = extended(run.batch, size, -1);
  run.tally = extended(run.tally, size, 0);
  if (run.unread !== null) run.unread = extended(run.unread, size, 0);
  if (run.assigned !== null) run.assigned = extended(run.assigned, size, -1);
  const { kept, home } = run.settings;
  if (kept !== null) run.settings = { ...run.settings, kept: extended(kept, size, kept[owner]!) };
  if (home !== undefined) run.settings = { ...run.settings, home: extended(home, size, -1) };
}

function extendPlan(run: Run, { owner, base, count, map }: Span): CompiledDag {
  const { plan } = run;
  const size = base + count;
  const kind = plan.flags[owner]! & (Flag.exclusive | Flag.once | Flag.limited);
  const isLimited = map.concurrency < Infinity;
  const entries = plan.entries as Entry[];
  const own = entries.length === run.growth!.size && base === run.growth!.size ? [...entries] : entries;
  const of = own[owner]!;
  for (let k = 0; k < count; k++) own.push(new ElementEntry(of, k));
  return {
    ...plan,
    size,
    entries: own,
    indexOf: (id) => indexOf(run, id),
    depOffset: extended(plan.depOffset, size + 1, plan.depOffset[base]!),
    outOffset: extended(plan.outOffset, size + 1, plan.outOffset[base]!),
    inDegree: extended(plan.inDegree, size, 0),
    bLevel: extended(plan.bLevel, size, plan.bLevel[owner]!),
    // Those of a limited map must ask for a place, so they do not follow others in a batch.
    flags: extended(plan.flags, size, kind | (isLimited ? Flag.ordered : 0)),
    code: extended(plan.code, size, plan.code[owner]!),
    cost: extended(plan.cost, size, plan.cost[owner]!),
    group: plan.group === null ? null : extended(plan.group, size, -1),
    pins: plan.pins.size === 0 || plan.pins instanceof ElementPins ? plan.pins : new ElementPins(run, plan.pins),
  };
}

/** An element is pinned to the node of its map. */
class ElementPins extends Map<number, string> {
  readonly #run: Run;

  constructor(run: Run, pins: ReadonlyMap<number, string>) {
    super(pins);
    this.#run = run;
  }

  override get(i: number): string | undefined {
    return super.get(spanOf(this.#run, i)?.owner ?? i);
  }
}

/** The record of an element. Its id is made on demand, because there may be millions. */
class ElementEntry implements Entry {
  readonly #of: Entry;
  readonly #k: number;

  constructor(of: Entry, k: number) {
    this.#of = of;
    this.#k = k;
  }

  get id(): string {
    return `${this.#of.id}[${this.#k}]`;
  }

  get args(): Entry['args'] {
    return this.#of.args;
  }

  get code(): Entry['code'] {
    return this.#of.code;
  }

  get extraArgs(): Entry['extraArgs'] {
    return this.#of.extraArgs;
  }

  get traits(): Entry['traits'] {
    return this.#of.traits;
  }
}

const elementId = /^(.*)\[(\d+)\]$/s;

function indexOf(run: Run, id: string): number {
  const { growth, plan } = run;
  const known = run.indexOf(id);
  if (known >= 0) return known;
  const [, owner, k] = elementId.exec(id) ?? [];
  if (owner === undefined) return -1;
  const span = growth!.byOwner.get(run.indexOf(owner));
  void plan;
  return span === undefined || Number(k) >= span.count || String(Number(k)) !== k ? -1 : span.base + Number(k);
}

type Column = Int32Array | Uint8Array | Float64Array;

/** A column with more entries. Its memory doubles when it is full, so that each entry is copied a few times at most. */
function extended<Kind extends Column>(column: Kind, size: number, fill: number): Kind {
  const { length, buffer, byteOffset, BYTES_PER_ELEMENT } = column;
  const Columns = column.constructor as new (from: number | ArrayBufferLike, offset?: number, length?: number) => Kind;
  const hasRoom = byteOffset + size * BYTES_PER_ELEMENT <= buffer.byteLength;
  const memory = hasRoom ? buffer : new Columns(Math.max(size, 2 * length)).buffer;
  const longer = new Columns(memory, hasRoom ? byteOffset : 0, size);
  if (!hasRoom) longer.set(column);
  longer.fill(fill, length);
  return longer;
}
