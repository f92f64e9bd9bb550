/** Makes functions ready and puts them into their class of the queue. */
import { shortage } from '../resources/amounts.ts';
import type { Command } from './commands.ts';
import { Flag, isConcurrent } from '../../dag/compile/compiled-dag.ts';
import type { Cost } from '../../dag/types.ts';
import { rankOf, spanOf } from './growth/growth.ts';
import { nearestHost } from './dispatch/locality.ts';
import type { Demand } from './ready-queue.ts';
import { type Node, nextId, type Run, type State, Status } from './state.ts';

/** Makes a function ready: all its inputs exist, and it may start as soon as there is room. */
export function makeReady(state: State, run: Run, i: number, out: Command[]): void {
  if (run.plan.maps !== null && waitsFurther(state, run, i, out)) return;
  run.status[i] = Status.ready;
  enqueue(state, run, i);
  if (state.observed) out.push({ type: 'Ready', run, index: i });
}

/** Whether a function is a map, which waits for its elements, or an element that waits for a place. */
function waitsFurther(state: State, run: Run, i: number, out: Command[]): boolean {
  if ((run.plan.flags[i]! & Flag.map) !== 0) {
    askForElements(state, run, i, out);
    return true;
  }
  const span = spanOf(run, i);
  if (span === undefined || span.map.concurrency === Infinity || span.admitted.has(i)) return false;
  if (span.admitted.size < span.map.concurrency) {
    span.admitted.add(i);
    return false;
  }
  run.status[i] = Status.waiting;
  span.held.push(i);
  return true;
}

function askForElements(state: State, run: Run, i: number, out: Command[]): void {
  run.status[i] = Status.growing;
  const { source } = run.plan.maps!.get(i)!;
  if (source >= 0) return void state.extensible.push({ run, index: i });
  const asked = nextId(state);
  run.asked.set(i, asked);
  out.push({ type: 'Grow', run, index: i, asked });
}

/** Asks for the graph that a function answered with. */
export function askForGraph(state: State, run: Run, i: number, out: Command[]): void {
  run.status[i] = Status.growing;
  run.batch[i] = -1;
  const asked = nextId(state);
  run.asked.set(i, asked);
  out.push({ type: 'Expand', run, index: i, asked });
}

/**
 * Returns a function that must run (again) to the state that its missing inputs require. Even a function that had
 * started may miss some: the unreported results of a dead worker are lost.
 */
export function putBack(state: State, run: Run, i: number, out: Command[]): void {
  run.batch[i] = -1;
  if (run.outcome === undefined && run.missing[i] === 0) makeReady(state, run, i, out);
  else run.status[i] = Status.waiting;
}

export interface Possible {
  /** The nodes it may run on, and a description of them. */
  readonly candidates: readonly Node[];
  readonly node: string;
  /** Its cost or, while its group has no node, the cost of the group. */
  readonly need: Cost;
  /** Whether a candidate that is up or coming back could run it. */
  readonly able: boolean;
}

/** The nodes that a function may run on. */
export function nodesFor(state: State, run: Run, i: number): Possible {
  const { plan } = run;
  const group = groupOf(run, i);
  const need = plan.costs[group >= 0 ? plan.groups[group]!.need : plan.cost[i]!] ?? {};
  const fixed = fixedNode(run, i);
  const name = fixed >= 0 ? state.nodes[fixed]!.name : group >= 0 ? plan.groups[group]!.pin : plan.pins.get(i);
  const nodes = name === undefined ? state.nodes : [state.nodeByName.get(name)!];
  const able = nodes.some(
    (node) =>
      (node.host === 0 || run.settings.hereOnly !== true) &&
      ((node.up && !node.draining) || node.returning) &&
      shortage(need, node.capabilities) === undefined,
  );
  return { candidates: nodes, node: name ?? nodes.map((node) => node.name).join(', '), need, able };
}

/** Adds a ready function to the queue, by its current demands. */
export function enqueue(state: State, run: Run, i: number): void {
  const demand = demandOf(state, run, i);
  const rank = rankOf(run, i);
  if (run.settings.allocator !== undefined && demand.node === -1) run.queue.setAside(rank);
  else run.queue.push(rank, demand);
  state.hungry.add(run);
}

/** The current demands of a function. */
export function demandOf(state: State, run: Run, i: number): Demand {
  const { plan } = run;
  const cost = plan.cost[i]!;
  let node = fixedNode(run, i);
  if (node === -1 && plan.pins.size > 0) node = nodeIndex(state, plan.pins.get(i));
  let need = 0;
  const group = groupOf(run, i);
  if (node === -1 && group >= 0) {
    node = nodeIndex(state, plan.groups[group]!.pin);
    if (node === -1) need = plan.groups[group]!.need;
  }
  const prefer = node === -1 && state.isSpread ? nearestHost(state, run, i) : -1;
  const avoid = node === -1 ? (run.avoid.get(i) ?? -1) : -1;
  return { cost, node, avoid, need, prefer, concurrent: isShared(run, i) };
}

/** Whether a function may have a seat on a thread beside others. */
export function isShared(run: Run, i: number): boolean {
  return isConcurrent(run.plan, i) && !run.suspects.has(i);
}

/** The node that a function is bound to, by an allocator or with its group; -1 for none. */
export function fixedNode(run: Run, i: number): number {
  if (run.assigned !== null && run.assigned[i]! >= 0) return run.assigned[i]!;
  const group = groupOf(run, i);
  return group < 0 ? -1 : run.groupNode[group]!;
}

export function groupOf({ plan }: Run, i: number): number {
  return plan.group === null ? -1 : plan.group[i]!;
}

function nodeIndex(state: State, name: string | undefined): number {
  return name === undefined ? -1 : (state.nodeByName.get(name)?.index ?? -1);
}
