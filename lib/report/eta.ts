/**
 * Estimates the rest of a run: the longest remaining path, or the remaining work divided by the capacity, whichever is
 * longer.
 */
import { fromDependencies, type Links, sortTopologically } from '../dag/compile/links.ts';
import type { Capabilities } from '../dag/types.ts';
import type { Growth, RunGraph } from '../events/run-graph.ts';
import { Outcome, type RunRecord } from './run-record.ts';

/** The properties of a node that affect its throughput. */
export interface EtaNode {
  readonly threads: number;
  /** Relative to a node of speed 1, the default. */
  readonly speed?: number;
  /** Default: unlimited. */
  readonly capabilities?: Capabilities;
}

/**
 * Lower estimate of the remaining ms, based on durations of functions with the same name so far, or else on declared
 * durations.
 *
 * Reads every function and every edge: for a large run, call it once a second, not for every frame.
 *
 * @param now ms since the epoch
 * @param nodes that work on the run; an empty list means a thread for every function
 * @param running start times of running functions in ms since the epoch, as far as known
 * @returns 0 if nothing is left, undefined if no duration is known
 */
export function remainingOf(
  record: RunRecord,
  now: number,
  nodes: readonly EtaNode[] = [],
  running: ReadonlyMap<number, number> = new Map(),
): number | undefined {
  const { graph, outcome } = record;
  if (record.endedAt !== undefined) return 0;
  const durationOf = estimates(record);
  const fastest = nodes.reduce((speed, node) => Math.max(speed, node.speed ?? 1), 0) || 1;
  const { order, outOffset, outs, owners } = shapeOf(graph);
  const level = new Float64Array(graph.ids.length);
  const held = new Float64Array(graph.costs.length); // by cost: ms on a node of speed 1
  let [longest, work] = [0, 0];
  for (let at = order.length - 1; at >= 0; at--) {
    const i = order[at]!;
    const grownBy = owners.get(i);
    // What comes after a function that is done is counted there, unless it waits for what the function has brought.
    if (outcome[i] !== Outcome.waiting && grownBy === undefined) continue;
    let after = 0;
    for (let k = outOffset[i]!; k < outOffset[i + 1]!; k++) if (level[outs[k]!]! > after) after = level[outs[k]!]!;
    level[i] = after;
    if (outcome[i] !== Outcome.waiting || grownBy?.isMap === true) continue;
    const whole = durationOf(i);
    if (whole === undefined) return undefined;
    const begun = running.get(i);
    const ms = begun === undefined ? whole / fastest : Math.max(0, whole / fastest - (now - begun));
    level[i] = after + ms;
    if (level[i]! > longest) longest = level[i]!;
    work += ms * fastest;
    held[graph.cost[i]!]! += ms * fastest;
  }
  return Math.max(longest, ...shares(graph, nodes, work, held));
}

/** ms that the work takes on all threads together, and on the capacity of each resource. */
function shares({ costs }: RunGraph, nodes: readonly EtaNode[], work: number, held: Float64Array): number[] {
  const bounds: number[] = [];
  const threads = nodes.reduce((sum, { threads: count, speed = 1 }) => sum + count * speed, 0);
  if (threads > 0) bounds.push(work / threads);
  const needs = new Map<string, number>();
  costs.forEach((cost, c) => {
    for (const [name, amount] of Object.entries(cost ?? {}))
      needs.set(name, (needs.get(name) ?? 0) + amount * held[c]!);
  });
  for (const [name, need] of needs) {
    const capacity = nodes.reduce(
      (sum, { capabilities = {}, speed = 1 }) =>
        sum + (Object.hasOwn(capabilities, name) ? capabilities[name]! : 0) * speed,
      0,
    );
    if (capacity > 0) bounds.push(need / capacity);
  }
  return bounds;
}

/**
 * ms by function. A declared duration is corrected by the error of declarations for the same name, up to that factor.
 * Other functions take as long as those with the same name, or as the average of all.
 */
function estimates({ graph, outcome, begun, ended }: RunRecord): (i: number) => number | undefined {
  const { names, code, duration } = graph;
  const count = new Float64Array(names.length + 1);
  const took = new Float64Array(names.length + 1);
  const declared = new Float64Array(names.length + 1);
  const tookOfDeclared = new Float64Array(names.length + 1);
  for (let i = 0; i < outcome.length; i++) {
    // A map has no attempt of its own, and neither has a function whose result was recorded or cached.
    if (outcome[i] !== Outcome.done || Number.isNaN(ended[i]!)) continue;
    const ms = Math.max(0, ended[i]! - begun[i]!);
    for (const c of [code[i]!, names.length]) {
      // the last entry is for all names
      count[c]!++;
      took[c]! += ms;
      if (duration[i] === null) continue;
      declared[c]! += duration[i]!;
      tookOfDeclared[c]! += ms;
    }
  }
  const firstKnown = (c: number, sums: Float64Array): number => (sums[c]! > 0 ? c : names.length);
  return (i) => {
    const says = duration[i] ?? null;
    if (says !== null) {
      const c = firstKnown(code[i]!, declared);
      return declared[c]! > 0 ? says * (tookOfDeclared[c]! / declared[c]!) : says;
    }
    const c = firstKnown(code[i]!, count);
    return count[c]! > 0 ? took[c]! / count[c]! : undefined;
  };
}

interface Shape extends Links {
  /** A topological order without the functions of cycles. */
  readonly order: Int32Array;
  /** Functions that the run has grown by: maps, and those that answered with a graph. */
  readonly owners: ReadonlyMap<number, Growth>;
}

const shapes = new WeakMap<RunGraph, Shape>();

function shapeOf(graph: RunGraph): Shape {
  const known = shapes.get(graph);
  if (known?.size === graph.ids.length && known.owners.size === (graph.growth?.length ?? 0)) return known;
  const shape = toShape(graph);
  shapes.set(graph, shape);
  return shape;
}

/** What takes the result of a map waits for its elements; what takes that of another owner, for the functions it brought. */
function toShape({ deps, growth = [] }: RunGraph): Shape {
  const owners = new Map(growth.map((each) => [each.owner, each]));
  const depOffset = new Int32Array(deps.length + 1);
  deps.forEach((each, i) => (depOffset[i + 1] = depOffset[i]! + each.length + (owners.get(i)?.count ?? 0)));
  const links = new Int32Array(depOffset[deps.length]!);
  deps.forEach((each, i) => {
    links.set(each, depOffset[i]!);
    const { first, count } = owners.get(i) ?? { first: 0, count: 0 };
    for (let k = 0; k < count; k++) links[depOffset[i]! + each.length + k] = first + k;
  });
  const all = fromDependencies(depOffset, links);
  return { ...all, order: sortTopologically(all), owners };
}
