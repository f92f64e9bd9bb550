/**
 * Binding of groups to nodes. Collocated functions are bound when the first of them starts, or when another function
 * needs their node. The first function may take little time and claim nothing, while the root of the group, which needs
 * the room, starts later. So a run counts the room that each node has promised to roots that have not started, and
 * prefers nodes with room beyond that.
 */
import { add, amountOf, subtract } from '../../resources/amounts.ts';
import type { Cost } from '../../../dag/types.ts';
import { groupOf } from '../ready.ts';
import { type Node, type Promised, type Run, Status } from '../state.ts';

/** The group that a function binds by starting before the root; -1 for none. */
export function groupToBind(run: Run, i: number): number {
  const group = groupOf(run, i);
  return group >= 0 && run.groupNode[group] === -1 && run.plan.groups[group]!.root !== i ? group : -1;
}

/** Binds a group to a node. */
export function bindGroup(run: Run, group: number, node: Node): void {
  if (run.groupNode[group] === node.index) return;
  release(run, group);
  run.groupNode[group] = node.index;
  if (run.status[run.plan.groups[group]!.root]! >= Status.dispatched) return;
  let promised = run.promised.get(node.index);
  if (promised === undefined) run.promised.set(node.index, (promised = { groups: 0, amounts: {} }));
  promised.groups++;
  add(promised.amounts, needOf(run, group));
  run.promisedAt[group] = node.index;
}

/** Unbinds the groups of a node, so that they may go elsewhere. */
export function unbindGroups(run: Run, node: Node): void {
  for (let group = 0; group < run.plan.groups.length; group++) {
    if (run.groupNode[group] !== node.index) continue;
    release(run, group);
    run.groupNode[group] = -1;
  }
}

/** Drops the promise to a group whose root starts or never will. */
export function settlePromise(run: Run, i: number): void {
  const group = groupOf(run, i);
  if (group >= 0 && run.plan.groups[group]!.root === i) release(run, group);
}

function release(run: Run, group: number): void {
  const at = run.promisedAt[group]!;
  if (at < 0) return;
  const promised = run.promised.get(at)!;
  promised.groups--;
  subtract(promised.amounts, needOf(run, group));
  run.promisedAt[group] = -1;
}

/** How full a node would be with a group added, where 1 is full: by the group's cost, or by threads if it has none. */
function fullness(run: Run, group: number, node: Node): number {
  const { groups, amounts } = run.promised.get(node.index) ?? nothing;
  const need = needOf(run, group);
  let highest = -1;
  for (const name in need) {
    if (!(need[name]! > 0)) continue;
    const used = amountOf(node.claimed, name) + amountOf(amounts, name) + need[name]!;
    highest = Math.max(highest, used / amountOf(node.capabilities, name));
  }
  return highest >= 0 ? highest : (groups + 1) / Math.max(1, node.threadsUp);
}

/** Whether a node has room for a group beyond its promises. */
export function hasRoom(run: Run, group: number, node: Node): boolean {
  return fullness(run, group, node) <= 1 + 1e-9;
}

/** Sorts nodes: first those with room for a group, in the given order, then the others, the least full first. */
export function byRoom(run: Run, group: number, nodes: readonly Node[]): Node[] {
  const full = new Map(nodes.map((node) => [node, Math.max(1 + 1e-9, fullness(run, group, node))]));
  return nodes.toSorted((a, b) => full.get(a)! - full.get(b)!);
}

const nothing: Promised = { groups: 0, amounts: {} };
const noCost: Cost = {};

function needOf({ plan }: Run, group: number): Cost {
  return plan.costs[plan.groups[group]!.need] ?? noCost;
}
